// zvec: a database in a folder with a choice of indexes; searches its mapped files.
import { join } from 'node:path';
import { Adapter, K, rowsOf } from './base.mjs';

const INSERT_ROWS = 500;
/** The library takes its settings once a process. */
let isInitialized = false;

export class Engine extends Adapter {
  constructor(options) {
    super(options);
    this.zvec = this.require('@zvec/zvec');
    if (!isInitialized) {
      const { threads } = this;
      const logLevel = this.zvec.ZVecLogLevel.ERROR;
      this.zvec.ZVecInitialize({ queryThreads: threads, optimizeThreads: threads, logLevel });
      isInitialized = true;
    }
    this.indexType = this.zvec.ZVecIndexType[this.params.index];
  }

  build(vectors, folder) {
    const { ZVecCollectionSchema, ZVecDataType, ZVecMetricType, ZVecQuantizeType } = this.zvec;
    const { index, quantize, ...rest } = this.params;
    const rows = rowsOf(vectors, this.dim);
    const indexParams = { indexType: this.indexType, metricType: ZVecMetricType.IP, ...rest };
    if (quantize !== undefined) indexParams.quantizeType = ZVecQuantizeType[quantize];
    if (index.startsWith('IVF')) indexParams.nList = Math.round(Math.sqrt(rows.length));
    const schema = new ZVecCollectionSchema({
      name: 'peers',
      fields: [],
      vectors: [{ name: 'v', dataType: ZVecDataType.VECTOR_FP32, dimension: this.dim, indexParams }],
    });
    const collection = this.zvec.ZVecCreateAndOpen(join(folder, 'db'), schema);
    for (let at = 0; at < rows.length; at += INSERT_ROWS) {
      const part = rows.slice(at, at + INSERT_ROWS);
      const [first] = collection.insertSync(
        part.map((row, i) => ({ id: String(at + i), vectors: { v: row }, fields: {} })),
      );
      if (!first.ok) throw new Error(first.message);
    }
    collection.optimizeSync({ concurrency: this.threads });
    collection.closeSync();
    this.rows = rows.length;
  }

  open(folder) {
    this.collection = this.zvec.ZVecOpen(join(folder, 'db'), { readOnly: true });
  }

  close() {
    this.collection.closeSync();
  }

  prepare({ ef, probes }) {
    this.query = { fieldName: 'v', topk: K, outputFields: [], vector: undefined };
    this.query.params = { indexType: this.indexType, ...(ef ? { ef } : { nprobe: probes }) };
  }

  alone(query) {
    this.query.vector = query;
    return this.collection.querySync(this.query);
  }

  ids(answer) {
    return [answer.map(({ id }) => Number(id))];
  }
}
