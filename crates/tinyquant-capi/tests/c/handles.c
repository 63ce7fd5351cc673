/* Handles that were freed, of another kind, or none at all: every function says so and nothing else happens. */
#include "check.h"

enum { DIM = 130 };

/* One handle of each kind. */
struct handles {
    TqCodecConfig *config;
    TqCodebook *codebook;
    TqCompressedVector *record;
    TqCompressedBatch *batch;
    TqCorpus *corpus;
    TqIndex *index;
    TqHits *hits;
    TqIds *ids;
};

/* Calls every function that takes handles with these, and expects the same status of all. */
static void refuse_all(struct handles it, TqStatus status, const char *path) {
    float vector[DIM] = {0};
    uint8_t *bytes = NULL;
    size_t len = 0;
    bool found = false;
    char *text = NULL;
    uint64_t number = 1;
    const char *name = "a";
    TqCodecConfig *config = NULL;
    TqCodebook *codebook = NULL;
    TqCompressedVector *record = NULL;
    TqCompressedBatch *batch = NULL;
    TqCorpus *corpus = NULL;
    TqHits *hits = NULL;
    TqIds *ids = NULL;
    TqSearchOptions options;
    OK(tq_search_options_init(&options));

    REFUSED(status, tq_codec_config_bit_width(it.config) == 0);
    REFUSED(status, tq_codec_config_seed(it.config) == 0);
    REFUSED(status, tq_codec_config_dimension(it.config) == 0);
    REFUSED(status, !tq_codec_config_residual_enabled(it.config));
    REFUSED(status, tq_codec_config_hash(it.config) == NULL);
    EXPECT(status, tq_codebook_train(it.config, vector, DIM, TQ_TRAIN_TINYQUANT, &codebook));
    EXPECT(status, tq_codebook_to_bytes(it.codebook, &bytes, &len));
    EXPECT(status, tq_codebook_entries(it.codebook, vector, DIM));
    REFUSED(status, tq_codebook_bit_width(it.codebook) == 0);
    EXPECT(status, tq_codec_compress(it.config, it.codebook, vector, DIM, &record));
    EXPECT(status, tq_codec_decompress(it.config, it.codebook, it.record, vector, DIM));
    EXPECT(status, tq_codec_compress_batch(it.config, it.codebook, vector, DIM, &batch));
    EXPECT(status, tq_codec_decompress_batch(it.config, it.codebook, it.batch, vector, DIM));
    REFUSED(status, tq_compressed_vector_dimension(it.record) == 0);
    REFUSED(status, tq_compressed_vector_bit_width(it.record) == 0);
    REFUSED(status, !tq_compressed_vector_has_residual(it.record));
    REFUSED(status, tq_compressed_vector_size_bytes(it.record) == 0);
    REFUSED(status, tq_compressed_vector_config_hash(it.record) == NULL);
    EXPECT(status, tq_compressed_vector_to_bytes(it.record, &bytes, &len));
    REFUSED(status, tq_compressed_batch_len(it.batch) == 0);
    REFUSED(status, tq_compressed_batch_size_bytes(it.batch) == 0);
    EXPECT(status, tq_compressed_batch_at(it.batch, 0, &record));
    EXPECT(status, tq_compressed_batch_to_bytes(it.batch, &bytes, &len));

    EXPECT(status, tq_corpus_new(NULL, it.config, it.codebook, TQ_POLICY_COMPRESS, NULL, &corpus));
    EXPECT(status, tq_corpus_insert(it.corpus, "a", vector, DIM, NULL, 0));
    EXPECT(status, tq_corpus_insert_batch(it.corpus, &name, 1, vector, DIM, 0));
    EXPECT(status, tq_corpus_remove(it.corpus, "a", &found));
    REFUSED(status, tq_corpus_vector_count(it.corpus) == 0);
    REFUSED(status, tq_corpus_policy(it.corpus) == 0);
    EXPECT(status, tq_corpus_config(it.corpus, &config));
    EXPECT(status, tq_corpus_codebook(it.corpus, &codebook));
    EXPECT(status, tq_corpus_contains(it.corpus, "a", &found));
    EXPECT(status, tq_corpus_get(it.corpus, "a", &record, NULL, NULL));
    EXPECT(status, tq_corpus_decompress(it.corpus, "a", vector, DIM));
    EXPECT(status, tq_corpus_decompress_all(it.corpus, vector, DIM));
    EXPECT(status, tq_corpus_ids(it.corpus, &ids));
    EXPECT(status, tq_corpus_id(it.corpus, &text));
    EXPECT(status, tq_corpus_metadata(it.corpus, &text));
    EXPECT(status, tq_corpus_search(it.corpus, vector, DIM, 1, &hits));
    EXPECT(status, tq_corpus_save(it.corpus, path));
    EXPECT(status, tq_corpus_append(it.corpus, path));

    EXPECT(status, tq_index_fit(it.index, vector, DIM));
    EXPECT(status, tq_index_add(it.index, vector, DIM, NULL, 0));
    EXPECT(status, tq_index_add_texts(it.index, vector, DIM, &name, 1));
    EXPECT(status, tq_index_remove(it.index, &number, 1, &len));
    EXPECT(status, tq_index_remove_texts(it.index, &name, 1, &len));
    EXPECT(status, tq_index_ids(it.index, &ids));
    REFUSED(status, tq_index_len(it.index) == 0);
    REFUSED(status, tq_index_dim(it.index) == 0);
    REFUSED(status, !tq_index_is_fitted(it.index));
    EXPECT(status, tq_index_search(it.index, vector, DIM, &options, &hits));
    EXPECT(status, tq_index_search_batch(it.index, vector, DIM, &options, &hits));
    EXPECT(status, tq_index_contains(it.index, 1, &found));
    EXPECT(status, tq_index_contains_text(it.index, "a", &found));
    EXPECT(status, tq_index_reconstruct(it.index, 1, vector, DIM));
    EXPECT(status, tq_index_reconstruct_text(it.index, "a", vector, DIM));
    EXPECT(status, tq_index_save(it.index, path));
    EXPECT(status, tq_index_sync(it.index, path));
    EXPECT(status, tq_index_to_bytes(it.index, &bytes, &len));

    REFUSED(status, tq_hits_queries(it.hits) == 0);
    REFUSED(status, tq_hits_len(it.hits, 0) == 0);
    REFUSED(status, tq_hits_scores(it.hits, 0) == NULL);
    REFUSED(status, tq_hits_numbers(it.hits, 0) == NULL);
    REFUSED(status, tq_hits_text(it.hits, 0, 0, NULL) == NULL);
    REFUSED(status, tq_ids_len(it.ids) == 0);
    REFUSED(status, tq_ids_numbers(it.ids) == NULL);
    REFUSED(status, tq_ids_text(it.ids, 0, NULL) == NULL);

    CHECK(bytes == NULL && len == 0 && !found && text == NULL && config == NULL && codebook == NULL);
    CHECK(record == NULL && batch == NULL && corpus == NULL && hits == NULL && ids == NULL);
    FILE *file = fopen(path, "rb");
    CHECK(file == NULL);
}

