//! The days, by what breaks.

mod compaction;
mod consumers;
mod doors;
mod quiet;
mod store;
mod telling;
