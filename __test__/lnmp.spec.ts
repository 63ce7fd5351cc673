import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  decodeContainer,
  decodeRecord,
  EmbeddingDelta,
  embeddingSimilarity,
  encodeContainer,
  encodeRecord,
  type LnmpField,
  type LnmpFields,
  semanticChecksum,
} from 'tinyquant/lnmp';
import { QuantizedVector, type QuantScheme, quantizeEmbedding } from 'tinyquant/scalar';
import { describe, expect, it } from 'vitest';
import { failure } from './helpers/failure.js';
import { fromHex, ROOT, toFloats, toHex } from './helpers/golden.js';

interface Slice {
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
}

interface Golden {
  readonly scale: { display: string };
  readonly min_val: { display: string };
  readonly frame_f512: Slice;
  readonly text_f512: Slice;
  readonly text_f512_hint_checksum_suffix: string;
}

interface Manifest {
  readonly cases: readonly { name: string; dim: number; input: Slice; schemes: Record<QuantScheme, Golden> }[];
  readonly records: readonly Record<string, string>[];
  readonly delta: readonly {
    name: string;
    old_hex: string;
    new_hex: string;
    base_id: number;
    changes: number;
    encoded_hex: string;
    applied_hex: string;
    adaptive30_uses_delta: boolean;
  }[];
  readonly similarity: Record<'a' | 'b', Slice> & Record<'cosine' | 'dot' | 'euclidean', { display: string }>;
}

const folder = join(ROOT, 'fixtures', 'golden', 'lnmp-quant');
const manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as Manifest;

const slice = ({ file, offset, bytes }: Slice): Uint8Array =>
  new Uint8Array(readFileSync(join(folder, file))).slice(offset, offset + bytes);
const record = (name: string): Record<string, string> => manifest.records.find((each) => each.name === name) ?? {};
const README = [0.12, -0.45, 0.33];
const quantized = (scheme: QuantScheme, values: readonly number[] | Float32Array = README): QuantizedVector =>
  quantizeEmbedding(values, scheme, { compat: true });

/** The vector of a field. */
function vectorOf(fields: readonly LnmpField[], at: number): QuantizedVector {
  const value = fields[at]?.value;
  if (!(value instanceof QuantizedVector)) throw new Error(`field ${at} is no quantized vector`);
  return value;
}

const FIVE: LnmpFields = [
  { fid: 600, value: quantized('binary') },
  { fid: 514, value: 3 },
  { fid: 513, value: 'm-1' },
  { fid: 512, value: quantized('qint8') },
  { fid: 601, value: Float32Array.from(README) },
];

