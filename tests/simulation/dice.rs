//! Chance, drawn from the seed of a run: every decision of a simulation comes from here, in the order it is made.

use std::ops::RangeInclusive;

use ledger::Randomness;

/// A source of decisions. Cloning shares it.
#[derive(Clone, Debug)]
pub(crate) struct Dice(Randomness);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Randomness::seeded(seed))
    }

    /// True so many times in a thousand.
    pub(crate) fn chance(&self, per_mille: u64) -> bool {
        self.0.below(1_000) < per_mille
    }

    /// A number of a range, its ends included.
    pub(crate) fn between(&self, range: RangeInclusive<u64>) -> u64 {
        range.start() + self.0.below(range.end() - range.start() + 1)
    }

    /// An index of a list of this length.
    pub(crate) fn index(&self, length: usize) -> usize {
        usize::try_from(self.0.below(length as u64)).unwrap_or_default()
    }

    /// One of these.
    pub(crate) fn one_of<'a, T>(&self, choices: &'a [T]) -> &'a T {
        &choices[self.index(choices.len())]
    }

    /// Any bits.
    pub(crate) fn bits(&self) -> u128 {
        u128::from_le_bytes(self.0.bytes())
    }

    /// A source for one part of the world.
    pub(crate) fn randomness(&self) -> Randomness {
        Randomness::seeded(u64::from_le_bytes(self.0.bytes()))
    }
}
