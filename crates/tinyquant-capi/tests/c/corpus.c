/* Corpora and their files, against what the Rust API gives for the same calls. */
#include "check.h"

enum { DIM = 130, ROWS = 60, FIRST = 40 };

/* The corpus that the Rust API makes too: FIRST vectors in a batch, the others one by one, with texts and times. */
static TqCorpus *fill(const float *vectors, TqCodecConfig *config, TqCodebook *codebook, uint32_t policy) {
    TqCorpus *corpus = NULL;
    OK(tq_corpus_new("articles", config, codebook, policy, "{\"made\":\"of noise\"}", &corpus));
    char names[ROWS][8];
    const char *ids[ROWS];
    for (int row = 0; row < ROWS; row += 1) {
        snprintf(names[row], sizeof names[row], "v%d", row);
        ids[row] = names[row];
    }
    OK(tq_corpus_insert_batch(corpus, ids, FIRST, vectors, FIRST * DIM, 1000));
    for (int row = FIRST; row < ROWS; row += 1) {
        const char *metadata = row % 2 == 0 ? "{\"even\":true}" : NULL;
        OK(tq_corpus_insert(corpus, ids[row], vectors + row * DIM, DIM, metadata, row));
    }
    CHECK(tq_corpus_vector_count(corpus) == ROWS);
    return corpus;
}

/* Everything that can be read, from memory and from a file. */
static void test_reading(const TqCorpus *corpus, const struct folders *folders, const float *queries, size_t queries_len) {
    char *text = NULL;
    OK(tq_corpus_id(corpus, &text));
    CHECK(strcmp(text, "articles") == 0);
    OK(tq_text_free(text));
    OK(tq_corpus_metadata(corpus, &text));
    CHECK(strcmp(text, "{\"made\":\"of noise\"}") == 0);
    OK(tq_text_free(text));
    CHECK(tq_corpus_policy(corpus) == TQ_POLICY_COMPRESS);

    bool found = false;
    OK(tq_corpus_contains(corpus, "v59", &found));
    CHECK(found);
    OK(tq_corpus_contains(corpus, "v60", &found));
    CHECK(!found);
    TqIds *ids = NULL;
    size_t len = 0;
    OK(tq_corpus_ids(corpus, &ids));
    CHECK(tq_ids_len(ids) == ROWS);
    CHECK(strcmp(tq_ids_text(ids, 41, &len), "v41") == 0 && len == 3);
    REFUSED(TQ_ERR_INVALID_ARG, tq_ids_text(ids, ROWS, NULL) == NULL);
    REFUSED(TQ_ERR_INVALID_ARG, tq_ids_numbers(ids) == NULL);
    OK(tq_ids_free(ids));

    TqCompressedVector *record = NULL;
    int64_t inserted_at = 0;
    OK(tq_corpus_get(corpus, "v42", &record, &inserted_at, &text));
    CHECK(inserted_at == 42 && strcmp(text, "{\"even\":true}") == 0);
    OK(tq_text_free(text));
    TqCodecConfig *config = NULL;
    TqCodebook *codebook = NULL;
    OK(tq_corpus_config(corpus, &config));
    OK(tq_corpus_codebook(corpus, &codebook));
    float vector[DIM], again[DIM], all[ROWS * DIM];
    OK(tq_corpus_decompress(corpus, "v42", vector, DIM));
    OK(tq_codec_decompress(config, codebook, record, again, DIM));
    CHECK(memcmp(vector, again, sizeof vector) == 0);
    OK(tq_corpus_decompress_all(corpus, all, ROWS * DIM));
    CHECK(memcmp(vector, all + 42 * DIM, sizeof vector) == 0);
    EXPECT(TQ_ERR_DIM_MISMATCH, tq_corpus_decompress_all(corpus, all, ROWS * DIM - 1));
    EXPECT(TQ_ERR_DIM_MISMATCH, tq_corpus_decompress(corpus, "v42", vector, DIM + 1));
    OK(tq_compressed_vector_free(record));
    OK(tq_corpus_get(corpus, "v3", &record, &inserted_at, &text));
    CHECK(inserted_at == 1000 && text == NULL);
    OK(tq_compressed_vector_free(record));
    OK(tq_corpus_get(corpus, "v4", &record, NULL, NULL));
    OK(tq_compressed_vector_free(record));
    EXPECT(TQ_ERR_ID_NOT_FOUND, tq_corpus_get(corpus, "none", &record, NULL, NULL));
    EXPECT(TQ_ERR_ID_NOT_FOUND, tq_corpus_decompress(corpus, "none", vector, DIM));
    CHECK(strstr(tq_last_error_message(), "\"none\"") != NULL);
    OK(tq_codebook_free(codebook));
    OK(tq_codec_config_free(config));

    TqHits *hits = NULL;
    OK(tq_corpus_search(corpus, queries, queries_len, 7, &hits));
    CHECK(tq_hits_queries(hits) == queries_len / DIM && tq_hits_len(hits, 0) == 7);
    CHECK(are_expected(hits, true, folders, "corpus-hits.txt"));
    CHECK(strlen(tq_hits_text(hits, 1, 2, &len)) == len);
    REFUSED(TQ_ERR_INVALID_ARG, tq_hits_numbers(hits, 0) == NULL);
    REFUSED(TQ_ERR_INVALID_ARG, tq_hits_text(hits, 0, 7, NULL) == NULL);
    REFUSED(TQ_ERR_INVALID_ARG, tq_hits_scores(hits, 99) == NULL);
    REFUSED(TQ_ERR_INVALID_ARG, tq_hits_len(hits, 99) == 0);
    OK(tq_hits_free(hits));
    EXPECT(TQ_ERR_INVALID_ARG, tq_corpus_search(corpus, queries, queries_len, 0, &hits));
    EXPECT(TQ_ERR_DIM_MISMATCH, tq_corpus_search(corpus, queries, queries_len - 1, 7, &hits));
}

