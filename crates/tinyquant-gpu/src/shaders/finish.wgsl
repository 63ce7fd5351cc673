// Sums of products to values.

struct Shape {
    rows: u32,
    columns: u32,
    stride: u32,
    /// As for encoding.
    exponent: i32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> sums: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> fields: array<u32>;
@group(0) @binding(3) var<storage, read_write> values: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.y;
    let column = id.x;
    if column >= shape.columns || row >= shape.rows {
        return;
    }
    let field = fields[row];
    var value = 0u;
    if field >= 67u && field <= 187u {
        value = nearest_f32(sums[row * shape.stride + column], shape.exponent + i32(field));
    }
    values[row * shape.columns + column] = value;
}
