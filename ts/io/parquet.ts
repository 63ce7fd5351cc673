import { isUtf8 } from 'node:buffer';
import type { ColumnMetaData, DecodedArray, FileMetaData, PageHeader, SchemaElement, SchemaTree } from 'hyparquet';
import type { ColumnDecoder, DataReader } from 'hyparquet/src/types.js';
import { isTinyQuantError } from '../errors.js';
import { native } from '../native.js';
import { invalidArg } from '../validate.js';
import { MAX_DIMENSION, type RowCollector, type VectorBatch } from './batch.js';
import { nameColumn, vectorColumn } from './column.js';
import { idText } from './jsonl.js';
import { failure } from './origin.js';
import { FileSource, type Source } from './source.js';

/** Bounds what a damaged page header can ask for: pages that writers make have about 1 MiB. */
const MAX_PAGE_BYTES = 256 << 20;
const MAX_PAGE_VALUES = 64 << 20;
const MAX_HEADER_BYTES = 16 << 20;

/** Bytes of a column that are read at a time, unless a page is longer. */
const READ_BYTES = 1 << 20;

/** The parser; loaded when the first Parquet file is read. */
const load = () => import('./parquet-parser.js');

type Parser = Awaited<ReturnType<typeof load>>;

/** Values and levels of one page. A level that is the same for every value is left out. */
interface Page {
  readonly count: number;
  readonly repetition: Uint8Array | undefined;
  readonly definition: Uint8Array | undefined;
  /** Values that are there; nulls take no place. */
  readonly values: DecodedArray;
}

/** A column of the schema, from the root down to its values. */
interface Column {
  readonly name: string;
  readonly path: SchemaTree[];
  readonly leaf: SchemaElement;
  readonly maxRepetition: number;
  readonly maxDefinition: number;
}

/** One row of a column of lists. */
interface Row {
  readonly values: ArrayLike<number>;
  readonly problem: string | undefined;
}

/** Runs the parser, whose errors all say that the file is damaged. */
function parse<T>(source: Source, what: string, run: () => T): T {
  try {
    return run();
  } catch (cause) {
    if (isTinyQuantError(cause)) throw cause;
    throw failure(source.origin, 'ERR_TQ_FORMAT', `${what}: ${(cause as Error).message}`, {}, { cause });
  }
}

async function readExactly(source: FileSource, position: number, target: Uint8Array): Promise<void> {
  const got = await source.readAt(target, position);
  if (got === target.length) return;
  throw failure(source.origin, 'ERR_TQ_TRUNCATED', `the file ends at ${position + got}`, {
    offset: position,
    expected: target.length,
    got,
  });
}

async function readFooter(source: FileSource, parser: Parser): Promise<FileMetaData> {
  const { origin, size } = source;
  if (size < 12) {
    throw failure(origin, 'ERR_TQ_TRUNCATED', `${size} bytes, too short for Parquet`, { expected: 12, got: size });
  }
  const end = Buffer.alloc(8);
  await readExactly(source, size - 8, end);
  if (end.toString('latin1', 4) !== 'PAR1') {
    const head = Buffer.alloc(4);
    await readExactly(source, 0, head);
    if (head.toString('latin1') === 'PAR1') throw failure(origin, 'ERR_TQ_TRUNCATED', 'Parquet without its end');
    throw failure(origin, 'ERR_TQ_FORMAT', 'not Parquet, or encrypted', { got: end.toString('latin1', 4) });
  }
  const length = end.readUInt32LE(0);
  if (length > size - 12) {
    const text = `a footer of ${length} bytes in a file of ${size}`;
    throw failure(origin, 'ERR_TQ_TRUNCATED', text, { expected: length, got: size - 12 });
  }
  const footer = new Uint8Array(length + 8);
  await readExactly(source, size - footer.length, footer);
  return parse(source, 'footer', () => parser.parquetMetadata(footer, { geoparquet: false }));
}

/** Columns with one leaf each: of numbers, of text, or of lists of them. */
function simpleColumns(parser: Parser, metadata: FileMetaData): Column[] {
  const root = parser.parquetSchema(metadata);
  return root.children.flatMap((top) => {
    const path = [root, top];
    let node = top;
    for (let [child] = top.children; child !== undefined; [child] = child.children) {
      if (node.children.length > 1) return [];
      path.push(child);
      node = child;
    }
    return {
      name: top.element.name,
      path,
      leaf: node.element,
      maxRepetition: parser.getMaxRepetitionLevel(path),
      maxDefinition: parser.getMaxDefinitionLevel(path),
    };
  });
}

