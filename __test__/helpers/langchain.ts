import { Embeddings } from '@langchain/core/embeddings';
import type { TinyQuantVectorStore } from '../../dist/langchain.js';

/** Texts as counts of their letter pairs, hashed to 64 places: similar texts have similar vectors. */
export class PairEmbeddings extends Embeddings {
  /** Texts embedded so far. */
  count = 0;
  readonly dim: number;

  constructor(dim: number = 64) {
    super({});
    this.dim = dim;
  }

  vector(text: string): number[] {
    const vector = new Array<number>(this.dim).fill(0);
    const padded = ` ${text.toLowerCase()} `;
    for (let i = 0; i + 1 < padded.length; i++) {
      const place = (padded.charCodeAt(i) * 31 + padded.charCodeAt(i + 1) * 17) % this.dim;
      vector[place] = (vector[place] ?? 0) + 1;
    }
    return vector;
  }

  async embedDocuments(texts: string[]): Promise<number[][]> {
    this.count += texts.length;
    return texts.map((text) => this.vector(text));
  }

  async embedQuery(text: string): Promise<number[]> {
    return this.vector(text);
  }
}

/** Everything that a store holds, by ascending id. */
export async function contentOf(store: TinyQuantVectorStore): Promise<unknown[]> {
  if (store.size === 0) return [];
  const found = await store.similaritySearch('all', store.size);
  return found
    .map(({ id, pageContent, metadata }) => ({ id, pageContent, metadata }))
    .sort((a, b) => ((a.id ?? '') < (b.id ?? '') ? -1 : 1));
}
