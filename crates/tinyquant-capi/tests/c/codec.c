/* The codec, against TinyQuant's golden files. */
#include "check.h"

enum { DIM = 64 };

/* Bits of a component as a number whose steps are units in the last place. */
static int64_t steps(float value) {
    int32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits < 0 ? -(int64_t)(bits & INT32_MAX) : bits;
}

static bool within_a_step(const float *left, const float *right, size_t len) {
    for (size_t at = 0; at < len; at += 1) {
        int64_t apart = steps(left[at]) - steps(right[at]);
        if (apart < -1 || apart > 1) {
            return false;
        }
    }
    return true;
}

static void test_config(void) {
    TqCodecConfig *config = NULL;
    OK(tq_codec_config_new(4, 42, 768, true, &config));
    CHECK(tq_codec_config_bit_width(config) == 4);
    CHECK(tq_codec_config_seed(config) == 42);
    CHECK(tq_codec_config_dimension(config) == 768);
    CHECK(tq_codec_config_residual_enabled(config));
    const char *hash = "cc50f0a21077b1971aadb240e4209ff1acc3b9da32233100e481f03b5161fbed";
    CHECK(strcmp(tq_codec_config_hash(config), hash) == 0);
    OK(tq_codec_config_free(config));
    EXPECT(TQ_ERR_INVALID_ARG, tq_codec_config_new(4, 42, 0, true, &config));
    EXPECT(TQ_ERR_INVALID_ARG, tq_codec_config_new(4, 42, 16385, true, &config));
    EXPECT(TQ_ERR_INVALID_ARG, tq_codec_config_new(4, 42, 64, true, NULL));
}

static void test_codebook(const struct folders *folders) {
    size_t len;
    float *training = read_floats(folders->golden, "train/train_n500_d64.f32.bin", &len);
    for (uint8_t bits = 2; bits <= 8; bits = (uint8_t)(bits * 2)) {
        char name[64];
        snprintf(name, sizeof name, "train/codebook_d64_bw%d.f32.bin", bits);
        size_t expected_len;
        float *expected = read_floats(folders->golden, name, &expected_len);
        TqCodecConfig *config = NULL;
        TqCodebook *codebook = NULL, *again = NULL;
        OK(tq_codec_config_new(bits, 42, DIM, true, &config));
        OK(tq_codebook_train(config, training, len, TQ_TRAIN_TINYQUANT, &codebook));
        CHECK(tq_codebook_bit_width(codebook) == bits);
        float entries[256];
        OK(tq_codebook_entries(codebook, entries, expected_len));
        CHECK(memcmp(entries, expected, expected_len * sizeof(float)) == 0);
        EXPECT(TQ_ERR_DIM_MISMATCH, tq_codebook_entries(codebook, entries, expected_len + 1));
        EXPECT(TQ_ERR_INVALID_ARG, tq_codebook_entries(codebook, NULL, expected_len));

        uint8_t *bytes = NULL;
        size_t bytes_len;
        OK(tq_codebook_to_bytes(codebook, &bytes, &bytes_len));
        OK(tq_codebook_from_bytes(bytes, bytes_len, &again));
        OK(tq_codebook_entries(again, entries, expected_len));
        CHECK(memcmp(entries, expected, expected_len * sizeof(float)) == 0);
        OK(tq_codebook_free(again));
        EXPECT(TQ_ERR_TRUNCATED, tq_codebook_from_bytes(bytes, bytes_len - 1, &again));
        bytes[4] = 9;
        EXPECT(TQ_ERR_VERSION, tq_codebook_from_bytes(bytes, bytes_len, &again));
        bytes[0] = 'X';
        EXPECT(TQ_ERR_FORMAT, tq_codebook_from_bytes(bytes, bytes_len, &again));
        OK(tq_bytes_free(bytes, bytes_len));

        EXPECT(TQ_ERR_DIM_MISMATCH, tq_codebook_train(config, training, len - 1, TQ_TRAIN_TINYQUANT, &again));
        EXPECT(TQ_ERR_INVALID_ARG, tq_codebook_train(config, training, 0, TQ_TRAIN_TINYQUANT, &again));
        EXPECT(TQ_ERR_INVALID_ARG, tq_codebook_train(config, training, len, 2, &again));
        EXPECT(TQ_ERR_INVALID_ARG, tq_codebook_train(config, NULL, len, TQ_TRAIN_TINYQUANT, &again));
        OK(tq_codebook_train(config, training, len, TQ_TRAIN_LLOYD_MAX, &again));
        OK(tq_codebook_free(again));
        OK(tq_codebook_free(codebook));
        OK(tq_codec_config_free(config));
        free(expected);
    }
    const float unsorted[4] = {0.0f, 2.0f, 1.0f, 3.0f};
    TqCodebook *codebook = NULL;
    EXPECT(TQ_ERR_INVALID_ARG, tq_codebook_from_entries(unsorted, 4, 2, &codebook));
    EXPECT(TQ_ERR_INVALID_ARG, tq_codebook_from_entries(unsorted, 3, 2, &codebook));
    EXPECT(TQ_ERR_INVALID_ARG, tq_codebook_from_entries(unsorted, 4, 3, &codebook));
    free(training);
}

