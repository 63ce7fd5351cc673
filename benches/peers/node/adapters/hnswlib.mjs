// hnswlib-node: a graph over f32 rows; takes and gives plain arrays.
import { join } from 'node:path';
import { Adapter, K, rowsOf } from './base.mjs';

export class Engine extends Adapter {
  #index() {
    const { HierarchicalNSW } = this.require('hnswlib-node');
    return new HierarchicalNSW('ip', this.dim);
  }

  build(vectors) {
    const rows = rowsOf(vectors, this.dim);
    this.index = this.#index();
    this.index.initIndex({ maxElements: rows.length, m: 16, efConstruction: 200 });
    for (const [i, row] of rows.entries()) this.index.addPoint(Array.from(row), i);
  }

  save(folder) {
    this.index.writeIndexSync(join(folder, 'index.hnsw'));
  }

  open(folder) {
    this.index = this.#index();
    this.index.readIndexSync(join(folder, 'index.hnsw'));
  }

  prepare({ ef }) {
    this.index.setEf(ef);
  }

  form(queries) {
    return Array.from(queries);
  }

  alone(query) {
    return this.index.searchKnn(query, K);
  }

  ids({ neighbors }) {
    return [neighbors];
  }
}