static void free_all(struct handles it, TqStatus status) {
    EXPECT(status, tq_codec_config_free(it.config));
    EXPECT(status, tq_codebook_free(it.codebook));
    EXPECT(status, tq_compressed_vector_free(it.record));
    EXPECT(status, tq_compressed_batch_free(it.batch));
    EXPECT(status, tq_corpus_free(it.corpus));
    EXPECT(status, tq_index_free(it.index));
    EXPECT(status, tq_hits_free(it.hits));
    EXPECT(status, tq_ids_free(it.ids));
}

/* Each handle under the name of another kind. */
static struct handles turned(struct handles it) {
    struct handles turned = {
        .config = (void *)it.codebook,
        .codebook = (void *)it.record,
        .record = (void *)it.batch,
        .batch = (void *)it.corpus,
        .corpus = (void *)it.index,
        .index = (void *)it.hits,
        .hits = (void *)it.ids,
        .ids = (void *)it.config,
    };
    return turned;
}

void test_handles(const struct folders *folders) {
    const char *path = path_of(folders->scratch, "never-written");
    size_t len;
    float *vectors = read_floats(folders->expected, "vectors.f32", &len);
    struct handles it = {0};
    free_all(it, TQ_OK);
    refuse_all(it, TQ_ERR_INVALID_HANDLE, path);

    TqIndexOptions options;
    OK(tq_codec_config_new(2, 42, DIM, false, &it.config));
    OK(tq_codebook_train(it.config, vectors, len, TQ_TRAIN_TINYQUANT, &it.codebook));
    OK(tq_codec_compress(it.config, it.codebook, vectors, DIM, &it.record));
    OK(tq_codec_compress_batch(it.config, it.codebook, vectors, 2 * DIM, &it.batch));
    OK(tq_corpus_new("c", it.config, it.codebook, TQ_POLICY_COMPRESS, NULL, &it.corpus));
    OK(tq_index_options_init(&options, DIM));
    OK(tq_index_build(&options, vectors, 20 * DIM, NULL, 0, &it.index));
    OK(tq_corpus_search(it.corpus, vectors, DIM, 1, &it.hits));
    OK(tq_corpus_ids(it.corpus, &it.ids));
    CHECK(tq_live_objects() == 8);

    refuse_all(turned(it), TQ_ERR_INVALID_HANDLE, path);
    free_all(turned(it), TQ_ERR_INVALID_HANDLE);
    CHECK(tq_live_objects() == 8);
    void *stranger = vectors;
    struct handles strange = {stranger, stranger, stranger, stranger, stranger, stranger, stranger, stranger};
    refuse_all(strange, TQ_ERR_INVALID_HANDLE, path);
    free_all(strange, TQ_ERR_INVALID_HANDLE);

    free_all(it, TQ_OK);
    CHECK(tq_live_objects() == 0);
    refuse_all(it, TQ_ERR_CLOSED, path);
    free_all(it, TQ_ERR_CLOSED);
    free(vectors);
}
