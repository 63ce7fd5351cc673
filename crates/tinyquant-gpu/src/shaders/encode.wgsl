// Rotated coordinates to packed codes and residuals, 32 coordinates of a row at a time.
//
// A coordinate lies within `margin` of its sum. What the codes of both ends agree on is certain, and a residual is at
// most one step off where the residuals of both ends are; the others are marked, for the CPU to decide.

struct Shape {
    rows: u32,
    columns: u32,
    stride: u32,
    /// Runs of 32 coordinates of a row.
    runs: u32,
    bits: u32,
    has_residual: u32,
    /// Exponent of the unit of a sum, less the exponent field of the row.
    exponent: i32,
    margin: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> sums: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> fields: array<u32>;
/// For each of 256 codes the least value, in order, and the bits of its entry.
@group(0) @binding(3) var<storage, read> codebook: array<vec2<i32>>;
/// For each run the words of the codes, the marks, and with residuals 16 words of them.
@group(0) @binding(4) var<storage, read_write> output: array<u32>;

fn code_of(value: i32) -> u32 {
    var code = 0u;
    for (var bit = 1u << (shape.bits - 1u); bit > 0u; bit = bit >> 1u) {
        if value >= codebook[code | bit].x {
            code = code | bit;
        }
    }
    return code;
}

fn residual(value: u32, code: u32) -> u32 {
    return narrow_f16(sum_f32(value, bitcast<u32>(codebook[code].y) ^ 0x80000000u));
}

fn step_of(half: u32) -> i32 {
    let magnitude = i32(half & 0x7fffu);
    return select(magnitude, -1 - magnitude, half >= 0x8000u);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.y;
    if id.x >= shape.runs || row >= shape.rows {
        return;
    }
    let field = i32(fields[row]);
    // Rows beyond this are for the CPU: nothing here over- or underflows within.
    let is_plain = field >= 67 && field <= 187;
    let width = shape.bits + 1u + 16u * shape.has_residual;
    let at = (row * shape.runs + id.x) * width;
    var word = 0u;
    var words = 0u;
    var filled = 0u;
    var marks = 0u;
    var pair = 0u;
    for (var i = 0u; i < 32u; i += 1u) {
        let column = id.x * 32u + i;
        var code = 0u;
        var half = 0u;
        if column < shape.columns && is_plain {
            let sum = sums[row * shape.stride + column];
            let exponent = shape.exponent + field;
            let below_low = sum.x - shape.margin;
            let below = vec2<u32>(below_low, sum.y - select(0u, 1u, sum.x < shape.margin));
            let above_low = sum.x + shape.margin;
            let above = vec2<u32>(above_low, sum.y + select(0u, 1u, above_low < sum.x));
            let least = nearest_f32(below, exponent);
            let most = nearest_f32(above, exponent);
            code = code_of(ordered(least));
            var doubtful = code != code_of(ordered(most));
            if shape.has_residual == 1u {
                let first = residual(least, code);
                let last = residual(most, code);
                half = residual(nearest_f32(sum, exponent), code);
                let is_large = (first & 0x7c00u) == 0x7c00u || (last & 0x7c00u) == 0x7c00u;
                doubtful = doubtful || is_large || step_of(last) - step_of(first) > 1;
            }
            marks = marks | (select(0u, 1u, doubtful) << i);
        } else if column < shape.columns {
            marks = marks | (1u << i);
        }
        word = word | (code << filled);
        filled += shape.bits;
        if filled == 32u {
            output[at + words] = word;
            words += 1u;
            word = 0u;
            filled = 0u;
        }
        if shape.has_residual == 1u {
            if (i & 1u) == 0u {
                pair = half;
            } else {
                output[at + shape.bits + 1u + i / 2u] = pair | (half << 16u);
            }
        }
    }
    output[at + shape.bits] = marks;
}
