//! Durable Streams by the server of the crate `durable-streams`, which writes a log ahead and syncs it before it acknowledges
//! (`--durability wal`). Streams of JSON: an array is as many messages as it has members. What it reads it answers at once, to
//! the end of the stream: pages are its choice.

use std::net::SocketAddr;
use std::path::Path;

use tokio::process::Command;

use super::{Api, Page, Server, built, post};
use crate::client::{Answer, Request, Result};
use crate::events::EVENT_BYTES;
use crate::process::{Process, free_address};

/// The program.
pub(super) const PROGRAM: &str = "durable-streams-server";

const STREAMS: &str = "/v1/stream";

/// Starts it.
pub(super) async fn start(program: &Path, folder: &Path) -> Result<Server> {
    let address = free_address()?;
    let mut command = Command::new(program);
    command.args(["--host", &address.ip().to_string(), "--port", &address.port().to_string(), "--durability", "wal"]);
    command.arg("--data-dir").arg(crate::workbench::inside(folder, "data")?);
    let process = Process::start(command, address, "/health", &folder.join("server.log")).await?;
    Ok(Server { process, api: Box::new(DurableStreams { host: address }) })
}

#[derive(Debug)]
struct DurableStreams {
    host: SocketAddr,
}

impl Api for DurableStreams {
    fn create(&self, stream: &str) -> Vec<Request> {
        let request = http::Request::put(format!("{STREAMS}/{stream}")).header("host", self.host.to_string());
        vec![built(request.header("content-type", "application/json"), String::new())]
    }

    fn append(&self, _connection: usize, stream: &str, events: &[String]) -> Request {
        let body = match events {
            [event] => event.clone(),
            _ => format!("[{}]", events.join(",")),
        };
        built(post(self.host, &format!("{STREAMS}/{stream}")), body)
    }

    fn read(&self, stream: &str, place: Option<&str>) -> Request {
        let place = place.unwrap_or("-1");
        let request = http::Request::get(format!("{STREAMS}/{stream}?offset={place}"));
        built(request.header("host", self.host.to_string()), String::new())
    }

    /// Messages have no numbers, and all of them one length.
    fn page(&self, answer: &Answer, before: u64) -> Result<Page> {
        let next = answer.headers.get("stream-next-offset").and_then(|offset| offset.to_str().ok());
        let next = next.ok_or("a page that does not say where to go on")?.to_owned();
        let events = answer.body.len().saturating_sub(1) / (EVENT_BYTES + 1);
        Ok(Page { events: before + events as u64, next })
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::events::Events;

    #[test]
    fn messages_are_counted_by_their_length() {
        let body = format!("[{}]", Events::new(10).take(123).join(","));
        let headers = HeaderMap::from_iter([("stream-next-offset".parse().unwrap(), "5_7".parse().unwrap())]);
        let page = DurableStreams { host: SocketAddr::from(([127, 0, 0, 1], 1)) }
            .page(&Answer { headers, body: body.into() }, 1_000)
            .unwrap();
        assert_eq!(page, Page { events: 1_123, next: "5_7".to_owned() });
    }
}
