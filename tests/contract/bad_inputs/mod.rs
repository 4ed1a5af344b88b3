//! B: bad requests, as tables. Each gets its answer, nothing of it is stored, and nothing of it is repeated to whoever
//! reads the answer.

mod bodies;
mod cursors;
mod requests;
mod values;

use serde_json::{Value, json};
use tests::{Answer, Api, Stream};

/// A text that marks what an answer must not repeat.
const CANARY: &str = "cAnArYcAnArY";

/// A bad request and the answer it must get.
struct Row {
    /// What is bad about it.
    name: String,
    method: &'static str,
    /// `{stream}` stands for a stream with one event and the subscription `reader`.
    path: String,
    headers: Vec<(&'static str, Vec<u8>)>,
    body: Vec<u8>,
    status: u16,
    code: &'static str,
}

impl Row {
    fn new(method: &'static str, name: &str, path: impl Into<String>) -> Self {
        let (path, headers, body) = (path.into(), Vec::new(), Vec::new());
        Self { name: name.to_owned(), method, path, headers, body, status: 0, code: "" }
    }

    fn get(name: &str, path: impl Into<String>) -> Self {
        Self::new("GET", name, path)
    }

    fn post(name: &str, path: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..Self::new("POST", name, path) }.header("content-type", "application/json")
    }

    fn publish(name: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::post(name, "/streams/{stream}/events", body)
    }

    fn create(name: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::post(name, "/streams", body)
    }

    fn subscribe(name: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::post(name, "/streams/{stream}/subscriptions", body)
    }

    fn header(mut self, name: &'static str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn gets(self, status: u16, code: &'static str) -> Self {
        Self { status, code, ..self }
    }
}

/// A stream with everything that a bad request might change.
async fn furnished(api: &Api) -> Stream {
    let stream = Stream::create(api, "bad-inputs").await;
    stream.publish(json!([{ "key": "key", "type": "a", "data": 1 }])).await;
    stream.subscribe("reader", json!("earliest")).await;
    stream.compact().await;
    stream
}

/// Everything that can be seen of it, and of the streams beside it.
async fn everything(stream: &Stream) -> Vec<Value> {
    let mut reader = stream.get("/subscriptions/reader").await.ok(200);
    // A cursor is signed anew each time it is given out, perhaps with another time in it.
    reader["cursor"].take();
    reader["lag"]["ms"].take();
    vec![
        stream.get("").await.ok(200),
        reader,
        json!(stream.log(1000).await),
        stream.get("/compacted").await.ok(200)["records"].take(),
        stream.get("/subscriptions").await.ok(200)["subscriptions"].as_array().map(Vec::len).into(),
    ]
}

async fn hold(rows: Vec<Row>) {
    let api = Api::start().await;
    let stream = furnished(&api).await;
    let (before, count) = (everything(&stream).await, count_streams(&api).await);
    let mut faults = Vec::new();
    for row in rows {
        let mut request = api.request(row.method, row.path.replace("{stream}", &stream.name)).body(row.body);
        for (name, value) in row.headers {
            request = request.header(name, value);
        }
        let answer = request.send().await;
        let (status, code) = (answer.status.as_u16(), code(&answer));
        if (status, code.as_str()) != (row.status, row.code) {
            faults.push(format!("{}: {status} {code}, expected {} {}", row.name, row.status, row.code));
        }
        if answer.text().contains(CANARY) || answer.headers.values().any(|value| contains(value.as_bytes())) {
            faults.push(format!("{}: the answer repeats what was sent: {}", row.name, answer.text()));
        }
        // On a server, other tests may create streams meanwhile.
        let created = api.in_this_process() && count_streams(&api).await != count;
        if created || (row.method != "GET" && everything(&stream).await != before) {
            faults.push(format!("{}: something was stored", row.name));
            break;
        }
    }
    assert!(faults.is_empty(), "{} bad inputs were not handled:\n{}", faults.len(), faults.join("\n"));
    assert_eq!(everything(&stream).await, before);
}

async fn count_streams(api: &Api) -> Option<usize> {
    api.get("/streams?limit=1000").await.ok(200)["streams"].as_array().map(Vec::len)
}

fn code(answer: &Answer) -> String {
    answer.json()["code"].as_str().unwrap_or("-").to_owned()
}

fn contains(bytes: &[u8]) -> bool {
    String::from_utf8_lossy(bytes).contains(CANARY)
}