static void test_files(TqCorpus *corpus, const struct folders *folders, const float *vectors, const float *queries, size_t queries_len) {
    struct content expected = read_all(folders->expected, "corpus.tqv");
    const char *path = path_of(folders->scratch, "corpus.tqv");
    EXPECT(TQ_ERR_INVALID_ARG, tq_corpus_append(corpus, path));
    OK(tq_corpus_save(corpus, path));
    struct content saved = read_all(folders->scratch, "corpus.tqv");
    CHECK(same(saved.bytes, saved.len, expected.bytes, expected.len));
    free(saved.bytes);

    for (uint8_t is_mapped = 0; is_mapped < 2; is_mapped += 1) {
        TqCorpus *opened = NULL;
        OK(tq_corpus_open(path_of(folders->scratch, "corpus.tqv"), is_mapped, true, &opened));
        test_reading(opened, folders, queries, queries_len);
        OK(tq_corpus_free(opened));
    }

    /* What changed is added, and what was there before stays as it was. */
    path = path_of(folders->scratch, "corpus.tqv");
    TqCorpus *opened = NULL;
    OK(tq_corpus_open(path, true, false, &opened));
    OK(tq_corpus_insert(opened, "later", vectors, DIM, NULL, 0));
    bool removed = false;
    OK(tq_corpus_remove(opened, "v0", &removed));
    CHECK(removed);
    OK(tq_corpus_remove(opened, "v0", &removed));
    CHECK(!removed);
    OK(tq_corpus_remove(opened, "v1", NULL));
    EXPECT(TQ_ERR_INVALID_ARG, tq_corpus_append(opened, path_of(folders->expected, "corpus.tqv")));
    OK(tq_corpus_append(opened, path));
    saved = read_all(folders->scratch, "corpus.tqv");
    CHECK(saved.len > expected.len);
    CHECK(memcmp(saved.bytes + 8192, expected.bytes + 8192, expected.len - 8192) == 0);
    OK(tq_corpus_free(opened));
    OK(tq_corpus_open(path, false, true, &opened));
    CHECK(tq_corpus_vector_count(opened) == ROWS - 1);
    bool found = false;
    OK(tq_corpus_contains(opened, "later", &found));
    CHECK(found);
    OK(tq_corpus_free(opened));

    /* A file whose last byte is gone, and what is no file. */
    FILE *file = fopen(path_of(folders->scratch, "short.tqv"), "wb");
    CHECK(file != NULL && fwrite(saved.bytes, 1, saved.len / 2, file) == saved.len / 2);
    fclose(file);
    EXPECT(TQ_ERR_TRUNCATED, tq_corpus_open(path_of(folders->scratch, "short.tqv"), true, true, &opened));
    EXPECT(TQ_ERR_IO, tq_corpus_open(path_of(folders->scratch, "none.tqv"), true, false, &opened));
    EXPECT(TQ_ERR_IO, tq_corpus_save(corpus, path_of(folders->scratch, "none/corpus.tqv")));
    EXPECT(TQ_ERR_FORMAT, tq_corpus_open(path_of(folders->expected, "vectors.f32"), true, false, &opened));
    EXPECT(TQ_ERR_INVALID_ARG, tq_corpus_open(NULL, true, false, &opened));
    EXPECT(TQ_ERR_INVALID_ARG, tq_corpus_open("\xff", true, false, &opened));
    free(saved.bytes);
    free(expected.bytes);
}

