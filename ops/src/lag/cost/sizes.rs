//! How large items are, and how many units of DynamoDB they begin: on average, because no two events are as long, and because
//! what comes by chance comes in other numbers each time.

use std::collections::BTreeMap;

/// A write unit is for so many bytes of an item, or a part of them.
pub(super) const WRITE_BYTES: f64 = 1_024.0;
/// A read unit is for so many bytes of what a call reads, or a part of them, when the read is strongly consistent, as all of
/// the ledger's are.
pub(super) const READ_BYTES: f64 = 4_096.0;

/// How large items of a kind are: no two events are as long, so there is a mean and how far they lie from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Size {
    /// The mean, in bytes.
    pub bytes: f64,
    /// The standard deviation, in bytes.
    pub deviation: f64,
}

impl Size {
    /// One that is always the same.
    #[must_use]
    pub const fn of(bytes: f64) -> Self {
        Self { bytes, deviation: 0.0 }
    }

    /// So many of them together.
    #[must_use]
    pub fn times(self, count: f64) -> Self {
        Self { bytes: self.bytes * count, deviation: self.deviation * count.sqrt() }
    }

    /// This and something else.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { bytes: self.bytes + other.bytes, deviation: self.deviation.hypot(other.deviation) }
    }

    /// How many units of so many bytes are begun, on average; at least one is.
    pub(super) fn begun(self, unit: f64) -> f64 {
        if self.deviation == 0.0 {
            return (self.bytes / unit).ceil().max(1.0);
        }
        // Of sizes around a mean, each further unit is begun by those that are larger than the units before it.
        let larger_than = |bytes: f64| 1.0 / (1.0 + (1.702 * (bytes - self.bytes) / self.deviation).exp());
        let most = ((self.bytes + 8.0 * self.deviation) / unit).ceil();
        let mut begun = 1.0;
        let mut before = 1.0;
        while before < most {
            begun += larger_than(before * unit);
            before += 1.0;
        }
        begun
    }

    /// Read units of a query of so many of them, page by page. Where a page is full, another is asked for.
    pub(super) fn queried(self, count: u32, (first, growth): (f64, f64)) -> f64 {
        let (mut left, mut page, mut reads) = (f64::from(count), first, 0.0);
        while left >= page {
            reads += self.times(page).begun(READ_BYTES);
            left -= page;
            page *= growth;
        }
        reads + self.times(left).begun(READ_BYTES)
    }
}

/// The mean of something over how many there are of what comes by chance, so many on average.
pub(super) fn by_chance(mean: f64, of: impl Fn(u32) -> f64) -> f64 {
    if mean > 500.0 {
        // Chance makes no difference there.
        return of(mean.round() as u32);
    }
    let most = (mean + 10.0 * mean.sqrt() + 10.0) as u32;
    let mut probability = (-mean).exp();
    (0..=most).fold(0.0, |sum, count| {
        let sum = sum + probability * of(count);
        probability *= mean / f64::from(count + 1);
        sum
    })
}

/// The mean of something over how many of some there are, when each is with this probability.
pub(super) fn by_lot(all: u32, probability: f64, of: impl Fn(u32) -> f64) -> f64 {
    if probability >= 1.0 {
        return of(all);
    }
    let mut of_count = (1.0 - probability).powi(all.cast_signed());
    (0..=all).fold(0.0, |sum, count| {
        let sum = sum + of_count * of(count);
        of_count *= f64::from(all - count) / f64::from(count + 1) * probability / (1.0 - probability);
        sum
    })
}

/// The record batches that publishes of so many events put: each event falls to one of so many partitions, and those of a
/// partition are one.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordBatches {
    /// Bytes that one takes without its events.
    pub without_events: f64,
    /// Bytes that so many events take, compressed together; in between it grows evenly.
    pub bodies: BTreeMap<u32, f64>,
    /// The standard deviation of what an event takes.
    pub event_deviation: f64,
    /// Events of a publish.
    pub events: u32,
    /// Partitions that they fall to.
    pub partitions: f64,
}

