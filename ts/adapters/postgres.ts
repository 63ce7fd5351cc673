import { TinyQuantError } from '../errors.js';
import { reasonOf, whenAborted } from '../job.js';

/** What a statement gives. */
export interface PostgresResult {
  /** The rows. */
  readonly rows: readonly unknown[];
  /** How many rows the statement concerned. */
  readonly rowCount: number | null;
}

/** What is used of a connection of the package `pg`. */
export interface PostgresClient {
  /** Runs a statement. */
  query(text: string, values?: unknown[]): Promise<PostgresResult>;
  /** Gives the connection back to its pool, or ends it. */
  release(destroy?: boolean): void;
  /** Adds a listener for the loss of the connection. */
  on(event: 'error', listener: (error: Error) => void): unknown;
  /** Takes it away. */
  removeListener(event: 'error', listener: (error: Error) => void): unknown;
}

/** What is used of a `Pool` of the package `pg`. */
export interface PostgresPool {
  /** A connection of its own. */
  connect(): Promise<PostgresClient>;
}

/** A pool that this package has made, and ends. */
interface OwnPool extends PostgresPool {
  end(): Promise<void>;
  on(event: 'error', listener: (error: Error) => void): unknown;
}

/** What is used of a statement of the package `pg-copy-streams`. */
export interface CopyStatement {
  write(piece: Uint8Array): boolean;
  end(): void;
  destroy(error: Error): void;
  on(event: 'error' | 'drain' | 'finish' | 'close', listener: (error: Error) => void): unknown;
}

const PEERS = 'npm install pg pgvector pg-copy-streams';

/** Loads an optional peer, and says how to get it where it is missing. */
export async function peer<T>(name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    const { code, message } = cause as { code?: unknown; message?: unknown };
    const isMissing = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
    const why = isMissing ? 'is not installed' : `cannot be loaded: ${String(message)}`;
    throw new TinyQuantError('ERR_TQ_BACKEND', `tinyquant/pgvector uses the package ${name}, which ${why} (${PEERS})`, {
      cause,
      details: { kind: 'MissingPeer', package: name, install: PEERS },
    });
  }
}

/** Facts that the server gives about an error. */
interface ServerError {
  readonly code?: unknown;
  readonly detail?: unknown;
  readonly hint?: unknown;
  readonly severity?: unknown;
  readonly schema?: unknown;
  readonly message?: unknown;
  readonly errors?: unknown;
}

/** The words of an error; one that stands for several may have none of its own. */
function words({ message, errors, code }: ServerError): string {
  if (typeof message === 'string' && message !== '') return message;
  if (Array.isArray(errors)) return errors.map((each) => words(each as ServerError)).join('; ');
  return String(code ?? 'unknown error');
}

/** What to do about errors that have one usual reason. */
function advice(sqlstate: unknown, message: string): string {
  if (sqlstate === '42P01') return ' (create() makes the table)';
  const isExtension = /extension "vector"|type "(vector|halfvec)" does not exist/.test(message);
  return isExtension ? ' (pgvector must be installed on the server, see https://github.com/pgvector/pgvector)' : '';
}

/** The error for something that the server, the connection or the pool refused, in its own words. */
export function backendError(doing: string, cause: unknown): TinyQuantError {
  if (cause instanceof TinyQuantError) return cause;
  const error: ServerError = typeof cause === 'object' && cause !== null ? cause : { message: String(cause) };
  const { code, detail, hint, schema } = error;
  const said = words(error);
  const more = typeof detail === 'string' ? ` (${detail})` : '';
  const details = {
    ...(typeof code === 'string' ? { sqlstate: code } : {}),
    ...(typeof detail === 'string' ? { detail } : {}),
    ...(typeof hint === 'string' ? { hint } : {}),
  };
  // The server keeps names of tables and indexes unique in the same way.
  const kind = code === '23505' && schema !== 'pg_catalog' ? 'ERR_TQ_ID_EXISTS' : 'ERR_TQ_BACKEND';
  return new TinyQuantError(kind, `${doing}: ${said}${more}${advice(code, said)}`, { cause, details });
}

