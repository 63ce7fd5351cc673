/** Coordinates of an index that share a bit width. */
export interface IndexSegment {
  /** How many coordinates. */
  readonly coordinates: number;
  /** Bits of each; 0 where they are left out. */
  readonly bits: number;
}

/** What {@link SearchIndex.stats} tells. */
export interface SearchIndexStats {
  /** Vectors. */
  readonly size: number;
  /** Vectors ever added, removed ones included. */
  readonly rows: number;
  /** Runs of vectors that were added together or merged since. */
  readonly parts: number;
  /** Groups of neighbouring vectors; 1 without any. */
  readonly partitions: number;
  /** Whether the index is fitted to a sample. */
  readonly fitted: boolean;
  /** Runs of coordinates, and the bits that each run gets. */
  readonly segments: readonly IndexSegment[];
  /** Bytes of the codes, factors and row number of one vector, without its id and original. */
  readonly bytesPerVector: number;
}

/** What {@link SearchIndex.memoryUsage} tells, in bytes. */
export interface SearchIndexMemory {
  /** Memory of the index itself. */
  readonly heapBytes: number;
  /** Parts of a file that are mapped: the system loads what is read of them, and takes it back when it needs room. */
  readonly mappedBytes: number;
}
