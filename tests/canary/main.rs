//! Rounds of the canary over HTTP, against the services of this process: that they count when all is right, whatever else
//! goes on, and that each thing that is wrong fails them in a sentence that says where.
//!
//! A round of a service that works is seven requests, one for each step, so a test meddles with the request of a step.

mod front;

use canary::{Canary, Failure, ROUND_MS, SCOPES, Step};
use ledger::{ApiKeyState, Clock, Randomness, Timestamp};
use metrics::LocalRecorderGuard;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use platform::config::Client;
use serde_json::{Value, json};
use tests::api::Api;
use tests::served::serve;

use crate::front::{Meddling, STEPS, meddled};

const SUBSCRIPTION: &str = "/streams/canary/subscriptions/canary";

/// A canary with the key of a client that may do this alone.
struct Cage<'a> {
    api: Api,
    key: String,
    url: String,
    randomness: Randomness,
    snapshotter: Snapshotter,
    _recording: LocalRecorderGuard<'a>,
}

impl<'a> Cage<'a> {
    async fn build(recorder: &'a DebuggingRecorder) -> Self {
        let api = Api::in_process().await;
        Self {
            key: api.app().key(&SCOPES, |_| {}).await,
            url: serve(api.app().router.clone()),
            api,
            randomness: Randomness::seeded(7),
            snapshotter: recorder.snapshotter(),
            _recording: metrics::set_default_local_recorder(recorder),
        }
    }

    fn canary(&self, url: &str) -> Canary {
        Canary::new(&Client { url: url.to_owned(), key: self.key.clone() }).expect("a canary")
    }

    async fn round_at(&self, url: &str) -> Result<(), Failure> {
        let round = self.canary(url).round(&self.api.app().clock, &self.randomness).await;
        assert_eq!(self.counted(), u64::from(round.is_ok()), "it counts what was right: {round:?}");
        round
    }

    /// A round that must find everything right.
    async fn round(&self) {
        self.round_at(&self.url).await.expect("everything is right");
    }

    /// A round in which the request of a step is meddled with.
    async fn round_with(&self, step: Step, meddling: Meddling) -> Result<(), Failure> {
        self.round_at(&serve(meddled(self.api.app().router.clone(), step, meddling))).await
    }

    /// What such a round says.
    async fn sentence(&self, step: Step, meddling: Meddling) -> String {
        let failure = self.round_with(step, meddling).await.expect_err("something is wrong");
        let shown = format!("{failure:?} {failure}");
        assert!(!shown.contains("elk_") && !shown.contains(front::SECRET), "it tells too much: {shown}");
        failure.to_string().strip_prefix("the round failed while ").expect("its first words").to_owned()
    }

    /// Rounds that counted since the last look.
    fn counted(&self) -> u64 {
        let recorded = self.snapshotter.snapshot().into_vec();
        let rounds = recorded.iter().find(|(key, ..)| key.key().name() == "CanaryRounds").map(|(.., value)| value);
        match rounds {
            Some(DebugValue::Counter(count)) => *count,
            other => other.map_or(0, |other| panic!("{other:?}")),
        }
    }

    /// Events that are in nobody's way.
    async fn leave(&self, count: usize) {
        for number in 0..count {
            let event = json!({ "type": "left", "data": number });
            let _ = self.api.post("/streams/canary/events", event).await.ok(201);
        }
    }

    async fn lag(&self) -> Value {
        self.api.get(SUBSCRIPTION).await.ok(200)["lag"]["events"].take()
    }
}

#[tokio::test]
async fn the_first_round_makes_what_is_needed_and_each_one_counts() {
    let recorder = DebuggingRecorder::new();
    let cage = Cage::build(&recorder).await;
    cage.round().await;
    cage.round().await;
    let stream = cage.api.get("/streams/canary").await.ok(200);
    let is = ["partition_count", "retention_hours", "compaction", "events"].map(|name| stream[name].clone());
    assert_eq!(is, [json!(1), json!(1), json!(true), json!(2)]);
    assert_eq!(cage.lag().await, json!(0));
}

#[tokio::test]
async fn what_earlier_rounds_left_is_passed_over() {
    let recorder = DebuggingRecorder::new();
    let cage = Cage::build(&recorder).await;
    cage.round().await;
    cage.leave(3).await;
    cage.round().await;
    assert_eq!(cage.lag().await, json!(0));
    // More than a page of them.
    let many: Vec<_> = (0..600).map(|number| json!({ "type": "left", "data": number })).collect();
    for _ in 0..2 {
        let _ = cage.api.post("/streams/canary/events", json!({ "events": many })).await.ok(201);
    }
    cage.round().await;
    // Nobody came until they had expired.
    cage.leave(2).await;
    cage.api.app().clock.advance(2 * 3_600_000);
    let _ = cage.api.get(format!("{SUBSCRIPTION}/poll")).await.problem(410, "position_expired");
    cage.round().await;
    assert_eq!(cage.lag().await, json!(0));
}

#[tokio::test]
async fn a_round_at_the_same_time_disturbs_none() {
    let recorder = DebuggingRecorder::new();
    let cage = Cage::build(&recorder).await;
    for step in STEPS {
        let (clock, randomness) = (cage.api.app().clock.clone(), cage.randomness.clone());
        let other = Meddling::Round(cage.canary(&cage.url), clock, randomness);
        cage.round_with(step, other).await.expect("both are right");
    }
    assert_eq!(cage.api.get("/streams/canary").await.ok(200)["events"], json!(2 * STEPS.len()));
}

