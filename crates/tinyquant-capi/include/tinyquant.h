/*
 * TinyQuant for C: codec, corpora, search indexes and their files. docs/c-api.md says how to build and to link.
 *
 * HANDLES. The types whose fields are not shown, such as TqCorpus, are named by handles. A handle looks like a pointer
 * but is a number: only this library knows what it stands for. A call that makes an object puts its handle into *out, and
 * the caller owns the object until it passes the handle to the tq_*_free of its type. A handle is never given twice. One
 * that was freed is refused with TQ_ERR_CLOSED, NULL, one of another type and anything else with
 * TQ_ERR_INVALID_HANDLE; all of them safely. What was made with an object stays when that is freed.
 *
 * MEMORY. Bytes and texts that a call gives to its caller are freed by tq_bytes_free and tq_text_free, and by nothing
 * else. Pointers that are said to be part of an object are valid until that object is freed. Everything else that is
 * passed is copied or read during the call only. tq_live_objects counts what was not freed.
 *
 * ERRORS. A call that can fail answers with TQ_OK or with one of TQ_ERR_; a getter answers with 0, false or NULL. Every
 * call that takes or makes something sets the error of its thread, and a success clears it: tq_last_error_status,
 * tq_last_error_message. A call that fails has changed nothing, its results included. A defect of the library becomes
 * TQ_ERR_INTERNAL and ends neither the process nor the thread.
 *
 * POINTERS. Every pointer may be NULL where that is said, or where the length beside it is 0; elsewhere NULL is refused with
 * TQ_ERR_INVALID_ARG, and so is one that is not aligned. The caller promises that a pointer that is not NULL points to
 * as many values as the length beside it says, that texts are UTF-8 and end in a zero byte (other bytes are refused),
 * and that nobody writes to what a call reads or writes while it runs. "# Safety: the rules on pointers" means this.
 *
 * THREADS. Every call may be made from any thread, at the same time as any other, with the same handles. Batches, builds
 * and searches of many queries run on threads of the library: TINYQUANT_THREADS of them (1 to 1024), else one for each
 * CPU. They start with the first call that needs them; do not fork afterwards.
 *
 * VALUES. Vectors are float (IEEE 754 binary32), row-major, one row after another. The same input gives the same bytes on
 * every machine, for every number of threads, and from every language. Lengths count components, bytes or items, never
 * rows, unless that is said. A choice such as a policy is a uint32_t: an unknown one is refused.
 */

#ifndef TINYQUANT_H
#define TINYQUANT_H

/* Written by cbindgen from crates/tinyquant-capi/src: change it there. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Version of the functions and structures of this header. It rises when one of them changes or goes.
 */
#define TINYQUANT_H_VERSION 1

/**
 * TinyQuant's rule: uniform quantiles, extremes included, of the values as they are.
 */
#define TQ_TRAIN_TINYQUANT 0

/**
 * Lloyd-Max levels of the rotated values: a lower error for the same bytes.
 */
#define TQ_TRAIN_LLOYD_MAX 1

/**
 * Codes of the codec, with or without a residual.
 */
#define TQ_POLICY_COMPRESS 0

/**
 * The f32 components as they are.
 */
#define TQ_POLICY_PASSTHROUGH 1

/**
 * The components rounded to f16.
 */
#define TQ_POLICY_FP16 2

/**
 * The cosine of query and vector, as their codes tell it: it may come out a little above 1.
 */
#define TQ_METRIC_COSINE 0

/**
 * Their dot product.
 */
#define TQ_METRIC_DOT 1

/**
 * Minus the square of their distance.
 */
#define TQ_METRIC_L2 2

/**
 * Ids are whole numbers below 2^53, as JavaScript's numbers.
 */
#define TQ_ID_NUMBER 0

/**
 * Ids are whole numbers below 2^64, JavaScript's bigints.
 */
#define TQ_ID_BIGINT 1

/**
 * Ids are texts.
 */
#define TQ_ID_TEXT 2

/**
 * The vectors are not kept beside their codes.
 */
#define TQ_ORIGINALS_NONE 0

/**
 * They are kept, rounded to f16.
 */
#define TQ_ORIGINALS_F16 1

/**
 * They are kept as they come.
 */
#define TQ_ORIGINALS_F32 2

/**
 * Every row may be a hit.
 */
#define TQ_FILTER_NONE 0

/**
 * The rows of `allowed_rows` may.
 */
#define TQ_FILTER_ROWS 1

/**
 * The numbers of `allowed_numbers` may; unknown ones are passed over.
 */
#define TQ_FILTER_NUMBERS 2

/**
 * The texts of `allowed_texts` may; unknown ones are passed over.
 */
#define TQ_FILTER_TEXTS 3

/**
 * The last candidates are scored by the vectors where these are kept.
 */
#define TQ_RESCORE_AUTO 0

/**
 * As `TQ_RESCORE_AUTO`.
 */
#define TQ_RESCORE_ON 1

/**
 * They are scored by their codes.
 */
#define TQ_RESCORE_OFF 2

/**
 * The values that codes stand for. Immutable.
 */
typedef struct TqCodebook TqCodebook;

/**
 * Parameters of the codec. Immutable.
 */
typedef struct TqCodecConfig TqCodecConfig;

/**
 * Compressed vectors that share their configuration. Immutable.
 */
typedef struct TqCompressedBatch TqCompressedBatch;

/**
 * One compressed vector: codes, an optional residual, the hash of its configuration. Immutable.
 */
typedef struct TqCompressedVector TqCompressedVector;

/**
 * Vectors under ids, in insertion order, stored as one policy says.
 */
typedef struct TqCorpus TqCorpus;

/**
 * The hits of one query or of several, each query's best first. Immutable.
 */
