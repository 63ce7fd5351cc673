// Scores of four queries with rows of codes in units of 64 components, each unit with a width of its own. Codes stand
// for whole numbers, and so do queries: what is summed here is exact, and only the few operations that turn the sums of
// the segments into a score round.
//
// Rows lie in blocks of 64, as for codebooks.

struct Shape {
    rows: u32,
    words: u32,
    units: u32,
    segments: u32,
    /// Words of the factors and the norm of a row.
    extras: u32,
    has_norms: u32,
    stride: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
/// Bits of a code, where its values begin, and of the last unit of a segment how factors are stored: their base, and
/// their shift with 256 added.
@group(0) @binding(1) var<storage, read> units: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> codes: array<u32>;
/// A byte for each segment, then the bits of the norm.
@group(0) @binding(3) var<storage, read> extras: array<u32>;
@group(0) @binding(4) var<storage, read> values: array<i32>;
@group(0) @binding(5) var<storage, read> queries: array<vec4<i32>>;
/// For four queries the scale of each segment, then base, slope and bend.
@group(0) @binding(6) var<storage, read> scales: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> least: array<u32>;
@group(0) @binding(8) var<storage, read_write> most: array<u32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group.x * 64u + lane;
    if row >= shape.rows {
        return;
    }
    let first = group.y * shape.units * 64u;
    let terms = group.y * (shape.segments + 3u);
    let extras_at = group.x * shape.extras * 64u + lane;
    var at = group.x * shape.words * 64u + lane;
    var totals = vec4<f32>();
    var sizes = vec4<f32>();
    var sums = vec4<i32>();
    var segment = 0u;
    for (var u = 0u; u < shape.units; u += 1u) {
        let unit = units[u];
        let each = 32u / unit.x;
        let mask = (1u << unit.x) - 1u;
        var component = first + u * 64u;
        for (var j = 0u; j < 2u * unit.x; j += 1u) {
            var word = codes[at];
            at += 64u;
            for (var i = 0u; i < each; i += 1u) {
                sums += values[unit.y + (word & mask)] * queries[component];
                word = word >> unit.x;
                component += 1u;
            }
        }
        if unit.w >= 256u {
            let bytes = extras[extras_at + (segment / 4u) * 64u];
            let byte = (bytes >> (8u * (segment & 3u))) & 0xffu;
            var factor = 0.0;
            if byte != 0u {
                factor = bitcast<f32>(unit.z + (byte << (unit.w & 31u)));
            }
            let term = vec4<f32>(sums) * scales[terms + segment] * factor;
            totals += term;
            sizes += abs(term);
            sums = vec4<i32>();
            segment += 1u;
        }
    }
    let base = scales[terms + shape.segments];
    var scores = totals;
    if shape.has_norms == 1u {
        let norm = bitcast<f32>(extras[extras_at + (shape.extras - 1u) * 64u]);
        let slope = scales[terms + shape.segments + 1u];
        let bend = scales[terms + shape.segments + 2u];
        scores = norm * (slope * totals + bend * norm);
        sizes = norm * (abs(slope) * sizes + abs(bend) * norm);
    }
    scores += base;
    sizes += abs(base);
    // Each of the roundings of a score, here to either side and on the CPU to the nearest, is at most 2^-23 of a term.
    let margins = sizes * (f32(shape.segments + 12u) * 0.000000238418579) + 1e-30;
    for (var q = 0u; q < 4u; q += 1u) {
        let slot = (group.y * 4u + q) * shape.stride + row;
        if is_special(scores[q]) || is_special(sizes[q]) {
            least[slot] = 0u;
            most[slot] = 0xffffffffu;
        } else {
            least[slot] = key(scores[q] - margins[q]);
            most[slot] = key(scores[q] + margins[q]);
        }
    }
}
