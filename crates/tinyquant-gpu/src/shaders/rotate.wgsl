// Rows of whole numbers times a matrix of whole numbers, both below 2^29 in magnitude, in blocks of 4 x 4.
//
// A number is three digits of ten bits. Products of digits whose places add up to less than two are left out; the others
// are summed place by place, exactly, in 32 bits for up to 2048 rows of the matrix, and together in 64 bits.

struct Shape {
    /// Rows of numbers, a multiple of 4.
    rows: u32,
    /// Columns of the matrix, a multiple of 4.
    stride: u32,
    /// First row of the matrix in this part of it, a multiple of 4.
    start: u32,
    /// Rows of this part, a multiple of 4 up to 2048.
    count: u32,
}

struct Digits {
    top: vec4<i32>,
    middle: vec4<i32>,
    low: vec4<i32>,
}

@group(0) @binding(0) var<uniform> shape: Shape;
/// Four numbers of a row.
@group(0) @binding(1) var<storage, read> whole: array<vec4<i32>>;
/// Four columns of a row of the part.
@group(0) @binding(2) var<storage, read> matrix: array<vec4<i32>>;
/// Sums in units of 2^20 of the products, low word first.
@group(0) @binding(3) var<storage, read_write> sums: array<vec2<u32>>;

fn digits(numbers: vec4<i32>) -> Digits {
    let ten = vec4<u32>(10u);
    let other = vec4<u32>(22u);
    let low = (numbers << other) >> other;
    let rest = (numbers - low) >> ten;
    let middle = (rest << other) >> other;
    return Digits((rest - middle) >> ten, middle, low);
}

fn add(sums: ptr<function, Digits>, row: vec3<i32>, columns: Digits) {
    (*sums).top += row.x * columns.top;
    (*sums).middle += row.x * columns.middle + row.y * columns.top;
    (*sums).low += row.x * columns.low + row.y * columns.middle + row.z * columns.top;
}

fn sum64(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    let low = a.x + b.x;
    return vec2<u32>(low, a.y + b.y + select(0u, 1u, low < a.x));
}

fn store(at: u32, top: i32, middle: i32, low: i32) {
    var sum = vec2<u32>(u32(low), u32(low >> 31u));
    sum = sum64(sum, vec2<u32>(u32(middle) << 10u, u32(middle >> 22u)));
    sum = sum64(sum, vec2<u32>(u32(top) << 20u, u32(top >> 12u)));
    if shape.start > 0u {
        sum = sum64(sum, sums[at]);
    }
    sums[at] = sum;
}

fn store_row(row: u32, column: u32, sum: Digits) {
    let at = row * shape.stride + column;
    store(at, sum.top.x, sum.middle.x, sum.low.x);
    store(at + 1u, sum.top.y, sum.middle.y, sum.low.y);
    store(at + 2u, sum.top.z, sum.middle.z, sum.low.z);
    store(at + 3u, sum.top.w, sum.middle.w, sum.low.w);
}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let quads = shape.stride / 4u;
    let row = id.y * 4u;
    if id.x >= quads || row >= shape.rows {
        return;
    }
    let nothing = Digits(vec4<i32>(), vec4<i32>(), vec4<i32>());
    var sum0 = nothing;
    var sum1 = nothing;
    var sum2 = nothing;
    var sum3 = nothing;
    let at = row * quads + shape.start / 4u;
    for (var four = 0u; four < shape.count / 4u; four += 1u) {
        let a = digits(whole[at + four]);
        let b = digits(whole[at + quads + four]);
        let c = digits(whole[at + 2u * quads + four]);
        let d = digits(whole[at + 3u * quads + four]);
        let line = 4u * four * quads + id.x;

        let x = digits(matrix[line]);
        add(&sum0, vec3<i32>(a.top.x, a.middle.x, a.low.x), x);
        add(&sum1, vec3<i32>(b.top.x, b.middle.x, b.low.x), x);
        add(&sum2, vec3<i32>(c.top.x, c.middle.x, c.low.x), x);
        add(&sum3, vec3<i32>(d.top.x, d.middle.x, d.low.x), x);

        let y = digits(matrix[line + quads]);
        add(&sum0, vec3<i32>(a.top.y, a.middle.y, a.low.y), y);
        add(&sum1, vec3<i32>(b.top.y, b.middle.y, b.low.y), y);
        add(&sum2, vec3<i32>(c.top.y, c.middle.y, c.low.y), y);
        add(&sum3, vec3<i32>(d.top.y, d.middle.y, d.low.y), y);

        let z = digits(matrix[line + 2u * quads]);
        add(&sum0, vec3<i32>(a.top.z, a.middle.z, a.low.z), z);
        add(&sum1, vec3<i32>(b.top.z, b.middle.z, b.low.z), z);
        add(&sum2, vec3<i32>(c.top.z, c.middle.z, c.low.z), z);
        add(&sum3, vec3<i32>(d.top.z, d.middle.z, d.low.z), z);

        let w = digits(matrix[line + 3u * quads]);
        add(&sum0, vec3<i32>(a.top.w, a.middle.w, a.low.w), w);
        add(&sum1, vec3<i32>(b.top.w, b.middle.w, b.low.w), w);
        add(&sum2, vec3<i32>(c.top.w, c.middle.w, c.low.w), w);
        add(&sum3, vec3<i32>(d.top.w, d.middle.w, d.low.w), w);
    }
    store_row(row, id.x * 4u, sum0);
    store_row(row + 1u, id.x * 4u, sum1);
    store_row(row + 2u, id.x * 4u, sum2);
    store_row(row + 3u, id.x * 4u, sum3);
}