typedef struct TqHits TqHits;

/**
 * Ids of a corpus or an index, in order of insertion. Immutable.
 */
typedef struct TqIds TqIds;

/**
 * Quantized vectors under ids, and search over them. Searches and changes may run at the same time: a search sees all
 * of an add or none of it.
 */
typedef struct TqIndex TqIndex;

/**
 * Outcome of a call: `TQ_OK` or one of the `TQ_ERR_` numbers.
 */
typedef int32_t TqStatus;

/**
 * An error that outlives the next call: to keep it or to hand it to another thread.
 */
typedef struct {
  /**
   * The status.
   */
  TqStatus kind;
  /**
   * What went wrong, UTF-8; `NULL` with `TQ_OK`. Freed by `tq_error_free` or `tq_error_free_message`.
   */
  char *message;
} TqError;

/**
 * What an index is made for. `tq_index_options_init` sets all of it.
 */
typedef struct {
  /**
   * Components of a vector, 2 to 16384.
   */
  size_t dim;
  /**
   * Seed of the rotations; 42.
   */
  uint64_t seed;
  /**
   * Bits a component: 1, 2, 3, 4 or 8; 4.
   */
  uint32_t bits;
  /**
   * One of `TQ_METRIC_`; `TQ_METRIC_COSINE`.
   */
  uint32_t metric;
  /**
   * One of `TQ_ID_`; `TQ_ID_NUMBER`.
   */
  uint32_t id_kind;
  /**
   * One of `TQ_ORIGINALS_`; `TQ_ORIGINALS_NONE`.
   */
  uint32_t originals;
  /**
   * Of `tq_index_build` and its like: 0 for one random rotation, any other value for one that follows the vectors; 1.
   */
  uint32_t fit;
  /**
   * Of `tq_index_build` and its like: 0 for as many as suit the number of rows, else 1 (none) to 65536; 0.
   */
  uint32_t partitions;
} TqIndexOptions;

/**
 * What is asked of an index. `tq_search_options_init` sets all of it.
 */
typedef struct {
  /**
   * Hits wanted, at least 1; 10.
   */
  size_t k;
  /**
   * How many candidates each stage keeps, relative to the default; finite and above 0; 1.
   */
  float effort;
  /**
   * 0, or any other value to score every row; 0.
   */
  uint32_t exact;
  /**
   * One of `TQ_RESCORE_`; `TQ_RESCORE_AUTO`.
   */
  uint32_t rescore;
  /**
   * One of `TQ_FILTER_`; `TQ_FILTER_NONE`.
   */
  uint32_t filter;
  /**
   * With `TQ_FILTER_ROWS`: one bit a row in order of adding, lowest first; those beyond the end are not set.
   */
  const uint8_t *allowed_rows;
  /**
   * With `TQ_FILTER_NUMBERS`: ids.
   */
  const uint64_t *allowed_numbers;
  /**
   * With `TQ_FILTER_TEXTS`: ids.
   */
  const char *const *allowed_texts;
  /**
   * Bytes, numbers or texts of the filter.
   */
  size_t allowed_len;
} TqSearchOptions;

/**
 * The call did what it says.
 */
#define TQ_OK 0

/**
 * A handle is `NULL`, of another kind, or none that this library gave.
 */
#define TQ_ERR_INVALID_HANDLE 1

/**
 * A vector or a buffer has the wrong number of components.
 */
#define TQ_ERR_DIM_MISMATCH 2

/**
 * A record was made under another configuration.
 */
#define TQ_ERR_CONFIG_MISMATCH 3

/**
 * A codebook has another bit width than the configuration.
 */
#define TQ_ERR_CODEBOOK_MISMATCH 4

/**
 * The id is taken.
 */
#define TQ_ERR_ID_EXISTS 5

/**
 * The operating system refused a read or a write, or another writer has the file.
 */
#define TQ_ERR_IO 6

/**
 * An argument is outside its range, or a pointer is `NULL` or not aligned.
 */
#define TQ_ERR_INVALID_ARG 7

/**
 * A NaN or an infinity where a finite number is needed.
 */
#define TQ_ERR_NON_FINITE 8

/**
 * The compression policy does not allow the call.
 */
#define TQ_ERR_POLICY 9

/**
 * No vector has the id.
 */
#define TQ_ERR_ID_NOT_FOUND 10

/**
 * The id is outside the range of its kind.
 */
#define TQ_ERR_ID_RANGE 11

/**
 * The handle was freed.
 */
#define TQ_ERR_CLOSED 12

/**
 * Bytes that do not follow their format.
 */
#define TQ_ERR_FORMAT 13

/**
 * A format version that this release does not read.
 */
#define TQ_ERR_VERSION 14

/**
 * Stored and computed checksums differ.
 */
#define TQ_ERR_CHECKSUM 15

/**
 * Bytes end before their content does.
 */
#define TQ_ERR_TRUNCATED 16

/**
 * A value or a size beyond what the format or the machine can hold.
 */
#define TQ_ERR_LIMIT 17

/**
 * A defect of this library; the call was given up.
 */
#define TQ_ERR_INTERNAL 98

/**
 * An error that has no number yet.
 */
#define TQ_ERR_UNKNOWN 99

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The `TINYQUANT_H_VERSION` that the library was built with. Only a program compiled with the same number fits it.
 */
uint32_t tq_abi_version(void);

/**
 * Version of the library, such as `1.2.3`. Static text.
 */
const char *tq_version(void);

/**
 * The vector instructions in use, such as `avx2`; `TINYQUANT_SIMD` caps them. Results do not depend on them. Static
 * text.
 */
const char *tq_simd_level(void);

