// usearch in Node: a graph over rows of 8 or 16 bits a coordinate.
import { join } from 'node:path';
import { Adapter, K } from './base.mjs';

export class Engine extends Adapter {
  static hasBatch = true;

  // The search width can be given only when the index object is made.
  #index(ef) {
    const { Index } = this.require('usearch');
    return new Index({
      dimensions: this.dim,
      metric: 'cos',
      quantization: this.params.dtype,
      connectivity: 16,
      expansion_add: 128,
      expansion_search: ef,
      multi: false,
    });
  }

  build(vectors) {
    this.index = this.#index(64);
    const keys = BigUint64Array.from({ length: vectors.length / this.dim }, (_, i) => BigInt(i));
    this.index.add(keys, vectors, this.threads);
  }

  save(folder) {
    this.index.save(join(folder, 'index.usearch'));
  }

  open(folder) {
    this.folder = folder;
    this.index = this.#index(this.params.ef);
    this.index.load(join(folder, 'index.usearch'));
  }

  alone(query) {
    return this.index.search(query, K, this.threads);
  }

  batch(queries) {
    return this.index.search(queries, K, this.threads);
  }

  ids({ keys }) {
    const all = Array.from(keys, Number);
    return Array.from({ length: all.length / K }, (_, i) => all.slice(i * K, (i + 1) * K));
  }
}
