// SQLite as Node 22 and newer have it, or better-sqlite3. Integers are bigints: rowids have 64 bits.

/** Opens a database file, or a new one: an object with `exec`, `prepare` and `close`. */
export async function openDatabase(path) {
  const builtIn = await import('node:sqlite').catch(() => undefined);
  if (builtIn === undefined) {
    const { default: Database } = await import('better-sqlite3');
    const db = new Database(path);
    db.defaultSafeIntegers(true);
    return db;
  }
  const db = new builtIn.DatabaseSync(path);
  return {
    exec: (sql) => db.exec(sql),
    close: () => db.close(),
    prepare: (sql) => {
      const statement = db.prepare(sql);
      statement.setReadBigInts(true);
      return statement;
    },
  };
}
