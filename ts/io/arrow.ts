import type { Data, DataType, Float, RecordBatch, Vector } from 'apache-arrow';
import { native } from '../native.js';
import type { RowCollector, VectorBatch } from './batch.js';
import { nameColumn, vectorColumn } from './column.js';
import type { Encoder } from './encoder.js';
import { Input } from './ipc.js';
import { idText } from './jsonl.js';
import type { Source } from './source.js';

type Arrow = typeof import('./arrow-library.js');

/** The library; loaded when the first Arrow data is read or written. */
const load = (): Promise<Arrow> => import('./arrow-library.js');

function isFloatList({ DataType: is }: Arrow, type: DataType): boolean {
  return (is.isList(type) || is.isLargeList(type) || is.isFixedSizeList(type)) && is.isFloat(type.children[0]?.type);
}

function isName({ DataType: is }: Arrow, type: DataType): boolean {
  if (is.isDictionary(type)) return is.isUtf8(type.dictionary);
  return is.isUtf8(type) || is.isLargeUtf8(type) || is.isUtf8View(type) || is.isInt(type);
}

/** Values of the lists of a column as 32-bit floats or wider. */
function floatsOf({ Precision }: Arrow, child: Data): Float32Array | Float64Array {
  const values = child.values as Uint16Array | Float32Array | Float64Array;
  if ((child.type as Float).precision !== Precision.HALF) return values as Float32Array;
  return native.widenF16(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
}

/** Runs the parser, or reads what it made, and says what a failure means. */
type Guard = <T>(run: () => T) => T;

/** Adds the rows of one record batch, and gives a batch whenever one is full. */
function* addRows(
  arrow: Arrow,
  into: RowCollector,
  data: Data,
  names: Vector | undefined,
  guard: Guard,
): Generator<VectorBatch> {
  // An empty file is given as a batch without columns.
  if (data.length === 0) return;
  const { child, hasNulls, floats, stride } = guard(() => {
    const [values] = data.children;
    const size = arrow.DataType.isFixedSizeList(data.type) ? data.type.listSize : undefined;
    if (values === undefined || size === 0) throw new Error('lists without values');
    return { child: values, hasNulls: values.nullCount > 0, floats: floatsOf(arrow, values), stride: size };
  });
  const offsets = data.valueOffsets as Int32Array | BigInt64Array | undefined;
  for (let row = 0; row < data.length; row++) {
    const { values, problem, name } = guard(() => {
      const start = stride === undefined ? Number(offsets?.[row]) : stride * row;
      const end = stride === undefined ? Number(offsets?.[row + 1]) : stride * (row + 1);
      if (!(start >= 0 && end >= start && end <= floats.length)) {
        throw new Error(`row ${into.row} lies outside its values`);
      }
      let holdsNull = false;
      if (hasNulls) for (let i = start; i < end && !holdsNull; i++) holdsNull = !child.getValid(i);
      const nulls = holdsNull ? 'the vector holds a null' : undefined;
      return {
        values: floats.subarray(start, end),
        problem: data.getValid(row) ? nulls : 'the vector is null',
        name: names?.get(row) as unknown,
      };
    });
    const id = idText(name);
    if (problem !== undefined) into.reject(problem);
    else if (names !== undefined && id === undefined) into.reject('the id is no text or integer');
    else into.add(values, id);
    if (!into.full) continue;
    const batch = into.take();
    if (batch !== undefined) yield batch;
    if (into.done) return;
  }
}

/** Reads a column of lists of floats, record batch by record batch, and a column of ids beside it. */
export async function* readArrow(
  source: Source,
  into: RowCollector,
  column: string | undefined,
  idColumn: string | undefined,
): AsyncGenerator<VectorBatch> {
  const arrow = await load();
  const input = new Input(source);
  const guard: Guard = (run) => {
    try {
      return run();
    } catch (error) {
      throw input.damaged(error);
    }
  };
  const step = async <T>(run: () => Promise<T>): Promise<T> => {
    try {
      return await run();
    } catch (error) {
      throw input.damaged(error);
    }
  };

  const bytes = await input.open();
  // A handle is taken for what its methods say it is.
  const reader = await step(async () =>
    (await arrow.RecordBatchReader.from(bytes as AsyncIterable<Uint8Array>)).open(),
  );
  const fields = guard(() => reader.schema.fields);
  const namesOf = (test: (arrow: Arrow, type: DataType) => boolean): string[] =>
    fields.filter(({ type }) => test(arrow, type)).map(({ name }) => name);
  const vectorName = vectorColumn(source.origin, column, namesOf(isFloatList));
  const idName = nameColumn(source.origin, idColumn, namesOf(isName));

  /** The record batches of a file by their number: asked for the next, the library would look for ever for a lost one. */
  const read = async (index: number): Promise<RecordBatch | undefined> => {
    if (!reader.isFile()) {
      const { done, value } = (await reader.next()) as IteratorResult<RecordBatch>;
      return done === true ? undefined : value;
    }
    if (index >= reader.numRecordBatches) return undefined;
    const batch: RecordBatch | null = await reader.readRecordBatch(index);
    if (batch === null) throw new Error(`record batch ${index} is not where the footer says`);
    return batch;
  };
  for (let index = 0; ; index++) {
    const batch = await step(() => read(index));
    if (batch === undefined) break;
    const names = idName === undefined ? undefined : (batch.getChild(idName) ?? undefined);
    for (const data of batch.getChild(vectorName)?.data ?? []) {
      yield* addRows(arrow, into, data, names, guard);
      if (into.done) return;
    }
  }
  if (!reader.isFile() && !(await input.hasEnd())) {
    throw input.cut(`Arrow IPC ends after ${into.row} rows, without the mark of its end`);
  }
  const last = into.take();
  if (last !== undefined) yield last;
}

/**
 * Writes a fixed-size list of f32 and the ids as text, one record batch a batch.
 *
 * @param isStream the stream format, which has no footer, instead of the file format
 */
export async function arrowEncoder(column: string, idColumn: string, isStream: boolean): Promise<Encoder> {
  const arrow = await load();
  const { Field, FixedSizeList, Float32, List, RecordBatch, Schema, Struct, Utf8, makeData, vectorFromArray } = arrow;
  let written: Uint8Array[] = [];
  const drain = (): Uint8Array[] => {
    const pieces = written;
    written = [];
    return pieces;
  };
  const Base = isStream ? arrow.RecordBatchStreamWriter : arrow.RecordBatchFileWriter;
  class Writer extends Base {
    /** The file format too has the schema in front, so that it can be read in order. */
    protected override _writeSchema(given: InstanceType<typeof Schema>): this {
      super._writeSchema(given);
      return isStream ? this : this._writeMessage(arrow.Message.from(given));
    }

    /** The library's own queue takes whatever comes; here, each batch goes out before the next one is encoded. */
    protected override _write(chunk: ArrayBufferView): this {
      const bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      written.push(bytes);
      this._position += bytes.length;
      return this;
    }
  }
  const writer = new Writer();
  let schema: InstanceType<typeof Schema> | undefined;
  const fieldOf = (name: string, type: DataType): InstanceType<typeof Field> => new Field(name, type, false);
  const value = fieldOf('item', new Float32());

  return {
    encode({ vectors, rows, dimension, ids }) {
      const type = new FixedSizeList(dimension, value);
      schema ??= new Schema([...(ids === undefined ? [] : [fieldOf(idColumn, new Utf8())]), fieldOf(column, type)]);
      const floats = makeData({ type: new Float32(), length: vectors.length, data: vectors });
      const lists = makeData({ type, length: rows, child: floats });
      const names = ids === undefined ? [] : vectorFromArray([...ids], new Utf8()).data;
      const children = [...names, lists] as Data[];
      writer.write(new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length: rows, children })));
      return drain();
    },
    end() {
      // Without a row the dimension is not known.
      if (schema === undefined) writer.reset(undefined, new Schema([fieldOf(column, new List(value))]));
      writer.close();
      return { tail: drain() };
    },
  };
}
