import type { NativeCorpus } from './native-types.js';

const handles = new WeakMap<object, NativeCorpus>();

/** Notes the native half of a corpus, for the modules that are not its own. */
export function keepCorpus(corpus: object, handle: NativeCorpus): void {
  handles.set(corpus, handle);
}

/** The native half of a corpus, or `undefined` for anything else. */
export function nativeCorpus(value: unknown): NativeCorpus | undefined {
  return typeof value === 'object' && value !== null ? handles.get(value) : undefined;
}
