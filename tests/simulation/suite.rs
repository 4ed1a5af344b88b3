//! Many seeds, on all processors: what they add up to, and what a person should hear of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use ledger::planted::{Bug, plant};

use crate::counters::Counters;
use crate::run::{Report, run};
use crate::sometimes;

/// What every test run runs. A number and not a time, so that what happened in them is the same everywhere.
const SEEDS: u64 = 500;
/// As many of the crowded ones, which come after them.
const CROWDED: usize = 40;
/// Seeds whose runs are compared between two processes.
const COMPARED: RangeInclusive<u64> = 1..=16;

/// What many seeds came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) seeds: u64,
    pub(crate) store_calls: u64,
    pub(crate) faults: u64,
    pub(crate) counters: Counters,
    /// The anomalies of each seed that has any.
    pub(crate) failing: BTreeMap<u64, Vec<String>>,
    pub(crate) milliseconds: u64,
}

impl Totals {
    fn add(&mut self, seed: u64, report: Report) {
        self.seeds += 1;
        self.store_calls += report.store_calls;
        self.faults += report.faults;
        self.counters.add(&report.counters);
        if !report.anomalies.is_empty() {
            self.failing.insert(seed, report.anomalies);
        }
    }

    /// One line for people.
    pub(crate) fn line(&self) -> String {
        let per_second = self.seeds * 1_000 / self.milliseconds.max(1);
        format!(
            "{} seeds ({per_second}/s), {} store calls, {} faults, {} seeds with anomalies",
            self.seeds,
            self.store_calls,
            self.faults,
            self.failing.len()
        )
    }

    /// Each seed that failed, with how to run it again and what was wrong.
    pub(crate) fn failures(&self) -> String {
        let one = |(seed, anomalies): (&u64, &Vec<String>)| {
            let shown: Vec<String> = anomalies.iter().take(5).map(|anomaly| format!("    {anomaly:.500}")).collect();
            format!("just sim {seed}\n{}", shown.join("\n"))
        };
        self.failing.iter().take(10).map(one).collect::<Vec<_>>().join("\n")
    }
}

/// Does the same on a thread for each processor; what came of each.
pub(crate) fn on_all_processors<T: Send>(work: impl Fn() -> T + Sync) -> Vec<T> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..processors).map(|_| scope.spawn(&work)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread ends well")).collect()
    })
}

/// Runs these seeds in their order, on all processors, while `goes_on` says so; it is asked between seeds.
pub(crate) fn seeds(
    which: impl Iterator<Item = u64> + Send,
    bug: Option<Bug>,
    goes_on: impl Fn(&Totals) -> bool + Sync,
) -> Totals {
    let (which, stopped) = (Mutex::new(which), AtomicBool::new(false));
    let totals = Mutex::new(Totals::default());
    let clock = ledger::Clock::system();
    let began = clock.now();
    on_all_processors(|| {
        plant(bug);
        while !stopped.load(Ordering::SeqCst) {
            let seed = which.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(seed) = seed else { break };
            let report = run(seed, false);
            let mut totals = totals.lock().unwrap_or_else(PoisonError::into_inner);
            totals.add(seed, report);
            totals.milliseconds = clock.now().since(began);
            if !goes_on(&totals) {
                stopped.store(true, Ordering::SeqCst);
            }
        }
    });
    totals.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Five hundred seeds. All must be clean, and everything must have happened.
pub(crate) fn five_hundred() -> Result<(), String> {
    let totals = seeds(1..=SEEDS, None, |_| true);
    println!("{}", totals.line());
    let seldom = sometimes::check(&totals);
    if totals.failing.is_empty() { seldom } else { Err(totals.failures() + "\n" + &seldom.err().unwrap_or_default()) }
}

/// Whether the processes of a seed's run take several requests at once, which then share writes. None of the first five hundred
/// is: they stay what they are, and what the table of planted bugs says of them stays true.
pub(crate) fn is_crowded(seed: u64) -> bool {
    seed > SEEDS && seed.is_multiple_of(3)
}

/// Those that are crowded, from the first one on.
pub(crate) fn crowded() -> impl Iterator<Item = u64> + Send {
    (SEEDS..).filter(|seed| is_crowded(*seed))
}

/// Some that are crowded. All must be clean, and requests must have shared writes, whatever befell those.
pub(crate) fn forty_crowded() -> Result<(), String> {
    let totals = seeds(crowded().take(CROWDED), None, |_| true);
    println!("{}", totals.line());
    let seldom = sometimes::check_crowded(&totals);
    if totals.failing.is_empty() { seldom } else { Err(totals.failures() + "\n" + &seldom.err().unwrap_or_default()) }
}

/// Two processes see the same in the same seeds.
pub(crate) fn is_deterministic() -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let trace = |order: Option<&str>| {
        let answer = Command::new(&program)
            .args(["trace", &COMPARED.start().to_string(), &COMPARED.end().to_string()])
            .args(order)
            .output()
            .map_err(|error| error.to_string())?;
        let text = String::from_utf8(answer.stdout).map_err(|error| error.to_string())?;
        Ok::<_, String>(text.lines().map(str::to_owned).collect::<BTreeSet<_>>())
    };
    // What one seed leaves behind is nothing that the next one sees.
    let (one, other) = (trace(None)?, trace(Some("--backwards"))?);
    if one.len() as u64 != COMPARED.end() - COMPARED.start() + 1 {
        return Err(format!("the traces are not there: {one:?}"));
    }
    if one == other { Ok(()) } else { Err(format!("the same seeds ran differently:\n{one:#?}\n{other:#?}")) }
}

/// What tells the run of each seed from every other.
pub(crate) fn print_traces(seeds: impl Iterator<Item = u64>) {
    for seed in seeds {
        println!("{seed} {:016x}", run(seed, false).trace);
    }
}
