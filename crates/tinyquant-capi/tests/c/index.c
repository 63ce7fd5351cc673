/* Search indexes and their files, against what the Rust API gives for the same calls. */
#include "check.h"

enum { DIM = 130 };

static bool is_same_file(const TqIndex *index, const struct folders *folders, const char *name) {
    uint8_t *bytes = NULL;
    size_t len = 0;
    OK(tq_index_to_bytes(index, &bytes, &len));
    struct content expected = read_all(folders->expected, name);
    bool is_same = same(bytes, len, expected.bytes, expected.len);
    OK(tq_bytes_free(bytes, len));
    free(expected.bytes);
    return is_same;
}

static void test_searches(const TqIndex *index, const struct folders *folders, const float *queries, size_t len) {
    TqSearchOptions options;
    TqHits *hits = NULL;
    OK(tq_search_options_init(&options));
    CHECK(options.k == 10);
    OK(tq_index_search_batch(index, queries, len, &options, &hits));
    CHECK(are_expected(hits, false, folders, "index-hits.txt"));
    /* One query alone finds what it finds among others. */
    for (size_t query = 0; query < len / DIM; query += 1) {
        TqHits *alone = NULL;
        OK(tq_index_search(index, queries + query * DIM, DIM, &options, &alone));
        CHECK(tq_hits_queries(alone) == 1 && tq_hits_len(alone, 0) == 10);
        CHECK(memcmp(tq_hits_numbers(alone, 0), tq_hits_numbers(hits, query), 10 * sizeof(uint64_t)) == 0);
        CHECK(memcmp(tq_hits_scores(alone, 0), tq_hits_scores(hits, query), 10 * sizeof(float)) == 0);
        OK(tq_hits_free(alone));
    }
    REFUSED(TQ_ERR_INVALID_ARG, tq_hits_text(hits, 0, 0, NULL) == NULL);
    OK(tq_hits_free(hits));

    options.k = 3;
    options.exact = 1;
    options.filter = TQ_FILTER_ROWS;
    const uint8_t rows[2] = {0x81, 0x10};
    options.allowed_rows = rows;
    options.allowed_len = sizeof rows;
    OK(tq_index_search_batch(index, queries, len, &options, &hits));
    CHECK(are_expected(hits, false, folders, "filtered-hits.txt"));
    OK(tq_hits_free(hits));
    const uint64_t numbers[4] = {12, 7, 0, 1000000};
    options.filter = TQ_FILTER_NUMBERS;
    options.allowed_numbers = numbers;
    options.allowed_len = 4;
    OK(tq_index_search_batch(index, queries, len, &options, &hits));
    CHECK(are_expected(hits, false, folders, "filtered-hits.txt"));
    OK(tq_hits_free(hits));
    options.allowed_len = 0;
    OK(tq_index_search(index, queries, DIM, &options, &hits));
    CHECK(tq_hits_len(hits, 0) == 0);
    OK(tq_hits_free(hits));
}

static void test_search_refusals(const TqIndex *index, const float *queries, size_t len) {
    TqSearchOptions options;
    TqHits *hits = NULL;
    OK(tq_search_options_init(&options));
    EXPECT(TQ_ERR_INVALID_ARG, tq_search_options_init(NULL));
    EXPECT(TQ_ERR_DIM_MISMATCH, tq_index_search(index, queries, DIM - 1, &options, &hits));
    EXPECT(TQ_ERR_DIM_MISMATCH, tq_index_search_batch(index, queries, len - 1, &options, &hits));
    EXPECT(TQ_ERR_INVALID_ARG, tq_index_search(index, NULL, DIM, &options, &hits));
    EXPECT(TQ_ERR_INVALID_ARG, tq_index_search(index, queries, DIM, NULL, &hits));
    EXPECT(TQ_ERR_INVALID_ARG, tq_index_search(index, queries, DIM, &options, NULL));
    options.k = 0;
    EXPECT(TQ_ERR_INVALID_ARG, tq_index_search(index, queries, DIM, &options, &hits));
    options.k = 1;
    options.effort = -1;
    EXPECT(TQ_ERR_INVALID_ARG, tq_index_search(index, queries, DIM, &options, &hits));
    options.effort = 1;
    options.rescore = 3;
    EXPECT(TQ_ERR_INVALID_ARG, tq_index_search(index, queries, DIM, &options, &hits));
    options.rescore = TQ_RESCORE_OFF;
    options.filter = 4;
    EXPECT(TQ_ERR_INVALID_ARG, tq_index_search(index, queries, DIM, &options, &hits));
    options.filter = TQ_FILTER_TEXTS;
    options.allowed_len = 1;
    EXPECT(TQ_ERR_INVALID_ARG, tq_index_search(index, queries, DIM, &options, &hits));
    CHECK(hits == NULL);
}

