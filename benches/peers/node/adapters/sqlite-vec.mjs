// sqlite-vec: a table that is read from end to end by each query, from the pages of a database file.
import { join } from 'node:path';
import { Adapter, K, rowsOf } from './base.mjs';

/** Declaration of the table, value to insert, and query, for each form of the rows. */
const FORMS = {
  f32: {
    table: (dim) => `v float[${dim}] distance_metric=cosine`,
    insert: 'insert into t(rowid, v) values (?, ?)',
    select: `select rowid from t where v match ? and k = ${K}`,
  },
  int8: {
    table: (dim) => `v int8[${dim}] distance_metric=cosine`,
    insert: "insert into t(rowid, v) values (?, vec_quantize_int8(?, 'unit'))",
    select: `select rowid from t where v match vec_quantize_int8(?, 'unit') and k = ${K}`,
  },
  // The sign bits choose candidates, the original vectors order them.
  bit: {
    table: (dim) => `b bit[${dim}], +v blob`,
    insert: 'insert into t(rowid, b, v) values (@id, vec_quantize_binary(@v), @v)',
    select: `with near as (select rowid, v from t where b match vec_quantize_binary(@v) and k = @candidates)
      select rowid from near order by vec_distance_cosine(v, @v) limit ${K}`,
  },
};

export class Engine extends Adapter {
  constructor(options) {
    super(options);
    this.sql = FORMS[this.params.rows];
  }

  #open(folder) {
    const Database = this.require('better-sqlite3');
    const database = new Database(join(folder, 'index.db'));
    this.require('sqlite-vec').load(database);
    return database;
  }

  build(vectors, folder) {
    const database = this.#open(folder);
    database.exec(`create virtual table t using vec0(${this.sql.table(this.dim)})`);
    const insert = database.prepare(this.sql.insert);
    const isNamed = this.sql.insert.includes('@v');
    database.transaction(() => {
      for (const [i, v] of rowsOf(vectors, this.dim).entries()) {
        const id = BigInt(i);
        if (isNamed) insert.run({ id, v });
        else insert.run(id, v);
      }
    })();
    database.close();
  }

  open(folder) {
    this.database = this.#open(folder);
    this.select = this.database.prepare(this.sql.select).pluck();
  }

  close() {
    this.database.close();
  }

  prepare({ candidates }) {
    this.candidates = candidates;
  }

  alone(query) {
    if (this.candidates === undefined) return this.select.all(query);
    return this.select.all({ v: query, candidates: this.candidates });
  }
}
