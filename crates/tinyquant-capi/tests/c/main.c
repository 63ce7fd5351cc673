/* Calls every function of tinyquant.h and compares what it gives with golden files and with the Rust API. */
#include "check.h"

static int failures = 0;
static int checks = 0;

void check(bool holds, const char *what, const char *file, int line) {
    checks += 1;
    if (!holds) {
        failures += 1;
        fprintf(stderr, "%s:%d: %s\n", file, line, what);
    }
}

void expect(TqStatus expected, TqStatus got, const char *what, const char *file, int line) {
    const char *message = tq_last_error_message();
    bool is_noted = tq_last_error_status() == got && (message[0] == 0) == (got == TQ_OK);
    check(expected == got && is_noted, what, file, line);
    if (expected != got) {
        fprintf(stderr, "  %s, expected %s: %s\n", tq_status_name(got), tq_status_name(expected), message);
    }
}

const char *path_of(const char *folder, const char *name) {
    static char paths[4][4096];
    static int next = 0;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

struct content read_all(const char *folder, const char *name) {
    const char *path = path_of(folder, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(2);
    }
    struct content content = {.bytes = NULL, .len = (size_t)ftell(file)};
    content.bytes = malloc(content.len + 1);
    rewind(file);
    if (content.bytes == NULL || fread(content.bytes, 1, content.len, file) != content.len) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(2);
    }
    content.bytes[content.len] = 0;
    fclose(file);
    return content;
}

float *read_floats(const char *folder, const char *name, size_t *len) {
    struct content content = read_all(folder, name);
    *len = content.len / sizeof(float);
    return (float *)content.bytes;
}

bool same(const void *left, size_t left_len, const void *right, size_t right_len) {
    return left_len == right_len && memcmp(left, right, left_len) == 0;
}

char *text_of_hits(const TqHits *hits, bool are_texts) {
    enum { LINE = 128 };
    size_t lines = 0;
    for (size_t query = 0; query < tq_hits_queries(hits); query += 1) {
        lines += tq_hits_len(hits, query);
    }
    char *text = calloc(lines + 1, LINE);
    if (text == NULL) {
        exit(2);
    }
    char *end = text;
    for (size_t query = 0; query < tq_hits_queries(hits); query += 1) {
        const float *scores = tq_hits_scores(hits, query);
        for (size_t at = 0; at < tq_hits_len(hits, query); at += 1) {
            uint32_t bits;
            memcpy(&bits, &scores[at], sizeof bits);
            end += snprintf(end, LINE, "%zu %zu ", query, at);
            if (are_texts) {
                end += snprintf(end, LINE - 64, "%s", tq_hits_text(hits, query, at, NULL));
            } else {
                end += snprintf(end, LINE - 64, "%llu", (unsigned long long)tq_hits_numbers(hits, query)[at]);
            }
            end += snprintf(end, 16, " %08lx\n", (unsigned long)bits);
        }
    }
    return text;
}

bool are_expected(const TqHits *hits, bool are_texts, const struct folders *folders, const char *name) {
    char *text = text_of_hits(hits, are_texts);
    struct content expected = read_all(folders->expected, name);
    bool is_same = same(text, strlen(text), expected.bytes, expected.len);
    free(text);
    free(expected.bytes);
    return is_same;
}

int main(int count, char **arguments) {
    if (count != 4) {
        fprintf(stderr, "usage: %s GOLDEN EXPECTED SCRATCH\n", arguments[0]);
        return 2;
    }
    struct folders folders = {.golden = arguments[1], .expected = arguments[2], .scratch = arguments[3]};
    CHECK(tq_abi_version() == TINYQUANT_H_VERSION);
    CHECK(strlen(tq_version()) > 0);
    CHECK(strlen(tq_simd_level()) > 0);
    test_errors();
    test_codec(&folders);
    test_corpus(&folders);
    test_index(&folders);
    test_handles(&folders);
    test_threads(&folders);
    CHECK(tq_live_objects() == 0);
    printf("%d checks with %s, %d failed\n", checks, tq_simd_level(), failures);
    return failures == 0 ? 0 : 1;
}