describe('golden records', () => {
  it('are written and read back in every form', () => {
    for (const { name, dim, input, schemes } of manifest.cases.filter((each) => each.dim < 400)) {
      for (const [scheme, golden] of Object.entries(schemes)) {
        const what = `${name} ${scheme}`;
        const value = quantized(scheme as QuantScheme, toFloats(slice(input)));
        const fields = [{ fid: 512, value }];
        const frame = encodeRecord(fields, 'binary');
        // Which NaN arithmetic makes depends on the processor.
        if (golden.scale.display !== 'NaN' && golden.min_val.display !== 'NaN') {
          expect([what, toHex(frame)]).toEqual([what, toHex(slice(golden.frame_f512))]);
        }
        const text = Buffer.from(slice(golden.text_f512)).toString();
        expect([what, encodeRecord(fields, 'text')]).toEqual([what, text]);
        const checked = `${text.replace('F512=', 'F512:qv=')}${golden.text_f512_hint_checksum_suffix}`;
        expect([what, encodeRecord(fields, 'text', { hints: true, checksums: true })]).toEqual([what, checked]);
        expect(`#${semanticChecksum(512, value)}`).toBe(golden.text_f512_hint_checksum_suffix);
        for (const source of [frame, text, checked]) {
          const fieldsBack = decodeRecord(source, { dims: { 512: dim } });
          const back = vectorOf(fieldsBack, 0);
          expect(fieldsBack[0]).toMatchObject({ fid: 512, type: 'quantized' });
          expect([what, back.dim, toHex(back.data)]).toEqual([what, dim, toHex(value.data)]);
        }
      }
    }
  });

  it('of five fields', () => {
    const golden = record('five_field_record');
    const frame = encodeRecord(FIVE, 'binary');
    expect(toHex(frame)).toBe(golden.frame_hex);
    expect(encodeRecord(FIVE, 'text')).toBe(golden.text);
    expect(encodeRecord(FIVE, 'text', { hints: true })).toBe(golden.text_hints);
    expect(encodeRecord(FIVE, 'text', { hints: true, checksums: true })).toBe(golden.text_hints_checksums);
    expect(decodeRecord(frame).map(({ fid, type }) => [fid, type])).toEqual([
      [512, 'quantized'],
      [513, 'string'],
      [514, 'int'],
      [600, 'quantized'],
      [601, 'embedding'],
    ]);
    expect(decodeRecord(frame)[4]?.value).toEqual(Float32Array.from(README));
    const text = decodeRecord(golden.text_hints_checksums ?? '', { dims: new Map([[600, 3]]) });
    expect(text[4]).toEqual({ fid: 601, type: 'omitted', value: { omitted: 'embedding', count: 3 } });
    expect(vectorOf(text, 3).dim).toBe(3);
  });

  it('in a nested record and in containers', () => {
    const nested = encodeRecord({ 512: quantized('qint4') }, 'nested');
    expect(toHex(nested)).toBe(record('nested_record_qint4').hex);
    expect(vectorOf(decodeRecord(nested), 0).scheme).toBe('qint4');
    for (const [name, mode] of [
      ['container_Text', 'text'],
      ['container_Binary', 'binary'],
      ['container_Embedding', 'embedding'],
    ] as const) {
      const bytes = encodeContainer({ 512: quantized('qint8') }, mode);
      expect([mode, toHex(bytes)]).toEqual([mode, record(name).hex]);
      const back = decodeContainer(bytes);
      expect(back).toMatchObject({ mode, checksums: false, metadata: new Uint8Array(0) });
      expect(decodeRecord(bytes)).toHaveLength(1);
    }
  });

  it('of changes and similarities', () => {
    for (const golden of manifest.delta.filter(({ old_hex }) => old_hex !== undefined)) {
      const [old, next] = [toFloats(fromHex(golden.old_hex)), toFloats(fromHex(golden.new_hex))];
      const delta = EmbeddingDelta.between(old, next, { baseId: golden.base_id, compat: true });
      expect([golden.name, delta.length, delta.baseId]).toEqual([golden.name, golden.changes, golden.base_id]);
      expect(toHex(delta.toBytes())).toBe(golden.encoded_hex);
      expect(toHex(new Uint8Array(delta.apply(old).buffer))).toBe(golden.applied_hex);
      expect(delta.shouldUse(old.length)).toBe(golden.adaptive30_uses_delta);
      expect(EmbeddingDelta.fromBytes(delta.toBytes()).toJSON()).toEqual(delta.toJSON());
    }
    const { a, b, cosine, dot, euclidean } = manifest.similarity;
    const [left, right] = [toFloats(slice(a)), toFloats(slice(b))];
    expect(embeddingSimilarity(left, right, 'cosine')).toBe(Math.fround(Number(cosine.display)));
    expect(embeddingSimilarity(left, right, 'dot')).toBe(Math.fround(Number(dot.display)));
    expect(embeddingSimilarity(left, right, 'l2')).toBe(Math.fround(Number(euclidean.display)));
  });
});

