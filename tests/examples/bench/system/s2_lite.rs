//! S2 lite, the self-hosted server of S2 (`s2 lite` of the crate `s2-cli`), on a local folder, which it syncs before it
//! acknowledges. Its REST API with JSON: records are texts in the format `raw`, so each event is one string; pages have a thousand
//! records. It checks no credential.

use std::net::SocketAddr;
use std::path::Path;

use tokio::process::Command;

use super::{Api, Page, Server, built, last_number, post};
use crate::client::{Answer, Request, Result};
use crate::process::{Process, free_address};

/// The program.
pub(super) const PROGRAM: &str = "s2";

/// Streams live in a basin.
const BASIN: &str = "bench-basin";
const BASIN_HEADER: &str = "s2-basin";
/// Records of a page; it gives out no more.
const PAGE: usize = 1_000;

/// Starts it.
pub(super) async fn start(program: &Path, folder: &Path) -> Result<Server> {
    let address = free_address()?;
    let mut command = Command::new(program);
    command.args(["lite", "--no-dashboard", "--port", &address.port().to_string()]);
    command.arg("--local-root").arg(crate::workbench::inside(folder, "data")?);
    let process = Process::start(command, address, "/health", &folder.join("server.log")).await?;
    Ok(Server { process, api: Box::new(S2Lite { host: address }) })
}

#[derive(Debug)]
struct S2Lite {
    host: SocketAddr,
}

impl Api for S2Lite {
    fn create(&self, stream: &str) -> Vec<Request> {
        let basin = format!(r#"{{"basin":"{BASIN}"}}"#);
        let stream = format!(r#"{{"stream":"{stream}"}}"#);
        let of_basin = post(self.host, "/v1/streams").header(BASIN_HEADER, BASIN);
        vec![built(post(self.host, "/v1/basins"), basin), built(of_basin, stream)]
    }

    fn append(&self, _connection: usize, stream: &str, events: &[String]) -> Request {
        let record = |event: &String| serde_json::json!({ "body": event }).to_string();
        let records: Vec<String> = events.iter().map(record).collect();
        let request = post(self.host, &format!("/v1/streams/{stream}/records")).header(BASIN_HEADER, BASIN);
        built(request.header("s2-format", "raw"), format!(r#"{{"records":[{}]}}"#, records.join(",")))
    }

    fn read(&self, stream: &str, place: Option<&str>) -> Request {
        let place = place.unwrap_or("0");
        let request = http::Request::get(format!("/v1/streams/{stream}/records?seq_num={place}&count={PAGE}"));
        let request = request.header("host", self.host.to_string()).header(BASIN_HEADER, BASIN);
        built(request.header("s2-format", "raw").header("accept", "application/json"), String::new())
    }

    fn page(&self, answer: &Answer, _before: u64) -> Result<Page> {
        // Behind the records is the tail, which has a number too.
        let end = answer.body.windows(8).rposition(|window| window == br#","tail":"#).unwrap_or(answer.body.len());
        let last = last_number(&answer.body[..end], r#""seq_num":"#).ok_or("a page without records")?;
        Ok(Page { events: last + 1, next: (last + 1).to_string() })
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    #[test]
    fn a_page_goes_on_after_its_last_record() {
        let body =
            r#"{"records":[{"seq_num":7,"body":"x"},{"seq_num":8,"body":"y"}],"tail":{"seq_num":99,"timestamp":1}}"#;
        let page = |body: &'static str| {
            S2Lite { host: SocketAddr::from(([127, 0, 0, 1], 1)) }
                .page(&Answer { headers: HeaderMap::new(), body: body.into() }, 7)
        };
        assert_eq!(page(body).unwrap(), Page { events: 9, next: "9".to_owned() });
        assert!(page(r#"{"records":[]}"#).is_err());
    }
}
