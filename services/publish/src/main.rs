//! The Lambda of the publish service.

fn main() -> Result<(), platform::lambda::Error> {
    platform::lambda::serve("publish", publish::routes())
}
