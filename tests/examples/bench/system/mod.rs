//! The systems that are measured: where they are, how they are started with durable writes, and what is asked of each. Which are
//! installed decides whether they are measured; nothing is known of one that is not.

mod durable_streams;
mod event_ledger;
mod s2_lite;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use http_body_util::Full;
use hyper::body::Bytes;
use serde_json::Value;
use tokio::process::Command;

pub(crate) use self::event_ledger::EventLedger;
use crate::client::{Answer, Connection, Request, Result};
use crate::process::Process;

/// Which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Ours, as it comes.
    EventLedger,
    /// Ours, its streams without compaction: a log and no more, as the others are.
    Uncompacted,
    /// `s2 lite` on a local folder.
    S2Lite,
    /// `durable-streams-server` of the crate `durable-streams`, with a log that it syncs.
    DurableStreams,
}

/// A system that is installed.
#[derive(Clone, Debug)]
pub(crate) struct System {
    /// Which one.
    pub(crate) kind: Kind,
    /// How it is called in tables.
    pub(crate) name: &'static str,
    /// What it says that it is.
    pub(crate) version: String,
    program: PathBuf,
}

/// What is asked of a system over HTTP.
pub(crate) trait Api: std::fmt::Debug {
    /// What makes a stream, and a reader of it.
    fn create(&self, stream: &str) -> Vec<Request>;

    /// Appends events, each a JSON text, over the connection of this number.
    fn append(&self, connection: usize, stream: &str, events: &[String]) -> Request;

    /// Reads from a place, or from the beginning.
    fn read(&self, stream: &str, place: Option<&str>) -> Request;

    /// What a reader knows when it has read a page, which began after so many events, without parsing it.
    fn page(&self, answer: &Answer, before: u64) -> Result<Page>;

    /// How far a stream was compacted, if the system compacts.
    fn progress(&self, _stream: &str) -> Option<Request> {
        None
    }

    /// What else can be asked, if it is EventLedger.
    fn ours(&self) -> Option<&EventLedger> {
        None
    }
}

/// What a reader knows after a page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// How many events there were since the beginning of the stream.
    pub(crate) events: u64,
    /// Where to go on.
    pub(crate) next: String,
}

/// A system that runs.
#[derive(Debug)]
pub(crate) struct Server {
    /// Its process.
    pub(crate) process: Process,
    /// What can be asked of it.
    pub(crate) api: Box<dyn Api>,
}

/// Finds the systems, and says of each that is absent that it is.
pub(crate) async fn find(server: &Path, alone: bool) -> Result<(Vec<System>, Vec<String>)> {
    let Some(version) = version(server).await else {
        return Err(format!("{} cannot be run: cargo build --release builds it", server.display()).into());
    };
    let ours = |kind, name| System { kind, name, version: version.clone(), program: server.to_owned() };
    let mut found =
        vec![ours(Kind::EventLedger, event_ledger::NAME), ours(Kind::Uncompacted, "EventLedger without compaction")];
    let mut absent = Vec::new();
    for (kind, name, program) in [
        (Kind::S2Lite, "S2 lite", s2_lite::PROGRAM),
        (Kind::DurableStreams, "Durable Streams", durable_streams::PROGRAM),
    ] {
        let program = PathBuf::from(program);
        match self::version(&program).await {
            _ if alone => absent.push(format!("{name}: not asked for, not measured.")),
            Some(version) => found.push(System { kind, name, version, program }),
            None => absent.push(format!("{name}: {} is not on PATH, not measured.", program.display())),
        }
    }
    Ok((found, absent))
}

/// The first line that a program says to `--version`, as far as it says one; none if there is no such program.
async fn version(program: &Path) -> Option<String> {
    let output = Command::new(program).arg("--version").output().await.ok()?;
    Some(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or("it does not tell its version").to_owned())
}

impl System {
    /// Starts it on a folder, new or used before.
    pub(crate) async fn start(&self, folder: &Path) -> Result<Server> {
        match self.kind {
            Kind::EventLedger => event_ledger::start(&self.program, folder, true).await,
            Kind::Uncompacted => event_ledger::start(&self.program, folder, false).await,
            Kind::S2Lite => s2_lite::start(&self.program, folder).await,
            Kind::DurableStreams => durable_streams::start(&self.program, folder).await,
        }
    }

    /// Whether it is the one that the others are compared with.
    pub(crate) fn is_ours(name: &str) -> bool {
        name == event_ledger::NAME
    }
}

impl Server {
    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.process.address
    }

    /// What can be asked of EventLedger only.
    pub(crate) fn ours(&self) -> Result<&EventLedger> {
        self.api.ours().ok_or_else(|| "only EventLedger can be asked for this".into())
    }

    /// Makes a stream, and a reader of it.
    pub(crate) async fn create(&self, stream: &str) -> Result<()> {
        let mut connection = Connection::open(self.address()).await?;
        for request in self.api.create(stream) {
            connection.push(&request).await?;
        }
        Ok(())
    }

    /// How far a stream was compacted, and where it ends, in events; none if the system does not compact.
    pub(crate) async fn progress(&self, connection: &mut Connection, stream: &str) -> Result<Option<(u64, u64)>> {
        let Some(request) = self.api.progress(stream) else { return Ok(None) };
        let description: Value = serde_json::from_slice(&connection.ask(&request).await?.body)?;
        let of = |name: &str| {
            let partitions = description["partitions"].as_array().into_iter().flatten();
            partitions.filter_map(|partition| partition[name].as_u64()).sum()
        };
        Ok(Some((of("watermark"), of("tail"))))
    }

    /// Stops it.
    pub(crate) async fn stop(self) -> Result<()> {
        self.process.stop().await
    }
}

/// A request that sends JSON.
fn post(host: SocketAddr, path: &str) -> http::request::Builder {
    http::Request::post(path).header("host", host.to_string()).header("content-type", "application/json")
}

/// A request that is built of parts which are all valid.
fn built(request: http::request::Builder, body: String) -> Request {
    request.body(Full::new(Bytes::from(body))).expect("a path and header fields of plain ASCII")
}

/// The digits after the last place where a name stands.
fn last_number(body: &[u8], name: &str) -> Option<u64> {
    let rest = &body[last(body, name)?..];
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()
}

/// The text up to the next quotation mark, after the last place where a name stands.
fn last_text(body: &[u8], name: &str) -> Option<String> {
    let rest = &body[last(body, name)?..];
    let length = rest.iter().position(|byte| *byte == b'"')?;
    String::from_utf8(rest[..length].to_vec()).ok()
}

/// Where the last occurrence of a name ends, looked for from behind: pages are long, and what is asked for is near their end.
fn last(body: &[u8], name: &str) -> Option<usize> {
    body.windows(name.len()).rposition(|window| window == name.as_bytes()).map(|at| at + name.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_the_end_of_a_page_is_found() {
        let body = br#"{"events":[{"offset":8},{"offset":42,"x":1}],"cursor":"abc","lag":{"events":0}}"#;
        assert_eq!(last_number(body, r#""offset":"#), Some(42));
        assert_eq!(last_text(body, r#""cursor":""#).as_deref(), Some("abc"));
        assert_eq!((last_number(body, "absent"), last_text(b"\"a\":\"b", "\"a\":\"")), (None, None));
    }
}
