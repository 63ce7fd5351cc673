import { TinyQuantError } from '../errors.js';
import { integer } from '../validate.js';
import { operators, type PgvectorPlan } from './pgvector-options.js';
import type { Session } from './postgres.js';
import { quoted } from './sql.js';

/** How an index is built. */
export interface PgvectorBuild {
  /** HNSW: neighbours of a vector, 2 to 100. Default: pgvector's, 16. */
  readonly m?: number;
  /** HNSW: candidates while the graph is built, 4 to 1000, at least `2 * m`. Default: pgvector's, 64. */
  readonly efConstruction?: number;
  /** IVFFlat: lists, 1 to 32768. Default: a thousandth of the rows, the square root of more than a million. */
  readonly lists?: number;
}

/** Names of the options in {@link PgvectorBuild}. */
export const BUILD_NAMES: readonly string[] = ['m', 'efConstruction', 'lists'];

/** The index that a table has on its vectors. */
export interface IndexState {
  readonly method: string;
  readonly opclass: string;
  /** IVFFlat: number of lists. */
  readonly lists: number;
}

/** The first release with iterative scans, which give as many hits as a filter lets through. */
const OLDEST = [0, 8];

/** Checks {@link PgvectorBuild}. */
export function buildOptions(given: Record<string, unknown>): PgvectorBuild {
  const { m, efConstruction, lists } = given;
  return {
    ...(m === undefined ? {} : { m: integer(m, 'm', 2, 100) }),
    ...(efConstruction === undefined ? {} : { efConstruction: integer(efConstruction, 'efConstruction', 4, 1000) }),
    ...(lists === undefined ? {} : { lists: integer(lists, 'lists', 1, 32_768) }),
  };
}

function refuse(message: string, details: object): TinyQuantError {
  return new TinyQuantError('ERR_TQ_BACKEND', message, { details: { ...details } });
}

async function checkVersion(session: Session): Promise<void> {
  const { rows } = await session.query("select extversion from pg_extension where extname = 'vector'");
  const [extension] = rows as { extversion: string }[];
  if (extension === undefined) {
    throw refuse('the database has no extension vector: create() adds it where the server has pgvector', {
      kind: 'MissingExtension',
    });
  }
  const [major = 0, minor = 0] = extension.extversion.split('.').map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST;
  if (major < oldestMajor || (major === oldestMajor && minor < oldestMinor)) {
    throw refuse(`the database has pgvector ${extension.extversion}, ${OLDEST.join('.')}.0 or newer is needed`, {
      expected: `${OLDEST.join('.')}.0`,
      got: extension.extversion,
    });
  }
}

/** Compares the columns of a table with those that are needed. */
async function checkColumns(session: Session, plan: PgvectorPlan): Promise<void> {
  const { table, names, column, dimension, codec } = plan;
  const { rows } = await session.query(
    `select a.attname as name, format_type(a.atttypid, a.atttypmod) as type from pg_attribute a
      where a.attrelid = to_regclass($1) and a.attnum > 0 and not a.attisdropped`,
    [table],
  );
  if (rows.length === 0)
    throw refuse(`there is no table ${table} (create() makes it)`, { kind: 'MissingTable', table });
  const types = new Map((rows as { name: string; type: string }[]).map(({ name, type }) => [name, type]));
  const needed: [name: string, type: RegExp, words: string][] = [
    [names.id, /^(text|character varying(\(\d+\))?)$/, 'text'],
    [names.vector, new RegExp(`(^|\\.)${column}(\\(\\d+\\))?$`), column],
    [names.metadata, /^jsonb$/, 'jsonb'],
  ];
  if (codec !== undefined) needed.push([names.codes, /^bytea$/, 'bytea']);
  for (const [name, pattern, expected] of needed) {
    const got = types.get(name);
    if (got !== undefined && pattern.test(got)) continue;
    const found = got === undefined ? 'is missing' : `is ${got}`;
    throw refuse(`column ${quoted(name)} of table ${table} ${found}, expected ${expected}`, {
      kind: 'TableShape',
      table,
      column: name,
      expected,
      got: got ?? null,
    });
  }
  const size = /\((\d+)\)$/.exec(types.get(names.vector) ?? '')?.[1];
  if (size !== undefined && Number(size) !== dimension) {
    const message = `column ${quoted(names.vector)} of table ${table} has the dimension ${size}, expected ${dimension}`;
    const details = { kind: 'DimensionMismatch', table, column: names.vector, expected: dimension, got: Number(size) };
    throw new TinyQuantError('ERR_TQ_DIM_MISMATCH', message, { details });
  }
}

