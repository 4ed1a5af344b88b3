//! The Lambda of the admin service.

fn main() -> Result<(), platform::lambda::Error> {
    platform::lambda::serve("admin", admin::routes())
}
