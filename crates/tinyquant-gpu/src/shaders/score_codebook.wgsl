// Cosines of four rotated queries with rows of codes of one width, which stand for the entries of a codebook.
//
// Rows lie in blocks of 64: word j of all rows of a block, then word j + 1. Whatever the order in which the device adds,
// the score that the CPU finds is within `margin` of the one found here.

struct Shape {
    rows: u32,
    /// Words of the codes of a row.
    words: u32,
    bits: u32,
    /// Words of the residual of a row; 0 without one.
    residual_words: u32,
    /// Keys of a query.
    stride: u32,
    /// What entries were multiplied with, a power of two.
    scale: f32,
    margin: f32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> codes: array<u32>;
@group(0) @binding(2) var<storage, read> residuals: array<u32>;
/// One over the length of a row; negative for rows that any score is possible for.
@group(0) @binding(3) var<storage, read> inverses: array<f32>;
@group(0) @binding(4) var<storage, read> entries: array<f32>;
/// For four queries each component after the other.
@group(0) @binding(5) var<storage, read> queries: array<vec4<f32>>;
/// What a score is at least and at most, as keys.
@group(0) @binding(6) var<storage, read_write> least: array<u32>;
@group(0) @binding(7) var<storage, read_write> most: array<u32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group.x * 64u + lane;
    if row >= shape.rows {
        return;
    }
    let each = 32u / shape.bits;
    let mask = (1u << shape.bits) - 1u;
    let components = shape.words * each;
    let first = group.y * components;
    let at = group.x * shape.words * 64u + lane;
    let residual_at = group.x * shape.residual_words * 64u + lane;
    var dots = vec4<f32>();
    for (var j = 0u; j < shape.words; j += 1u) {
        var word = codes[at + j * 64u];
        for (var i = 0u; i < each; i += 1u) {
            let component = j * each + i;
            var value = entries[word & mask];
            word = word >> shape.bits;
            let pair = component / 2u;
            if pair < shape.residual_words {
                let both = residuals[residual_at + pair * 64u];
                let half = (both >> (16u * (component & 1u))) & 0xffffu;
                value += bitcast<f32>(widen_f16(half)) * shape.scale;
            }
            dots += value * queries[first + component];
        }
    }
    let inverse = inverses[row];
    for (var q = 0u; q < 4u; q += 1u) {
        let score = dots[q] * inverse;
        let slot = (group.y * 4u + q) * shape.stride + row;
        if inverse < 0.0 || is_special(score) {
            least[slot] = 0u;
            most[slot] = 0xffffffffu;
        } else {
            least[slot] = key(score - shape.margin);
            most[slot] = key(score + shape.margin);
        }
    }
}