/** An error after which the connection can be used on. */
function isServerError(error: unknown): boolean {
  const { severity } = (error ?? {}) as ServerError;
  return severity === 'ERROR';
}

const ignore = (): void => undefined;

/** How a call learns that its signal has aborted. */
class Stopped {
  readonly reason: unknown;

  constructor(signal: AbortSignal) {
    this.reason = reasonOf(signal);
  }
}

/** An error of the caller's own code, which passes through as it is. */
class SourceFailure {
  readonly error: unknown;

  constructor(error: unknown) {
    this.error = error;
  }
}

/** The result of `work`, or {@link Stopped} as soon as the signal aborts; `work` is then left alone. */
async function unlessStopped<T>(work: Promise<T>, signal: AbortSignal | undefined, stopped: () => void): Promise<T> {
  if (signal === undefined) return work;
  work.catch(ignore);
  let forget: () => void = ignore;
  const stop = new Promise<never>((_, reject) => {
    const listener = (): void => {
      stopped();
      reject(new Stopped(signal));
    };
    if (signal.aborted) listener();
    else forget = whenAborted(signal, listener);
  });
  try {
    return await Promise.race([stop, work]);
  } finally {
    forget();
  }
}

/** The result of `work`, or the reason of the signal as soon as it aborts; `work` goes on. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  try {
    return await unlessStopped(work, signal, ignore);
  } catch (error) {
    throw error instanceof Stopped ? error.reason : error;
  }
}

/** Writes pieces to a COPY, at the pace of the server, and ends it. */
async function pump(
  statement: CopyStatement,
  pieces: AsyncIterable<Uint8Array>,
  isStopped: () => boolean,
): Promise<void> {
  let drained: () => void = ignore;
  let failed: { readonly error: unknown } | undefined;
  const ended = new Promise<void>((resolve, reject) => {
    statement.on('error', (error) => {
      failed ??= { error };
      reject(error);
    });
    statement.on('finish', () => resolve());
    statement.on('drain', () => drained());
  });
  ended.catch(ignore);
  try {
    for await (const piece of pieces) {
      if (isStopped()) return;
      // A statement that has failed is no longer connected.
      if (failed !== undefined) throw failed.error;
      if (statement.write(piece)) continue;
      const drain = new Promise<void>((resolve) => {
        drained = resolve;
      });
      await Promise.race([drain, ended]);
    }
  } catch (error) {
    if (failed !== undefined) throw failed.error;
    // It is the source that failed: the server is told, and answers with an error.
    statement.destroy(error instanceof Error ? error : new Error(String(error)));
    await ended.catch(ignore);
    throw new SourceFailure(error);
  }
  if (failed === undefined) statement.end();
  await ended;
}

/** A connection for the length of one call. */
export class Session {
  readonly #client: PostgresClient;
  readonly #signal: AbortSignal | undefined;
  /** Whether the connection is to be given up. */
  isBroken = false;

  constructor(client: PostgresClient, signal: AbortSignal | undefined) {
    this.#client = client;
    this.#signal = signal;
  }

  /** Runs a statement, unless the call is aborted. */
  query(text: string, values?: unknown[]): Promise<PostgresResult> {
    return this.wait(this.#client.query(text, values));
  }

  /** Runs a statement that a signal does not stop any more. */
  last(text: string): Promise<PostgresResult> {
    return this.#client.query(text);
  }

  /** Sends the pieces of a COPY, unless the call is aborted. */
  copy(statement: CopyStatement, pieces: AsyncIterable<Uint8Array>): Promise<void> {
    const start = this.#client.query as unknown as (statement: CopyStatement) => unknown;
    start.call(this.#client, statement);
    return this.wait(pump(statement, pieces, () => this.isBroken));
  }

  /** Waits, and gives the connection up when the call is aborted meanwhile: the server undoes what it has begun. */
  wait<T>(work: Promise<T>): Promise<T> {
    return unlessStopped(work, this.#signal, () => {
      this.isBroken = true;
    });
  }
}

/** Connections of a pool that was given, or of one that is made at the first use. */
export class Sessions {
  readonly #pool: PostgresPool | string;
  #own: Promise<OwnPool> | undefined;
  /** Calls under way. */
  readonly #running = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;

