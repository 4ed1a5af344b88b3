//! One run: a world is created and populated, suffers, heals, comes to rest, and is judged.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ledger::limits;
use serde_json::json;

use crate::actors::bootstrapper::Bootstrapper;
use crate::actors::publisher::Publisher;
use crate::actors::subscriber::{Habit, Subscriber};
use crate::actors::{compactor, keys, life, neighbour, operator, reader, time};
use crate::checker;
use crate::client::{Client, Reply};
use crate::counters::Counters;
use crate::process::Service;
use crate::swarm::Leap;
use crate::world::{Inner, RECOVERY_MS, STORE_CALLS_OF_A_STORM, STREAM, World};

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    /// What must never be, each beginning with the number of the rule that it breaks.
    pub(crate) anomalies: Vec<String>,
    pub(crate) counters: Counters,
    pub(crate) store_calls: u64,
    /// Faults that befell calls of the store.
    pub(crate) faults: u64,
    /// Two runs of one seed have the same.
    pub(crate) trace: u64,
}

thread_local! {
    /// Panics of the run of this thread, wherever they were caught.
    static PANICS: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Lets every panic of a run be found in its report, also those that the services turn into an answer.
pub(crate) fn watch_panics() {
    let otherwise = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.with_borrow_mut(|panics| match panics {
            Some(panics) => panics.push(format!("0 a panic: {panic}").replace('\n', ": ")),
            None => otherwise(panic),
        });
    }));
}