function isF16({ type, type_length, logical_type }: SchemaElement): boolean {
  return type === 'FIXED_LEN_BYTE_ARRAY' && type_length === 2 && logical_type?.type === 'FLOAT16';
}

function isVector({ leaf, path, maxRepetition }: Column): boolean {
  const isFloat = leaf.type === 'FLOAT' || leaf.type === 'DOUBLE' || isF16(leaf);
  // Root, list, repeated group, element: a deeper leaf is a field of a struct.
  return isFloat && maxRepetition === 1 && path.length <= 4;
}

function isName({ leaf, path }: Column): boolean {
  if (path.length !== 2 || leaf.repetition_type === 'REPEATED') return false;
  if (leaf.type === 'BYTE_ARRAY' || leaf.logical_type?.type === 'UUID') return true;
  const isPlain = leaf.converted_type === undefined || /^U?INT_/.test(leaf.converted_type);
  const isInteger = leaf.logical_type === undefined || leaf.logical_type.type === 'INTEGER';
  return (leaf.type === 'INT32' || leaf.type === 'INT64') && isPlain && isInteger;
}

function decodeValues(
  parser: Parser,
  reader: DataReader,
  encoding: string,
  count: number,
  decoder: ColumnDecoder,
  dictionary: DecodedArray | undefined,
): DecodedArray {
  const { type, element } = decoder;
  let values: DecodedArray;
  if (encoding === 'PLAIN_DICTIONARY' || encoding === 'RLE_DICTIONARY') {
    if (dictionary === undefined) throw new Error('a page needs a dictionary that is not there');
    const width = reader.view.getUint8(reader.offset++);
    // A typed array ignores what a damaged run writes beyond its end.
    const indices = new Uint32Array(count);
    if (width > 0) parser.readRleBitPackedHybrid(reader, width, indices, reader.view.byteLength - reader.offset);
    if (!(dictionary instanceof Float32Array)) return Array.from(indices, (index): unknown => dictionary[index]);
    const floats = new Float32Array(count);
    for (let i = 0; i < count; i++) floats[i] = dictionary[indices[i] as number] ?? Number.NaN;
    return floats;
  }
  if (encoding === 'PLAIN') {
    if (isF16(element)) {
      const { buffer, byteOffset, byteLength } = reader.view;
      const bytes = new Uint8Array(buffer, byteOffset, byteLength).subarray(reader.offset, reader.offset + 2 * count);
      return native.widenF16(bytes);
    }
    values = parser.readPlain(reader, type, count, element.type_length);
  } else if (encoding === 'BYTE_STREAM_SPLIT') {
    values = parser.byteStreamSplit(reader, count, type, element.type_length);
  } else if (encoding === 'DELTA_BINARY_PACKED') {
    const integers = type === 'INT32' ? new Int32Array(count) : new BigInt64Array(count);
    parser.deltaBinaryUnpack(reader, count, integers);
    values = integers;
  } else if (encoding === 'DELTA_LENGTH_BYTE_ARRAY' || encoding === 'DELTA_BYTE_ARRAY') {
    const texts = new Array<Uint8Array>(count);
    if (encoding === 'DELTA_BYTE_ARRAY') parser.deltaByteArray(reader, count, texts);
    else parser.deltaLengthByteArray(reader, count, texts);
    values = texts;
  } else {
    throw new Error(`unknown encoding ${encoding}`);
  }
  return parser.convert(values, decoder);
}

function levels(
  parser: Parser,
  reader: DataReader,
  max: number,
  count: number,
  length: number | undefined,
): Uint8Array | undefined {
  if (max === 0) return undefined;
  const result = new Uint8Array(count);
  parser.readRleBitPackedHybrid(reader, 32 - Math.clz32(max), result, length);
  return result;
}

const readerOf = (bytes: Uint8Array): DataReader => ({
  view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
  offset: 0,
});