  /** @param pool a pool, or the connection string of one */
  constructor(pool: PostgresPool | string) {
    this.#pool = pool;
  }

  /** Refuses a call after {@link Sessions.close}. */
  check(): void {
    if (this.#closing !== undefined) throw new TinyQuantError('ERR_TQ_CLOSED', 'the PgvectorBackend has been closed');
  }

  async #connections(): Promise<PostgresPool> {
    if (typeof this.#pool !== 'string') return this.#pool;
    const connectionString = this.#pool;
    this.#own ??= (async () => {
      const loaded = (await peer('pg', () => import('pg'))) as unknown as {
        default: { Pool: new (o: object) => OwnPool };
      };
      const pool = new loaded.default.Pool({ connectionString, allowExitOnIdle: true });
      // An idle connection that breaks is replaced; without a listener it would end the process.
      pool.on('error', ignore);
      return pool;
    })();
    return this.#own;
  }

  /**
   * Runs `body` with a connection.
   *
   * @param doing what the call does, for messages
   */
  async run<T>(doing: string, signal: AbortSignal | undefined, body: (session: Session) => Promise<T>): Promise<T> {
    this.check();
    const work = this.#run(doing, signal, body);
    this.#running.add(work);
    try {
      return await work;
    } finally {
      this.#running.delete(work);
    }
  }

  async #run<T>(doing: string, signal: AbortSignal | undefined, body: (session: Session) => Promise<T>): Promise<T> {
    let client: PostgresClient | undefined;
    let session: Session | undefined;
    try {
      const waiting = this.#connections().then((pool) => pool.connect());
      client = await unlessStopped(waiting, signal, () => {
        waiting.then((late) => late.release(), ignore);
      });
      // A connection that breaks emits this beside failing its statements.
      client.on('error', ignore);
      session = new Session(client, signal);
      return await body(session);
    } catch (error) {
      if (error instanceof Stopped) throw error.reason;
      if (error instanceof SourceFailure) throw error.error;
      if (session !== undefined && !(isServerError(error) || error instanceof TinyQuantError)) session.isBroken = true;
      throw backendError(doing, error);
    } finally {
      client?.removeListener('error', ignore);
      client?.release(session?.isBroken ?? false);
    }
  }

  /**
   * As {@link Sessions.run}, in a transaction: all of `body` or nothing. A signal counts until it is committed.
   *
   * @param settings of the server for the length of the transaction, sent with its first statement
   */
  transaction<T>(
    doing: string,
    signal: AbortSignal | undefined,
    body: (session: Session) => Promise<T>,
    settings: readonly string[] = [],
  ): Promise<T> {
    return this.run(doing, signal, async (session) => {
      try {
        await session.query(['begin', ...settings.map((each) => `set local ${each}`)].join('; '));
        const result = await body(session);
        await session.wait(Promise.resolve());
        await session.last('commit');
        return result;
      } catch (error) {
        if (!session.isBroken) {
          await session.last('rollback').catch(() => {
            session.isBroken = true;
          });
        }
        throw error;
      }
    });
  }

  /** Ends a pool that was made here; calls under way finish first. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      // A pool that ends forgets those who wait for one of its connections.
      await Promise.allSettled(this.#running);
      const pool = await this.#own?.catch(() => undefined);
      await pool?.end();
    })();
    return this.#closing;
  }
}
