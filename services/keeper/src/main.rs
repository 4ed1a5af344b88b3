//! The Lambda of the keeper.

fn main() -> Result<(), platform::lambda::Error> {
    platform::lambda::serve_events("keeper", keeper::Schedule::operation, keeper::keep)
}