/// Runs a seed, by itself on this thread.
///
/// With `told`, everything that happens is written to standard output.
pub(crate) fn run(seed: u64, told: bool) -> Report {
    PANICS.set(Some(Vec::new()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime");
    let world = AssertUnwindSafe(|| runtime.block_on(live(seed, told)));
    let mut report = catch_unwind(world).unwrap_or_default();
    report.anomalies.extend(PANICS.take().unwrap_or_default());
    report
}

async fn live(seed: u64, told: bool) -> Report {
    let (world, rings) = World::create(seed, None, told).await;
    world.0.tell(|| format!("{:?}", world.0.swarm));
    tokio::spawn(compactor::listen(world.clone(), rings));
    life::begin(&world).await;
    let swarm = world.0.swarm.clone();

    let mut busy = tokio::task::JoinSet::new();
    for number in 0..swarm.publishers {
        busy.spawn(Publisher::new(&world, number).run(swarm.requests_each));
    }
    busy.spawn(life::end_and_begin(world.clone()));
    busy.spawn(time::pass(world.clone()));
    busy.spawn(time::sweep_now_and_then(world.clone()));
    if swarm.neighbour {
        busy.spawn(neighbour::fill(world.clone()));
    }
    if swarm.seeks {
        busy.spawn(operator::move_subscriptions(world.clone()));
    }
    if swarm.changes_keys {
        busy.spawn(keys::change(world.clone()));
    }
    if swarm.floods {
        busy.spawn(operator::flood(world.clone()));
    }
    if swarm.poisons {
        busy.spawn(operator::poison(world.clone()));
    }
    let mut readers = populate_with_readers(&world);
    let lived = async {
        suffer(&world, &mut busy).await;
        rest(&world, &mut readers).await;
    };
    let anomalies = tokio::select! {
        biased;
        () = world.0.goes_in_circles() => vec!["22 the run goes in circles".to_owned()],
        () = lived => checker::check(&world),
    };
    Report {
        anomalies,
        counters: world.0.counters(),
        store_calls: world.0.store_calls(),
        faults: world.0.counters().sum("fault "),
        trace: world.0.trace_so_far(),
    }
}

/// Two or more of those who read, in no two runs the same.
fn populate_with_readers(world: &World) -> tokio::task::JoinSet<()> {
    let mut readers = tokio::task::JoinSet::new();
    let dice = &world.0.dice;
    let mut subscriber = |name: &str, subscription: &str, habit: Habit| {
        readers.spawn(Subscriber::new(world, name, subscription, habit).run());
    };
    subscriber("billing", "billing", *dice.one_of(&[Habit::Always, Habit::Sometimes]));
    if dice.chance(500) {
        subscriber("shipping", "shipping", Habit::Sometimes);
    }
    if dice.chance(500) {
        subscriber("audit one", "audit", Habit::Always);
        subscriber("audit two", "audit", Habit::OldCursors);
    }
    if dice.chance(600) {
        readers.spawn(reader::read(world.clone(), "reader".to_owned()));
    }
    readers.spawn(reader::look_up(world.clone()));
    if world.0.swarm.compaction {
        readers.spawn(Bootstrapper::new(world, "state-1").run());
        if dice.chance(400) {
            readers.spawn(Bootstrapper::new(world, "state-2").run());
        }
    }
    readers
}

/// Lets the actors go on; after 60 % of the requests nothing fails any more, and after a storm in which nothing gets done.
async fn suffer(world: &World, busy: &mut tokio::task::JoinSet<()>) {
    let swarm = &world.0.swarm;
    let enough = swarm.publishers * swarm.requests_each * 6 / 10;
    // What stalls goes on to be stalled, so that publishers meet it.
    let heals_early = !swarm.leaps.contains(&Leap::Stall);
    loop {
        tokio::select! {
            biased;
            ended = busy.join_next() => match ended {
                None => break,
                Some(ended) => ended.expect("an actor ends well"),
            },
            () = world.sleep(250) => {}
        }
        let is_enough = || heals_early && world.0.counters().get("requests to publish") >= enough;
        if !world.0.is_healthy() && (is_enough() || world.0.store_calls() >= STORE_CALLS_OF_A_STORM) {
            world.0.heal();
        }
    }
    world.0.heal();
}

/// Thirty seconds after healing everything works; then readers read to the end, and the truth is written down.
pub(crate) async fn rest(world: &World, readers: &mut tokio::task::JoinSet<()>) {
    world.sleep(RECOVERY_MS).await;
    let client = Client::new(world);
    // It goes on after the next sweep.
    probe(&client, &["compactor_stalled"]).await;
    // Whatever was frozen thaws and finds its time over.
    drop(time::quiet(world, 310_000).await);
    if !compactor::keep(world).await {
        world.0.anomaly("22 a sweep fails although nothing else does");
    }
    // Until no service believes any more what was true before the sweep.
    drop(time::quiet(world, limits::CACHE_MS + 10_000).await);
    probe(&client, &[]).await;
    world.sleep(10_000).await;
    world.0.stop();
    let patience = world.sleep(20 * 60_000);
    tokio::pin!(patience);
    loop {
        tokio::select! {
            biased;
            ended = readers.join_next() => match ended {
                None => break,
                Some(ended) => ended.expect("a reader ends well"),
            },
            () = &mut patience => {
                world.0.anomaly(format!("22 {} readers never came to the end of the log", readers.len()));
                break;
            }
        }
    }
    if let Some(life) = time::note_truth(world).await {
        world.0.history().complete.insert(life);
        // What readers spent to come to the end keeps nobody from looking.
        world.sleep(limits::QUOTA_WINDOW_MS + 5_000).await;
        neighbour::look_at(&client).await;
        let described = reader::describe(&client).await.is_some();
        if !(described && checker::state::look_at_everything(&client).await) {
            world.0.anomaly("22 the stream or its compacted state cannot be looked at although nothing fails");
        }
    } else if !world.0.swarm.leaps.contains(&Leap::Neglect) {
        world.0.anomaly("22 the log cannot be read at rest");
    }
    ask_what_nobody_asked(&client).await;
}

/// What no actor ever asks for: compaction now, of a stream that nobody else knows, and whether all is well.
async fn ask_what_nobody_asked(client: &Client) {
    let world = &client.world.0;
    let late = format!("{STREAM}-late");
    let path = |of_it: &str| format!("/streams/{late}/{of_it}");
    let (definition, event) = (json!({ "stream_id": late }), json!({ "key": "a", "type": "t", "data": 1 }));
    let replies = [
        unlimited(world, async || client.admin("POST", "/streams", Some(definition.clone())).await).await,
        unlimited(world, async || client.post(Service::Publish, &path("events"), &[], event.clone()).await).await,
        unlimited(world, async || client.admin("POST", &path("compact"), None).await).await,
        unlimited(world, async || client.get(&path("compacted/a")).await).await,
        client.admin("GET", "/health", None).await,
    ];
    for reply in replies.iter().filter(|reply| !reply.is_ok()) {
        world.anomaly(format!("22 what nobody asked before: {} {}", reply.status(), reply.code()));
    }
}

/// Whatever a client asks now must be done at once, but for these problems.
async fn probe(client: &Client, excused: &[&str]) {
    let world = &client.world.0;
    let mut publisher = Publisher::new(&client.world, u64::MAX);
    let request = publisher.request(&["key-0"], None);
    let reply = unlimited(world, async || publisher.attempt(&request).await).await;
    // Where heads were lost, an operator has to help, and nobody did.
    if !reply.is_ok() && reply.code() != "head_lost" && !excused.contains(&reply.code()) {
        world.anomaly(format!("22 a publish after healing: {} {}", reply.status(), reply.code()));
    }
    let path = format!("/streams/{STREAM}/events?from=earliest&limit=5");
    let reply = unlimited(world, async || client.get(&path).await).await;
    if !reply.is_ok() && reply.code() != "head_lost" {
        world.anomaly(format!("22 a read after healing: {} {}", reply.status(), reply.code()));
    }
    let reply = unlimited(world, async || client.admin("GET", "/streams", None).await).await;
    if !reply.is_ok() {
        world.anomaly(format!("22 a listing after healing: {} {}", reply.status(), reply.code()));
    }
    if !world.swarm.leaps.contains(&Leap::Neglect) {
        probe_a_subscription(client).await;
    }
}

/// A subscription can be made, read, committed and ended.
async fn probe_a_subscription(client: &Client) {
    let world = &client.world.0;
    let all = format!("/streams/{STREAM}/subscriptions");
    let (own, start) = (format!("{all}/probe"), json!({ "subscription_id": "probe", "start_from": "latest" }));
    let created = unlimited(world, async || client.admin("POST", &all, Some(start.clone())).await).await;
    let page = unlimited(world, async || client.get(&format!("{own}/poll")).await).await;
    let cursor = json!({ "cursor": page.body()["cursor"] });
    let commit = async || client.post(Service::Poll, &format!("{own}/commit"), &[], cursor.clone()).await;
    let committed = unlimited(world, commit).await;
    let deleted = unlimited(world, async || client.admin("DELETE", &own, None).await).await;
    for (what, reply) in [("create", created), ("poll", page), ("commit", committed), ("delete", deleted)] {
        if !reply.is_ok() {
            let (status, code) = (reply.status(), reply.code());
            world.anomaly(format!("22 a {what} of a subscription after healing: {status} {code}"));
        }
    }
}

/// Asks again for a few windows where the quota is small: readers that catch up use it too.
async fn unlimited(world: &Inner, mut ask: impl AsyncFnMut() -> Reply) -> Reply {
    for _ in 0..20 {
        let reply = ask().await;
        if reply.status() != 429 || !world.swarm.floods {
            return reply;
        }
        world.clock.sleep(2_000).await;
    }
    ask().await
}
