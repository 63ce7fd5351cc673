import type { Corpus } from './corpus.js';
import { nativeCorpus } from './corpus-handle.js';
import { TinyQuantError } from './errors.js';
import type { NativeCoding, NativeGpu, NativePrepared, NativeShortlists } from './gpu-native.js';
import { assertInternal, Handle, INTERNAL } from './handle.js';
import { type SearchResult, toResults } from './hits.js';
import { type Hits, toHitLists } from './index-hits.js';
import type { IndexId } from './index-id.js';
import { reasonOf, runJob } from './job.js';
import { call } from './native.js';
import type { NativeAbort, NativeSearchIndex } from './native-types.js';
import { notAHandle } from './validate.js';

/** Records that go to the device at a time, whole blocks of it. */
const PAGE = 8192;

/** Bytes of codes of an index that go to the device at a time, roughly, and the rows of a block. */
const PAGE_BYTES = 8 << 20;
const BLOCK = 64;
const UNIT = 64;

/** Rows on a device and what finds the best of them. */
export interface PreparedRows<Result> {
  /** The device that they lie on. */
  readonly owner: NativeGpu;
  readonly handle: NativePrepared;
  readonly dimension: number;
  readonly rows: number;
  readonly bytes: number;
  search(
    queries: Float32Array,
    count: number,
    k: number,
    rescore: boolean,
    signal: AbortSignal | undefined,
  ): Promise<Result[]>;
}

/** Pushes pages of rows one after another until there are no more. */
async function push(
  rows: number,
  page: number,
  signal: AbortSignal | undefined,
  one: (first: number) => Promise<void>,
) {
  for (let first = 0; first < rows; first += page) {
    if (signal?.aborted) throw reasonOf(signal);
    await one(first);
  }
  if (signal?.aborted) throw reasonOf(signal);
}

/** Fills rows on the device; those of a call that fails are given back. */
async function filled(handle: NativePrepared, fill: () => Promise<void>): Promise<void> {
  try {
    await fill();
  } catch (error) {
    handle.close();
    throw error;
  }
}

/** The rows of a corpus. */
export async function prepareCorpus(
  corpus: Corpus,
  gpu: NativeGpu,
  coding: NativeCoding,
  newFlag: () => NativeAbort,
  signal: AbortSignal | undefined,
): Promise<PreparedRows<SearchResult[]>> {
  const policy = corpus.compressionPolicy;
  if (!policy.requiresCodec()) {
    throw new TinyQuantError(
      'ERR_TQ_POLICY',
      `a device searches codes, but the corpus stores ${policy.storageDtype()} values under the policy '${policy.kind}'`,
      { details: { policy: policy.kind, expected: 'compress' } },
    );
  }
  const view = call(() => nativeCorpus(corpus)?.view());
  if (view === undefined) throw notAHandle(corpus, 'corpus', 'Corpus');
  const { rows } = view;
  const handle = await gpu.prepareRecords(coding, rows);
  await filled(handle, () =>
    push(rows, PAGE, signal, async (first) => {
      const { packed, residuals } = await view.page(first, PAGE, null);
      await handle.pushRecords(packed, residuals);
    }),
  );
  return {
    owner: gpu,
    handle,
    dimension: coding.dimension,
    rows,
    bytes: handle.bytes(),
    async search(queries, count, k, _rescore, signal) {
      const control = { signal, onProgress: undefined };
      const start = (abort: NativeAbort | null): Promise<NativeShortlists> => handle.searchVectors(queries, k, abort);
      const lists = await runJob(control, 'search', count, start, newFlag);
      const hits = await runJob(control, 'search', count, (abort) =>
        view.searchAmong(queries, lists.rows, lists.counts, k, abort),
      );
      return hits.map(toResults);
    },
  };
}

