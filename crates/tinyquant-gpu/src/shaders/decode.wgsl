// Packed codes and residuals to rotated coordinates, as the CPU decodes them.

struct Shape {
    rows: u32,
    columns: u32,
    bits: u32,
    /// Words of the codes of a row, and after them words of its residual; 0 without one.
    code_words: u32,
    residual_words: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> input: array<u32>;
/// As for encoding.
@group(0) @binding(2) var<storage, read> codebook: array<vec2<i32>>;
@group(0) @binding(3) var<storage, read_write> values: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.y;
    let column = id.x;
    if column >= shape.columns || row >= shape.rows {
        return;
    }
    let at = row * (shape.code_words + shape.residual_words);
    let bit = column * shape.bits;
    let code = (input[at + bit / 32u] >> (bit & 31u)) & ((1u << shape.bits) - 1u);
    var value = bitcast<u32>(codebook[code].y);
    if shape.residual_words > 0u {
        let pair = input[at + shape.code_words + column / 2u];
        value = sum_f32(value, widen_f16((pair >> (16u * (column & 1u))) & 0xffffu));
    }
    values[row * shape.columns + column] = value;
}
