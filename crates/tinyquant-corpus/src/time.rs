//! Points in time, as callers give them.

const NANOS_PER_MILLI: i64 = 1_000_000;

/// A point in time: nanoseconds since 1970-01-01T00:00:00Z, from the year 1677 to the year 2262.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// A point in time from nanoseconds since the epoch.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// A point in time from milliseconds since the epoch, rounded to nanoseconds. Whole milliseconds are
    /// kept exactly. `None` for a NaN or a time that 64 bits of nanoseconds cannot hold.
    pub fn from_millis(millis: f64) -> Option<Self> {
        let whole = millis.floor();
        let nanos_below = ((millis - whole) * NANOS_PER_MILLI as f64).round();
        // 2^53 milliseconds are far beyond the range of 64-bit nanoseconds, so every `whole` that can
        // pass the multiplication is an exact integer.
        let in_range = whole.abs() < (1_u64 << 53) as f64;
        let nanos = (whole as i64)
            .checked_mul(NANOS_PER_MILLI)?
            .checked_add(nanos_below as i64)?;
        in_range.then_some(Self(nanos))
    }

    /// Nanoseconds since the epoch.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Milliseconds since the epoch; exact if they are whole.
    pub fn as_millis(self) -> f64 {
        let whole = self.0.div_euclid(NANOS_PER_MILLI);
        let below = self.0.rem_euclid(NANOS_PER_MILLI);
        whole as f64 + below as f64 / NANOS_PER_MILLI as f64
    }
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn whole_milliseconds_survive_both_ways() {
        for millis in [
            0_i64,
            1,
            -1,
            1_700_000_000_123,
            -62_135_596,
            9_223_372_036_854,
            -9_223_372_036_854,
        ] {
            let time = Timestamp::from_millis(millis as f64).unwrap();
            assert_eq!(time.as_nanos(), millis * 1_000_000);
            assert_eq!(time.as_millis().to_bits(), (millis as f64).to_bits());
        }
    }

    #[test]
    fn parts_of_a_millisecond_are_rounded_to_nanoseconds() {
        assert_eq!(Timestamp::from_millis(1.5).unwrap().as_nanos(), 1_500_000);
        assert_eq!(Timestamp::from_millis(-0.25).unwrap().as_nanos(), -250_000);
        assert_eq!(
            Timestamp::from_nanos(-250_000).as_millis().to_bits(),
            (-0.25_f64).to_bits()
        );
    }

    #[test]
    fn times_out_of_range_are_refused() {
        for millis in [
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            8.64e15,
            -8.64e15,
            9_223_372_036_855.0,
            1e300,
        ] {
            assert_eq!(Timestamp::from_millis(millis), None, "{millis}");
        }
    }
}
