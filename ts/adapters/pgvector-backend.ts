import type { SearchOptions, VectorBackend } from '../backend.js';
import type { Corpus } from '../corpus.js';
import { TinyQuantError } from '../errors.js';
import { byScore, byText, type SearchResult } from '../hits.js';
import { abortSignal, JOB_OPTION_NAMES, type Job, type JobOptions, job } from '../job.js';
import type { Metadata } from '../metadata.js';
import { collect, type Vectors } from '../source.js';
import { boolean, integer, invalidArg, oneOf, options, text } from '../validate.js';
import { toQuery, type Vector } from '../vectors.js';
import { bitText, CopyEncoder, type CopyPage, checkValues } from './copy.js';
import { operators, type PgvectorOptions, type PgvectorPlan, pgvectorPlan, shortlistOf } from './pgvector-options.js';
import { checkCorpus, corpusPages, decodeRows, pageOf, scoreOfDistance, scoreRows } from './pgvector-rows.js';
import {
  BUILD_NAMES,
  buildOptions,
  checkTable,
  createIndex,
  createTable,
  type IndexState,
  type PgvectorBuild,
} from './pgvector-table.js';
import { type CopyStatement, peer, type Session, Sessions, unlessAborted } from './postgres.js';
import { condition, quoted, type SqlFragment } from './sql.js';

/** Options of {@link PgvectorBackend.create}. */
export interface PgvectorCreateOptions extends PgvectorBuild {
  /**
   * Builds the index at once. An IVFFlat index learns from the rows that are there, and a graph is built in less time
   * from rows than one by one: `false`, and {@link PgvectorBackend.createIndex} after a large ingest. Default: for `'hnsw'`.
   */
  readonly buildIndex?: boolean;
  /** Stops the call; the promise then rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
}

/** Options of {@link PgvectorBackend.createIndex}. */
export interface PgvectorIndexOptions extends PgvectorBuild {
  /** Stops the call; the promise then rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
}

/** Options of {@link PgvectorBackend.ingest}. */
export interface PgvectorIngestOptions {
  /**
   * What an id means that is in the table: its vector is replaced, or it is an error, which lets rows go straight into the
   * table. Default `'replace'`.
   */
  readonly onConflict?: 'replace' | 'error';
  /** Stops the call, of which nothing remains; the promise then rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
}

/** Options of {@link PgvectorBackend.search}. */
export interface PgvectorSearchOptions extends SearchOptions {
  /** The rows that may be hits: a condition made by {@link sql}, or an object that their metadata must contain. */
  readonly filter?: SqlFragment | Metadata;
  /** Compares the query with every row that passes the filter, without the index. Default `false`. */
  readonly exact?: boolean;
  /** Candidates for each hit, in place of {@link PgvectorOptions.shortlist}. */
  readonly shortlist?: number;
  /** HNSW: candidates of the graph, 1 to 1000. Default: the rows wanted, at least 40. */
  readonly efSearch?: number;
  /** IVFFlat: lists that are looked at, 1 to 32768. Default: the square root of their number. */
  readonly probes?: number;
}

/** Options of {@link PgvectorBackend.entries}. */
export interface PgvectorEntriesOptions {
  /** As that of a search. */
  readonly filter?: SqlFragment | Metadata;
  /** Rows of a statement, 1 to 100000. Default 1000. */
  readonly batchRows?: number;
  /** Stops the call; the promise then rejects with `signal.reason`. */
  readonly signal?: AbortSignal;
}

/** One row as the server gives it. */
interface Row {
  readonly id: string;
  readonly distance: number;
  readonly codes?: Uint8Array;
  readonly vector?: string;
  readonly metadata?: Metadata | null;
}

const MAX_EF = 1000;
const DEFAULT_EF = 40;
const MIN_CANDIDATES = 100;
/** Has every row compared: pgvector's indexes serve ordered scans alone. */
const NO_INDEX = 'enable_indexscan = off';
/** Rows of a statement of {@link PgvectorBackend.upsert}. */
const UPSERT_ROWS = 500;
const STAGE = 'pg_temp.tinyquant_rows';

/** How long a table is taken to have no index, in milliseconds: another process may build one. */
const LOOK_AGAIN = 10_000;

/** How often progress is reported, in milliseconds. */
const REPORT_EVERY = 100;

const loadPgvector = (): Promise<typeof import('pgvector')> =>
  peer('pgvector', async () => {
    const loaded = await import('pgvector');
    return (loaded as unknown as { default?: typeof import('pgvector') }).default ?? loaded;
  });

function filterOf(value: unknown, names: PgvectorPlan['names'], values: unknown[]): string {
  return condition(value, quoted(names.metadata), values);
}

/**
 * Vectors in a table of a PostgreSQL database with the extension pgvector, 0.8 or newer. Uses the packages `pg`,
 * `pgvector` and `pg-copy-streams`, which are loaded at first use.
 *
 * The table has a column for ids, one for vectors as the server compares them, one for codes where a codec is given, and one
 * for metadata. Each call that changes it is a transaction: all or nothing. Whatever the server, the connection or the pool
 * refuses is ERR_TQ_BACKEND with its words, and the error itself as `cause`.
 *
 * @example
 * const backend = new PgvectorBackend({ pool, table: 'notes', dimension: 384 });
 * await backend.create();
 * await backend.ingest(new Map([['a', vectorA], ['b', vectorB]]));
 * const hits = await backend.search(query, 10, { filter: { language: 'en' } });
 */
export class PgvectorBackend implements VectorBackend {
  readonly #plan: PgvectorPlan;
  readonly #sessions: Sessions;
  #index: Promise<IndexState | null> | undefined;
  /** When {@link LOOK_AGAIN} ends for a table without the index of the plan. */
  #lookAgain: number = Number.POSITIVE_INFINITY;

