import { TinyQuantError } from './errors.js';
import type { NativeEvent } from './native-types.js';
import type { CompressionPolicyKind } from './policy.js';

interface EventBase {
  /** The corpus the event is about. */
  readonly corpusId: string;
  /** When it happened. */
  readonly timestamp: Date;
}

/** A corpus was made. */
export interface CorpusCreated extends EventBase {
  /** Tells the event apart. */
  readonly type: 'CorpusCreated';
  /** How the corpus stores its vectors. */
  readonly compressionPolicy: CompressionPolicyKind;
}

/** Vectors were inserted: one event per call that inserted any. */
export interface VectorsInserted extends EventBase {
  /** Tells the event apart. */
  readonly type: 'VectorsInserted';
  /** Their ids, in insertion order. */
  readonly vectorIds: readonly string[];
  /** How many. */
  readonly count: number;
}

/** All vectors were reconstructed with `decompressAll`. */
export interface CorpusDecompressed extends EventBase {
  /** Tells the event apart. */
  readonly type: 'CorpusDecompressed';
  /** How many. */
  readonly vectorCount: number;
}

/**
 * A change broke a rule of the corpus. Part of TinyQuant's interface, so that code written for it compiles; such a
 * change is reported as a `TinyQuantError`, and this event is never recorded.
 */
export interface CompressionPolicyViolationDetected extends EventBase {
  /** Tells the event apart. */
  readonly type: 'CompressionPolicyViolationDetected';
  /** TinyQuant's name of the rule. */
  readonly violationType: string;
  /** What happened, for people. */
  readonly detail: string;
}

/** What {@link Corpus.pendingEvents} reports, told apart by `type`. */
export type CorpusEvent = CorpusCreated | VectorsInserted | CorpusDecompressed | CompressionPolicyViolationDetected;

/** The public form of an event the native side recorded. */
export function toCorpusEvent(event: NativeEvent): CorpusEvent {
  const { type, corpusId } = event;
  const timestamp = new Date(event.timestampMs);
  switch (type) {
    case 'CorpusCreated':
      return { type, corpusId, timestamp, compressionPolicy: event.policy as CompressionPolicyKind };
    case 'VectorsInserted': {
      const vectorIds = event.vectorIds ?? [];
      return { type, corpusId, timestamp, vectorIds, count: event.count ?? vectorIds.length };
    }
    case 'CorpusDecompressed':
      return { type, corpusId, timestamp, vectorCount: event.count ?? 0 };
    default:
      throw new TinyQuantError('ERR_TQ_INTERNAL', `unknown corpus event ${String(type satisfies never)}`);
  }
}
