import { createRequire } from 'node:module';

/** The parts of the native addon that the public surface does not show. */
export interface Binding {
  setSimdLevel(level: string | null): string;
  simdLevel(): string;
  errorCodes(): string[];
  threads(): number;
  externalMemory(): number;
  rotationCacheInfo(): { entries: number; bytes: number; builds: number };
}

export const binding: Binding = createRequire(__filename)('../../native/binding.cjs') as Binding;

const LEVELS = [
  'scalar',
  'sse2',
  'sse41',
  'sse42',
  'avx',
  'avx2',
  'avx512',
  'avx512vnni',
  'neon',
  'neondot',
  'dotprod',
];

/** The levels this processor runs. */
export function supportedLevels(): string[] {
  const found = new Set<string>();
  for (const level of LEVELS) {
    try {
      found.add(binding.setSimdLevel(level));
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'ERR_TQ_INVALID_ARG') throw error;
    }
  }
  binding.setSimdLevel(null);
  return [...found];
}