  /**
   * Checks the options; nothing is sent yet.
   *
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_LIMIT for more values than an index takes, ERR_TQ_DIM_MISMATCH and
   * ERR_TQ_CODEBOOK_MISMATCH for a codec that does not fit
   */
  constructor(o: PgvectorOptions) {
    this.#plan = pgvectorPlan(o);
    this.#sessions = new Sessions(this.#plan.pool);
  }

  /**
   * Makes the extension, the table and its index where they are missing. A table that is there must have the columns that
   * are needed.
   *
   * @throws {TinyQuantError} ERR_TQ_BACKEND, ERR_TQ_DIM_MISMATCH for a table of another dimension, ERR_TQ_CLOSED
   */
  async create(o?: PgvectorCreateOptions): Promise<void> {
    const given = options(o, 'create options', ['buildIndex', 'signal', ...BUILD_NAMES]);
    const build = buildOptions(given);
    const { index, table } = this.#plan;
    const isWanted = given.buildIndex === undefined ? index === 'hnsw' : boolean(given.buildIndex, 'buildIndex');
    const signal = abortSignal(given.signal);
    await this.#sessions.transaction(`creating table ${table}`, signal, async (session) => {
      await createTable(session, this.#plan);
      if (isWanted) await createIndex(session, this.#plan, build);
    });
    this.#index = undefined;
  }

  /**
   * Builds the index on the vectors unless it is there; with `index: 'none'` nothing. Rows cannot be changed meanwhile.
   *
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_BACKEND, ERR_TQ_DIM_MISMATCH, ERR_TQ_CLOSED
   */
  async createIndex(o?: PgvectorIndexOptions): Promise<void> {
    const given = options(o, 'createIndex options', ['signal', ...BUILD_NAMES]);
    const build = buildOptions(given);
    const signal = abortSignal(given.signal);
    await this.#ready(signal);
    await this.#sessions.transaction(`indexing table ${this.#plan.table}`, signal, (session) =>
      createIndex(session, this.#plan, build),
    );
    this.#index = undefined;
  }

