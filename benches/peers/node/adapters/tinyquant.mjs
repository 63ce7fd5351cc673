// tinyquant: the SearchIndex of this repository.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import * as tinyquant from '../../../../index.mjs';
import { Adapter, K } from './base.mjs';

export class Engine extends Adapter {
  static hasBatch = true;

  constructor(options) {
    super(options);
    if (tinyquant.SearchIndex === undefined) throw new Error('this build of tinyquant has no SearchIndex');
  }

  async build(vectors) {
    this.index = await tinyquant.SearchIndex.build(vectors, { dim: this.dim, ...this.params });
    const stats = this.index.stats();
    const original = { none: 0, f16: 2, f32: 4 }[this.params.originals ?? 'none'] * this.dim;
    this.perVector = stats.bytesPerVector + original;
    this.facts = { stats, memoryUsage: this.index.memoryUsage() };
  }

  add(vectors) {
    this.index ??= new tinyquant.SearchIndex({ dim: this.dim, ...this.params });
    this.index.addSync(vectors);
  }

  async save(folder) {
    const path = join(folder, 'index.tqi');
    await this.index.save(path);
    this.fixed = statSync(path).size - this.perVector * this.index.size;
  }

  async open(folder) {
    this.index = await tinyquant.SearchIndex.open(join(folder, 'index.tqi'));
  }

  close() {
    this.index.close();
  }

  prepare(search) {
    this.options = { k: K, ...search };
  }

  alone(query) {
    return this.index.searchSync(query, this.options);
  }

  batch(queries) {
    return this.index.searchBatchSync(queries, this.options);
  }

  ids(answer) {
    return (Array.isArray(answer) ? answer : [answer]).map((hits) => Array.from(hits.ids, Number));
  }
}
