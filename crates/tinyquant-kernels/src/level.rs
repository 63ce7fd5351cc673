//! Which instruction set is used, and how that is chosen.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};

/// A level of SIMD support. Levels of one architecture are ordered; every level gives the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Level {
    /// Portable code; the definition of every result.
    Scalar = 1,
    /// x86-64 with AVX2, FMA and F16C.
    Avx2 = 2,
    /// x86-64 with AVX-512 F, BW, DQ and VL.
    Avx512 = 3,
    /// The same with VNNI and VBMI.
    Avx512Vnni = 4,
    /// aarch64 with NEON, which every such CPU has.
    Neon = 5,
    /// The same with the dot products of `FEAT_DotProd`.
    NeonDot = 6,
}

/// The level asked for is unknown, or the CPU does not have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnsupportedLevel(pub Level);

impl fmt::Display for UnsupportedLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this CPU does not have the SIMD level {}", self.0.name())
    }
}

impl std::error::Error for UnsupportedLevel {}

impl Level {
    const EVERY: [Self; 6] = [
        Self::Scalar,
        Self::Avx2,
        Self::Avx512,
        Self::Avx512Vnni,
        Self::Neon,
        Self::NeonDot,
    ];

    /// Lower-case name, as the environment variable `TINYQUANT_SIMD` takes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Avx512Vnni => "avx512vnni",
            Self::Neon => "neon",
            Self::NeonDot => "neondot",
        }
    }

    /// The level with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::EVERY.into_iter().find(|level| level.name() == name)
    }

    /// Whether this CPU has the level.
    pub fn is_supported(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => {
                is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("fma")
                    && is_x86_feature_detected!("f16c")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                Self::Avx2.is_supported()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => {
                Self::Avx512.is_supported()
                    && is_x86_feature_detected!("avx512vnni")
                    && is_x86_feature_detected!("avx512vbmi")
            }
            #[cfg(target_arch = "aarch64")]
            Self::Neon => true,
            #[cfg(target_arch = "aarch64")]
            Self::NeonDot => std::arch::is_aarch64_feature_detected!("dotprod"),
            #[allow(
                unreachable_patterns,
                reason = "the levels left over depend on the architecture"
            )]
            _ => false,
        }
    }

    /// Every level this CPU has, lowest first.
    pub fn supported() -> Vec<Self> {
        Self::EVERY
            .into_iter()
            .filter(|level| level.is_supported())
            .collect()
    }

    /// The highest level this CPU has, but none above the one that `TINYQUANT_SIMD` names. A name that is
    /// unknown, or of another architecture, caps nothing.
    pub fn detect() -> Self {
        let cap = std::env::var("TINYQUANT_SIMD")
            .ok()
            .and_then(|name| Self::from_name(&name));
        let supported = Self::supported();
        let capped = cap.filter(|cap| supported.contains(cap));
        capped
            .or_else(|| supported.last().copied())
            .unwrap_or(Self::Scalar)
    }
}

const UNDECIDED: u8 = 0;
static ACTIVE: AtomicU8 = AtomicU8::new(UNDECIDED);

/// The level in use: detected at the first call, unless [`force`] set it.
pub fn active() -> Level {
    let stored = ACTIVE.load(Ordering::Relaxed);
    if let Some(level) = Level::EVERY
        .into_iter()
        .find(|level| *level as u8 == stored)
    {
        return level;
    }
    let level = Level::detect();
    ACTIVE.store(level as u8, Ordering::Relaxed);
    level
}

/// Sets the level of the whole process, or returns to the detected one. For tests and bug reports: results
/// do not depend on it.
///
/// # Errors
/// [`UnsupportedLevel`] if this CPU does not have it; the level is then unchanged.
pub fn force(level: Option<Level>) -> Result<(), UnsupportedLevel> {
    if let Some(level) = level.filter(|level| !level.is_supported()) {
        return Err(UnsupportedLevel(level));
    }
    ACTIVE.store(
        level.map_or(UNDECIDED, |level| level as u8),
        Ordering::Relaxed,
    );
    Ok(())
}