function decodePage(
  parser: Parser,
  header: PageHeader,
  body: Uint8Array,
  column: Column,
  decoder: ColumnDecoder,
  dictionary: DecodedArray | undefined,
): Page {
  const { data_page_header: first, data_page_header_v2: second, uncompressed_page_size: size } = header;
  const head = second ?? first;
  if (head === undefined) throw new Error(`a page of type ${header.type} without its header`);
  const { num_values: count, encoding } = head;
  if (!(count >= 0 && count <= MAX_PAGE_VALUES)) throw new Error(`a page of ${count} values`);
  const { codec, compressors } = decoder;
  // Version 2 keeps the levels out of the compressed part.
  const ahead = second === undefined ? 0 : second.repetition_levels_byte_length + second.definition_levels_byte_length;
  const isPlain = second?.is_compressed === false;
  const rest = body.subarray(ahead);
  const content = isPlain ? rest : parser.decompressPage(rest, size - ahead, codec, compressors);
  const reader = readerOf(content);
  const levelReader = second === undefined ? reader : readerOf(body.subarray(0, ahead));
  const { maxRepetition, maxDefinition } = column;
  const repetition = levels(parser, levelReader, maxRepetition, count, second?.repetition_levels_byte_length);
  const definition = levels(parser, levelReader, maxDefinition, count, second?.definition_levels_byte_length);
  let present = count;
  if (definition !== undefined) for (const level of definition) if (level !== maxDefinition) present--;
  const values = decodeValues(parser, reader, encoding, present, decoder, dictionary);
  if (values.length < present) throw new Error(`a page of ${values.length} values, expected ${present}`);
  return { count, repetition, definition, values };
}

/** Reads the pages of a column of one row group; no more than one is in memory. */
async function* readPages(
  source: FileSource,
  parser: Parser,
  column: Column,
  chunk: ColumnMetaData,
): AsyncGenerator<Page> {
  const decoder: ColumnDecoder = {
    pathInSchema: chunk.path_in_schema,
    type: chunk.type,
    element: column.leaf,
    schemaPath: column.path,
    codec: chunk.codec,
    compressors: parser.compressors,
    parsers: {
      ...parser.DEFAULT_PARSERS,
      // Text that is no text must not turn into another name.
      stringFromBytes: (bytes: Uint8Array): unknown => (isUtf8(bytes) ? Buffer.from(bytes).toString('utf8') : bytes),
    },
  };
  let position = Number(chunk.dictionary_page_offset || chunk.data_page_offset);
  const end = position + Number(chunk.total_compressed_size);
  if (!(position >= 4 && end >= position && end <= source.size)) {
    const text = `column '${column.name}' lies at ${position} to ${end}, beyond the file's ${source.size} bytes`;
    throw failure(source.origin, 'ERR_TQ_TRUNCATED', text, { offset: position, expected: end, got: source.size });
  }
  let bytes = new Uint8Array(0);
  /** Has at least `count` bytes from `position` in memory, or all that the column has. */
  const ensure = async (count: number): Promise<void> => {
    if (bytes.length >= Math.min(count, end - position)) return;
    const grown = new Uint8Array(Math.min(Math.max(count, READ_BYTES), end - position));
    grown.set(bytes);
    await readExactly(source, position + bytes.length, grown.subarray(bytes.length));
    bytes = grown;
  };
  const what = `column '${column.name}'`;
  let dictionary: DecodedArray | undefined;
  while (position < end) {
    let header: PageHeader;
    let body: number;
    for (let wanted = 4096; ; wanted *= 4) {
      await ensure(wanted);
      const reader = readerOf(bytes);
      try {
        header = parser.parquetHeader(reader);
        body = reader.offset;
        break;
      } catch (error) {
        if (bytes.length < Math.min(end - position, MAX_HEADER_BYTES)) continue;
        parse(source, what, () => {
          throw error;
        });
      }
    }
    const { compressed_page_size: length, uncompressed_page_size: size } = header;
    const isSane =
      length >= 0 && size >= 0 && Math.max(length, size) <= MAX_PAGE_BYTES && body + length <= end - position;
    if (!isSane) {
      const text = `${what} has a page of ${length} bytes for ${size} at ${position}, expected at most ${end - position} for ${MAX_PAGE_BYTES}`;
      throw failure(source.origin, 'ERR_TQ_FORMAT', text, { offset: position, got: length });
    }
    await ensure(body + length);
    const content = bytes.subarray(body, body + length);
    if (header.dictionary_page_header !== undefined) {
      const { num_values: count } = header.dictionary_page_header;
      dictionary = parse(source, what, () => {
        if (!(count >= 0 && count <= MAX_PAGE_VALUES)) throw new Error(`a dictionary of ${count} values`);
        const page = parser.decompressPage(content, size, decoder.codec, decoder.compressors);
        return decodeValues(parser, readerOf(page), 'PLAIN', count, decoder, undefined);
      });
    } else if (header.type !== 'INDEX_PAGE') {
      yield parse(source, what, () => decodePage(parser, header, content, column, decoder, dictionary));
    }
    position += body + length;
    bytes = bytes.subarray(body + length);
  }
}

