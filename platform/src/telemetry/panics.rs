//! Panics, of whichever handler: each is a defect that is counted, and none ends the process.

use std::any::Any;
use std::panic::PanicHookInfo;

use metrics::counter;

use super::catalogue;

/// Counts a panic that was caught, and answers its message, which is for the log.
pub(crate) fn count_panic(payload: &(dyn Any + Send)) -> String {
    counter!(catalogue::PANICS.name).increment(1);
    format!("a panic: {}", message(payload))
}

/// Lets panics of this process be lines of the log from now on. The text that is printed otherwise is no line that a machine
/// can read, and stands between those that are.
pub(crate) fn log_panics() {
    std::panic::set_hook(Box::new(log_panic));
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    tracing::error!(place, cause = message(panic.payload()), "a panic");
}

fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use serde_json::Value;

    use super::*;
    use crate::telemetry::{Format, subscriber};

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_panic_is_a_line_of_the_log() {
        let written = Written::default();
        let writer = written.clone();
        let _logging = tracing::subscriber::set_default(subscriber(Format::Json, "info", move || writer.clone()));
        let before = std::panic::take_hook();
        log_panics();
        let name = "purpose";
        let caught = std::panic::catch_unwind(|| panic!("on {name}"));
        std::panic::set_hook(before);
        assert_eq!(count_panic(&*caught.unwrap_err()), "a panic: on purpose");
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let [line] = lines.as_slice() else { panic!("{text}") };
        assert_eq!(["level", "message", "cause"].map(|name| &line[name]), ["ERROR", "a panic", "on purpose"]);
        assert!(line["place"].as_str().unwrap().contains("panics.rs:"), "{line}");
    }
}