/* One golden file of records: batch and single calls, both ways. */
static void test_records(const struct folders *folders, uint8_t bits, bool residual) {
    char name[64];
    size_t entries_len, len;
    snprintf(name, sizeof name, "train/codebook_d64_bw%d.f32.bin", bits);
    float *entries = read_floats(folders->golden, name, &entries_len);
    float *vectors = read_floats(folders->golden, "d64/vectors_n200.f32.bin", &len);
    const char *kind = residual ? "res" : "nores";
    snprintf(name, sizeof name, "d64/bw%d_%s_to_bytes.bin", bits, kind);
    struct content golden = read_all(folders->golden, name);
    size_t rows = len / DIM, record_len = golden.len / rows;

    TqCodecConfig *config = NULL;
    TqCodebook *codebook = NULL;
    TqCompressedBatch *batch = NULL, *again = NULL;
    OK(tq_codec_config_new(bits, 42, DIM, residual, &config));
    OK(tq_codebook_from_entries(entries, entries_len, bits, &codebook));
    OK(tq_codec_compress_batch(config, codebook, vectors, len, &batch));
    CHECK(tq_compressed_batch_len(batch) == rows);
    uint8_t *bytes = NULL;
    size_t bytes_len;
    OK(tq_compressed_batch_to_bytes(batch, &bytes, &bytes_len));
    CHECK(same(bytes, bytes_len, golden.bytes, golden.len));
    OK(tq_compressed_batch_from_bytes(bytes, bytes_len, &again));
    OK(tq_bytes_free(bytes, bytes_len));
    CHECK(tq_compressed_batch_len(again) == rows);
    CHECK(tq_compressed_batch_size_bytes(again) == tq_compressed_batch_size_bytes(batch));

    float *decoded = malloc(len * sizeof(float));
    OK(tq_codec_decompress_batch(config, codebook, again, decoded, len));
    snprintf(name, sizeof name, "d64/bw%d_%s_decompressed.f32.bin", bits, kind);
    size_t expected_len;
    float *expected = read_floats(folders->golden, name, &expected_len);
    CHECK(expected_len == len && within_a_step(decoded, expected, len));

    for (size_t row = 0; row < rows; row += 50) {
        TqCompressedVector *record = NULL, *copy = NULL;
        OK(tq_codec_compress(config, codebook, vectors + row * DIM, DIM, &record));
        OK(tq_compressed_vector_to_bytes(record, &bytes, &bytes_len));
        CHECK(same(bytes, bytes_len, golden.bytes + row * record_len, record_len));
        OK(tq_bytes_free(bytes, bytes_len));
        CHECK(tq_compressed_vector_dimension(record) == DIM);
        CHECK(tq_compressed_vector_bit_width(record) == bits);
        CHECK(tq_compressed_vector_has_residual(record) == residual);
        CHECK(strcmp(tq_compressed_vector_config_hash(record), tq_codec_config_hash(config)) == 0);
        size_t payload = (size_t)DIM * bits / 8 + (residual ? 2 * DIM : 0);
        CHECK(tq_compressed_vector_size_bytes(record) == payload);
        CHECK(tq_compressed_batch_size_bytes(batch) == rows * payload);

        OK(tq_compressed_batch_at(again, row, &copy));
        float vector[DIM];
        OK(tq_codec_decompress(config, codebook, copy, vector, DIM));
        CHECK(memcmp(vector, decoded + row * DIM, sizeof vector) == 0);
        OK(tq_compressed_vector_free(copy));
        OK(tq_compressed_vector_from_bytes(golden.bytes + row * record_len, record_len, &copy));
        OK(tq_codec_decompress(config, codebook, copy, vector, DIM));
        CHECK(memcmp(vector, decoded + row * DIM, sizeof vector) == 0);
        OK(tq_compressed_vector_free(copy));
        OK(tq_compressed_vector_free(record));
    }

    OK(tq_compressed_batch_free(again));
    OK(tq_compressed_batch_free(batch));
    OK(tq_codebook_free(codebook));
    OK(tq_codec_config_free(config));
    free(decoded);
    free(expected);
    free(golden.bytes);
    free(vectors);
    free(entries);
}