  /** Compares the table with the plan once; tried again after a failure. */
  async #ready(signal: AbortSignal | undefined): Promise<IndexState | null> {
    this.#sessions.check();
    const { table, index: kind } = this.#plan;
    if (performance.now() > this.#lookAgain) this.#index = undefined;
    // The check serves later calls too, so that the signal of one of them does not end it.
    if (this.#index === undefined) {
      const reading = this.#sessions.run(`reading the columns of table ${table}`, undefined, (session) =>
        checkTable(session, this.#plan),
      );
      this.#index = reading;
      this.#lookAgain = Number.POSITIVE_INFINITY;
      reading.then(
        (state) => {
          if (state === null && kind !== 'none') this.#lookAgain = performance.now() + LOOK_AGAIN;
        },
        () => {
          if (this.#index === reading) this.#index = undefined;
        },
      );
    }
    return unlessAborted(this.#index, signal);
  }

  /**
   * Adds vectors with their metadata by a binary COPY, all or none; an id that is present is overwritten.
   *
   * @throws {TinyQuantError} ERR_TQ_DIM_MISMATCH and ERR_TQ_NON_FINITE with the row, ERR_TQ_LIMIT for values beyond half
   * precision (65504) in a `halfvec`, ERR_TQ_ID_EXISTS with `onConflict: 'error'`, ERR_TQ_INVALID_ARG, ERR_TQ_BACKEND,
   * ERR_TQ_CLOSED
   */
  async ingest(vectors: Vectors, o?: PgvectorIngestOptions): Promise<void> {
    const given = options(o, 'ingest options', ['onConflict', 'signal']);
    const { replace, signal } = this.#ingestOptions(given);
    const batch = collect(vectors, () => undefined);
    const page = await pageOf(batch, this.#plan);
    if (page.ids.length === 0) return;
    await this.#copy(
      (async function* () {
        yield page;
      })(),
      replace,
      signal,
    );
  }

  /**
   * Adds the vectors of a corpus with their metadata, as {@link PgvectorBackend.ingest}: their codes as they are in the
   * corpus where the table keeps codes, and what they stand for.
   *
   * @returns the number of vectors
   * @throws {TinyQuantError} as {@link PgvectorBackend.ingest}; ERR_TQ_CONFIG_MISMATCH and ERR_TQ_CODEBOOK_MISMATCH for codes
   * of another codec
   */
  async ingestCorpus(corpus: Corpus, o?: PgvectorIngestOptions & JobOptions): Promise<number> {
    const given = options(o, 'ingestCorpus options', ['onConflict', ...JOB_OPTION_NAMES]);
    const { replace } = this.#ingestOptions(given);
    const control = job(given);
    checkCorpus(corpus, this.#plan);
    const total = corpus.vectorCount;
    const reported = reporter(control, total);
    let count = 0;
    const pages = corpusPages(corpus, this.#plan, (rows) => {
      count = rows;
      reported(rows);
    });
    await this.#copy(pages, replace, control.signal);
    reported(total);
    return count;
  }

  #ingestOptions({ onConflict, signal }: Record<string, unknown>): {
    replace: boolean;
    signal: AbortSignal | undefined;
  } {
    const chosen = onConflict === undefined ? 'replace' : oneOf(onConflict, 'onConflict', ['replace', 'error']);
    return { replace: chosen === 'replace', signal: abortSignal(signal) };
  }

  /** The columns of a row, and how an id that is present is overwritten. */
  #columns(): { columns: string; conflict: string } {
    const { names, codec } = this.#plan;
    const others = [names.vector, ...(codec === undefined ? [] : [names.codes]), names.metadata].map(quoted);
    const columns = [quoted(names.id), ...others].join(', ');
    const set = others.map((name) => `${name} = excluded.${name}`).join(', ');
    return { columns, conflict: `on conflict (${quoted(names.id)}) do update set ${set}` };
  }

  async #copy(pages: AsyncIterable<CopyPage>, replace: boolean, signal: AbortSignal | undefined): Promise<void> {
    const { table, column, dimension, names } = this.#plan;
    const { default: copyStreams } = (await peer('pg-copy-streams', () => import('pg-copy-streams'))) as unknown as {
      default: { from(text: string): CopyStatement };
    };
    await this.#ready(signal);
    const { columns, conflict } = this.#columns();
    const pieces = new CopyEncoder(column, dimension).encode(pages);
    await this.#sessions.transaction(`ingesting into table ${table}`, signal, async (session) => {
      if (replace) {
        await session.query(
          `create temp table tinyquant_rows on commit drop as select ${columns} from ${table} limit 0`,
        );
      }
      const target = replace ? STAGE : table;
      await session.copy(copyStreams.from(`copy ${target} (${columns}) from stdin (format binary)`), pieces);
      if (replace) {
        // One order for all writers: of two that take the same rows in different orders each would wait for the other.
        const order = `order by ${quoted(names.id)} collate "C"`;
        await session.query(`insert into ${table} (${columns}) select ${columns} from ${STAGE} ${order} ${conflict}`);
      }
    });
  }

