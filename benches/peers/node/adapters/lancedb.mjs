// LanceDB: a table of the original vectors in a folder with a partitioned index of product codes; reads its files.
import { join } from 'node:path';
import { Adapter, K } from './base.mjs';

const metric = 'cosine';

export class Engine extends Adapter {
  #connect(folder) {
    this.lancedb = this.require('@lancedb/lancedb');
    return this.lancedb.connect(join(folder, 'db'));
  }

  /** Arrow table of the rows as they lie, with a column of row numbers. */
  #table(vectors) {
    const { Field, FixedSizeList, Float32, Int32, makeData, makeVector, Table } = this.require('apache-arrow');
    const rows = vectors.length / this.dim;
    const child = makeData({ type: new Float32(), data: vectors });
    const type = new FixedSizeList(this.dim, new Field('item', new Float32(), true));
    const vector = makeVector(makeData({ type, length: rows, child }));
    return new Table({
      id: makeVector(makeData({ type: new Int32(), data: Int32Array.from({ length: rows }, (_, i) => i) })),
      vector,
    });
  }

  async build(vectors, folder) {
    const connection = await this.#connect(folder);
    const table = await connection.createTable('peers', this.#table(vectors));
    const numPartitions = Math.round(Math.sqrt(vectors.length / this.dim));
    const numSubVectors = this.dim / this.params.coordinates;
    const config = this.lancedb.Index.ivfPq({ numPartitions, numSubVectors, distanceType: metric });
    await table.createIndex('vector', { config });
  }

  async open(folder) {
    const connection = await this.#connect(folder);
    this.table = await connection.openTable('peers');
  }

  prepare(search) {
    this.search = search;
  }

  alone(query) {
    const { probes, refine } = this.search;
    const near = this.table.query().nearestTo(query).column('vector').distanceType(metric).nprobes(probes);
    if (refine !== undefined) near.refineFactor(refine);
    return near.select(['id', '_distance']).limit(K).toArrow();
  }

  ids(answer) {
    return [Array.from(answer.getChild('id'), Number)];
  }
}