#[tokio::test]
async fn what_is_answered_instead_is_named_with_its_step() {
    let recorder = DebuggingRecorder::new();
    let cage = Cage::build(&recorder).await;
    for step in STEPS {
        let broken = Meddling::Answer(500, json!({ "code": "internal", "detail": front::SECRET }));
        assert_eq!(cage.sentence(step, broken).await, format!("{step}: the answer was 500 internal"));
        // Wherever a round ended, the next one is not held up by it.
        cage.round().await;
    }
    for (step, status, body, told) in [
        (Step::CreateStream, 409, json!({ "code": "stream_deleting" }), "409 stream_deleting"),
        (Step::CreateSubscription, 403, json!({ "message": "Forbidden" }), "403 without a problem code"),
        (Step::Publish, 200, json!(front::SECRET), "200 without a problem code"),
    ] {
        assert_eq!(cage.sentence(step, Meddling::Answer(status, body)).await, format!("{step}: the answer was {told}"));
    }
    let other_definition = Meddling::Answer(409, json!({ "code": "stream_exists" }));
    cage.round_with(Step::CreateStream, other_definition).await.expect("it exists");
}

#[tokio::test]
async fn what_is_not_true_is_named_with_its_step() {
    let recorder = DebuggingRecorder::new();
    let cage = Cage::build(&recorder).await;
    cage.round().await;
    let edit = Meddling::Edit;
    let receipt = json!({ "events": [{ "id": "0-7", "partition": 0, "offset": 7 }], "replayed": false });
    let again = |page: &mut Value| {
        let mut again = page["events"][0].clone();
        again["offset"] = json!(again["offset"].as_u64().expect("an offset") + 1);
        page["events"].as_array_mut().expect("events").push(again);
    };
    for (step, meddling, told) in [
        (
            Step::Publish,
            edit(|receipts| receipts["replayed"] = json!(true)),
            "publishing: the answer was not the one receipt of a new event",
        ),
        (
            Step::Publish,
            Meddling::Answer(201, receipt),
            "polling for its event: the poll had caught up, and the event was not there",
        ),
        (
            Step::Read,
            edit(|page| page["events"] = json!([])),
            "polling for its event: the poll had caught up, and the event was not there",
        ),
        (
            Step::Read,
            edit(|page| page["events"][0]["data"] = json!(front::SECRET)),
            "polling for its event: another event was at the place of its own",
        ),
        (
            Step::Read,
            edit(|page| page["events"][0]["type"] = json!("other")),
            "polling for its event: another event was at the place of its own",
        ),
        (Step::Read, edit(again), "polling for its event: the event was stored again at another place"),
        (
            Step::Read,
            edit(|page| page["cursor"] = json!(null)),
            "polling for its event: the answer was not of its documented shape",
        ),
        (
            Step::Commit,
            edit(|committed| committed["advanced"] = json!(false)),
            "committing: the commit did not advance",
        ),
        (
            Step::Commit,
            Meddling::Answer(200, json!({ "advanced": true })),
            "looking where the commit had led: the event came again after it was committed",
        ),
    ] {
        assert_eq!(cage.sentence(step, meddling).await, told);
        cage.round().await;
    }
    cage.leave(3).await;
    let gap = edit(|page| drop(page["events"].as_array_mut().expect("events").remove(1)));
    let told = "looking where the subscription stands: the events had a gap, or were not in order";
    assert_eq!(cage.sentence(Step::Begin, gap).await, told);
    let turned = edit(|page| page["events"].as_array_mut().expect("events").reverse());
    assert_eq!(cage.sentence(Step::Begin, turned).await, told);
}

#[tokio::test]
async fn a_key_that_is_not_taken_is_named() {
    let recorder = DebuggingRecorder::new();
    let mut cage = Cage::build(&recorder).await;
    cage.key = cage.api.app().key(&SCOPES, |key| key.state = ApiKeyState::Revoked).await;
    let failure = cage.round_at(&cage.url).await.expect_err("it is revoked");
    assert_eq!(failure.to_string(), "the round failed while creating the stream: the answer was 401 unauthenticated");
    // Each scope is needed.
    for (left_out, told) in [
        (0, "creating the stream: the answer was 403 insufficient_scope"),
        (1, "creating the subscription: the answer was 403 insufficient_scope"),
        (2, "publishing: the answer was 403 insufficient_scope"),
        (3, "looking where the subscription stands: the answer was 403 insufficient_scope"),
        (4, "committing: the answer was 403 insufficient_scope"),
    ] {
        let mut scopes = SCOPES.to_vec();
        scopes.remove(left_out);
        cage.key = cage.api.app().key(&scopes, |_| {}).await;
        let failure = cage.round_at(&cage.url).await.expect_err("a scope is missing");
        assert_eq!(failure.to_string(), format!("the round failed while {told}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_is_not_waited_for() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", silent.local_addr().expect("an address"));
    let clock = Clock::simulated(Timestamp(1_800_000_000_000));
    let began = clock.now();
    let canary = Canary::new(&Client { url, key: "elk_test_placeholder".to_owned() }).expect("a canary");
    let failure = canary.round(&clock, &Randomness::seeded(7)).await.expect_err("nobody answers");
    assert_eq!(failure.to_string(), "the round failed while creating the stream: it had no more time");
    assert_eq!(clock.now().since(began), ROUND_MS);
}
