//! `ledger-lag history` as operators use it: the real program, on a socket that answers as CloudWatch does.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use ledger::{Clock, Timestamp};
use serde_json::{Value, json};

use crate::MINUTE_MS;
use crate::program::Done;

/// What CBOR is made of, as far as it is needed.
mod cbor {
    pub(super) fn map(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let parts: Vec<_> = members.iter().flat_map(|(name, value)| [text(name), value.clone()]).collect();
        [few(0xa0, members.len()), parts.concat()].concat()
    }

    pub(super) fn list(items: &[Vec<u8>]) -> Vec<u8> {
        [few(0x80, items.len()), items.concat()].concat()
    }

    pub(super) fn text(text: &str) -> Vec<u8> {
        [&[0x78, u8::try_from(text.len()).expect("a short text")], text.as_bytes()].concat()
    }

    pub(super) fn number(value: f64) -> Vec<u8> {
        [&[0xfb][..], &value.to_be_bytes()].concat()
    }

    pub(super) fn time(seconds: u64) -> Vec<u8> {
        [&[0xc1, 0x1b][..], &seconds.to_be_bytes()].concat()
    }

    fn few(kind: u8, count: usize) -> Vec<u8> {
        assert!(count < 24, "the short form holds no more");
        vec![kind | u8::try_from(count).expect("a few")]
    }
}

/// A socket that gives these answers, one after the other, and tells what it was asked.
fn answering(answers: Vec<(u16, Vec<u8>)>) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let address = listener.local_addr().expect("an address").to_string();
    let (sender, receiver) = channel();
    // It ends with the test.
    std::thread::spawn(move || {
        for (status, answer) in answers {
            let (connection, _) = listener.accept().expect("a connection");
            sender.send(exchange(connection, status, &answer)).ok();
        }
    });
    (address, receiver)
}