static void test_numbers(const struct folders *folders, const float *vectors, size_t len, const float *queries, size_t queries_len) {
    TqIndexOptions options;
    TqIndex *index = NULL, *opened = NULL;
    OK(tq_index_options_init(&options, DIM));
    OK(tq_index_build(&options, vectors, len, NULL, 0, &index));
    size_t rows = len / DIM;
    CHECK(tq_index_len(index) == rows && tq_index_dim(index) == DIM && tq_index_is_fitted(index));
    CHECK(is_same_file(index, folders, "index.tqi"));
    test_searches(index, folders, queries, queries_len);
    test_search_refusals(index, queries, queries_len);

    char path[4200];
    snprintf(path, sizeof path, "%s", path_of(folders->scratch, "index.tqi"));
    OK(tq_index_save(index, path));
    struct content saved = read_all(folders->scratch, "index.tqi");
    struct content expected = read_all(folders->expected, "index.tqi");
    CHECK(same(saved.bytes, saved.len, expected.bytes, expected.len));
    for (uint8_t is_mapped = 0; is_mapped < 2; is_mapped += 1) {
        OK(tq_index_open(path, is_mapped, true, &opened));
        test_searches(opened, folders, queries, queries_len);
        OK(tq_index_free(opened));
    }
    OK(tq_index_from_bytes(saved.bytes, saved.len, &opened));
    test_searches(opened, folders, queries, queries_len);
    float vector[DIM], again[DIM];
    OK(tq_index_reconstruct(index, 5, vector, DIM));
    OK(tq_index_reconstruct(opened, 5, again, DIM));
    CHECK(memcmp(vector, again, sizeof vector) == 0);
    OK(tq_index_free(opened));
    EXPECT(TQ_ERR_TRUNCATED, tq_index_from_bytes(saved.bytes, saved.len / 2, &opened));
    EXPECT(TQ_ERR_INVALID_ARG, tq_index_from_bytes(NULL, saved.len, &opened));
    EXPECT(TQ_ERR_FORMAT, tq_index_open(path_of(folders->expected, "corpus.tqv"), true, false, &opened));
    EXPECT(TQ_ERR_IO, tq_index_open(path_of(folders->scratch, "none.tqi"), true, false, &opened));
    EXPECT(TQ_ERR_IO, tq_index_save(index, path_of(folders->scratch, "none/index.tqi")));

    /* Removing and adding, and a file that only grows by it. */
    const uint64_t gone[3] = {5, 6, 1000000};
    size_t removed = 0;
    OK(tq_index_remove(index, gone, 3, &removed));
    CHECK(removed == 2 && tq_index_len(index) == rows - 2);
    OK(tq_index_remove(index, gone, 3, NULL));
    bool found = true;
    OK(tq_index_contains(index, 5, &found));
    CHECK(!found);
    EXPECT(TQ_ERR_ID_NOT_FOUND, tq_index_reconstruct(index, 5, vector, DIM));
    EXPECT(TQ_ERR_DIM_MISMATCH, tq_index_reconstruct(index, 7, vector, DIM - 1));
    const uint64_t name = 777777;
    OK(tq_index_add(index, vectors, DIM, &name, 1));
    EXPECT(TQ_ERR_ID_EXISTS, tq_index_add(index, vectors, DIM, &name, 1));
    const uint64_t huge = UINT64_MAX;
    EXPECT(TQ_ERR_ID_RANGE, tq_index_add(index, vectors, DIM, &huge, 1));
    EXPECT(TQ_ERR_INVALID_ARG, tq_index_add(index, vectors, 2 * DIM, &name, 1));
    EXPECT(TQ_ERR_INVALID_ARG, tq_index_add(index, vectors, DIM, NULL, 1));
    EXPECT(TQ_ERR_DIM_MISMATCH, tq_index_add(index, vectors, DIM + 1, NULL, 0));
    OK(tq_index_add(index, vectors, DIM, NULL, 0));
    OK(tq_index_contains(index, 777778, &found));
    CHECK(found && tq_index_len(index) == rows);
    TqIds *ids = NULL;
    OK(tq_index_ids(index, &ids));
    CHECK(tq_ids_len(ids) == rows && tq_ids_numbers(ids)[4] == 4 && tq_ids_numbers(ids)[5] == 7);
    REFUSED(TQ_ERR_INVALID_ARG, tq_ids_text(ids, 0, NULL) == NULL);
    OK(tq_ids_free(ids));
    EXPECT(TQ_ERR_INVALID_ARG, tq_index_sync(index, path_of(folders->expected, "index.tqi")));
    OK(tq_index_sync(index, path));
    free(saved.bytes);
    saved = read_all(folders->scratch, "index.tqi");
    CHECK(saved.len > expected.len);
    OK(tq_index_open(path, true, true, &opened));
    CHECK(tq_index_len(opened) == rows);
    OK(tq_index_free(opened));
    OK(tq_index_free(index));
    free(saved.bytes);
    free(expected.bytes);
}

