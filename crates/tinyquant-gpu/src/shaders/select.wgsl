// The rows whose scores may be among the k best: those that may reach what the k-th best of the least scores is. It is
// found byte by byte, from the highest one on.

struct Shape {
    rows: u32,
    /// Keys of a query.
    stride: u32,
    /// Rows that a list has room for.
    capacity: u32,
    /// Lowest bit of the byte.
    shift: u32,
}

struct State {
    /// The bytes that are known.
    prefix: u32,
    /// How many of the rows with these bytes are above the wanted one, and this one.
    rank: u32,
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> least: array<u32>;
@group(0) @binding(2) var<storage, read> most: array<u32>;
/// Rows by the byte, 256 numbers a query.
@group(0) @binding(3) var<storage, read_write> counts: array<atomic<u32>>;
@group(0) @binding(4) var<storage, read_write> states: array<State>;
/// Rows found, also those that there was no room for.
@group(0) @binding(5) var<storage, read_write> found: array<atomic<u32>>;
/// Row, least and most of each, one query after another.
@group(0) @binding(6) var<storage, read_write> list: array<u32>;

var<workgroup> bins: array<atomic<u32>, 256>;

/// By groups of 256 rows and more, and by query.
@compute @workgroup_size(256)
fn count(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    atomicStore(&bins[lane], 0u);
    workgroupBarrier();
    let prefix = states[group.y].prefix;
    for (var row = group.x * 256u + lane; row < shape.rows; row += groups.x * 256u) {
        let value = least[group.y * shape.stride + row];
        // In two steps: the highest byte has nothing above it.
        if ((value ^ prefix) >> shape.shift) >> 8u == 0u {
            atomicAdd(&bins[(value >> shape.shift) & 0xffu], 1u);
        }
    }
    workgroupBarrier();
    let here = atomicLoad(&bins[lane]);
    if here > 0u {
        atomicAdd(&counts[group.y * 256u + lane], here);
    }
}

/// By query.
@compute @workgroup_size(1)
fn pick(@builtin(workgroup_id) group: vec3<u32>) {
    let at = group.x * 256u;
    var rank = states[group.x].rank;
    var byte = 255u;
    loop {
        let here = atomicLoad(&counts[at + byte]);
        if here >= rank || byte == 0u {
            break;
        }
        rank -= here;
        byte -= 1u;
    }
    states[group.x].prefix = states[group.x].prefix | (byte << shape.shift);
    states[group.x].rank = rank;
    for (var i = 0u; i < 256u; i += 1u) {
        atomicStore(&counts[at + i], 0u);
    }
}

/// By groups of 256 rows and more, and by query.
@compute @workgroup_size(256)
fn collect(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let bound = states[group.y].prefix;
    for (var row = group.x * 256u + lane; row < shape.rows; row += groups.x * 256u) {
        let at = group.y * shape.stride + row;
        if most[at] >= bound {
            let slot = atomicAdd(&found[group.y], 1u);
            if slot < shape.capacity {
                let place = (group.y * shape.capacity + slot) * 3u;
                list[place] = row;
                list[place + 1u] = least[at];
                list[place + 2u] = most[at];
            }
        }
    }
}
