//! What befalls the store calls of one process: drawn anew for each call, as strong as the run's swarm says, and nothing
//! but a little latency once the world has healed.

use std::sync::{Mutex, MutexGuard, PoisonError, Weak};

use embedded::{CallInfo, Course, Decision, Failure, Fate, Page};
use ledger::model::Incarnation;
use platform::functions::Function;

use crate::history::{Facts, Touched};
use crate::swarm::CallFaults;
use crate::world::Inner;

/// The fate of one process.
pub(crate) struct ProcessFate {
    world: Weak<Inner>,
    name: String,
    /// The Lambda whose role it has.
    function: &'static Function,
    running: Mutex<Running>,
}

/// The invocations that run: most often there is one.
#[derive(Default)]
struct Running {
    facts: Vec<Facts>,
    calls: u64,
    plan: Plan,
    dead: bool,
    /// Until when it is frozen, by the true time.
    frozen_until: u64,
    /// Until when the store cannot be reached, by the true time.
    cut_off_until: u64,
}

/// What shall happen to an invocation, at which of its store calls.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Plan {
    /// The process dies at this call; and whether that is after its effect.
    pub(crate) kill: Option<(u64, bool)>,
    /// The process is frozen at this call, for so long.
    pub(crate) freeze: Option<(u64, u64)>,
    /// The answer to the first write from this call on is lost, and then the store cannot be reached for so long.
    pub(crate) cut_off: Option<(u64, u64)>,
}

impl ProcessFate {
    pub(crate) fn new(world: Weak<Inner>, name: String, function: &'static Function) -> Self {
        Self { world, name, function, running: Mutex::default() }
    }

    /// What its role does not allow, AWS would refuse; and what nobody ever needs, no role should allow.
    fn note_permissions(&self, world: &Inner, call: &CallInfo) {
        if self.running().facts.iter().any(Facts::is_of_an_operator) {
            return;
        }
        let service = self.function.service;
        for access in &call.accesses {
            match self.function.permission(&access.action, &access.partition_key) {
                Some((key, action)) => world.count(permission(service, action, key)),
                None => world.anomaly(format!("0 {service} may not do {} to {}", access.action, access.partition_key)),
            }
        }
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An invocation begins. The plan is that of who finds nobody: what happens, happens to the process.
    pub(crate) fn begin(&self, facts: Facts, plan: Plan) {
        let mut running = self.running();
        if running.facts.is_empty() {
            *running = Running { facts: vec![facts], plan, ..Running::default() };
            return;
        }
        running.facts.push(facts);
        running.note(|touched| touched.shared = true);
    }

    /// One of them ended.
    pub(crate) fn end(&self, facts: &Facts) {
        self.running().facts.retain(|known| !known.is(facts));
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.running().dead
    }

    /// For how long it is still frozen.
    pub(crate) fn frozen_ms(&self) -> u64 {
        let now = self.world.upgrade().map_or(u64::MAX, |world| world.now());
        self.running().frozen_until.saturating_sub(now)
    }

    /// What befalls a call by what shall happen to the invocation, whatever the dice say.
    fn planned(&self, world: &Inner, call: &CallInfo) -> Option<Decision> {
        let mut running = self.running();
        running.calls += 1;
        running.note(|touched| note(touched, call));
        // Where others are with whom it was meant for, it must not befall them when nothing fails any more.
        let plan = if world.swarm.shares && world.is_healthy() { Plan::default() } else { running.plan };
        let (now, Plan { kill, freeze, cut_off }) = (running.calls, plan);
        if let Some((_, pause)) = freeze.filter(|(at, _)| *at == now) {
            world.count("a process was frozen");
            running.frozen_until = world.now() + pause;
        }
        if let Some((_, after)) = kill.filter(|(at, _)| *at == now) {
            world.count(format!("fault kill on {}", call.operation));
            running.dead = true;
            let how = if after { Decision::After } else { Decision::Before };
            return Some(how(Failure::Silence));
        }
        if let Some((_, milliseconds)) = cut_off.filter(|(from, _)| is_write(call) && *from <= now) {
            world.count(format!("fault cut off on {}", call.operation));
            running.plan.cut_off = None;
            running.cut_off_until = world.now() + milliseconds;
            return Some(Decision::After(Failure::Timeout));
        }
        (world.now() < running.cut_off_until).then_some(Decision::Before(Failure::ConnectionReset))
    }
}

impl Running {
    fn note(&self, change: impl Fn(&mut Touched)) {
        self.facts.iter().for_each(|facts| facts.change(&change));
    }
}

/// What it is counted by that a permission was needed.
pub(crate) fn permission(service: &str, action: &str, partition_key: &str) -> String {
    format!("{service} did {action} to {partition_key}")
}

/// Adds a call to what an invocation touched.
fn note(touched: &mut Touched, call: &CallInfo) {
    touched.calls += 1;
    if is_write(call) {
        let key = call.partition_keys.first().cloned().unwrap_or_default();
        touched.writes.push((call.operation.clone(), key, call.update.clone()));
    }
    for key in &call.partition_keys {
        if is_write(call) {
            touched.logs_written.extend(life(key, "LOG#"));
        } else {
            touched.states_read.extend(life(key, "COMPACT#"));
        }
    }
}

/// What reaches the store after so long has no caller any more.
const LATE_MS: u64 = 850;

/// Which life of a stream a partition key belongs to.
pub(crate) fn life(key: &str, prefix: &str) -> Option<Incarnation> {
    Incarnation::parse(key.strip_prefix(prefix)?.split('#').next()?)
}

pub(crate) fn is_write(call: &CallInfo) -> bool {
    matches!(call.operation.as_str(), "PutItem" | "UpdateItem" | "DeleteItem" | "TransactWriteItems")
}

/// Whether a call is about compacted state.
fn is_of_state(call: &CallInfo) -> bool {
    call.partition_keys.iter().any(|key| key.starts_with("COMPACT#"))
}

impl Fate for ProcessFate {
    fn decide(&self, call: &CallInfo) -> Course {
        let Some(world) = self.world.upgrade() else { return Course::default() };
        let planned = self.planned(&world, call);
        let course = draw(&world, call, planned);
        let is_of_a_log = call.partition_keys.iter().any(|key| key.starts_with("LOG#"));
        if matches!(course.decision, Decision::After(_)) && is_write(call) && is_of_a_log {
            self.running().note(|touched| touched.lost_a_reply = true);
        }
        if call.partition_keys.iter().filter(|key| key.starts_with("IDEM#")).count() > 1 {
            world.count("requests shared a write");
            if matches!(course.decision, Decision::After(_)) {
                world.count("a shared write lost its reply");
            }
        }
        world.call_of_the_store();
        self.note_permissions(&world, call);
        world.trace(&[&self.name, &call.operation, &call.partition_keys.join(" "), &format!("{course:?}")]);
        course
    }