static void test_texts(const struct folders *folders, const float *vectors, const float *queries) {
    const char *ids[3] = {"eins", "zwei", "drei"};
    TqIndexOptions options;
    TqIndex *index = NULL, *built = NULL;
    OK(tq_index_options_init(&options, DIM));
    options.id_kind = TQ_ID_TEXT;
    options.originals = TQ_ORIGINALS_F32;
    options.metric = TQ_METRIC_L2;
    OK(tq_index_new(&options, &index));
    CHECK(!tq_index_is_fitted(index));
    OK(tq_index_fit(index, vectors, 300 * DIM));
    CHECK(tq_index_is_fitted(index));
    EXPECT(TQ_ERR_INVALID_ARG, tq_index_fit(index, vectors, 0));
    EXPECT(TQ_ERR_INVALID_ARG, tq_index_add(index, vectors, DIM, NULL, 0));
    OK(tq_index_add_texts(index, vectors, 3 * DIM, ids, 3));
    EXPECT(TQ_ERR_INVALID_ARG, tq_index_fit(index, vectors, 300 * DIM));
    EXPECT(TQ_ERR_ID_EXISTS, tq_index_add_texts(index, vectors, DIM, ids, 1));
    EXPECT(TQ_ERR_INVALID_ARG, tq_index_add_texts(index, vectors, DIM, NULL, 1));
    float vector[DIM];
    OK(tq_index_reconstruct_text(index, "zwei", vector, DIM));
    CHECK(memcmp(vector, vectors + DIM, sizeof vector) == 0);
    EXPECT(TQ_ERR_ID_NOT_FOUND, tq_index_reconstruct_text(index, "vier", vector, DIM));
    bool found = false;
    OK(tq_index_contains_text(index, "drei", &found));
    CHECK(found);
    EXPECT(TQ_ERR_INVALID_ARG, tq_index_contains_text(index, NULL, &found));

    TqSearchOptions search;
    TqHits *hits = NULL;
    OK(tq_search_options_init(&search));
    search.filter = TQ_FILTER_TEXTS;
    search.allowed_texts = ids + 1;
    search.allowed_len = 2;
    search.rescore = TQ_RESCORE_ON;
    OK(tq_index_search(index, vectors + 2 * DIM, DIM, &search, &hits));
    CHECK(tq_hits_len(hits, 0) == 2 && strcmp(tq_hits_text(hits, 0, 0, NULL), "drei") == 0);
    CHECK(tq_hits_scores(hits, 0)[0] == 0.0f);
    OK(tq_hits_free(hits));
    size_t removed = 0;
    OK(tq_index_remove_texts(index, ids, 3, &removed));
    CHECK(removed == 3 && tq_index_len(index) == 0);

    /* An index that has no file yet is saved by the first sync. */
    OK(tq_index_build_texts(&options, vectors, 3 * DIM, ids, 3, &built));
    EXPECT(TQ_ERR_INVALID_ARG, tq_index_build_texts(&options, vectors, 3 * DIM, ids, 2, &index));
    CHECK(is_same_file(built, folders, "texts.tqi"));
    OK(tq_index_sync(built, path_of(folders->scratch, "texts.tqi")));
    TqIndex *opened = NULL;
    OK(tq_index_open(path_of(folders->scratch, "texts.tqi"), true, true, &opened));
    search.filter = TQ_FILTER_NONE;
    OK(tq_index_search_batch(opened, queries, 2 * DIM, &search, &hits));
    CHECK(are_expected(hits, true, folders, "text-hits.txt"));
    OK(tq_hits_free(hits));
    OK(tq_index_free(opened));
    OK(tq_index_free(built));
    OK(tq_index_free(index));
}

static void test_refusals(const float *vectors) {
    TqIndexOptions options;
    TqIndex *index = NULL;
    EXPECT(TQ_ERR_INVALID_ARG, tq_index_options_init(NULL, DIM));
    OK(tq_index_options_init(&options, 1));
    EXPECT(TQ_ERR_INVALID_ARG, tq_index_new(&options, &index));
    EXPECT(TQ_ERR_INVALID_ARG, tq_index_new(NULL, &index));
    options.dim = DIM;
    options.bits = 260;
    EXPECT(TQ_ERR_INVALID_ARG, tq_index_new(&options, &index));
    options.bits = 4;
    options.metric = 3;
    EXPECT(TQ_ERR_INVALID_ARG, tq_index_new(&options, &index));
    options.metric = TQ_METRIC_DOT;
    options.id_kind = 3;
    EXPECT(TQ_ERR_INVALID_ARG, tq_index_new(&options, &index));
    options.id_kind = TQ_ID_BIGINT;
    options.originals = 3;
    EXPECT(TQ_ERR_INVALID_ARG, tq_index_new(&options, &index));
    options.originals = TQ_ORIGINALS_F16;
    options.partitions = 65537;
    EXPECT(TQ_ERR_INVALID_ARG, tq_index_build(&options, vectors, DIM, NULL, 0, &index));
    options.partitions = 1;
    const uint64_t id = UINT64_MAX - 1;
    OK(tq_index_build(&options, vectors, DIM, &id, 1, &index));
    OK(tq_index_free(index));
}

void test_index(const struct folders *folders) {
    size_t len, queries_len;
    float *vectors = read_floats(folders->expected, "vectors.f32", &len);
    float *queries = read_floats(folders->expected, "queries.f32", &queries_len);
    test_numbers(folders, vectors, len, queries, queries_len);
    test_texts(folders, vectors, queries);
    test_refusals(vectors);
    CHECK(tq_live_objects() == 0);
    free(queries);
    free(vectors);
}
