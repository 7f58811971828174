//! Splits bytes at random points, as a network does. The same number always yields the same points.

/// The first byte of an input, which decides where the rest is cut, and that rest.
pub fn split_seed(data: &[u8]) -> (u64, &[u8]) {
    match data {
        [seed, rest @ ..] => (u64::from(*seed), rest),
        [] => (0, data),
    }
}

/// The pieces of `bytes`: mostly short ones, so that headers are cut too.
pub fn pieces(bytes: &[u8], seed: u64) -> impl Iterator<Item = &[u8]> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let longest = if random.bool() { 8 } else { 1000 };
        let (piece, after) = rest.split_at(random.usize(1..=longest).min(rest.len()));
        rest = after;
        Some(piece)
    })
}