/**
 * Name of a status, `OK` or one like `ERR_TQ_DIM_MISMATCH`, the code that the same error has in the other languages.
 * Static text; `ERR_TQ_UNKNOWN` for a number that is none.
 */
const char *tq_status_name(TqStatus status);

/**
 * Status of the last call on this thread: `TQ_OK` unless it failed. It tells a getter's 0 that is a value from one that
 * stands for an error.
 */
TqStatus tq_last_error_status(void);

/**
 * What went wrong in the last call on this thread, UTF-8: what was given, what was expected, where. The empty text
 * unless it failed. Valid until the next call on this thread that is not one of `tq_last_error_*`; not to be freed.
 */
const char *tq_last_error_message(void);

/**
 * Copies status and message of the last call on this thread into `out`, which then owns the message:
 * `tq_error_free(out)` frees it. Answers with that status, or `TQ_ERR_INVALID_ARG` if `out` is `NULL`; the last error
 * stays as it is.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_last_error(TqError *out);

/**
 * Frees the message of an error and sets the error to `TQ_OK` without one. `NULL` is nothing to free. The status of
 * the last call on this thread becomes that of this call: `TQ_ERR_INVALID_ARG` for a message that is not of
 * `tq_last_error` or was freed before; the error stays as it is then.
 *
 * # Safety
 * The rules on pointers.
 */
void tq_error_free(TqError *error);

/**
 * Frees the message of an error alone; otherwise as `tq_error_free`.
 */
void tq_error_free_message(char *message);

/**
 * Frees `len` bytes that a call of this library gave, such as `tq_compressed_vector_to_bytes`. `NULL` is nothing to
 * free.
 *
 * # Errors
 * `TQ_ERR_INVALID_ARG` for memory that is not of this library or was freed before, and for another length than was
 * given; nothing is freed then.
 */
TqStatus tq_bytes_free(uint8_t *bytes, size_t len);

/**
 * Frees a text that a call of this library gave to its caller, such as `tq_corpus_get`. `NULL` is nothing to free.
 *
 * # Errors
 * `TQ_ERR_INVALID_ARG` for memory that is not of this library or was freed before.
 */
TqStatus tq_text_free(char *text);

/**
 * Handles and pieces of memory that the library gave to its callers and that were not freed: 0 where nothing leaks.
 */
size_t tq_live_objects(void);

/**
 * Makes a configuration: `bit_width` bits a coordinate (2, 4 or 8), the `seed` of the rotation (any), the `dimension` of
 * the vectors (1 to 16384), and whether records keep an f16 residual (0 no, any other value yes). `*out` becomes its
 * handle, which `tq_codec_config_free` frees.
 *
 * # Errors
 * `TQ_ERR_INVALID_ARG`.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_codec_config_new(uint8_t bit_width,
                             uint64_t seed,
                             uint32_t dimension,
                             uint8_t residual_enabled,
                             TqCodecConfig **out);

/**
 * Frees a configuration. `NULL` is nothing to free. What was made with it stays.
 *
 * # Errors
 * `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`.
 */
TqStatus tq_codec_config_free(TqCodecConfig *config);

/**
 * Bits a coordinate: 2, 4 or 8. 0 and an error (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`) for a bad handle.
 */
uint8_t tq_codec_config_bit_width(const TqCodecConfig *config);

/**
 * Seed of the rotation. 0 and an error (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`) for a bad handle.
 */
uint64_t tq_codec_config_seed(const TqCodecConfig *config);

/**
 * Components of a vector, 1 to 16384. 0 and an error (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`) for a bad handle.
 */
uint32_t tq_codec_config_dimension(const TqCodecConfig *config);

/**
 * Whether records keep a residual. `false` and an error (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`) for a bad handle.
 */
bool tq_codec_config_residual_enabled(const TqCodecConfig *config);

/**
 * Lower-case hexadecimal SHA-256 of the parameters, 64 characters. It is part of the configuration: valid until that is
 * freed, not to be freed itself. `NULL` and an error (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`) for a bad handle.
 */
const char *tq_codec_config_hash(const TqCodecConfig *config);

/**
 * Trains a codebook of `2^bit_width` entries on `vectors`: rows of `dimension` components, row-major, `len` components in
 * all. `method` is one of `TQ_TRAIN_`. `*out` becomes its handle, which `tq_codebook_free` frees.
 *
 * # Errors
 * `TQ_ERR_DIM_MISMATCH` unless the rows are whole, `TQ_ERR_NON_FINITE`, `TQ_ERR_INVALID_ARG` for too few distinct values
 * or an unknown method, `TQ_ERR_LIMIT`, `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_codebook_train(const TqCodecConfig *config,
                           const float *vectors,
                           size_t len,
                           uint32_t method,
                           TqCodebook **out);

/**
 * Makes a codebook of `len` entries, finite and strictly ascending; there are `2^bit_width` of them. `*out` becomes its
 * handle, which `tq_codebook_free` frees.
 *
 * # Errors
 * `TQ_ERR_INVALID_ARG`, `TQ_ERR_NON_FINITE`.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_codebook_from_entries(const float *entries, size_t len, uint8_t bit_width, TqCodebook **out);

/**
 * Reads the `len` bytes of a TQCB file. `*out` becomes the codebook's handle, which `tq_codebook_free` frees.
 *
 * # Errors
 * `TQ_ERR_TRUNCATED`, `TQ_ERR_VERSION`, `TQ_ERR_FORMAT`, `TQ_ERR_INVALID_ARG`, `TQ_ERR_NON_FINITE`.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_codebook_from_bytes(const uint8_t *bytes, size_t len, TqCodebook **out);

/**
 * The codebook as the bytes of a TQCB file. The caller owns `*bytes`: `tq_bytes_free(*bytes, *len)` frees them.
 *
 * # Errors
 * `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`, `TQ_ERR_INVALID_ARG`.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_codebook_to_bytes(const TqCodebook *codebook, uint8_t **bytes, size_t *len);

/**
 * Copies the entries, ascending, into the `len` components at `out`; there are `2^bit_width` of them.
 *
 * # Errors
 * `TQ_ERR_DIM_MISMATCH` for another `len`, `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`, `TQ_ERR_INVALID_ARG`.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_codebook_entries(const TqCodebook *codebook, float *out, size_t len);

/**
 * Bits of a code: 2, 4 or 8. 0 and an error (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`) for a bad handle.
 */
