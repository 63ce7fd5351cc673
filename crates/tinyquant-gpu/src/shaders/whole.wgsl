// Rows of f32 as whole numbers below 2^29 in magnitude, with one power of two a row.

struct Shape {
    rows: u32,
    /// Values of a row.
    columns: u32,
    /// The same, filled up with zeros.
    stride: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> values: array<u32>;
@group(0) @binding(2) var<storage, read_write> whole: array<i32>;
/// Exponent field of the largest magnitude of each row.
@group(0) @binding(3) var<storage, read_write> fields: array<u32>;

var<workgroup> peaks: array<u32, 64>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group.x;
    var peak = 0u;
    if row < shape.rows {
        for (var i = lane; i < shape.columns; i += 64u) {
            peak = max(peak, values[row * shape.columns + i] & 0x7fffffffu);
        }
    }
    peaks[lane] = peak;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half = half >> 1u) {
        if lane < half {
            peaks[lane] = max(peaks[lane], peaks[lane + half]);
        }
        workgroupBarrier();
    }
    // A zero row is like any other one.
    let largest = select(peaks[0], 0x3f800000u, peaks[0] == 0u) >> 23u;
    if lane == 0u {
        fields[row] = largest;
    }
    for (var i = lane; i < shape.stride; i += 64u) {
        var number = 0;
        if row < shape.rows && i < shape.columns {
            let bits = values[row * shape.columns + i];
            let field = (bits >> 23u) & 0xffu;
            let mantissa = (bits & 0x7fffffu) | select(0u, 0x800000u, field > 0u);
            let below = max(largest, 1u) - max(field, 1u);
            if below <= 5u {
                number = i32(mantissa << (5u - below));
            } else if below < 30u {
                let shift = below - 5u;
                number = i32((mantissa + (1u << (shift - 1u))) >> shift);
            }
            if (bits >> 31u) == 1u {
                number = -number;
            }
        }
        whole[row * shape.stride + i] = number;
    }
}
