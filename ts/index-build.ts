import { Corpus } from './corpus.js';
import { type IdType, toIds, toList, typeOfIds } from './index-id.js';
import { withLike } from './index-like.js';
import { buildPlan, idType, settings } from './index-options.js';
import { JOB_OPTION_NAMES, type Job, job, reasonOf, runJob } from './job.js';
import { native } from './native.js';
import type { NativeIds, NativeIndexConfig, NativeSearchIndex } from './native-types.js';
import { invalidArg, notAHandle, options } from './validate.js';
import { allocate, type Rows, toRows, type VectorRows } from './vectors.js';

/** Values reconstructed of a corpus between two turns of the event loop: 1 MiB of floats. */
const VALUES_PER_TURN = 262_144;

/** Options of {@link SearchIndex.build} but for those that a corpus decides. */
const BUILD_NAMES: readonly string[] = [
  'bits',
  'metric',
  'seed',
  'originals',
  'fit',
  'like',
  'partitions',
  ...JOB_OPTION_NAMES,
];

/** Checks ids of `count` rows; `null` for numbers that the index chooses. */
export function rowIds(value: unknown, type: IdType, count: number): NativeIds | null {
  if (value === undefined) {
    if (type !== 'string') return null;
    if (count > 0) throw invalidArg('ids', 'given where the ids are strings', value);
    return [];
  }
  const ids = toIds(value, type, 'ids');
  if (ids.length !== count) throw invalidArg('ids', `${count} ids, one for each vector`, value, { rows: count });
  return ids;
}

/** Builds an index of rows that nobody else can reach. */
function build(
  control: Job,
  config: NativeIndexConfig,
  rows: Float32Array,
  ids: NativeIds | null,
  { fit, partitions }: ReturnType<typeof buildPlan>,
  like: NativeSearchIndex | null,
): Promise<NativeSearchIndex> {
  return runJob(control, 'build', rows.length / config.dim, (abort, onProgress) =>
    native.buildIndex(config, rows, ids, fit, like, partitions, abort, onProgress),
  );
}

/**
 * Builds an index of vectors.
 *
 * @param o {@link IndexBuildOptions}
 * @param take gives the values of the rows in memory that nobody else can reach
 */
export async function buildRows(
  vectors: VectorRows,
  o: unknown,
  take: (rows: Rows) => Float32Array,
): Promise<NativeSearchIndex> {
  const given = options(o, 'build options', ['dim', 'ids', 'idType', ...BUILD_NAMES], true);
  const control = job(given);
  const plan = buildPlan(given);
  const asked = idType(given.idType);
  const listed = given.ids === undefined ? undefined : toList(given.ids, asked, 'ids');
  const config = settings(given, asked ?? (listed === undefined ? 'number' : typeOfIds(listed)));
  const rows = toRows(vectors, config.dim, 'vectors');
  const ids = rowIds(listed, config.idType, rows.count);
  const owned = take(rows);
  return withLike(config, given, (full, like) => build(control, full, owned, ids, plan, like));
}

/** Vectors and ids of a corpus, reconstructed a chunk at a time. */
async function gather(corpus: Corpus, dim: number, { signal }: Job): Promise<{ rows: Float32Array; ids: string[] }> {
  const rows = allocate(corpus.vectorCount * dim, 'the vectors of the corpus');
  const ids: string[] = [];
  let until = VALUES_PER_TURN;
  for (const [id, vector] of corpus.decompressEntries()) {
    rows.set(vector, ids.length * dim);
    ids.push(id);
    if (ids.length * dim < until) continue;
    until += VALUES_PER_TURN;
    await new Promise((resume) => setImmediate(resume));
    if (signal?.aborted) throw reasonOf(signal);
  }
  return { rows: rows.subarray(0, ids.length * dim), ids };
}

/**
 * Builds an index of the vectors of a corpus.
 *
 * @param o {@link IndexFromCorpusOptions}
 */
export async function buildCorpus(corpus: unknown, o: unknown): Promise<NativeSearchIndex> {
  if (!(corpus instanceof Corpus)) throw notAHandle(corpus, 'corpus', 'Corpus');
  const given = options(o, 'fromCorpus options', BUILD_NAMES);
  const control = job(given);
  const plan = buildPlan(given);
  const config = settings({ ...given, dim: corpus.codecConfig.dimension }, 'string');
  return withLike(config, given, async (full, like) => {
    const { rows, ids } = await gather(corpus, full.dim, control);
    return build(control, full, rows, ids, plan, like);
  });
}