uint8_t tq_codebook_bit_width(const TqCodebook *codebook);

/**
 * Frees a codebook. `NULL` is nothing to free. What was made with it stays.
 *
 * # Errors
 * `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`.
 */
TqStatus tq_codebook_free(TqCodebook *codebook);

/**
 * Components of the vector, or bytes of an uncompressed one (see `tq_corpus_get`). 0 and an error (`TQ_ERR_CLOSED`,
 * `TQ_ERR_INVALID_HANDLE`) for a bad handle.
 */
uint32_t tq_compressed_vector_dimension(const TqCompressedVector *record);

/**
 * Bits of a code: 2, 4 or 8. 0 and an error (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`) for a bad handle.
 */
uint8_t tq_compressed_vector_bit_width(const TqCompressedVector *record);

/**
 * Whether there is a residual. `false` and an error (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`) for a bad handle.
 */
bool tq_compressed_vector_has_residual(const TqCompressedVector *record);

/**
 * Bytes of codes and residual, without the header of the Level-1 record. 0 and an error (`TQ_ERR_CLOSED`,
 * `TQ_ERR_INVALID_HANDLE`) for a bad handle.
 */
size_t tq_compressed_vector_size_bytes(const TqCompressedVector *record);

/**
 * Hash of the configuration that the vector was compressed under, 64 characters. Valid until the record is freed, not to
 * be freed itself. `NULL` and an error (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`) for a bad handle.
 */
const char *tq_compressed_vector_config_hash(const TqCompressedVector *record);

/**
 * The Level-1 record. The caller owns `*bytes`: `tq_bytes_free(*bytes, *len)` frees them.
 *
 * # Errors
 * `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`, `TQ_ERR_INVALID_ARG`.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_compressed_vector_to_bytes(const TqCompressedVector *record, uint8_t **bytes, size_t *len);

/**
 * Reads exactly one Level-1 record of `len` bytes. `*out` becomes its handle, which `tq_compressed_vector_free` frees.
 *
 * # Errors
 * `TQ_ERR_TRUNCATED`, `TQ_ERR_VERSION`, `TQ_ERR_FORMAT`, `TQ_ERR_INVALID_ARG`.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_compressed_vector_from_bytes(const uint8_t *bytes, size_t len, TqCompressedVector **out);

/**
 * Frees a record. `NULL` is nothing to free.
 *
 * # Errors
 * `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`.
 */
TqStatus tq_compressed_vector_free(TqCompressedVector *record);

/**
 * Number of vectors. 0 and an error (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`) for a bad handle.
 */
size_t tq_compressed_batch_len(const TqCompressedBatch *batch);

/**
 * Bytes of all codes and residuals, without headers. 0 and an error (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`) for a bad
 * handle.
 */
size_t tq_compressed_batch_size_bytes(const TqCompressedBatch *batch);

/**
 * A copy of vector `index`, from 0. `*out` becomes its handle, which `tq_compressed_vector_free` frees.
 *
 * # Errors
 * `TQ_ERR_INVALID_ARG` for an index beyond the last, `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_compressed_batch_at(const TqCompressedBatch *batch, size_t index, TqCompressedVector **out);

/**
 * The Level-1 records, one after another. The caller owns `*bytes`: `tq_bytes_free(*bytes, *len)` frees them.
 *
 * # Errors
 * `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`, `TQ_ERR_INVALID_ARG`.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_compressed_batch_to_bytes(const TqCompressedBatch *batch, uint8_t **bytes, size_t *len);

/**
 * Reads Level-1 records of one configuration that lie one after another in `len` bytes; 0 bytes are an empty batch.
 * `*out` becomes its handle, which `tq_compressed_batch_free` frees.
 *
 * # Errors
 * `TQ_ERR_TRUNCATED`, `TQ_ERR_VERSION`, `TQ_ERR_FORMAT`, `TQ_ERR_INVALID_ARG`.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_compressed_batch_from_bytes(const uint8_t *bytes, size_t len, TqCompressedBatch **out);

/**
 * Frees a batch. `NULL` is nothing to free. Vectors that were copied out of it stay.
 *
 * # Errors
 * `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`.
 */
TqStatus tq_compressed_batch_free(TqCompressedBatch *batch);

