//! A map from u64 to u32 in two typed arrays: open addressing, whole keys compared.

/// No key: the largest one never occurs.
const EMPTY: u64 = u64::MAX;
const SMALLEST: usize = 64;

/// Keys and their values.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    keys: Vec<u64>,
    values: Vec<u32>,
    len: usize,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            keys: vec![EMPTY; SMALLEST],
            values: vec![0; SMALLEST],
            len: 0,
        }
    }
}

impl Table {
    pub(crate) fn bytes(&self) -> usize {
        self.keys.len() * (size_of::<u64>() + size_of::<u32>())
    }

    pub(crate) fn get(&self, key: u64) -> Option<u32> {
        let slot = self.slot(key);
        (self.keys[slot] == key).then(|| self.values[slot])
    }

    /// The value of a key, which is `new` if it was not there.
    pub(crate) fn entry(&mut self, key: u64, new: u32) -> &mut u32 {
        if 8 * (self.len + 1) > 5 * self.keys.len() {
            self.grow();
        }
        let slot = self.slot(key);
        if self.keys[slot] != key {
            self.keys[slot] = key;
            self.values[slot] = new;
            self.len += 1;
        }
        &mut self.values[slot]
    }

    /// Where a key is, or where it would go.
    fn slot(&self, key: u64) -> usize {
        let mask = self.keys.len() - 1;
        let mut slot = mix(key) as usize & mask;
        while self.keys[slot] != key && self.keys[slot] != EMPTY {
            slot = (slot + 1) & mask;
        }
        slot
    }

    fn grow(&mut self) {
        let size = 2 * self.keys.len();
        let keys = std::mem::replace(&mut self.keys, vec![EMPTY; size]);
        let values = std::mem::replace(&mut self.values, vec![0; size]);
        for (key, value) in keys.into_iter().zip(values) {
            if key != EMPTY {
                let slot = self.slot(key);
                self.keys[slot] = key;
                self.values[slot] = value;
            }
        }
    }
}

/// Spreads neighbouring keys (the finalizer of `SplitMix64`).
fn mix(key: u64) -> u64 {
    let key = (key ^ (key >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let key = (key ^ (key >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    key ^ (key >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn it_holds_what_a_map_holds() {
        let (mut table, mut map) = (Table::default(), HashMap::new());
        for step in 0..20_000_u64 {
            let key = (mix(step) % 5_000) << 32 | (step % 3);
            *table.entry(key, 7) += 1;
            *map.entry(key).or_insert(7) += 1;
        }
        for key in (0..5_000_u64).flat_map(|high| (0..4).map(move |low| (high << 32) | low)) {
            assert_eq!(table.get(key), map.get(&key).copied());
        }
        assert_eq!(table.len, map.len());
    }
}
