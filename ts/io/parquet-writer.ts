import type { SchemaElement } from 'hyparquet';
import type { PageData } from 'hyparquet-writer/src/types.js';
import type { VectorBatch } from './batch.js';
import type { Encoder } from './encoder.js';

/** How columns are written: vectors hardly compress, and their statistics tell nothing. */
const COLUMN = {
  codec: 'UNCOMPRESSED',
  compressors: {},
  stats: false,
  pageSize: 1 << 20,
  columnIndex: false,
  offsetIndex: true,
  encoding: 'PLAIN',
} as const;

/** Writes a required list of required floats, one row group a batch, and the ids as text. */
export async function parquetEncoder(column: string, idColumn: string): Promise<Encoder> {
  const [{ ByteWriter, ParquetWriter }, { writeColumn }] = await Promise.all([
    import('hyparquet-writer'),
    import('hyparquet-writer/src/column.js'),
  ]);
  const bytes = new ByteWriter();
  const repetition_type = 'REQUIRED';
  const root: SchemaElement = { name: 'root' };
  const names: SchemaElement = { name: idColumn, type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type };
  const list: SchemaElement = { name: column, converted_type: 'LIST', num_children: 1, repetition_type };
  const group: SchemaElement = { name: 'list', num_children: 1, repetition_type: 'REPEATED' };
  const element: SchemaElement = { name: 'element', type: 'FLOAT', repetition_type };

  const start = (hasIds: boolean): InstanceType<typeof ParquetWriter> => {
    const schema = [{ ...root, num_children: hasIds ? 2 : 1 }, ...(hasIds ? [names] : []), list, group, element];
    return new ParquetWriter({ writer: bytes, schema, codec: COLUMN.codec, createdBy: 'tinyquant' });
  };
  let writer: InstanceType<typeof ParquetWriter> | undefined;

  /** Levels of the present size of a group: every row begins with a 0, and no value is missing. */
  let definitionLevels: number[] = [];
  let repetitionLevels: number[] = [];

  /** What was written since the last call. */
  const drain = (): Uint8Array => {
    const written = bytes.getBytes().slice();
    bytes.index = 0;
    return written;
  };

  const writePart = (
    path: SchemaElement[],
    element: SchemaElement,
    pageData: PageData,
  ): ReturnType<typeof writeColumn> => {
    const columnName = path
      .map(({ name }) => name)
      .slice(1)
      .join('.');
    const column = { ...COLUMN, columnName, element, schemaPath: path };
    return writeColumn({ writer: bytes, column, pageData });
  };

  /** Adds a row group column by column: the library's own way would take every value out of its array. */
  const addGroup = (to: InstanceType<typeof ParquetWriter>, { vectors, rows, dimension, ids }: VectorBatch): void => {
    const from = bytes.offset;
    if (definitionLevels.length !== vectors.length) {
      definitionLevels = new Array<number>(vectors.length).fill(1);
      repetitionLevels = Array.from(definitionLevels, (_, i) => (i % dimension === 0 ? 0 : 1));
    }
    const levels = { definitionLevels, repetitionLevels, maxDefinitionLevel: 1 };
    const flat = { definitionLevels: [], repetitionLevels: [], maxDefinitionLevel: 0 };
    const results = [
      ...(ids === undefined ? [] : [writePart([root, names], names, { values: [...ids], ...flat })]),
      writePart([root, list, group, element], element, { values: vectors, ...levels }),
    ];
    const size = BigInt(bytes.offset - from);
    to.pendingIndexes.push(...results);
    to.num_rows += BigInt(rows);
    to.row_groups.push({
      columns: results.map(({ chunk }) => chunk),
      total_byte_size: size,
      num_rows: BigInt(rows),
      total_compressed_size: size,
    });
  };

  return {
    encode(batch) {
      writer ??= start(batch.ids !== undefined);
      addGroup(writer, batch);
      return [drain()];
    },
    end() {
      writer ??= start(false);
      void writer.finish();
      return { tail: [drain()] };
    },
  };
}