/**
 * Compresses one vector of `len` components, which must be the dimension. `*out` becomes the record's handle, which
 * `tq_compressed_vector_free` frees.
 *
 * # Errors
 * `TQ_ERR_DIM_MISMATCH`, `TQ_ERR_CODEBOOK_MISMATCH`, `TQ_ERR_NON_FINITE`, `TQ_ERR_LIMIT` for a residual beyond f16,
 * `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`, `TQ_ERR_INVALID_ARG`.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_codec_compress(const TqCodecConfig *config,
                           const TqCodebook *codebook,
                           const float *vector,
                           size_t len,
                           TqCompressedVector **out);

/**
 * Decompresses a record into the `len` components at `out`, which must be the dimension. Nothing is written on an error.
 *
 * # Errors
 * `TQ_ERR_CONFIG_MISMATCH`, `TQ_ERR_CODEBOOK_MISMATCH`, `TQ_ERR_DIM_MISMATCH`, `TQ_ERR_NON_FINITE` for a record that
 * decodes to such values, `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`, `TQ_ERR_INVALID_ARG`.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_codec_decompress(const TqCodecConfig *config,
                             const TqCodebook *codebook,
                             const TqCompressedVector *record,
                             float *out,
                             size_t len);

/**
 * Compresses rows of `dimension` components, row-major, `len` components in all, on the threads of the library. `*out`
 * becomes the batch's handle, which `tq_compressed_batch_free` frees. The bytes do not depend on the number of threads.
 *
 * # Errors
 * `TQ_ERR_DIM_MISMATCH` unless the rows are whole; otherwise as `tq_codec_compress`, for the first row that fails.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_codec_compress_batch(const TqCodecConfig *config,
                                 const TqCodebook *codebook,
                                 const float *vectors,
                                 size_t len,
                                 TqCompressedBatch **out);

/**
 * Decompresses a batch into the `len` components at `out`: rows of `dimension` components, row-major. `len` must be the
 * number of vectors times the dimension. Nothing is written on an error.
 *
 * # Errors
 * As `tq_codec_decompress`, for the first row that fails; `TQ_ERR_LIMIT` where memory is short.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_codec_decompress_batch(const TqCodecConfig *config,
                                   const TqCodebook *codebook,
                                   const TqCompressedBatch *batch,
                                   float *out,
                                   size_t len);

/**
 * Number of ids. 0 and an error (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`) for a bad handle.
 */
size_t tq_ids_len(const TqIds *ids);

/**
 * The ids as numbers, `tq_ids_len` of them. Valid until the list is freed, not to be freed itself. `NULL` and an error for
 * ids that are texts (`TQ_ERR_INVALID_ARG`) and for a bad handle (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`).
 */
const uint64_t *tq_ids_numbers(const TqIds *ids);

/**
 * Id `at`, from 0, as UTF-8 with a zero byte behind it. `*len`, unless `len` is `NULL`, becomes its bytes without that: an
 * id may have zero bytes of its own. Valid until the list is freed, not to be freed itself. `NULL` and an error for ids
 * that are numbers or a place beyond the last (`TQ_ERR_INVALID_ARG`) and for a bad handle (`TQ_ERR_CLOSED`,
 * `TQ_ERR_INVALID_HANDLE`).
 *
 * # Safety
 * The rules on pointers.
 */
const char *tq_ids_text(const TqIds *ids,
                        size_t at,
                        size_t *len);

/**
 * Frees a list of ids. `NULL` is nothing to free.
 *
 * # Errors
 * `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`.
 */
TqStatus tq_ids_free(TqIds *ids);

/**
 * Number of queries that were searched for. 0 and an error (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`) for a bad handle.
 */
size_t tq_hits_queries(const TqHits *hits);

/**
 * Number of hits of query `query`, from 0. 0 and an error for a query beyond the last (`TQ_ERR_INVALID_ARG`) and for a bad
 * handle (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`).
 */
size_t tq_hits_len(const TqHits *hits,
                   size_t query);

/**
 * Scores of the hits of query `query`, best first, `tq_hits_len` of them; higher is better. Valid until the hits are
 * freed, not to be freed themselves. `NULL` and an error for a query beyond the last (`TQ_ERR_INVALID_ARG`) and for a bad
 * handle (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`).
 */
const float *tq_hits_scores(const TqHits *hits,
                            size_t query);

/**
 * Ids of the hits of query `query` as numbers, `tq_hits_len` of them. Valid until the hits are freed, not to be freed
 * themselves. `NULL` and an error for ids that are texts or a query beyond the last (`TQ_ERR_INVALID_ARG`) and for a bad
 * handle (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`).
 */
const uint64_t *tq_hits_numbers(const TqHits *hits,
                                size_t query);

/**
 * Id of hit `at` of query `query`, both from 0, as UTF-8 with a zero byte behind it. `*len`, unless `len` is `NULL`,
 * becomes its bytes without that. Valid until the hits are freed, not to be freed itself. `NULL` and an error for ids
 * that are numbers or a place beyond the last (`TQ_ERR_INVALID_ARG`) and for a bad handle (`TQ_ERR_CLOSED`,
 * `TQ_ERR_INVALID_HANDLE`).
 *
 * # Safety
 * The rules on pointers.
 */
const char *tq_hits_text(const TqHits *hits, size_t query, size_t at, size_t *len);

/**
 * Frees hits. `NULL` is nothing to free.
 *
 * # Errors
 * `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`.
 */
TqStatus tq_hits_free(TqHits *hits);