static void test_refusals(TqCorpus *corpus, const float *vectors) {
    const char *ids[2] = {"new", "v5"};
    EXPECT(TQ_ERR_ID_EXISTS, tq_corpus_insert(corpus, "v5", vectors, DIM, NULL, 0));
    EXPECT(TQ_ERR_DIM_MISMATCH, tq_corpus_insert(corpus, "new", vectors, DIM - 1, NULL, 0));
    EXPECT(TQ_ERR_INVALID_ARG, tq_corpus_insert(corpus, NULL, vectors, DIM, NULL, 0));
    EXPECT(TQ_ERR_INVALID_ARG, tq_corpus_insert(corpus, "\xc3", vectors, DIM, NULL, 0));
    EXPECT(TQ_ERR_INVALID_ARG, tq_corpus_insert(corpus, "new", vectors, DIM, "\xff", 0));
    EXPECT(TQ_ERR_INVALID_ARG, tq_corpus_insert(corpus, "new", NULL, DIM, NULL, 0));
    EXPECT(TQ_ERR_ID_EXISTS, tq_corpus_insert_batch(corpus, ids, 2, vectors, 2 * DIM, 0));
    EXPECT(TQ_ERR_DIM_MISMATCH, tq_corpus_insert_batch(corpus, ids, 2, vectors, 2 * DIM - 1, 0));
    ids[1] = NULL;
    EXPECT(TQ_ERR_INVALID_ARG, tq_corpus_insert_batch(corpus, ids, 2, vectors, 2 * DIM, 0));
    CHECK(strstr(tq_last_error_message(), "ids[1]") != NULL);
    ids[1] = "new";
    EXPECT(TQ_ERR_ID_EXISTS, tq_corpus_insert_batch(corpus, ids, 2, vectors, 2 * DIM, 0));
    OK(tq_corpus_insert_batch(corpus, NULL, 0, NULL, 0, 0));
    CHECK(tq_corpus_vector_count(corpus) == ROWS);
}

/* The policies that keep components, whose records are bytes of them. */
static void test_policies(const float *vectors, TqCodecConfig *config, TqCodebook *codebook) {
    TqCorpus *corpus = fill(vectors, config, codebook, TQ_POLICY_PASSTHROUGH);
    CHECK(tq_corpus_policy(corpus) == TQ_POLICY_PASSTHROUGH);
    float vector[DIM];
    OK(tq_corpus_decompress(corpus, "v9", vector, DIM));
    CHECK(memcmp(vector, vectors + 9 * DIM, sizeof vector) == 0);
    TqCompressedVector *record = NULL;
    OK(tq_corpus_get(corpus, "v9", &record, NULL, NULL));
    CHECK(tq_compressed_vector_dimension(record) == 4 * DIM && tq_compressed_vector_bit_width(record) == 8);
    OK(tq_compressed_vector_free(record));
    OK(tq_corpus_free(corpus));

    corpus = fill(vectors, config, codebook, TQ_POLICY_FP16);
    OK(tq_corpus_get(corpus, "v9", &record, NULL, NULL));
    CHECK(tq_compressed_vector_dimension(record) == 2 * DIM);
    OK(tq_compressed_vector_free(record));
    OK(tq_corpus_free(corpus));
    EXPECT(TQ_ERR_INVALID_ARG, tq_corpus_new(NULL, config, codebook, 3, NULL, &corpus));
    EXPECT(TQ_ERR_INVALID_ARG, tq_corpus_new("\xff", config, codebook, 0, NULL, &corpus));

    OK(tq_corpus_new(NULL, config, codebook, TQ_POLICY_COMPRESS, NULL, &corpus));
    char *text = NULL;
    OK(tq_corpus_id(corpus, &text));
    CHECK(strcmp(text, "corpus") == 0);
    OK(tq_text_free(text));
    OK(tq_corpus_metadata(corpus, &text));
    CHECK(text == NULL);
    OK(tq_corpus_free(corpus));
}

void test_corpus(const struct folders *folders) {
    size_t len, queries_len;
    float *vectors = read_floats(folders->expected, "vectors.f32", &len);
    float *queries = read_floats(folders->expected, "queries.f32", &queries_len);
    TqCodecConfig *config = NULL;
    TqCodebook *codebook = NULL;
    OK(tq_codec_config_new(4, 7, DIM, true, &config));
    OK(tq_codebook_train(config, vectors, len, TQ_TRAIN_TINYQUANT, &codebook));
    TqCorpus *corpus = fill(vectors, config, codebook, TQ_POLICY_COMPRESS);
    test_policies(vectors, config, codebook);
    /* A corpus keeps what it was made of. */
    OK(tq_codebook_free(codebook));
    OK(tq_codec_config_free(config));
    test_reading(corpus, folders, queries, queries_len);
    test_refusals(corpus, vectors);
    test_files(corpus, folders, vectors, queries, queries_len);
    OK(tq_corpus_free(corpus));
    CHECK(tq_live_objects() == 0);
    free(queries);
    free(vectors);
}