  /**
   * Adds a few vectors with their metadata by plain statements, all or none; an id that is present is overwritten. More than
   * some hundred go faster by {@link PgvectorBackend.ingest}.
   *
   * @throws {TinyQuantError} as {@link PgvectorBackend.ingest}
   */
  async upsert(vectors: Vectors, o?: { readonly signal?: AbortSignal }): Promise<void> {
    const signal = abortSignal(options(o, 'upsert options', ['signal']).signal);
    const batch = collect(vectors, () => undefined);
    const page = await pageOf(batch, this.#plan);
    const { table, column, dimension, codec } = this.#plan;
    await this.#ready(signal);
    const { toSql } = await loadPgvector();
    const { columns, conflict } = this.#columns();
    const [extraName, extraType] = codec === undefined ? ['', ''] : [', codes', ', $4::bytea[]'];
    const statement = `insert into ${table} (${columns})
      select id, vector::${column}(${dimension})${extraName}, metadata::jsonb
        from unnest($1::text[], $2::text[], $3::text[]${extraType}) as given(id, vector, metadata${extraName}) ${conflict}`;
    await this.#sessions.transaction(`writing to table ${table}`, signal, async (session) => {
      // In the order of all writers.
      const order = Array.from(page.ids, (id, row) => ({ id, row })).sort((a, b) => byText(a.id, b.id));
      for (let from = 0; from < order.length; from += UPSERT_ROWS) {
        const some = order.slice(from, from + UPSERT_ROWS);
        const texts = some.map(({ row }) =>
          this.#text(page.vectors.subarray(row * dimension, (row + 1) * dimension), toSql),
        );
        const values: unknown[] = [some.map(({ id }) => id), texts, some.map(({ row }) => page.metadata[row])];
        const { codes } = page;
        if (codes !== null) values.push(some.map(({ row }) => Buffer.from(codes[row] ?? [])));
        await session.query(statement, values);
      }
    });
  }

  /** A vector as the text form of the column. */
  #text(vector: Float32Array, toSql: (value: number[]) => unknown): unknown {
    return this.#plan.column === 'bit' ? bitText(vector) : toSql(Array.from(vector));
  }

  /**
   * The best `topK` rows that have a vector, best first, equal scores by id in UTF-8 byte order: exactly as many as asked for, or as pass the
   * filter. Scores are of the server's vectors, or of the codes where the table keeps codes. Under the cosine a vector of
   * zeros has the score 0, and an index does not find it.
   *
   * @param query as many values as the table has; copied before the call returns
   * @param topK at least 1
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG with kind InvalidTopK for `topK`, ERR_TQ_DIM_MISMATCH, ERR_TQ_NON_FINITE,
   * ERR_TQ_CONFIG_MISMATCH for codes of another configuration, ERR_TQ_BACKEND, ERR_TQ_CLOSED
   */
  async search(query: Vector, topK: number, o?: PgvectorSearchOptions): Promise<SearchResult[]> {
    const plan = this.#plan;
    const k = integer(topK, 'topK', 1, Number.MAX_SAFE_INTEGER, { kind: 'InvalidTopK' });
    const given = options(o, 'search options', ['signal', 'filter', 'exact', 'shortlist', 'efSearch', 'probes']);
    const signal = abortSignal(given.signal);
    const vector = Float32Array.from(toQuery(query, plan.dimension, 'query'));
    checkValues(vector, plan.dimension, plan.column, 'query');
    const exact = given.exact === undefined ? false : boolean(given.exact, 'exact');
    const factor = shortlistOf(given.shortlist) ?? plan.shortlist;
    const limits: Limits = {
      efSearch: given.efSearch === undefined ? DEFAULT_EF : integer(given.efSearch, 'efSearch', 1, MAX_EF),
      probes: given.probes === undefined ? undefined : integer(given.probes, 'probes', 1, 32_768),
    };
    const wanted =
      plan.codec === undefined ? k : Math.min(Math.max(k * factor, MIN_CANDIDATES), Number.MAX_SAFE_INTEGER);
    const values: unknown[] = [];
    const where = filterOf(given.filter, plan.names, values);

    const index = await this.#ready(signal);
    const { toSql } = await loadPgvector();
    const { operator, opclass } = operators(plan.column, plan.metric);
    const type = plan.column === 'bit' ? `bit(${plan.dimension})` : plan.column;
    const [vectorName, idName] = [quoted(plan.names.vector), quoted(plan.names.id)];
    const distance = `${vectorName} ${operator} $${values.push(this.#text(vector, toSql))}::${type}`;
    const codes = plan.codec === undefined ? '' : `, ${quoted(plan.names.codes)} as codes`;
    const select = `select ${idName} as id, (${distance})::float8 as distance${codes} from ${plan.table}
      where ${where} and ${vectorName} is not null`;
    const limit = `limit $${values.push(wanted)}`;
    // Without a direction there is no cosine: such a vector stands between those on both sides.
    const by = plan.metric === 'cosine' ? `coalesce(nullif((${distance})::float8, 'NaN'), 1)` : distance;
    const exactly = `${select} order by ${by}, ${idName} collate "C" ${limit}`;
    const usable = !exact && plan.index !== 'none' && index?.opclass === opclass ? index : null;

    const search = async (session: Session): Promise<readonly Row[]> => {
      if (usable !== null) {
        const near = (await session.query(`${select} order by ${distance} ${limit}`, values)).rows;
        if (near.length === wanted) return near as Row[];
        // An index may know fewer rows than there are, and none of the vectors without a direction.
        await session.query(`set local ${NO_INDEX}`);
      }
      return (await session.query(exactly, values)).rows as Row[];
    };
    const settings = usable === null ? [NO_INDEX] : tuning(usable, wanted, limits);
    const rows = await this.#sessions.transaction(`searching table ${plan.table}`, signal, search, settings);
    return (await this.#scored(rows, vector)).sort(byScore).slice(0, k);
  }

  async #scored(rows: readonly Row[], query: Float32Array): Promise<SearchResult[]> {
    const { codec, metric } = this.#plan;
    if (codec === undefined) {
      return rows.map(({ id, distance }) => ({ vectorId: id, score: scoreOfDistance(metric, distance) }));
    }
    if (rows.length === 0) return [];
    const decoded = await decodeRows(this.#codes(rows), codec);
    const scores = scoreRows(metric, query, decoded);
    return rows.map(({ id }, row) => ({ vectorId: id, score: scores[row] ?? 0 }));
  }

  #codes(rows: readonly Row[]): Uint8Array[] {
    return rows.map(({ id, codes }) => {
      if (codes !== undefined && codes !== null) return codes;
      throw new TinyQuantError('ERR_TQ_BACKEND', `row ${JSON.stringify(id)} of table ${this.#plan.table} has no codes`);
    });
  }

  /**
   * Removes rows; unknown ids are ignored.
   *
   * @returns the number removed
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_BACKEND, ERR_TQ_CLOSED
   */
  async remove(ids: Iterable<string>): Promise<number> {
    const isIterable = typeof ids === 'object' && ids !== null && Symbol.iterator in ids;
    if (!isIterable) throw invalidArg('ids', 'an iterable of strings', ids);
    const list = Array.from(ids as Iterable<unknown>, (id, i) => text(id, `ids[${i}]`)).filter(
      (id) => !id.includes('\0'),
    );
    await this.#ready(undefined);
    const { table, names } = this.#plan;
    const statement = `delete from ${table} where ${quoted(names.id)} = any($1::text[])`;
    const { rowCount } = await this.#run(`removing from table ${table}`, statement, [list]);
    return rowCount ?? 0;
  }

  /**
   * Number of rows.
   *
   * @throws {TinyQuantError} ERR_TQ_BACKEND, ERR_TQ_CLOSED
   */
  async count(): Promise<number> {
    await this.#ready(undefined);
    const { table } = this.#plan;
    const { rows } = await this.#run(`counting table ${table}`, `select count(*)::float8 as count from ${table}`);
    return (rows[0] as { count: number }).count;
  }

  /**
   * Removes every row of the table at once, by TRUNCATE.
   *
   * @throws {TinyQuantError} ERR_TQ_BACKEND, ERR_TQ_CLOSED
   */
  async clear(): Promise<void> {
    await this.#ready(undefined);
    const { table } = this.#plan;
    await this.#run(`clearing table ${table}`, `truncate ${table}`);
  }

  #run(
    doing: string,
    statement: string,
    values: unknown[] = [],
  ): Promise<{ rows: readonly unknown[]; rowCount: number | null }> {
    return this.#sessions.run(doing, undefined, (session) => session.query(statement, values));
  }

  /**
   * The rows that have a vector, by ascending id, a batch of them a statement: what `BruteForceBackend.ingest` and `Corpus.insertBatch` take
   * once they are collected. Of a `bit` column, what the codes stand for.
   *
   * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_BACKEND, ERR_TQ_CLOSED
   */
  async *entries(
    o?: PgvectorEntriesOptions,
  ): AsyncGenerator<[id: string, vector: Float32Array, metadata: Metadata | null], void> {
    const { table, names, column, codec, dimension } = this.#plan;
    const given = options(o, 'entries options', ['filter', 'batchRows', 'signal']);
    const signal = abortSignal(given.signal);
    const batchRows = given.batchRows === undefined ? 1000 : integer(given.batchRows, 'batchRows', 1, 100_000);
    const values: unknown[] = [];
    const where = filterOf(given.filter, names, values);
    await this.#ready(signal);
    const { fromSql } = await loadPgvector();
    const id = `${quoted(names.id)} collate "C"`;
    // As text, whatever parsers the pool has.
    const what = column === 'bit' ? `${quoted(names.codes)} as codes` : `${quoted(names.vector)}::text as vector`;
    const limit = `limit $${values.push(batchRows)}`;
    const statement = `select ${quoted(names.id)} as id, ${what}, ${quoted(names.metadata)} as metadata from ${table}
      where ${where} and ${quoted(names.vector)} is not null`;
    let rows: Row[];
    let last: string | undefined;
    do {
      const after = last === undefined ? '' : `and ${id} > $${values.length + 1}`;
      const parameters = last === undefined ? values : [...values, last];
      const batch = await this.#sessions.run(`reading table ${table}`, signal, (session) =>
        session.query(`${statement} ${after} order by ${id} ${limit}`, parameters),
      );
      rows = batch.rows as Row[];
      const decoded =
        codec !== undefined && column === 'bit' && rows.length > 0 ? await decodeRows(this.#codes(rows), codec) : null;
      for (const [row, each] of rows.entries()) {
        const vector =
          decoded === null
            ? Float32Array.from(fromSql(each.vector ?? '') as number[])
            : decoded.slice(row * dimension, (row + 1) * dimension);
        yield [each.id, vector, each.metadata ?? null];
      }
      last = rows.at(-1)?.id;
    } while (rows.length === batchRows);
  }

  /**
   * Ends the pool that was made for `connectionString`, when the calls that have asked it for a connection have finished;
   * later ones are ERR_TQ_CLOSED. The table stays.
   */
  async close(): Promise<void> {
    await this.#sessions.close();
  }

  /** The same as {@link PgvectorBackend.close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** What a search may spend on an index. */
interface Limits {
  readonly efSearch: number;
  readonly probes: number | undefined;
}

/** Lets an index look at as many rows as are wanted, and go on where a filter leaves too few. */
function tuning({ method, lists }: IndexState, wanted: number, { efSearch, probes }: Limits): string[] {
  const [name, value] =
    method === 'hnsw'
      ? ['ef_search', Math.max(efSearch, Math.min(wanted, MAX_EF))]
      : ['probes', probes ?? Math.ceil(Math.sqrt(lists))];
  return [`${method}.${name} = ${value}`, `${method}.iterative_scan = relaxed_order`];
}

/** Calls `onProgress` at most ten times a second, and once at the end. */
function reporter({ onProgress }: Job, total: number): (done: number) => void {
  const start = performance.now();
  let [last, at] = [-1, start];
  return (done) => {
    const now = performance.now();
    if (onProgress === undefined || done <= last || (done < total && now - at < REPORT_EVERY)) return;
    [last, at] = [done, now];
    onProgress({ phase: 'add', done, total, elapsedMs: now - start });
  };
}
