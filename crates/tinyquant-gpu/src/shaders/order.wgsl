// Scores as whole numbers in their order.

/// Greater for greater scores.
fn key(score: f32) -> u32 {
    let bits = bitcast<u32>(score);
    return bits ^ select(0x80000000u, 0xffffffffu, (bits >> 31u) == 1u);
}

/// Whether a value is an infinity or no number.
fn is_special(value: f32) -> bool {
    return (bitcast<u32>(value) & 0x7f800000u) == 0x7f800000u;
}
