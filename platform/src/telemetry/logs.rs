//! Logs: JSON where machines read them, coloured lines where people do.
//!
//! Most invocations say little; one in [`SAMPLED_IN`] says everything, so that there is always a recent one to look at.
//! Only our own code is ever asked for its details: those of the libraries may hold credentials and data.

use std::fmt::{Debug, Write};
use std::io::IsTerminal;

use tracing::field::Field;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry};

use crate::config;

/// One invocation of so many logs its details.
pub const SAMPLED_IN: u32 = 100;

/// Whose details may be logged.
const OURS: [&str; 10] =
    ["ledger", "platform", "admin", "publish", "poll", "compactor", "keeper", "canary", "embedded", "local"];

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// For a terminal.
    Human,
}

/// A filter such as `info,ledger=debug`, as it was given.
///
/// # Errors
/// What it should look like, when it is none.
pub fn levels(text: &str) -> Result<String, String> {
    let example = "levels are error, warn, info, debug and trace, alone or for a part, as in info,ledger=debug";
    EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|error| format!("{error}; {example}"))
}

/// Starts logging to standard error; `levels` is a filter such as `info,ledger=debug`. The second call of a process
/// changes nothing.
pub fn start(format: Format, levels: &str) {
    if subscriber(format, levels, std::io::stderr).try_init().is_err() {
        tracing::debug!("logging had been started before");
    }
}

/// What [`start`] starts, with another writer.
pub fn subscriber<W>(format: Format, levels: &str, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // A sampled invocation is one whose span says so. At its lowest level the Lambda runtime logs whole events,
    // credentials included.
    const ALWAYS: &str = "lambda_runtime=warn,[request{sampled=true}]=debug,[event{sampled=true}]=debug";
    let filter = EnvFilter::try_new(format!("{levels},{ALWAYS}"));
    let filter = filter.unwrap_or_else(|_| EnvFilter::new(format!("info,{ALWAYS}")));
    // A log that cannot be written, on a full disk perhaps, must not break the requests that would be logged.
    let lines = match format {
        // What an invocation says of itself stands beside what a line says, so that one search finds all of its lines.
        Format::Json => json_subscriber::fmt::layer()
            .with_writer(writer)
            .log_internal_errors(false)
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .flatten_current_span_on_top_level(true)
            .boxed(),
        Format::Human => {
            let coloured = config::may_colour() && std::io::stderr().is_terminal();
            let lines = tracing_subscriber::fmt::layer().with_writer(writer).log_internal_errors(false);
            let lines = lines.with_target(false).with_ansi(coloured);
            // To paint each field in no colour would take half of the time of a line.
            if coloured { lines.boxed() } else { lines.fmt_fields(debug_fn(plain).delimited(" ")).boxed() }
        }
    };
    Registry::default().with(lines.with_filter(filter.and(filter_fn(may_be_logged))))
}

/// Writes a field as it is written where there are colours.
fn plain(writer: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> std::fmt::Result {
    if field.name() != "message" {
        write!(writer, "{}=", field.name())?;
    }
    write!(OneLine(writer), "{value:?}")
}

/// Keeps a value on its line, whatever somebody put into it.
struct OneLine<'a, 'w>(&'a mut Writer<'w>);

impl Write for OneLine<'_, '_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        if text.bytes().any(|byte| byte.is_ascii_control()) {
            text.chars().try_for_each(|character| match character.is_control() {
                true => write!(self.0, "{}", character.escape_default()),
                false => self.0.write_char(character),
            })
        } else {
            self.0.write_str(text)
        }
    }
}

fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    let ours = || metadata.target().split("::").next().is_some_and(|name| OURS.contains(&name));
    // A line tells of the span that it is in: of the request, and not of what a library does for it.
    if metadata.is_span() { ours() } else { *metadata.level() <= Level::INFO || ours() }
}

/// Whether an invocation logs its details. Its id decides, which is drawn anew for each.
pub(crate) fn is_sampled(request_id: &str) -> bool {
    let digits = request_id.get(..8).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    digits.is_some_and(|digits| digits % SAMPLED_IN == 0)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_value_begins_a_line_or_commands_a_terminal() {
        let written = Written::default();
        let writer = written.clone();
        tracing::subscriber::with_default(subscriber(Format::Human, "info", move || writer.clone()), || {
            let (name, error) = ("a \"quoted\" name", "first\nsecond \u{1b}[31mred");
            tracing::info!(target: "platform", name, %error, count = 3, "it is {}", "so\n");
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let (_, told) = text.split_once("INFO ").unwrap();
        let fields = r#"it is so\n name="a \"quoted\" name" error=first\nsecond \u{1b}[31mred count=3"#;
        assert_eq!(told, format!("{fields}\n"));
    }
}
