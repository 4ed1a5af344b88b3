//! What the services tell of themselves: the one line of each invocation, the numbers in it, the catalogue that both are
//! held against, and what must never be told.

mod catalogue;
mod documents;
mod emitted;
mod lines;
mod prometheus;
mod round;
mod secrets;
mod told;