/** Rows of a column of lists. A page may end within a row. */
async function* readRows(
  { origin }: Source,
  pages: AsyncIterable<Page>,
  { path, leaf, maxDefinition }: Column,
): AsyncGenerator<Row[]> {
  const canBeNull = path[1]?.element.repetition_type === 'OPTIONAL';
  const canHoldNull = leaf.repetition_type === 'OPTIONAL';
  let isOpen = false;
  let problem: string | undefined;
  let carried: number[] = [];
  for await (const { count, repetition, definition, values } of pages) {
    const rows: Row[] = [];
    let start = 0;
    let end = 0;
    const piece = (): ArrayLike<number> => {
      const part = Array.isArray(values) ? values.slice(start, end) : (values as Float32Array).subarray(start, end);
      return carried.length === 0 ? part : [...carried, ...Array.from(part)];
    };
    for (let i = 0; i < count; i++) {
      if (repetition?.[i] === 0) {
        if (isOpen) rows.push({ values: piece(), problem });
        isOpen = true;
        problem = undefined;
        carried = [];
        start = end;
      }
      const level = definition?.[i] ?? maxDefinition;
      if (level === maxDefinition) end++;
      else if (canHoldNull && level === maxDefinition - 1) problem = 'the vector holds a null';
      else if (canBeNull && level === 0) problem = 'the vector is null';
    }
    carried = Array.from(piece());
    if (carried.length > MAX_DIMENSION) {
      const text = `a vector of more than ${MAX_DIMENSION} values`;
      throw failure(origin, 'ERR_TQ_LIMIT', text, { got: carried.length, expected: MAX_DIMENSION });
    }
    yield rows;
  }
  if (isOpen) yield [{ values: carried, problem }];
}

/** Values of a flat column, with `undefined` for a null. */
async function* readFlat(pages: AsyncIterable<Page>, { maxDefinition }: Column): AsyncGenerator<unknown> {
  for await (const { count, definition, values } of pages) {
    for (let i = 0, at = 0; i < count; i++) {
      yield definition !== undefined && definition[i] !== maxDefinition ? undefined : values[at++];
    }
  }
}

/** Reads a column of lists of floats, page by page, and a column of ids beside it. */
export async function* readParquet(
  source: Source,
  into: RowCollector,
  column: string | undefined,
  idColumn: string | undefined,
): AsyncGenerator<VectorBatch> {
  if (!(source instanceof FileSource))
    throw invalidArg('source', 'a path for parquet, which is read from its end', 'a stream');
  const parser = await load();
  const metadata = await readFooter(source, parser);
  const columns = parse(source, 'schema', () => simpleColumns(parser, metadata));
  const find = (name: string | undefined): Column | undefined => columns.find((each) => each.name === name);
  const namesOf = (test: (each: Column) => boolean): string[] => columns.filter(test).map(({ name }) => name);
  const vectors = find(vectorColumn(source.origin, column, namesOf(isVector)));
  const ids = find(nameColumn(source.origin, idColumn, namesOf(isName)));
  if (vectors === undefined) return;

  for (const group of metadata.row_groups) {
    if (group.num_rows === 0n) continue;
    const pagesOf = (wanted: Column): AsyncGenerator<Page> => {
      const found = group.columns.find(({ meta_data }) => meta_data?.path_in_schema[0] === wanted.name);
      if (found?.meta_data === undefined || found.file_path !== undefined) {
        throw failure(source.origin, 'ERR_TQ_FORMAT', `column '${wanted.name}' is missing from a row group`);
      }
      return readPages(source, parser, wanted, found.meta_data);
    };
    const names = ids === undefined ? undefined : readFlat(pagesOf(ids), ids);
    const first = into.row;
    for await (const rows of readRows(source, pagesOf(vectors), vectors)) {
      for (const { values, problem } of rows) {
        const name: unknown = names === undefined ? undefined : (await names.next()).value;
        const id = idText(name);
        if (problem !== undefined) into.reject(problem);
        else if (names !== undefined && id === undefined) into.reject(`'${ids?.name}' is no text or integer`);
        else into.add(values, id);
        if (!into.full) continue;
        const batch = into.take();
        if (batch !== undefined) yield batch;
        if (into.done) return;
      }
    }
    const got = into.row - first;
    if (BigInt(got) !== group.num_rows) {
      throw failure(source.origin, 'ERR_TQ_FORMAT', `a row group of ${got} rows, expected ${group.num_rows}`, { got });
    }
  }
  const last = into.take();
  if (last !== undefined) yield last;
}
