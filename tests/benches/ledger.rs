//! Micro-benchmarks of what the ledger does for each item and each cursor, without a store: encoding and decoding record
//! batches, the fold of a round of compaction, sealing and opening cursors. `just bench-micro` runs them; what a request costs as a
//! whole is for `just bench`.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use ledger::Timestamp;
use ledger::bench::{StoredItem, encode, fold};
use ledger::model::cursor::{CursorUse, Payload};
use ledger::model::{Data, Event, EventKey, EventType, Incarnation, Position, Progress};

const KEY: [u8; 32] = [7; 32];

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    record_batches(&mut criterion);
    compaction(&mut criterion);
    cursors(&mut criterion);
    criterion.final_summary();
}

fn record_batches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("record batch");
    for count in [1, 100, 1_000] {
        let events = events(0, count);
        let stored = StoredItem::new(1, 0, &events);
        group.throughput(Throughput::Elements(count));
        group.bench_with_input(BenchmarkId::new("encode", count), &events, |bencher, events| {
            bencher.iter(|| encode(black_box(events)));
        });
        group.bench_with_input(BenchmarkId::new("decode", count), &stored, |bencher, stored| {
            bencher.iter(|| black_box(stored).records().expect("it reads back"));
        });
    }
    group.finish();
}

/// A hundred items of twenty events: two thousand keys, as many as a round takes, or the same twenty keys over and over.
fn compaction(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fold of a round");
    for (name, keys) in [("2000 keys", 2_000), ("20 keys", 20)] {
        let item = |number: u64| StoredItem::new(number + 1, number * 20, &events(number * 20 % keys, 20));
        let items: Vec<StoredItem> = (0..100).map(item).collect();
        assert_eq!(fold(&items).expect("it reads back") as u64, keys);
        group.throughput(Throughput::Elements(2_000));
        group.bench_with_input(name, &items, |bencher, items| {
            bencher.iter(|| fold(black_box(items)).expect("it reads back"));
        });
    }
    group.finish();
}

fn cursors(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cursor");
    for partitions in [1, 32] {
        let positions = vec![Position { slot: 70_000, offset: 1_000_000 }; partitions];
        let used_for = CursorUse::Subscription { name: "billing".to_owned(), generation: 3 };
        let (incarnation, progress) = (Incarnation([1; 16]), Progress::live(positions));
        let payload = Payload::new(used_for, incarnation, progress, Timestamp(1_790_000_000_000));
        let cursor = payload.seal(&KEY);
        group.bench_with_input(BenchmarkId::new("seal", partitions), &payload, |bencher, payload| {
            bencher.iter(|| black_box(payload).seal(&KEY));
        });
        group.bench_with_input(BenchmarkId::new("open", partitions), &cursor, |bencher, cursor| {
            bencher.iter(|| Payload::open(black_box(cursor), &KEY).expect("it was sealed here"));
        });
    }
    group.finish();
}

/// Events with keys of their own, of about the size that `just bench` publishes.
fn events(first: u64, count: u64) -> Vec<Event> {
    let randomness = ledger::Randomness::seeded(first + 1);
    let event = |number: u64| Event {
        key: EventKey::parse(format!("order-{number:07}")),
        event_type: EventType::parse("order.changed").expect("a type"),
        data: Data::from_json(format!(r#"{{"order":{number},"note":"{}"}}"#, randomness.base62(150))),
        headers: Vec::new(),
        id: None,
        time: None,
    };
    (first..first + count).map(event).collect()
}