describe('values', () => {
  const inner = [
    { fid: 1, type: 'string', value: 'F12' },
    { fid: 2, type: 'delta', value: EmbeddingDelta.between([1, 2], [3, 2]) },
  ] as const;
  const fields = [
    { fid: 1, type: 'int', value: 2n ** 63n - 1n },
    { fid: 2, type: 'float', value: 3 },
    { fid: 3, type: 'bool', value: true },
    { fid: 4, type: 'string', value: 'line\n"x" é;#' },
    { fid: 5, type: 'stringArray', value: ['a', '', '5'] },
    { fid: 6, type: 'record', value: inner },
    { fid: 7, type: 'recordArray', value: [inner, []] },
    { fid: 8, type: 'embedding', value: { dtype: 'i8', dim: 2, data: Uint8Array.of(1, 255) } },
    { fid: 9, type: 'quantized', value: quantizeEmbedding([1, 2, 3], 'binary') },
    { fid: 10, type: 'intArray', value: [1, -2, 2n ** 60n] },
    { fid: 11, type: 'floatArray', value: Float64Array.of(0.5, -0) },
    { fid: 12, type: 'boolArray', value: [true, false] },
    { fid: 13, type: 'stringArray', value: [] },
  ] as const satisfies LnmpFields;

  const plain = (value: unknown): unknown =>
    JSON.parse(JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? `${each}n` : each)));

  it('of every type come back from bytes', () => {
    for (const format of ['binary', 'nested'] as const) {
      expect(plain(decodeRecord(encodeRecord(fields, format)))).toEqual(plain(fields));
    }
    const container = decodeContainer(encodeContainer(fields, 'stream', { metadata: new Uint8Array(6).fill(7) }));
    expect(container.metadata).toEqual(new Uint8Array(6).fill(7));
    expect(plain(container.fields)).toEqual(plain(fields));
  });

  it('come back from text, but for embeddings', () => {
    const text = encodeRecord(fields, 'text', { hints: true, checksums: true, inline: true, exact: true });
    const back = decodeRecord(text);
    const kept = fields.filter(({ type }) => !['embedding', 'record', 'recordArray'].includes(type));
    for (const { fid, type, value } of kept) {
      expect(plain(back.find((each) => each.fid === fid))).toEqual(plain({ fid, type, value }));
    }
    expect(back.find(({ fid }) => fid === 8)?.value).toEqual({ omitted: 'embedding', count: 2 });
    // A checksum covers the values that the text does not have.
    const again = encodeRecord(back, 'text', { hints: true, inline: true, exact: true });
    expect(again).toBe(encodeRecord(fields, 'text', { hints: true, inline: true, exact: true }));
    failure(() => encodeRecord(back, 'binary'), 'ERR_TQ_INVALID_ARG');
  });

  it('have types of their own accord', () => {
    const typed = (value: unknown): string | undefined =>
      decodeRecord(encodeRecord([{ fid: 1, value: value as never }], 'nested'))[0]?.type;
    const cases: [unknown, string][] = [
      [1, 'int'],
      [1n, 'int'],
      [1.5, 'float'],
      [-0, 'float'],
      [2 ** 60, 'float'],
      [Number.NaN, 'float'],
      [false, 'bool'],
      ['', 'string'],
      [['a'], 'stringArray'],
      [[], 'stringArray'],
      [[1, 2n], 'intArray'],
      [BigInt64Array.of(1n), 'intArray'],
      [[1, 2.5], 'floatArray'],
      [Float64Array.of(1), 'floatArray'],
      [[true], 'boolArray'],
      [Float32Array.of(1), 'embedding'],
      [quantized('fp16'), 'quantized'],
      [EmbeddingDelta.between([1], [2]), 'delta'],
      [{ 5: 1 }, 'record'],
      [new Map([[5, 1]]), 'record'],
      [[{ fid: 5, value: 1 }], 'record'],
      [[{ 5: 1 }, new Map()], 'recordArray'],
    ];
    for (const [value, type] of cases) expect([type, typed(value)]).toEqual([type, type]);
  });

  it('are found by number however they are given', () => {
    const expected = encodeRecord(
      [
        { fid: 2, value: 'x' },
        { fid: 9, value: 1 },
      ],
      'text',
    );
    expect(expected).toBe('F2=x\nF9=1');
    expect(encodeRecord({ 9: 1, 2: 'x' }, 'text')).toBe(expected);
    expect(
      encodeRecord(
        new Map<number, number | string>([
          [9, 1],
          [2, 'x'],
        ]),
        'text',
      ),
    ).toBe(expected);
  });

  it('that are no values are refused', () => {
    const refuse = (value: unknown, type?: string): void => {
      const field = { fid: 1, value, ...(type === undefined ? {} : { type }) };
      failure(() => encodeRecord([field] as never, 'nested'), 'ERR_TQ_INVALID_ARG');
    };
    for (const value of [undefined, null, Symbol('x'), () => 1, new Date(), new Uint8Array(2), [1, 'a'], 2n ** 63n])
      refuse(value);
    refuse(1.5, 'int');
    refuse('1', 'float');
    refuse(1, 'bool');
    refuse('a\ud800', 'string');
    refuse({}, 'quantized');
    refuse(1, 'number');
    refuse({ dtype: 'f64', dim: 1, data: new Uint8Array(8) });
    for (const fields of [null, 5, 'x', [1], [{ value: 1 }], { a: 1 }, { '01': 1 }, { 70000: 1 }, quantized('fp16')]) {
      failure(() => encodeRecord(fields as never, 'binary'), 'ERR_TQ_INVALID_ARG');
    }
    failure(
      () => encodeRecord([{ fid: 1, value: { dtype: 'i8', dim: 3, data: new Uint8Array(2) } }], 'binary'),
      'ERR_TQ_FORMAT',
    );
    failure(() => encodeRecord([{ fid: 1, value: new Float32Array(65536) }], 'binary'), 'ERR_TQ_LIMIT');
    failure(() => encodeRecord([{ fid: 1, value: EmbeddingDelta.between([1], [2]) }], 'binary'), 'ERR_TQ_INVALID_ARG');
    failure(() => encodeRecord({}, 'json' as never), 'ERR_TQ_INVALID_ARG', { argument: 'format' });
    failure(() => encodeRecord({}, 'binary', { hints: true } as never), 'ERR_TQ_INVALID_ARG');
    failure(() => encodeRecord({}, 'text', { hint: true } as never), 'ERR_TQ_INVALID_ARG', { suggestion: 'hints' });
    const loop: Record<number, unknown> = {};
    loop[1] = loop;
    failure(() => encodeRecord(loop as never, 'binary'), 'ERR_TQ_LIMIT');
  });
});