impl RecordBatches {
    /// How many a publish puts: as many as it touches partitions.
    #[must_use]
    pub fn of_a_publish(&self) -> f64 {
        self.partitions * (1.0 - (1.0 - 1.0 / self.partitions).powi(self.events.cast_signed()))
    }

    /// Bytes that so many events take, and each further one then.
    fn body(&self, events: f64) -> (f64, f64) {
        let known: Vec<_> = self.bodies.iter().map(|(count, bytes)| (f64::from(*count), *bytes)).collect();
        let mut stretches = known.windows(2).map(|pair| (pair[0], pair[1]));
        let within = stretches.clone().find(|(_, (to, _))| events <= *to).or_else(|| stretches.next_back());
        within.map_or_else(
            || known.first().map_or((0.0, 0.0), |(_, bytes)| (*bytes, *bytes)),
            |((from, bytes), (to, more))| {
                let further = (more - bytes) / (to - from);
                (bytes + (events - from) * further, further)
            },
        )
    }

    fn with(&self, events: f64) -> Size {
        let (bytes, _) = self.body(events);
        Size { bytes: self.without_events + bytes, deviation: self.event_deviation * events.sqrt() }
    }

    /// How large one is, whichever it is.
    #[must_use]
    pub fn size(&self) -> Size {
        let events = f64::from(self.events) / self.of_a_publish();
        let (_, further) = self.body(events);
        let varying = (events * (1.0 - 1.0 / self.partitions)).sqrt() * further;
        self.with(events).and(Size { bytes: 0.0, deviation: varying })
    }

    /// How many units of so many bytes one begins, on average.
    fn begun(&self, unit: f64) -> f64 {
        let of_partition = by_lot(self.events, 1.0 / self.partitions, |events| match events {
            0 => 0.0,
            events => self.with(f64::from(events)).begun(unit),
        });
        of_partition * self.partitions / self.of_a_publish()
    }

    /// Write units of a put of one.
    pub(super) fn written(&self) -> f64 {
        self.begun(WRITE_BYTES)
    }

    /// Read units of a look at one.
    pub(super) fn read(&self) -> f64 {
        self.begun(READ_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_begun_is_paid_for() {
        let begun = |bytes: f64, deviation: f64| Size { bytes, deviation }.begun(1_024.0);
        assert_eq!([begun(1.0, 0.0), begun(1_024.0, 0.0), begun(1_025.0, 0.0)], [1.0, 1.0, 2.0]);
        // Half of them are larger than two units.
        assert!((begun(2_048.0, 10.0) - 2.5).abs() < 1e-9);
        // Where they lie everywhere within a unit, half a unit more than they are.
        assert!((begun(10_000.0, 3_000.0) - (10_000.0 / 1_024.0 + 0.5)).abs() < 0.05);
        assert!((begun(700.0, 20.0) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn bodies_grow_evenly_between_those_that_are_known_and_beyond() {
        let bodies = BTreeMap::from([(1, 400.0), (5, 1_200.0), (25, 4_200.0)]);
        let batches = RecordBatches { without_events: 0.0, bodies, event_deviation: 0.0, events: 1, partitions: 1.0 };
        let told = [1.0, 3.0, 5.0, 15.0, 25.0, 35.0].map(|events| batches.body(events).0);
        assert_eq!(told, [400.0, 800.0, 1_200.0, 2_700.0, 4_200.0, 5_700.0]);
    }

    #[test]
    fn a_query_pays_for_each_page() {
        let size = Size::of(1_000.0);
        let queried = [0, 15, 16, 79, 80].map(|count| size.queried(count, (16.0, 4.0)));
        assert_eq!(queried, [1.0, 4.0, 4.0 + 1.0, 4.0 + 16.0, 4.0 + 16.0 + 1.0]);
    }

    #[test]
    fn what_comes_by_chance_comes_as_often_as_it_does_on_average() {
        assert!((by_chance(23.0, f64::from) - 23.0).abs() < 1e-6);
        assert!((by_lot(200, 0.125, f64::from) - 25.0).abs() < 1e-6);
        assert_eq!(by_lot(8, 1.0, f64::from), 8.0);
    }
}
