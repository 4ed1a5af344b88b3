//! The Lambda of the compactor.

fn main() -> Result<(), platform::lambda::Error> {
    platform::lambda::serve_events("compactor", "compact_partitions", compactor::compact)
}
