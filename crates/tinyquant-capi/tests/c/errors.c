/* Errors: their numbers, names and messages, and memory that is given back. */
#include "check.h"

static void test_kept_error(void) {
    TqCodecConfig *config = NULL;
    EXPECT(TQ_ERR_INVALID_ARG, tq_codec_config_new(3, 42, 64, 1, &config));
    CHECK(config == NULL);
    CHECK(strcmp(tq_last_error_message(), "bit_width must be one of [2, 4, 8], got 3") == 0);

    TqError error;
    CHECK(tq_last_error(&error) == TQ_ERR_INVALID_ARG);
    CHECK(tq_last_error(NULL) == TQ_ERR_INVALID_ARG);
    OK(tq_codec_config_new(4, 42, 64, 1, &config));
    CHECK(tq_last_error_message()[0] == 0);
    CHECK(error.kind == TQ_ERR_INVALID_ARG && strstr(error.message, "got 3") != NULL);
    char *message = error.message;
    tq_error_free(&error);
    CHECK(error.kind == TQ_OK && error.message == NULL);
    tq_error_free(&error);
    tq_error_free(NULL);
    CHECK(tq_last_error_status() == TQ_OK);
    TqError stale = {.kind = TQ_ERR_IO, .message = message};
    tq_error_free(&stale);
    CHECK(tq_last_error_status() == TQ_ERR_INVALID_ARG && stale.kind == TQ_ERR_IO);

    OK(tq_codec_config_free(config));
    CHECK(tq_last_error(&error) == TQ_OK && error.message == NULL);
    EXPECT(TQ_ERR_CLOSED, tq_codec_config_free(config));
    CHECK(tq_last_error(&error) == TQ_ERR_CLOSED);
    tq_error_free_message(error.message);
    CHECK(tq_last_error_status() == TQ_OK);
    tq_error_free_message(error.message);
    CHECK(tq_last_error_status() == TQ_ERR_INVALID_ARG);
    tq_error_free_message(NULL);
}

static void test_buffers(void) {
    const float entries[4] = {-1.5f, -0.5f, 0.5f, 1.5f};
    TqCodebook *codebook = NULL;
    OK(tq_codebook_from_entries(entries, 4, 2, &codebook));
    uint8_t *bytes = NULL;
    size_t len = 0;
    OK(tq_codebook_to_bytes(codebook, &bytes, &len));
    CHECK(len == 12 + sizeof entries && memcmp(bytes, "TQCB", 4) == 0);
    CHECK(memcmp(bytes + 12, entries, sizeof entries) == 0);
    CHECK(tq_live_objects() == 2);
    EXPECT(TQ_ERR_INVALID_ARG, tq_bytes_free(bytes, len - 1));
    EXPECT(TQ_ERR_INVALID_ARG, tq_bytes_free(bytes + 1, len - 1));
    OK(tq_bytes_free(bytes, len));
    EXPECT(TQ_ERR_INVALID_ARG, tq_bytes_free(bytes, len));
    OK(tq_bytes_free(NULL, 0));
    char own[] = "a text of this program";
    EXPECT(TQ_ERR_INVALID_ARG, tq_text_free(own));
    OK(tq_text_free(NULL));
    EXPECT(TQ_ERR_INVALID_ARG, tq_codebook_to_bytes(codebook, NULL, &len));
    EXPECT(TQ_ERR_INVALID_ARG, tq_codebook_to_bytes(codebook, &bytes, NULL));
    OK(tq_codebook_free(codebook));
    CHECK(tq_live_objects() == 0);
}

void test_errors(void) {
    CHECK(strcmp(tq_status_name(TQ_OK), "OK") == 0);
    CHECK(strcmp(tq_status_name(TQ_ERR_DIM_MISMATCH), "ERR_TQ_DIM_MISMATCH") == 0);
    CHECK(strcmp(tq_status_name(-5), "ERR_TQ_UNKNOWN") == 0);
    test_kept_error();
    test_buffers();
}
