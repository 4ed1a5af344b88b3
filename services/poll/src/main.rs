//! The Lambda of the poll service.

fn main() -> Result<(), platform::lambda::Error> {
    platform::lambda::serve("poll", poll::routes())
}
