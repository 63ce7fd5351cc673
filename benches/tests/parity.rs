//! Codebooks, codes and residuals equal those of the published crate, run side by side.

use tinyquant_bench::{Peer, rows};
use tinyquant_codec::{Codebook, CodecConfig, Control, TrainMethod, compress_batch};

/// Up to 560 dimensions the peer's matrix does not depend on the CPU.
#[test]
fn codes_and_residuals_equal_the_peers() {
    let control = Control::default();
    for dimension in [3, 16, 50, 100, 384, 560] {
        let vectors = rows(dimension as u64, 100, dimension);
        for bits in [2, 4, 8] {
            for residual in [true, false] {
                let config = CodecConfig::new(bits, 42, dimension as u32, residual).unwrap();
                let codebook =
                    Codebook::train(&vectors, &config, TrainMethod::TinyQuant, &control).unwrap();
                let own = compress_batch(&vectors, &config, &codebook, None, &control).unwrap();
                let peer =
                    Peer::new(bits, dimension, residual, &vectors).compress(&vectors, dimension);
                for (row, peer) in peer.iter().enumerate() {
                    let own = own.record(row).unwrap();
                    let what = format!("dimension {dimension} bits {bits} row {row}");
                    assert_eq!(own.config_hash(), &**peer.config_hash(), "{what}");
                    assert_eq!(own.indices(), peer.indices(), "{what}");
                    assert_eq!(own.residual(), peer.residual(), "{what}");
                }
            }
        }
    }
}