/**
 * Makes an empty corpus. `id` is its name, `corpus` if that is `NULL`; `policy` one of `TQ_POLICY_`; `metadata` the
 * caller's text, JSON if the other languages are to read it, or `NULL`. `*out` becomes its handle, which
 * `tq_corpus_free` frees. A codebook whose bit width does not fit fails at the first insert that needs it.
 *
 * # Errors
 * `TQ_ERR_INVALID_ARG`, `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_corpus_new(const char *id,
                       const TqCodecConfig *config,
                       const TqCodebook *codebook,
                       uint32_t policy,
                       const char *metadata,
                       TqCorpus **out);

/**
 * Inserts one vector of `len` components, which must be the dimension, under an id. `metadata` is the caller's text, JSON
 * if the other languages are to read it, or `NULL`. `inserted_at` is in nanoseconds since 1970-01-01T00:00:00Z.
 *
 * # Errors
 * `TQ_ERR_DIM_MISMATCH`, `TQ_ERR_ID_EXISTS`, `TQ_ERR_NON_FINITE`, `TQ_ERR_CODEBOOK_MISMATCH`, `TQ_ERR_LIMIT` for what does
 * not fit f16, `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`, `TQ_ERR_INVALID_ARG`; those of reading a file. Nothing is
 * inserted then.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_corpus_insert(TqCorpus *corpus,
                          const char *id,
                          const float *vector,
                          size_t len,
                          const char *metadata,
                          int64_t inserted_at);

/**
 * Inserts `count` vectors under `count` ids, all of them or none, on the threads of the library. `vectors` are rows of
 * `dimension` components, row-major, `len` components in all; `inserted_at` is as for `tq_corpus_insert`.
 *
 * # Errors
 * `TQ_ERR_DIM_MISMATCH` unless there are `count` rows; otherwise as `tq_corpus_insert`, for the first row that fails.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_corpus_insert_batch(TqCorpus *corpus,
                                const char *const *ids,
                                size_t count,
                                const float *vectors,
                                size_t len,
                                int64_t inserted_at);

/**
 * Removes the vector of an id. `*removed`, unless `removed` is `NULL`, says whether there was one.
 *
 * # Errors
 * `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`, `TQ_ERR_INVALID_ARG`; those of reading a file. Nothing is removed then.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_corpus_remove(TqCorpus *corpus, const char *id, bool *removed);

/**
 * Number of vectors. 0 and an error (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`) for a bad handle.
 */
size_t tq_corpus_vector_count(const TqCorpus *corpus);

/**
 * How vectors are stored, one of `TQ_POLICY_`. 0 and an error (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`) for a bad
 * handle.
 */
uint32_t tq_corpus_policy(const TqCorpus *corpus);

/**
 * The configuration of a corpus. `*out` becomes its handle, which `tq_codec_config_free` frees.
 *
 * # Errors
 * `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`, `TQ_ERR_INVALID_ARG`.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_corpus_config(const TqCorpus *corpus, TqCodecConfig **out);

/**
 * The codebook of a corpus. `*out` becomes its handle, which `tq_codebook_free` frees.
 *
 * # Errors
 * `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`, `TQ_ERR_INVALID_ARG`.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_corpus_codebook(const TqCorpus *corpus, TqCodebook **out);

/**
 * Frees a corpus, and lets go of its file. `NULL` is nothing to free. What was not saved is lost.
 *
 * # Errors
 * `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`.
 */
TqStatus tq_corpus_free(TqCorpus *corpus);

