// Passages in SQLite: each row carries its compressed vector as a blob, and an index in memory finds rowids.
import { Codebook, Codec, CodecConfig, CompressedVector, SearchIndex } from 'tinyquant';
import { openDatabase } from './database.mjs';

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS codec (config TEXT NOT NULL, codebook BLOB NOT NULL);
  CREATE TABLE IF NOT EXISTS passages (
    id INTEGER PRIMARY KEY,
    language TEXT NOT NULL,
    body TEXT NOT NULL,
    code BLOB NOT NULL
  );
  CREATE INDEX IF NOT EXISTS passages_by_language ON passages (language)`;

/** Rows turned into vectors at once when the index is built. */
const ROWS_AT_ONCE = 1000;

/** Passages of a database file, and the index of their vectors. */
export class Passages {
  #db;
  #codec = new Codec();
  #config;
  #codebook;
  #index;

  /**
   * Makes the tables of a new file.
   *
   * @param sample vectors to train the codebook on, row after row
   */
  static async create(path, sample, dimension) {
    const db = await openDatabase(path);
    db.exec(SCHEMA);
    const config = new CodecConfig({ bitWidth: 8, dimension, residualEnabled: false });
    const codebook = Codebook.train(sample, config, { method: 'lloyd-max' });
    const insert = db.prepare('INSERT INTO codec (config, codebook) VALUES (?, ?)');
    insert.run(JSON.stringify(config), codebook.toBytes());
    db.close();
  }

  /** Opens a file and builds the index from its blobs. */
  static async open(path) {
    const db = await openDatabase(path);
    const { config, codebook } = db.prepare('SELECT config, codebook FROM codec').get();
    const passages = new Passages(db, CodecConfig.fromJSON(JSON.parse(config)), Codebook.fromBytes(codebook));
    await passages.#load();
    return passages;
  }

  constructor(db, config, codebook) {
    this.#db = db;
    this.#config = config;
    this.#codebook = codebook;
    this.#index = new SearchIndex({ dim: config.dimension, bits: 8, idType: 'bigint' });
  }

  async #load() {
    const next = this.#db.prepare('SELECT id, code FROM passages WHERE id > ? ORDER BY id LIMIT ?');
    let last = -1n;
    for (;;) {
      const rows = next.all(last, ROWS_AT_ONCE);
      if (rows.length === 0) return;
      const records = rows.map(({ code }) => CompressedVector.fromBytes(code));
      const vectors = await this.#codec.decompressBatch(records, this.#config, this.#codebook);
      await this.#index.add(vectors, { ids: rows.map(({ id }) => id) });
      last = rows.at(-1).id;
    }
  }

  /** Inserts a passage, in the table and in the index or in neither. The rowid. */
  insert({ language, body, vector, id = null }) {
    const code = this.#codec.compress(vector, this.#config, this.#codebook);
    const insert = this.#db.prepare('INSERT INTO passages (id, language, body, code) VALUES (?, ?, ?, ?)');
    const kept = this.#codec.decompress(code, this.#config, this.#codebook);
    let added = [];
    this.#db.exec('BEGIN');
    try {
      const { lastInsertRowid } = insert.run(id, language, body, code.toBytes());
      this.#index.addSync([kept], { ids: [lastInsertRowid] });
      added = [lastInsertRowid];
      this.#db.exec('COMMIT');
      return lastInsertRowid;
    } catch (error) {
      this.#index.remove(added);
      try {
        this.#db.exec('ROLLBACK');
      } catch {
        // SQLite has rolled back by itself; what went wrong first is what the caller has to know.
      }
      throw error;
    }
  }

  /** Deletes a passage; whether there was one. */
  delete(id) {
    const { changes } = this.#db.prepare('DELETE FROM passages WHERE id = ?').run(id);
    this.#index.remove([id]);
    return Number(changes) > 0;
  }

  /** The best passages for a vector, of one language if it is given, joined with their rows. */
  async search(vector, { k, language }) {
    const rows = language && this.#db.prepare('SELECT id FROM passages WHERE language = ?').all(language);
    const hits = await this.#index.search(vector, { k, ...(rows && { filter: rows.map(({ id }) => id) }) });
    // JSON numbers of 64 bits are exact in SQLite.
    const list = `[${Array.from(hits, ({ id, score }) => `[${id},${score}]`).join()}]`;
    const join = `
      SELECT passages.id, language, body, hits.value ->> 1 AS score
      FROM json_each(?) AS hits JOIN passages ON passages.id = hits.value ->> 0
      ORDER BY hits.key`;
    return this.#db.prepare(join).all(list);
  }

  get size() {
    return this.#index.size;
  }

  close() {
    this.#index.close();
    this.#db.close();
  }
}
