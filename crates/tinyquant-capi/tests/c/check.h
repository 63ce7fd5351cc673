/* What the parts of the test program share. */
#ifndef CHECK_H
#define CHECK_H

#include "tinyquant.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Counts a failure unless the condition holds. */
#define CHECK(condition) check((condition), #condition, __FILE__, __LINE__)
/* Counts a failure unless a call answers with this status, and the error of this thread says the same. */
#define EXPECT(status, call) expect((status), (call), #call, __FILE__, __LINE__)
#define OK(call) EXPECT(TQ_OK, call)
/* Counts a failure unless a getter answered with its fallback for this reason. */
#define REFUSED(status, condition) CHECK((condition) && tq_last_error_status() == (status))

/* Where the golden files lie, what the Rust API gave for the same calls, and where files may be written. */
struct folders {
    const char *golden;
    const char *expected;
    const char *scratch;
};

/* The content of a file. */
struct content {
    unsigned char *bytes;
    size_t len;
};

void check(bool holds, const char *what, const char *file, int line);
void expect(TqStatus expected, TqStatus got, const char *what, const char *file, int line);

/* A path that stays valid until the fourth call after this one. */
const char *path_of(const char *folder, const char *name);
/* The content of a file, freed with `free`; ends the program where it cannot be read. */
struct content read_all(const char *folder, const char *name);
/* The components of a file; `*len` becomes their number. Freed with `free`. */
float *read_floats(const char *folder, const char *name, size_t *len);
bool same(const void *left, size_t left_len, const void *right, size_t right_len);

/* Lines `query rank id score` of all hits, scores as hexadecimal bits; freed with `free`. */
char *text_of_hits(const TqHits *hits, bool are_texts);
/* Whether hits are those of a file of such lines. */
bool are_expected(const TqHits *hits, bool are_texts, const struct folders *folders, const char *name);

void test_errors(void);
void test_codec(const struct folders *folders);
void test_corpus(const struct folders *folders);
void test_index(const struct folders *folders);
void test_handles(const struct folders *folders);
void test_threads(const struct folders *folders);

#endif