    fn dealt_with(&self, call: &CallInfo, status: u16) {
        let Some(world) = self.world.upgrade() else { return };
        world.trace(&[&self.name, &call.operation, &status.to_string()]);
        if status == 200 && is_write(call) {
            world.written(call);
        }
    }
}

/// Draws what befalls a call, whose outcome may be decided already.
fn draw(world: &Inner, call: &CallInfo, planned: Option<Decision>) -> Course {
    let dice = &world.dice;
    let (reaches_ms, returns_ms) = (dice.between(1..=8), dice.between(1..=8));
    let mut course = Course { reaches_ms, returns_ms, decision: planned.unwrap_or_default(), ..Course::default() };
    if !is_write(call) && !call.consistent_read {
        course.staleness_ms = dice.between(0..=2_000);
        if course.staleness_ms > 0 {
            world.count(format!("stale read by {}", call.operation));
        }
    }
    if world.is_healthy() {
        return course;
    }
    if world.swarm.compactor_off && is_write(call) && is_of_state(call) {
        course.decision = planned.unwrap_or(Decision::Before(Failure::Throttled));
        return course;
    }
    let faults = &world.swarm.calls;
    let mut fired = |name: &str, per_mille: u64| {
        let fires = per_mille > 0 && dice.chance(per_mille);
        if fires {
            world.count(format!("fault {name} on {}", call.operation));
        }
        fires
    };
    if is_write(call) {
        draw_for_write(call, faults, &mut fired, &mut course, dice);
    } else if call.operation == "Query" {
        if fired("cut page", faults.cut_page) {
            course.page = Page::Cut(u32::try_from(dice.between(1..=3)).unwrap_or(1));
        } else if fired("empty page", faults.empty_page) {
            course.page = Page::Empty;
        }
    }
    if course.decision == Decision::Proceed && course.reaches_ms < LATE_MS && fired("slow", faults.slow) {
        // On its way there or back, and still within what an attempt may take.
        let slow = if dice.chance(500) { &mut course.reaches_ms } else { &mut course.returns_ms };
        *slow = (*slow).max(dice.between(50..=600));
    }
    let is_late = course.reaches_ms >= LATE_MS;
    if course.decision == Decision::Proceed && !is_late {
        let failures = [
            ("throttle", faults.throttle, Failure::Throttled),
            ("error before", faults.error_before, Failure::ServerError),
            ("reset", faults.reset, Failure::ConnectionReset),
            ("silence", faults.silence, Failure::Silence),
        ];
        if let Some((_, _, failure)) = failures.into_iter().find(|(name, per_mille, _)| fired(name, *per_mille)) {
            course.decision = Decision::Before(failure);
        }
    }
    if course.decision == Decision::Before(Failure::Throttled) && call.transaction_items > 0 && dice.chance(500) {
        (course.decision, course.blamed_items) = (Decision::Before(Failure::TransactionThrottled), dice.bits());
    }
    if course.unseen_items != 0 && !matches!(course.decision, Decision::Before(_)) {
        world.count(format!("fault torn on {}", call.operation));
    }
    course
}

/// What befalls writes only: conflicts, and everything that happens after the effect.
fn draw_for_write(
    call: &CallInfo,
    faults: &CallFaults,
    fired: &mut impl FnMut(&str, u64) -> bool,
    course: &mut Course,
    dice: &crate::dice::Dice,
) {
    // Counted when it comes to pass.
    if call.transaction_items > 0 && dice.chance(faults.torn) {
        course.unseen_items = dice.bits();
        course.returns_ms = dice.between(20..=600);
    }
    let is_open = course.decision == Decision::Proceed;
    if is_open && fired("conflict", faults.conflict) {
        course.decision = Decision::Before(Failure::TransactionConflict);
        // About some of its items, or about all.
        course.blamed_items = if dice.chance(500) { dice.bits() } else { 0 };
    } else if is_open && call.transaction_items > 0 && fired("in progress", faults.in_progress) {
        course.decision = Decision::Before(Failure::TransactionInProgress);
    } else if is_open && fired("error after", faults.error_after) {
        course.decision = Decision::After(Failure::ServerError);
    } else if is_open && fired("lost reply", faults.lost_reply) {
        course.decision = Decision::After(Failure::Timeout);
    } else {
        // A state is kept from going back by what it remembers of deleted keys. What tries that must come after them, so it is
        // later than other writes, and more often late.
        let (times, latest_ms) = if is_of_state(call) { (3, 30_000) } else { (1, 5_000) };
        if fired("zombie", times * faults.zombie) {
            course.reaches_ms = dice.between(LATE_MS..=latest_ms);
        }
    }
}
