//! The Lambda of the compactor.

fn main() -> Result<(), platform::lambda::Error> {
    platform::lambda::serve_events("compactor", |_| "compact_partitions", compactor::compact)
}
