//! Numbers from a seed: the same on every machine and with every version of every library.

/// A stream of numbers that its seed determines (`SplitMix64`).
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0; all about equally likely.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).expect("a usize fits a u64");
        usize::try_from(self.next() % bound).expect("less than a usize")
    }

    /// A number below `bound`, where low ones are likelier: as real sources, accounts and keys are.
    pub(crate) fn skewed(&mut self, bound: usize) -> usize {
        let (one, other) = (self.below(bound), self.below(bound));
        one.min(other)
    }

    /// True in so many of a hundred draws.
    pub(crate) fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    pub(crate) fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        &from[self.below(from.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn a_seed_always_gives_the_same_numbers() {
        let mut random = Random::new(7);
        let drawn: Vec<_> = (0..4).map(|_| random.below(1_000)).collect();
        assert_eq!(drawn, EXPECTED);
        assert!((0..1_000).all(|_| random.skewed(3) < 3));
    }

    const EXPECTED: [usize; 4] = [487, 804, 346, 203];
}