/**
 * Says in `*contained` whether there is a vector with this id.
 *
 * # Errors
 * `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`, `TQ_ERR_INVALID_ARG`; those of reading a file.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_corpus_contains(const TqCorpus *corpus, const char *id, bool *contained);

/**
 * The vector of an id as it is stored. `*out` becomes its handle, which `tq_compressed_vector_free` frees: under
 * `TQ_POLICY_COMPRESS` its record, else a record of 8-bit codes that are the bytes of the f32 or f16 components.
 * `*inserted_at`, unless `inserted_at` is `NULL`, becomes the time that the insert was given. `*metadata`, unless `metadata`
 * is `NULL`, becomes the caller's text, or `NULL` where there is none; the caller owns it, and `tq_text_free` frees it.
 *
 * # Errors
 * `TQ_ERR_ID_NOT_FOUND`, `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`, `TQ_ERR_INVALID_ARG`; those of reading a file.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_corpus_get(const TqCorpus *corpus,
                       const char *id,
                       TqCompressedVector **out,
                       int64_t *inserted_at,
                       char **metadata);

/**
 * Decompresses the vector of an id into the `len` components at `out`, which must be the dimension. Nothing is written on
 * an error.
 *
 * # Errors
 * `TQ_ERR_DIM_MISMATCH`, `TQ_ERR_ID_NOT_FOUND`, `TQ_ERR_CODEBOOK_MISMATCH`, `TQ_ERR_NON_FINITE`, `TQ_ERR_CLOSED`,
 * `TQ_ERR_INVALID_HANDLE`, `TQ_ERR_INVALID_ARG`; those of reading a file.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_corpus_decompress(const TqCorpus *corpus,
                              const char *id,
                              float *out,
                              size_t len);

/**
 * Decompresses all vectors, in insertion order, into the `len` components at `out`: rows of `dimension` components,
 * row-major. `len` must be the number of vectors times the dimension. Nothing is written on an error.
 *
 * # Errors
 * As `tq_corpus_decompress`, without `TQ_ERR_ID_NOT_FOUND`.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_corpus_decompress_all(const TqCorpus *corpus, float *out, size_t len);

/**
 * The ids in insertion order, texts. `*out` becomes the handle of the list, which `tq_ids_free` frees.
 *
 * # Errors
 * `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`, `TQ_ERR_INVALID_ARG`; those of reading a file.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_corpus_ids(const TqCorpus *corpus, TqIds **out);

/**
 * Name of the corpus. The caller owns `*id`: `tq_text_free` frees it.
 *
 * # Errors
 * `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`, `TQ_ERR_INVALID_ARG`.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_corpus_id(const TqCorpus *corpus, char **id);

/**
 * The caller's metadata of the corpus: `*metadata` becomes its text, or `NULL` where there is none. The caller owns it:
 * `tq_text_free` frees it.
 *
 * # Errors
 * `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`, `TQ_ERR_INVALID_ARG`.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_corpus_metadata(const TqCorpus *corpus, char **metadata);

/**
 * For each query the `top_k` vectors (at least 1) whose reconstructions have the highest cosine with it, exactly: scores
 * from -1 to 1, equal ones in the order of the ids' bytes. `queries` are rows of `dimension` components, row-major, `len`
 * components in all. `*out` becomes the handle of the hits, whose ids are texts; `tq_hits_free` frees it.
 *
 * # Errors
 * `TQ_ERR_INVALID_ARG`, `TQ_ERR_DIM_MISMATCH` unless the rows are whole, `TQ_ERR_NON_FINITE`, `TQ_ERR_CODEBOOK_MISMATCH`,
 * `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`; those of reading a file.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_corpus_search(const TqCorpus *corpus,
                          const float *queries,
                          size_t len,
                          size_t top_k,
                          TqHits **out);

/**
 * Opens the corpus file at `path`, UTF-8. With `is_mapped` (0 no, any other value yes) it is mapped into memory; a
 * program that truncates it meanwhile ends this one. Without, its rows are read when they are asked for. With `verify`
 * all of it is checked first. `*out` becomes the corpus's handle, which `tq_corpus_free` frees. Changes stay in memory
 * until the corpus is saved.
 *
 * # Errors
 * `TQ_ERR_IO`, `TQ_ERR_FORMAT`, `TQ_ERR_VERSION`, `TQ_ERR_TRUNCATED`, `TQ_ERR_CHECKSUM`, `TQ_ERR_INVALID_ARG`. They are also
 * what later calls say of rows that cannot be read.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_corpus_open(const char *path,
                        uint8_t is_mapped,
                        uint8_t verify,
                        TqCorpus **out);

/**
 * Writes all of a corpus to a file at `path`, UTF-8, which replaces the one that is there: at any moment there is the old
 * one or the new one.
 *
 * # Errors
 * `TQ_ERR_IO`, also while another writer has the file; `TQ_ERR_LIMIT`, `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`,
 * `TQ_ERR_INVALID_ARG`; those of reading the file that the corpus was opened from.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_corpus_save(const TqCorpus *corpus,
                        const char *path);

/**
 * Adds to the file at `path`, UTF-8, what changed since the corpus was opened from there or saved to it last.
 *
 * # Errors
 * `TQ_ERR_INVALID_ARG` for another file, `TQ_ERR_IO` if it changed meanwhile; otherwise as `tq_corpus_save`.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_corpus_append(const TqCorpus *corpus, const char *path);

/**
 * Sets options to the defaults that their fields name, for vectors of `dim` components.
 *
 * # Errors
 * `TQ_ERR_INVALID_ARG`.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_index_options_init(TqIndexOptions *options, size_t dim);

/**
 * Sets options to the defaults that their fields name.
 *
 * # Errors
 * `TQ_ERR_INVALID_ARG`.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_search_options_init(TqSearchOptions *options);

/**
 * Makes an empty index. `*out` becomes its handle, which `tq_index_free` frees.
 *
 * # Errors
 * `TQ_ERR_INVALID_ARG`.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_index_new(const TqIndexOptions *options, TqIndex **out);

/**
 * Makes an index of rows of `dim` components, row-major, `len` components in all, on the threads of the library. `ids` are
 * `ids_len` numbers, one a row, or `NULL` for 0, 1, 2, ... `*out` becomes its handle, which `tq_index_free` frees.
 *
 * # Errors
 * As `tq_index_add`; `TQ_ERR_INVALID_ARG` for options.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_index_build(const TqIndexOptions *options,
                        const float *vectors,
                        size_t len,
                        const uint64_t *ids,
                        size_t ids_len,
                        TqIndex **out);

/**
 * `tq_index_build` with `ids_len` ids that are texts, one a row; `id_kind` is `TQ_ID_TEXT`.
 *
 * # Errors
 * As `tq_index_build`.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_index_build_texts(const TqIndexOptions *options,
                              const float *vectors,
                              size_t len,
                              const char *const *ids,
                              size_t ids_len,
                              TqIndex **out);

/**
 * Fits the rotation and the bits of an empty index to a sample: rows of `dim` components, row-major, `len` components in
 * all, at least one row.
 *
 * # Errors
 * `TQ_ERR_INVALID_ARG` if vectors were ever added or the sample is empty; otherwise those of `tq_index_add` about vectors.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_index_fit(TqIndex *index,
                      const float *sample,
                      size_t len);

/**
 * Adds rows of `dim` components, row-major, `len` components in all, or none of them. `ids` are `ids_len` numbers, one a
 * row, or `NULL` for the numbers that follow the largest so far.
 *
 * # Errors
 * `TQ_ERR_DIM_MISMATCH` unless the rows are whole, `TQ_ERR_NON_FINITE`, `TQ_ERR_ID_EXISTS`, `TQ_ERR_ID_RANGE`,
 * `TQ_ERR_LIMIT`, `TQ_ERR_INVALID_ARG`, `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_index_add(TqIndex *index,
                      const float *vectors,
                      size_t len,
                      const uint64_t *ids,
                      size_t ids_len);

/**
 * `tq_index_add` with `ids_len` ids that are texts, one a row.
 *
 * # Errors
 * As `tq_index_add`.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_index_add_texts(TqIndex *index, const float *vectors, size_t len, const char *const *ids, size_t ids_len);

/**
 * Removes the vectors of `ids_len` numbers; unknown ones are passed over. `*removed`, unless `removed` is `NULL`, becomes how
 * many there were.
 *
 * # Errors
 * `TQ_ERR_INVALID_ARG`, `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`; those of reading a file.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_index_remove(TqIndex *index,
                         const uint64_t *ids,
                         size_t ids_len,
                         size_t *removed);

/**
 * `tq_index_remove` with ids that are texts.
 *
 * # Errors
 * As `tq_index_remove`.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_index_remove_texts(TqIndex *index, const char *const *ids, size_t ids_len, size_t *removed);

/**
 * The ids in order of adding, numbers or texts. `*out` becomes the handle of the list, which `tq_ids_free` frees.
 *
 * # Errors
 * `TQ_ERR_INVALID_ARG`, `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`; those of reading a file.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_index_ids(const TqIndex *index, TqIds **out);

/**
 * Number of vectors. 0 and an error (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`) for a bad handle.
 */
