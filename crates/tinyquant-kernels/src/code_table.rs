//! Levels of one coordinate, for codes of 1 to 6 and 8 bits.

/// Positive halves of the Lloyd-Max levels of the standard normal distribution for 1 to 6 bits: each level is the mean
/// of the values that are nearest to it (Lloyd, Least squares quantization in PCM, 1982; Max, 1960).
const LEVELS: [&[f32]; 6] = [
    &[0.797_884_6],
    &[0.452_780, 1.510_417_6],
    &[0.245_094_2, 0.756_005_3, 1.343_909_3, 2.151_945_7],
    &[
        0.128_395,
        0.388_048_3,
        0.656_759_1,
        0.942_340_5,
        1.256_231_2,
        1.618_046_4,
        2.069_017_2,
        2.732_589_6,
    ],
    &[
        0.065_889_7,
        0.198_051_8,
        0.331_378_3,
        0.466_699_5,
        0.604_933_6,
        0.747_135_7,
        0.894_565_1,
        1.048_783_3,
        1.211_804_4,
        1.386_340_3,
        1.576_228_1,
        1.787_233_2,
        2.028_728_4,
        2.317_739_4,
        2.691_119_6,
        3.260_732_5,
    ],
    &[
        0.033_409_5,
        0.100_278_3,
        0.167_296_9,
        0.234_567,
        0.302_192_8,
        0.370_282_6,
        0.438_949_7,
        0.508_313_8,
        0.578_503,
        0.649_655_6,
        0.721_921_9,
        0.795_467_7,
        0.870_476_6,
        0.947_154_9,
        1.025_736_3,
        1.106_488_2,
        1.189_720_1,
        1.275_794_5,
        1.365_141,
        1.458_276_4,
        1.555_831_2,
        1.658_588_9,
        1.767_541_9,
        1.883_977_2,
        2.009_611,
        2.146_810_2,
        2.298_981_2,
        2.471_305,
        2.672_273_8,
        2.917_406_8,
        3.240_437,
        3.744_101_3,
    ],
];

/// Steps of an 8-bit code to one standard deviation: 127 steps reach four of them.
pub(crate) const STEPS: f32 = 31.75;

/// Largest width whose levels are looked up.
pub(crate) const LOOKED_UP: u8 = 6;

/// Bits of a code that a scan looks at first.
pub(crate) const TOP: u8 = 4;

/// Codes of one width: thresholds and levels in units of the standard deviation, and levels as whole numbers from -127
/// to 127, in units that differ from width to width.
#[derive(Debug, Clone)]
pub struct CodeTable {
    width: u8,
    /// `thresholds[t]` is the least value whose top bits are `t` or more; infinite from the last one on.
    pub(crate) thresholds: [f32; 16],
    /// `fine[s][t]`: the least value of top bits `t` whose low bits are `s + 1` or more.
    pub(crate) fine: [[f32; 16]; 3],
    /// `levels[s][t]`: the level of top bits `t` and low bits `s`, as a whole number.
    pub(crate) levels: [[f32; 16]; 4],
    /// The level of each code.
    pub(crate) values: [i8; 64],
    /// The mean level of the codes with the same top bits.
    pub(crate) coarse: [i8; 16],
}

impl CodeTable {
    /// The table of a width: 0 to 6, or 8 for evenly spaced levels. Width 0 has the level 0 only.
    ///
    /// # Panics
    /// For any other width.
    pub fn new(width: u8) -> Self {
        assert!(width <= LOOKED_UP || width == 8, "no codes of {width} bits");
        let mut table = Self {
            width,
            thresholds: [f32::INFINITY; 16],
            fine: [[f32::INFINITY; 16]; 3],
            levels: [[0.0; 16]; 4],
            values: [0; 64],
            coarse: [0; 16],
        };
        if width == 0 || width == 8 {
            return table;
        }
        let half = LEVELS[usize::from(width) - 1];
        let count = 2 * half.len();
        let level = |code: usize| match code.checked_sub(half.len()) {
            Some(positive) => half[positive],
            None => -half[half.len() - 1 - code],
        };
        let scale = 127.0 / half[half.len() - 1];
        let below = 1 << width.saturating_sub(TOP);
        for code in 0..count {
            let (top, low) = (code / below, code % below);
            let whole = (level(code) * scale).round_ties_even();
            table.values[code] = whole as i8;
            table.levels[low][top] = whole;
            let threshold = if code == 0 {
                f32::NEG_INFINITY
            } else {
                0.5 * (level(code - 1) + level(code))
            };
            match low.checked_sub(1) {
                None => table.thresholds[top] = threshold,
                Some(step) => table.fine[step][top] = threshold,
            }
        }
        for (top, coarse) in table.coarse.iter_mut().enumerate().take(count / below) {
            let mean = (0..below).map(|low| table.levels[low][top]).sum::<f32>() / below as f32;
            *coarse = mean.round_ties_even() as i8;
        }
        table
    }

    /// Bits of a code.
    pub fn width(&self) -> u8 {
        self.width
    }

    /// Bits that a scan looks at first: all of them up to 4, and of 8.
    pub fn top(&self) -> u8 {
        if self.width == 8 {
            8
        } else {
            self.width.min(TOP)
        }
    }

    /// The whole number that stands for a code.
    pub fn value(&self, code: u8) -> i8 {
        if self.width == 8 {
            // -128 is no code.
            return (code as i8).max(-127);
        }
        self.values[usize::from(code) % 64]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Density and distribution function of the standard normal distribution.
    fn density(x: f64) -> f64 {
        (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt()
    }

    /// Mass and first moment between two points, by Simpson's rule.
    fn moments(from: f64, to: f64) -> (f64, f64) {
        let steps = 2000;
        let width = (to - from) / f64::from(steps);
        let (mut mass, mut moment) = (0.0, 0.0);
        for i in 0..=steps {
            let x = from + width * f64::from(i);
            let weight = match i {
                0 => 1.0,
                i if i == steps => 1.0,
                i if i % 2 == 1 => 4.0,
                _ => 2.0,
            };
            mass += weight * density(x);
            moment += weight * density(x) * x;
        }
        (mass * width / 3.0, moment * width / 3.0)
    }

    #[test]
    fn every_level_is_the_mean_of_its_cell() {
        for half in LEVELS {
            let level = |i: usize| f64::from(half[i]);
            for i in 0..half.len() {
                let from = if i == 0 {
                    0.0
                } else {
                    0.5 * (level(i - 1) + level(i))
                };
                let to = if i + 1 == half.len() {
                    12.0
                } else {
                    0.5 * (level(i) + level(i + 1))
                };
                let (mass, moment) = moments(from, to);
                assert!(
                    (moment / mass - level(i)).abs() < 2e-6,
                    "{} levels, {i}",
                    2 * half.len()
                );
            }
        }
    }

    #[test]
    fn thresholds_ascend_and_levels_are_odd_functions() {
        for width in 1..=6 {
            let table = CodeTable::new(width);
            let count = 1_usize << width;
            for code in 0..count {
                assert_eq!(table.values[code], -table.values[count - 1 - code]);
            }
            assert!(table.values[..count].is_sorted());
            assert_eq!(table.values[count - 1], 127);
            let tops = 1 << table.top();
            assert!(table.thresholds[..tops].is_sorted());
            assert!(table.coarse[..tops].is_sorted());
        }
        assert_eq!(CodeTable::new(8).value(0x81), -127);
        assert_eq!(CodeTable::new(0).value(0), 0);
    }
}
