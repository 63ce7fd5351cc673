import { TinyQuantError } from './errors.js';
import { abortSignal, runJob } from './job.js';
import { call, native } from './native.js';
import type { NativeIndexConfig, NativeSearchIndex } from './native-types.js';
import { filePath } from './path.js';
import { invalidArg } from './validate.js';

/** Tells the native half of an open `SearchIndex`; nothing for any other value. */
type HandleOf = (value: unknown) => NativeSearchIndex | undefined;

let handleOf: HandleOf = () => undefined;

/** Called by the class that has the native halves. */
export function knowHandles(tell: HandleOf): void {
  handleOf = tell;
}

/** Refuses other settings than those of the index that is taken as the model. */
function settingsLike(
  config: NativeIndexConfig,
  given: Record<string, unknown>,
  handle: NativeSearchIndex,
): NativeIndexConfig {
  const { dim, bits, metric, seed } = call(() => handle.config());
  if (config.dim !== dim) {
    throw new TinyQuantError('ERR_TQ_DIM_MISMATCH', `dim is ${config.dim}, that of the index in like is ${dim}`, {
      details: { argument: 'dim', expected: dim, got: config.dim },
    });
  }
  const theirs = { bits, metric, seed };
  for (const name of ['bits', 'metric', 'seed'] as const) {
    if (given[name] === undefined || config[name] === theirs[name]) continue;
    const [expected, got] = [String(theirs[name]), String(config[name])];
    throw new TinyQuantError('ERR_TQ_CONFIG_MISMATCH', `${name} is ${got}, that of the index in like is ${expected}`, {
      details: { argument: name, expected, got },
    });
  }
  return { ...config, ...theirs };
}

/**
 * Runs `body` with the settings that an index gets and the index that the option `like` names, which is open until then.
 *
 * @param config checked settings
 * @param given what the caller has said
 * @throws {TinyQuantError} ERR_TQ_INVALID_ARG, ERR_TQ_CLOSED, ERR_TQ_DIM_MISMATCH; ERR_TQ_CONFIG_MISMATCH for other
 * bits, metric or seed; what opening a file throws
 */
export async function withLike<T>(
  config: NativeIndexConfig,
  given: Record<string, unknown>,
  body: (config: NativeIndexConfig, like: NativeSearchIndex | null) => Promise<T>,
): Promise<T> {
  const { like, fit } = given;
  if (like === undefined) return body(config, null);
  if (fit !== undefined) throw invalidArg('fit', 'left out where like says what the index is fitted to', fit);
  const handle = handleOf(like);
  if (handle !== undefined) return body(settingsLike(config, given, handle), handle);
  if (typeof like !== 'string' && !(like instanceof URL)) {
    throw invalidArg('like', 'a SearchIndex or the path of an index file', like);
  }
  const path = filePath(like, 'like');
  const control = { signal: abortSignal(given.signal), onProgress: undefined };
  const opened = await runJob(control, 'verify', 0, (abort) => native.openIndex(path, true, false, abort));
  try {
    return await body(settingsLike(config, given, opened), opened);
  } finally {
    opened.close();
  }
}