static void test_refusals(void) {
    const float four[4] = {-0.3f, -0.1f, 0.1f, 0.3f};
    float sixteen[16], vector[8] = {0}, out[8];
    for (int at = 0; at < 16; at += 1) {
        sixteen[at] = (float)at;
    }
    TqCodecConfig *config = NULL, *other = NULL;
    TqCodebook *codebook = NULL, *wide = NULL;
    TqCompressedVector *record = NULL, *unset = NULL;
    TqCompressedBatch *batch = NULL, *empty = NULL;
    OK(tq_codec_config_new(2, 1, 8, false, &config));
    OK(tq_codec_config_new(2, 2, 8, false, &other));
    OK(tq_codebook_from_entries(four, 4, 2, &codebook));
    OK(tq_codebook_from_entries(sixteen, 16, 4, &wide));

    EXPECT(TQ_ERR_DIM_MISMATCH, tq_codec_compress(config, codebook, vector, 7, &unset));
    EXPECT(TQ_ERR_INVALID_ARG, tq_codec_compress(config, codebook, NULL, 8, &unset));
    EXPECT(TQ_ERR_INVALID_ARG, tq_codec_compress(config, codebook, vector, 8, NULL));
    EXPECT(TQ_ERR_CODEBOOK_MISMATCH, tq_codec_compress(config, wide, vector, 8, &unset));
    const float *odd = (const float *)(const void *)((const char *)vector + 1);
    EXPECT(TQ_ERR_INVALID_ARG, tq_codec_compress(config, codebook, odd, 8, &unset));
    vector[3] = (float)(1e300 * 1e300);
    EXPECT(TQ_ERR_NON_FINITE, tq_codec_compress(config, codebook, vector, 8, &unset));
    CHECK(strstr(tq_last_error_message(), "row 0, column 3") != NULL);
    EXPECT(TQ_ERR_NON_FINITE, tq_codec_compress_batch(config, codebook, vector, 8, &batch));
    EXPECT(TQ_ERR_DIM_MISMATCH, tq_codec_compress_batch(config, codebook, vector, 9, &batch));
    EXPECT(TQ_ERR_INVALID_ARG, tq_codec_compress_batch(config, codebook, vector, SIZE_MAX, &batch));
    vector[3] = 0.2f;
    CHECK(unset == NULL && batch == NULL);

    OK(tq_codec_compress(config, codebook, vector, 8, &record));
    memset(out, 7, sizeof out);
    float before[8];
    memcpy(before, out, sizeof out);
    EXPECT(TQ_ERR_DIM_MISMATCH, tq_codec_decompress(config, codebook, record, out, 9));
    EXPECT(TQ_ERR_INVALID_ARG, tq_codec_decompress(config, codebook, record, NULL, 8));
    EXPECT(TQ_ERR_CONFIG_MISMATCH, tq_codec_decompress(other, codebook, record, out, 8));
    EXPECT(TQ_ERR_CODEBOOK_MISMATCH, tq_codec_decompress(config, wide, record, out, 8));
    CHECK(memcmp(before, out, sizeof out) == 0);

    uint8_t *bytes = NULL;
    size_t len;
    OK(tq_compressed_vector_to_bytes(record, &bytes, &len));
    EXPECT(TQ_ERR_TRUNCATED, tq_compressed_vector_from_bytes(bytes, len - 1, &unset));
    EXPECT(TQ_ERR_TRUNCATED, tq_compressed_batch_from_bytes(bytes, len - 1, &batch));
    EXPECT(TQ_ERR_TRUNCATED, tq_compressed_vector_from_bytes(NULL, 0, &unset));
    OK(tq_compressed_batch_from_bytes(NULL, 0, &empty));
    CHECK(tq_compressed_batch_len(empty) == 0);
    OK(tq_codec_decompress_batch(config, codebook, empty, NULL, 0));
    EXPECT(TQ_ERR_INVALID_ARG, tq_compressed_batch_at(empty, 0, &unset));
    bytes[69] = 5;
    EXPECT(TQ_ERR_FORMAT, tq_compressed_vector_from_bytes(bytes, len, &unset));
    bytes[0] = 2;
    EXPECT(TQ_ERR_VERSION, tq_compressed_vector_from_bytes(bytes, len, &unset));
    OK(tq_bytes_free(bytes, len));
    OK(tq_codec_compress_batch(config, codebook, vector, 8, &batch));
    EXPECT(TQ_ERR_DIM_MISMATCH, tq_codec_decompress_batch(config, codebook, batch, out, 7));
    EXPECT(TQ_ERR_INVALID_ARG, tq_compressed_batch_at(batch, 1, &unset));
    CHECK(unset == NULL);

    OK(tq_compressed_batch_free(batch));
    OK(tq_compressed_batch_free(empty));
    OK(tq_compressed_vector_free(record));
    OK(tq_codebook_free(wide));
    OK(tq_codebook_free(codebook));
    OK(tq_codec_config_free(other));
    OK(tq_codec_config_free(config));
}

void test_codec(const struct folders *folders) {
    test_config();
    test_codebook(folders);
    for (uint8_t bits = 2; bits <= 8; bits = (uint8_t)(bits * 2)) {
        test_records(folders, bits, true);
        test_records(folders, bits, false);
    }
    test_refusals();
    CHECK(tq_live_objects() == 0);
}
