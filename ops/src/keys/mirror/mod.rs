//! Mirroring keys at a REST edge, so that the usage plans of API Gateway meter their clients.
//!
//! The edge never learns a key: each is mirrored as a usage id, which is derived from the key's id, is no secret and opens
//! nothing. What the edge lacks is decided in [`steps`], and done by [`gateway`]. The table and the edge cannot be changed at
//! once, so the record of what is going to be done is written first, and doing it can be repeated at any time.

pub(super) mod gateway;
pub(super) mod steps;

use ledger::{ApiKeysChange, AuditRecord, Change};
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::environment;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::options::{Common, Deed};
use crate::output::{Row, say};
use crate::plan::Plan;
use gateway::Gateway;
use steps::{Edge, Names, Step, StepRow, Wanted};

/// How much is done at once: all of it is in one record.
const STEPS_AT_ONCE: usize = 500;

/// Keeps the usage plans of a REST edge in step with the keys.
#[derive(Clone, Debug, clap::Args)]
pub struct Mirror {
    #[command(flatten)]
    deed: Deed,
}

impl Row for StepRow {
    const COLUMNS: &'static [&'static str] = &["step", "id", "client", "plan", "from", "done"];

    fn cells(&self) -> Vec<String> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let done = if self.done { "yes" } else { "no" };
        let named = [&self.id, &self.client, &self.plan, &self.from].map(text);
        [&[self.step.to_owned()], &named[..], &[done.to_owned()]].concat()
    }
}

impl Mirror {
    pub(super) async fn run(self, common: &Common, desk: &Desk) -> Result<Exit> {
        must_have_usage_plans(common, desk)?;
        let gateway = Gateway::open(&desk.environment).await;
        let now = desk.ledger.clock().now();
        let keys = desk.ledger.list_api_keys().await?;
        let wanted: Vec<_> = keys.iter().map(|key| Wanted::of(key, now)).collect();
        let mut edge = gateway.read().await?;
        let mut steps = steps::steps(&wanted, &edge);
        let later = steps.split_off(steps.len().min(STEPS_AT_ONCE)).len();
        let done = !steps.is_empty() && {
            let plan = plan(&steps, &edge, &gateway.names, &desk.environment.name);
            let deed = async |record: &AuditRecord| carry_out(desk, &gateway, &steps, &mut edge, record).await;
            Box::pin(desk.carry_out(&self.deed, &plan, deed)).await?
        };
        let rows: Vec<_> = steps.iter().map(|step| step.row(&gateway.names, done)).collect();
        desk.output.rows("mirror_steps", &rows)?;
        if later > 0 {
            say(&format!("{later} steps are left for later; repeat the command"));
        }
        tell_what_is_left_alone(&wanted, &edge, &gateway.names);
        Ok(Exit::Done)
    }
}

/// Insists that the environment has an edge with usage plans.
pub(super) fn must_have_usage_plans(common: &Common, desk: &Desk) -> Result<()> {
    let name = &desk.environment.name;
    if desk.environment.settings.edge != environment::Edge::Rest {
        return Err(Failure::Refused(format!(
            "the edge of {name} is \"http\", which has no usage plans; nothing was written. Environments whose settings.json \
             says \"edge\": \"rest\" have them"
        )));
    }
    if common.backend.is_some() {
        let why = format!("the keys of a local table are none of the edge of {name}");
        return Err(Failure::Refused(format!("{why}; leave out --backend, nothing was written")));
    }
    Ok(())
}

fn plan(steps: &[Step], edge: &Edge, names: &Names<'_>, environment: &str) -> Plan {
    let sentences: Vec<_> = steps.iter().map(|step| step.sentence(names)).collect();
    let known = |step: &Step| -> Option<Value> {
        match step {
            Step::CreatePlan { .. } | Step::CreateKey { .. } => None,
            Step::Throttle { tier } => {
                let throttle = edge.plans.get(tier)?.throttle;
                let told = throttle.map(|known| json!({ "per_second": known.per_second, "burst": known.burst }));
                Some(json!({ "plan": names.plan(*tier), "throttle": told }))
            }
            Step::Enable { id, .. }
            | Step::Disable { id, .. }
            | Step::Join { id, .. }
            | Step::Leave { id, .. }
            | Step::Move { id, .. } => {
                let known = edge.usage_ids.get(id)?;
                let plans: Vec<_> = known.plans.iter().map(|tier| names.plan(*tier)).collect();
                Some(json!({ "usage_id": names.usage_id(id), "enabled": known.is_enabled, "plans": plans }))
            }
        }
    };
    Plan {
        what: "ledger-keys mirror",
        subject: format!("edge/{environment}"),
        before: steps.iter().filter_map(known).collect::<Vec<_>>().into(),
        // How it became can be read from the edge; what was meant to be done cannot.
        after: sentences.clone().into(),
        steps: sentences,
    }
}

/// Writes the record, and then does it, step by step.
async fn carry_out(
    desk: &Desk,
    gateway: &Gateway<'_>,
    steps: &[Step],
    edge: &mut Edge,
    record: &AuditRecord,
) -> Result<Change> {
    // A change of no keys is its record alone.
    if desk.ledger.change_api_keys(&ApiKeysChange::default(), record).await? == Change::Overtaken {
        return Ok(Change::Overtaken);
    }
    for (done, step) in steps.iter().enumerate() {
        if let Err(cause) = gateway.take(step, edge).await {
            for step in &steps[..done] {
                say(&format!("done: {}", step.sentence(&gateway.names)));
            }
            return Err(Failure::Failed(format!(
                "{done} of {} steps are done, and it failed to {}: {cause}. That step may be done, in part too; repeat \
                 the command, which is safe: it looks again, and does the rest",
                steps.len(),
                step.sentence(&gateway.names)
            )));
        }
    }
    Ok(Change::Made)
}

/// Tells what somebody else has to see to.
fn tell_what_is_left_alone(wanted: &[Wanted], edge: &Edge, names: &Names<'_>) {
    for (tier, plan) in &edge.plans {
        if !plan.has_stages {
            say(&format!(
                "the usage plan {} meters no stage yet; adding one is for the infrastructure",
                names.plan(*tier)
            ));
        }
    }
    for id in edge.usage_ids.keys().filter(|id| !wanted.iter().any(|key| key.id == **id)) {
        say(&format!("the table has no key of the usage id {}; it is left alone", names.usage_id(id)));
    }
}