/** The rows of an index. */
export async function prepareIndex<Id extends IndexId>(
  index: NativeSearchIndex,
  gpu: NativeGpu,
  newFlag: () => NativeAbort,
  signal: AbortSignal | undefined,
): Promise<PreparedRows<Hits<Id>>> {
  const { dim } = index.config();
  const view = index.view();
  const plan = view.plan();
  const { rows } = view;
  const page = Math.max(1, Math.floor(PAGE_BYTES / (plan.widths.length * UNIT * BLOCK))) * BLOCK;
  const handle = await gpu.prepareUnits(plan, rows);
  await filled(handle, () =>
    push(rows, page, signal, async (first) => {
      const { codes, factors, norms } = await view.page(first, page, null);
      await handle.pushUnits(codes, factors, norms);
    }),
  );
  return {
    owner: gpu,
    handle,
    dimension: dim,
    rows,
    bytes: handle.bytes(),
    async search(queries, count, k, rescore, signal) {
      const control = { signal, onProgress: undefined };
      const { codes, scales, terms } = call(() => view.queries(queries));
      const candidates = Math.max(1, view.candidates(k, rescore));
      const start = (abort: NativeAbort | null): Promise<NativeShortlists> =>
        handle.searchUnits(codes, scales, terms, candidates, abort);
      const lists = await runJob(control, 'search', count, start, newFlag);
      const found = await runJob(control, 'search', count, (abort) =>
        view.searchAmong(queries, lists.rows, lists.counts, k, rescore, abort),
      );
      return toHitLists<Id>(found);
    },
  };
}

/** The rows of a prepared corpus that has not been closed. Set by the class below. */
export let preparedRows: (value: unknown) => PreparedRows<unknown>;

/** Wraps rows on a device. Set by the class below. */
export let wrapPrepared: <Result>(rows: PreparedRows<Result>) => PreparedCorpus<Result>;

/** A summary of a {@link PreparedCorpus}. */
export interface PreparedCorpusSummary {
  /** Vectors that are searched. */
  readonly size: number;
  /** Values of a vector. */
  readonly dimension: number;
  /** Bytes on the device. */
  readonly bytes: number;
}

/**
 * A corpus or a search index on a device, as it was when it was prepared. It holds on to the codes on the CPU too, which
 * the last candidates of a search are scored by.
 *
 * @example
 * const prepared = await gpu.prepare(corpus);
 * const [hits] = await gpu.search(prepared, [query], { k: 10 });
 * prepared.close();
 */
export class PreparedCorpus<Result> extends Handle {
  readonly #rows: PreparedRows<Result>;
  #isClosed = false;

  static {
    preparedRows = (value) => {
      if (typeof value !== 'object' || value === null || !(#rows in value))
        throw notAHandle(value, 'prepared', 'PreparedCorpus');
      const prepared = value as PreparedCorpus<unknown>;
      if (prepared.#isClosed) throw new TinyQuantError('ERR_TQ_CLOSED', 'the PreparedCorpus has been closed');
      return prepared.#rows;
    };
    wrapPrepared = (rows) => new PreparedCorpus(INTERNAL, rows);
  }

  private constructor(token: typeof INTERNAL, rows: PreparedRows<Result>) {
    super();
    assertInternal(token, 'PreparedCorpus', 'GpuBackend.prepare');
    this.#rows = rows;
  }

  static #self<Result>(value: PreparedCorpus<Result>): PreparedRows<Result> {
    if (typeof value !== 'object' || value === null || !(#rows in value))
      throw notAHandle(value, 'this', 'PreparedCorpus');
    return value.#rows;
  }

  /** Number of vectors. */
  get size(): number {
    return PreparedCorpus.#self(this).rows;
  }

  /** Values per vector. */
  get dimension(): number {
    return PreparedCorpus.#self(this).dimension;
  }

  /** Bytes of device memory that the codes take. */
  get bytes(): number {
    return PreparedCorpus.#self(this).bytes;
  }

  /** Gives the device memory back once the searches under way are done; later ones are ERR_TQ_CLOSED. */
  close(): void {
    const { handle } = PreparedCorpus.#self(this);
    this.#isClosed = true;
    call(() => handle.close());
  }

  /** The same as {@link PreparedCorpus.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** A summary. */
  toJSON(): PreparedCorpusSummary {
    const { rows, dimension, bytes } = PreparedCorpus.#self(this);
    return { size: rows, dimension, bytes };
  }
}