/** The index on the vectors of a table, the one that fits the metric first; `null` without any. */
export async function indexState(session: Session, plan: PgvectorPlan): Promise<IndexState | null> {
  const { opclass } = operators(plan.column, plan.metric);
  const { rows } = await session.query(
    `select am.amname as method, oc.opcname as opclass, coalesce(
        (select substr(o, 7)::int from unnest(c.reloptions) as o where o like 'lists=%'), 100) as lists
      from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am am on am.oid = c.relam
        join pg_opclass oc on oc.oid = i.indclass[0]
        join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
      where i.indrelid = to_regclass($1) and a.attname = $2 and i.indisvalid and am.amname in ('hnsw', 'ivfflat')
      order by (oc.opcname = $3 and am.amname = $4) desc, oc.opcname = $3 desc limit 1`,
    [plan.table, plan.names.vector, opclass, plan.index],
  );
  return (rows[0] as IndexState | undefined) ?? null;
}

/**
 * Compares a table with its plan.
 *
 * @throws {TinyQuantError} ERR_TQ_DIM_MISMATCH, ERR_TQ_BACKEND
 */
export async function checkTable(session: Session, plan: PgvectorPlan): Promise<IndexState | null> {
  await checkVersion(session);
  await checkColumns(session, plan);
  return indexState(session, plan);
}

/** Lets those that make the same table or its index wait for each other: "if not exists" does not. */
async function inTurn(session: Session, { table }: PgvectorPlan): Promise<void> {
  await session.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [`tinyquant ${table}`]);
}

/** Makes extension and table where they are missing, and compares what was there. */
export async function createTable(session: Session, plan: PgvectorPlan): Promise<void> {
  const { table, names, column, dimension, codec } = plan;
  await inTurn(session, plan);
  await session.query('create extension if not exists vector');
  // One that another schema of the search path has must not be hidden by a new one.
  const { rows } = await session.query('select to_regclass($1) is not null as "isThere"', [table]);
  const [{ isThere } = { isThere: false }] = rows as { isThere: boolean }[];
  if (!isThere) {
    await session.query(
      `create table ${table} (${quoted(names.id)} text collate "C" primary key,
      ${quoted(names.vector)} ${column}(${dimension}) not null,
      ${codec === undefined ? '' : `${quoted(names.codes)} bytea not null,`} ${quoted(names.metadata)} jsonb)`,
    );
  }
  await checkVersion(session);
  await checkColumns(session, plan);
}

async function defaultLists(session: Session, table: string): Promise<number> {
  const { rows } = await session.query(`select count(*)::float8 as count from ${table}`);
  const { count } = rows[0] as { count: number };
  const lists = count > 1e6 ? Math.sqrt(count) : count / 1000;
  return Math.min(32_768, Math.max(1, Math.round(lists)));
}

/** Builds the index of a plan unless it is there. */
export async function createIndex(session: Session, plan: PgvectorPlan, build: PgvectorBuild): Promise<void> {
  const { table, names, column, metric, index } = plan;
  if (index === 'none') return;
  const { opclass } = operators(column, metric);
  await inTurn(session, plan);
  const state = await indexState(session, plan);
  if (state?.method === index && state.opclass === opclass) return;
  const parameters: string[] = [];
  if (index === 'hnsw') {
    if (build.m !== undefined) parameters.push(`m = ${build.m}`);
    if (build.efConstruction !== undefined) parameters.push(`ef_construction = ${build.efConstruction}`);
  } else {
    parameters.push(`lists = ${build.lists ?? (await defaultLists(session, table))}`);
  }
  const how = parameters.length === 0 ? '' : ` with (${parameters.join(', ')})`;
  await session.query(`create index on ${table} using ${index} (${quoted(names.vector)} ${opclass})${how}`);
}