describe('hostile input', () => {
  const frame = encodeRecord(FIVE, 'binary');

  it.each([
    ['x', 'ERR_TQ_FORMAT', 0],
    ['F1:zz=1', 'ERR_TQ_FORMAT', 3],
    ['F1=QV[QInt8,1,0,0,0g]', 'ERR_TQ_FORMAT', 18],
    ['F1=3#00000000', 'ERR_TQ_CHECKSUM', 5],
  ] as const)('text %s is %s', (text, code, offset) => {
    const error = failure(() => decodeRecord(text), code, { offset });
    expect(error.message).toContain(`offset ${offset}`);
  });

  it('keeps changes that were read from a Buffer', () => {
    const delta = EmbeddingDelta.between([1, 2], [3, 2]);
    const buffer = Buffer.from(delta.toBytes());
    const read = EmbeddingDelta.fromBytes(buffer);
    buffer.fill(0xff);
    read.toBytes().fill(0);
    expect(read.toJSON()).toEqual(delta.toJSON());
  });

  it('refuses detached arrays, and quotes hostile words in part', () => {
    const floats = new Float64Array(2);
    structuredClone(floats.buffer, { transfer: [floats.buffer] });
    expect(failure(() => encodeRecord({ 1: floats }, 'binary'), 'ERR_TQ_INVALID_ARG').message).toMatch(/detached/);
    const error = failure(() => decodeRecord(`F1:i=${'x'.repeat(1_000_000)}`), 'ERR_TQ_FORMAT');
    expect(error.message.length).toBeLessThan(300);
    failure(() => decodeRecord('F1=1', { dims: { '0x1': 4 } as Record<string, number> }), 'ERR_TQ_INVALID_ARG');
  });

  it('ends in coded errors', () => {
    for (let end = 0; end < frame.length; end++) {
      failure(() => decodeRecord(frame.slice(0, end)), 'ERR_TQ_TRUNCATED');
    }
    failure(() => decodeRecord(Uint8Array.of(9, 0, 0)), 'ERR_TQ_VERSION', { offset: 0 });
    failure(() => decodeRecord(Uint8Array.of(4, 0, 0, 0)), 'ERR_TQ_FORMAT', { offset: 3 });
    failure(() => decodeRecord('F1='), 'ERR_TQ_TRUNCATED');
    failure(() => decodeRecord(`F1=${'{F1='.repeat(100_000)}`), 'ERR_TQ_LIMIT');
    failure(() => decodeRecord(5 as never), 'ERR_TQ_INVALID_ARG');
    failure(() => decodeRecord('F1=1', { dims: { x: 1 } as never }), 'ERR_TQ_INVALID_ARG');
    failure(() => decodeRecord('F1=1', { dims: { 1: 0 } }), 'ERR_TQ_INVALID_ARG');
    failure(() => decodeRecord('F1=QV[QInt4,1,0,0,10]', { dims: { 1: 5 } }), 'ERR_TQ_FORMAT');
    const container = encodeContainer(FIVE, 'binary');
    for (let end = 0; end < container.length; end++) {
      failure(() => decodeContainer(container.slice(0, end)), 'ERR_TQ_TRUNCATED');
    }
    container[5] = 5;
    failure(() => decodeContainer(container), 'ERR_TQ_FORMAT', { offset: 5 });
    failure(() => encodeContainer(FIVE, 'delta'), 'ERR_TQ_INVALID_ARG');
    failure(() => encodeContainer(FIVE, 'other' as never), 'ERR_TQ_INVALID_ARG');
    failure(() => EmbeddingDelta.fromBytes(Uint8Array.of(0, 0, 1, 0)), 'ERR_TQ_TRUNCATED');
    failure(() => EmbeddingDelta.between([1], [1, 2]), 'ERR_TQ_DIM_MISMATCH');
    failure(() => EmbeddingDelta.between([1], [Number.NaN]), 'ERR_TQ_NON_FINITE');
    failure(() => EmbeddingDelta.between([1, 2], [1, 3]).apply([1]), 'ERR_TQ_FORMAT');
    failure(() => EmbeddingDelta.between([1], [2], { baseId: 65536 }), 'ERR_TQ_INVALID_ARG');
    failure(() => embeddingSimilarity([1], [1, 2], 'dot'), 'ERR_TQ_DIM_MISMATCH');
  });

  it('of any bytes ends in a record or a coded error', () => {
    let state = 12345;
    const next = (limit: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return (state >>> 8) % limit;
    };
    for (let round = 0; round < 3000; round++) {
      const bytes = frame.slice();
      for (let i = 0; i <= round % 3; i++) bytes[next(bytes.length)] = next(256);
      try {
        for (const { fid } of decodeRecord(bytes)) expect(fid).toBeLessThan(65536);
      } catch (error) {
        expect((error as { code?: string }).code).toMatch(/^ERR_TQ_(TRUNCATED|VERSION|FORMAT|LIMIT)$/);
      }
    }
  });
});