fn exchange(connection: TcpStream, status: u16, answer: &[u8]) -> String {
    let mut reader = BufReader::new(connection);
    let (mut length, mut line) = (0, String::new());
    while reader.read_line(&mut line).expect("a head") > 2 {
        if let Some((name, value)) =
            line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        {
            length = value.trim().parse().unwrap_or_else(|_| panic!("{name} is a number"));
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    let mut connection = reader.into_inner();
    let head = "smithy-protocol: rpc-v2-cbor\r\ncontent-type: application/cbor\r\nconnection: close\r\n";
    write!(connection, "HTTP/1.1 {status} X\r\n{head}content-length: {}\r\n\r\n", answer.len()).expect("sent");
    connection.write_all(answer).expect("sent");
    String::from_utf8_lossy(&body).into_owned()
}

/// A page of the values of lines, each with its minutes before now and the value then.
fn page(lines: &[(&str, &[(u64, f64)])], now: Timestamp, next: Option<&str>) -> (u16, Vec<u8>) {
    let line = |(id, points): &(&str, &[(u64, f64)])| {
        let times: Vec<_> = points.iter().map(|(ago, _)| cbor::time(minute(now, *ago).seconds())).collect();
        let values: Vec<_> = points.iter().map(|(_, value)| cbor::number(*value)).collect();
        let status = ("StatusCode", cbor::text(if next.is_some() { "PartialData" } else { "Complete" }));
        let (times, values) = (("Timestamps", cbor::list(&times)), ("Values", cbor::list(&values)));
        cbor::map(&[("Id", cbor::text(id)), status, times, values])
    };
    let results = ("MetricDataResults", cbor::list(&lines.iter().map(line).collect::<Vec<_>>()));
    let members = [results].into_iter().chain(next.map(|token| ("NextToken", cbor::text(token))));
    (200, cbor::map(&members.collect::<Vec<_>>()))
}

/// The minute so many minutes ago.
fn minute(now: Timestamp, ago: u64) -> Timestamp {
    Timestamp((now.0 / MINUTE_MS - ago) * MINUTE_MS)
}

/// Runs it with credentials of nobody, as where CloudWatch is at an address.
fn history(address: &str, arguments: &[&str]) -> Done {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ledger-lag"));
    command.args(["--env", "dev", "history"]).args(arguments);
    command.env_clear().current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).stdin(Stdio::null());
    command.env("AWS_ENDPOINT_URL", format!("http://{address}"));
    command.env("AWS_ACCESS_KEY_ID", "nobody").env("AWS_SECRET_ACCESS_KEY", "nothing");
    let output = command.output().expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Done { code: output.status.code(), answer: text(output.stdout), errors: text(output.stderr) }
}

#[test]
fn a_history_has_the_points_of_all_pages_and_no_others() {
    let now = Clock::system().now();
    let first = page(&[("line0", &[(30, 90.0), (29, 0.0)])], now, Some("more of it"));
    let (address, asked) = answering(vec![first, page(&[("line0", &[(10, 7.5)])], now, None)]);
    let told = history(&address, &["--since", "1h", "-o", "json"]).exits(0);
    let point = |ago: u64, value: f64| {
        let time = minute(now, ago).to_string();
        json!({ "time": time, "metric": "ConsumerLagSeconds", "status": Value::Null, "value": value })
    };
    assert_eq!(told.json()["points"], json!([point(30, 90.0), point(29, 0.0), point(10, 7.5)]));
    assert!(told.errors.contains("EventLedger/dev"), "{told:?}");
    let asked: Vec<String> = asked.try_iter().collect();
    assert_eq!(asked.len(), 2, "{asked:?}");
    for word in ["EventLedger/dev", "ConsumerLagSeconds", "service", "keeper", "Maximum"] {
        assert!(asked[0].contains(word), "{word}: {asked:?}");
    }
    assert!(asked[1].contains("more of it") && !asked[0].contains("more of it"), "{asked:?}");
}

#[test]
fn a_history_is_drawn_for_people() {
    let now = Clock::system().now();
    let points = &[(30, 2.0), (29, 1.0), (20, 0.0)][..];
    let answer = || vec![page(&[("line1", points), ("line3", &[(30, 40.0)][..])], now, None)];
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("status.svg").display().to_string();
    let (address, asked) = answering(answer());
    let drawn = history(&address, &["--metric", "status", "--since", "1h", "--svg", &file]).exits(0);
    assert!(drawn.answer.starts_with("ConsumersByStatus of dev, highest of each 1m, "), "{drawn:?}");
    assert!(drawn.answer.contains("STOP: highest 2 at") && drawn.answer.contains("WARN: highest 40 at"), "{drawn:?}");
    assert!(drawn.answer.lines().all(|line| line.chars().count() <= 100), "{drawn:?}");
    let asked: String = asked.try_iter().collect();
    assert!(["LOST", "STALL", "consumer_status"].into_iter().all(|word| asked.contains(word)), "{asked:?}");
    let picture = std::fs::read_to_string(&file).expect("a picture");
    assert!(picture.starts_with("<svg ") && picture.trim_end().ends_with("</svg>") && picture.contains("STOP"));
    // Nothing is asked for a picture that cannot be kept.
    let (address, asked) = answering(answer());
    let _ = history(&address, &["--svg", &file]).exits(4);
    assert_eq!(asked.try_iter().count(), 0);
    assert_eq!(std::fs::read_to_string(&file).expect("a picture"), picture);
}

#[test]
fn what_has_no_history_is_told() {
    let (address, _) = answering(vec![page(&[("line0", &[])], Clock::system().now(), None)]);
    let nothing = history(&address, &["--metric", "headroom"]).exits(0);
    assert!(nothing.answer.is_empty() && nothing.errors.contains("does the keeper run"), "{nothing:?}");
    let denied = cbor::map(&[
        ("__type", cbor::text("com.amazonaws.cloudwatch#AccessDeniedException")),
        ("message", cbor::text("not authorized to perform: cloudwatch:GetMetricData")),
    ]);
    let (address, _) = answering(vec![(403, denied)]);
    let failed = history(&address, &[]).exits(1);
    assert!(failed.errors.contains("the credentials lack a permission"), "{failed:?}");
    let local = history(&address, &["--backend", "embedded:./data"]).exits(4);
    assert!(local.errors.contains("use `report`"), "{local:?}");
    let long = history(&address, &["--since", "500d"]).exits(2);
    assert!(long.errors.contains("455"), "{long:?}");
}
