/* Threads: each has its own last error, and one may free what another uses. */
#include "check.h"

#include <pthread.h>

enum { DIM = 130, THREADS = 4, ROUNDS = 20 };

struct work {
    TqIndex *index;
    TqCorpus *corpus;
    const float *vectors;
    int number;
    int failures;
};

/* Adds, inserts and searches beside the others; counts what is not as it should be. */
static void *use(void *given) {
    struct work *work = given;
    TqSearchOptions options;
    work->failures += tq_search_options_init(&options) != TQ_OK;
    for (int round = 0; round < ROUNDS; round += 1) {
        char id[32];
        snprintf(id, sizeof id, "t%d-%d", work->number, round);
        uint64_t number = (uint64_t)(1000 + work->number * ROUNDS + round);
        const float *vector = work->vectors + round * DIM;
        TqHits *hits = NULL;
        work->failures += tq_corpus_insert(work->corpus, id, vector, DIM, NULL, 0) != TQ_OK;
        work->failures += tq_index_add(work->index, vector, DIM, &number, 1) != TQ_OK;
        work->failures += tq_index_search(work->index, vector, DIM, &options, &hits) != TQ_OK;
        work->failures += tq_hits_len(hits, 0) != 10;
        work->failures += tq_hits_free(hits) != TQ_OK;
        /* This thread's error, whatever the others did. */
        char text[64];
        snprintf(text, sizeof text, "got %d", 100 + work->number);
        TqCodecConfig *config = NULL;
        uint8_t bits = (uint8_t)(100 + work->number);
        work->failures += tq_codec_config_new(bits, 0, 8, 0, &config) != TQ_ERR_INVALID_ARG;
        work->failures += strstr(tq_last_error_message(), text) == NULL;
    }
    return NULL;
}

/* Searches until the index is freed. */
static void *search_until_freed(void *given) {
    struct work *work = given;
    TqSearchOptions options;
    work->failures += tq_search_options_init(&options) != TQ_OK;
    for (;;) {
        TqHits *hits = NULL;
        TqStatus status = tq_index_search(work->index, work->vectors, DIM, &options, &hits);
        if (status == TQ_ERR_CLOSED) {
            return NULL;
        }
        if (status != TQ_OK || tq_hits_free(hits) != TQ_OK) {
            work->failures += 1;
            return NULL;
        }
    }
}

static void start_and_join(void *(*body)(void *), struct work *works, TqIndex *to_free) {
    pthread_t threads[THREADS];
    for (int at = 0; at < THREADS; at += 1) {
        CHECK(pthread_create(&threads[at], NULL, body, &works[at]) == 0);
    }
    if (to_free != NULL) {
        OK(tq_index_free(to_free));
    }
    for (int at = 0; at < THREADS; at += 1) {
        CHECK(pthread_join(threads[at], NULL) == 0);
        CHECK(works[at].failures == 0);
    }
}

void test_threads(const struct folders *folders) {
    size_t len;
    float *vectors = read_floats(folders->expected, "vectors.f32", &len);
    TqCodecConfig *config = NULL;
    TqCodebook *codebook = NULL;
    TqCorpus *corpus = NULL;
    TqIndex *index = NULL;
    TqIndexOptions options;
    OK(tq_codec_config_new(2, 42, DIM, false, &config));
    OK(tq_codebook_train(config, vectors, len, TQ_TRAIN_TINYQUANT, &codebook));
    OK(tq_corpus_new(NULL, config, codebook, TQ_POLICY_COMPRESS, NULL, &corpus));
    OK(tq_index_options_init(&options, DIM));
    OK(tq_index_build(&options, vectors, 40 * DIM, NULL, 0, &index));
    struct work works[THREADS];
    for (int at = 0; at < THREADS; at += 1) {
        struct work work = {.index = index, .corpus = corpus, .vectors = vectors, .number = at};
        works[at] = work;
    }
    start_and_join(use, works, NULL);
    CHECK(tq_corpus_vector_count(corpus) == THREADS * ROUNDS);
    CHECK(tq_index_len(index) == 40 + THREADS * ROUNDS);
    start_and_join(search_until_freed, works, index);
    OK(tq_corpus_free(corpus));
    OK(tq_codebook_free(codebook));
    OK(tq_codec_config_free(config));
    free(vectors);
}