size_t tq_index_len(const TqIndex *index);

/**
 * Components of a vector. 0 and an error (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`) for a bad handle.
 */
size_t tq_index_dim(const TqIndex *index);

/**
 * Whether rotation and bits follow a sample. `false` and an error (`TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`) for a bad
 * handle.
 */
bool tq_index_is_fitted(const TqIndex *index);

/**
 * Frees an index, and lets go of its file. `NULL` is nothing to free. What was not saved is lost.
 *
 * # Errors
 * `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`.
 */
TqStatus tq_index_free(TqIndex *index);

/**
 * The hits of one query of `len` components, which must be `dim`: exactly the smaller of `k` and the number of rows
 * allowed. Runs on the calling thread. `*out` becomes the handle of the hits, which `tq_hits_free` frees; the query's
 * number is 0.
 *
 * # Errors
 * `TQ_ERR_DIM_MISMATCH`, `TQ_ERR_NON_FINITE`, `TQ_ERR_LIMIT`, `TQ_ERR_INVALID_ARG`, `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`;
 * those of reading a file.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_index_search(const TqIndex *index,
                         const float *query,
                         size_t len,
                         const TqSearchOptions *options,
                         TqHits **out);

/**
 * The hits of several queries: rows of `dim` components, row-major, `len` components in all, on the threads of the
 * library. `*out` becomes the handle of the hits, which `tq_hits_free` frees; queries are numbered from 0.
 *
 * # Errors
 * `TQ_ERR_DIM_MISMATCH` unless the rows are whole; otherwise as `tq_index_search`.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_index_search_batch(const TqIndex *index,
                               const float *queries,
                               size_t len,
                               const TqSearchOptions *options,
                               TqHits **out);

/**
 * Says in `*contained` whether there is a vector with the number `id`.
 *
 * # Errors
 * `TQ_ERR_INVALID_ARG`, `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`; those of reading a file.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_index_contains(const TqIndex *index, uint64_t id, bool *contained);

/**
 * `tq_index_contains` with an id that is a text.
 *
 * # Errors
 * As `tq_index_contains`.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_index_contains_text(const TqIndex *index, const char *id, bool *contained);

/**
 * The vector of the number `id`, into the `len` components at `out`, which must be `dim`: itself where the vectors are
 * kept, else what its codes stand for, which for the cosine is a unit vector. Nothing is written on an error.
 *
 * # Errors
 * `TQ_ERR_DIM_MISMATCH`, `TQ_ERR_ID_NOT_FOUND`, `TQ_ERR_INVALID_ARG`, `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`; those of
 * reading a file.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_index_reconstruct(const TqIndex *index,
                              uint64_t id,
                              float *out,
                              size_t len);

/**
 * `tq_index_reconstruct` with an id that is a text.
 *
 * # Errors
 * As `tq_index_reconstruct`.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_index_reconstruct_text(const TqIndex *index, const char *id, float *out, size_t len);

/**
 * Opens the index file at `path`, UTF-8. With `is_mapped` (0 no, any other value yes) it is mapped into memory and not
 * copied; a program that truncates it meanwhile ends this one. With `verify` all of it is checked first. `*out` becomes the
 * index's handle, which `tq_index_free` frees. Changes stay in memory until the index is saved.
 *
 * # Errors
 * `TQ_ERR_IO`, `TQ_ERR_FORMAT`, `TQ_ERR_VERSION`, `TQ_ERR_TRUNCATED`, `TQ_ERR_CHECKSUM`, `TQ_ERR_LIMIT`,
 * `TQ_ERR_INVALID_ARG`.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_index_open(const char *path,
                       uint8_t is_mapped,
                       uint8_t verify,
                       TqIndex **out);

/**
 * Writes all of an index to a file at `path`, UTF-8, which replaces the one that is there: at any moment there is the old
 * one or the new one. The same state gives the same bytes.
 *
 * # Errors
 * `TQ_ERR_IO`, also while another writer has the file; `TQ_ERR_LIMIT`, `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`,
 * `TQ_ERR_INVALID_ARG`.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_index_save(const TqIndex *index,
                       const char *path);

/**
 * Adds to the file at `path`, UTF-8, what changed since the index was opened from there or saved to it last. An index
 * that has no file yet is saved to it.
 *
 * # Errors
 * `TQ_ERR_INVALID_ARG` for another file, `TQ_ERR_IO` if it changed meanwhile; otherwise as `tq_index_save`.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_index_sync(const TqIndex *index, const char *path);

/**
 * The bytes that `tq_index_save` writes. The caller owns `*bytes`: `tq_bytes_free(*bytes, *len)` frees them.
 *
 * # Errors
 * `TQ_ERR_LIMIT`, `TQ_ERR_CLOSED`, `TQ_ERR_INVALID_HANDLE`, `TQ_ERR_INVALID_ARG`.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_index_to_bytes(const TqIndex *index, uint8_t **bytes, size_t *len);

/**
 * An index from the `len` bytes of a file, which are copied. `*out` becomes its handle, which `tq_index_free` frees.
 *
 * # Errors
 * As `tq_index_open`, without `TQ_ERR_IO`.
 *
 * # Safety
 * The rules on pointers.
 */
TqStatus tq_index_from_bytes(const uint8_t *bytes, size_t len, TqIndex **out);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* TINYQUANT_H */
