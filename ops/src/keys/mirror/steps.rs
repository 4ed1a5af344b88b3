//! What is to be done: the keys of the table and the usage plans of the edge are looked at as plain values, and the steps from
//! one to the other are decided here, without a call. Only what carries our names is seen at all, and nothing is ever deleted.

use std::collections::{BTreeMap, BTreeSet};

use ledger::{ApiKey, Timestamp};
use platform::access::{Quotas, Tier};
use platform::api_key::{Standing, usage_identifier_key};
use serde::Serialize;

/// How many characters an id of a key has.
const ID_CHARACTERS: usize = 12;

/// What things of an environment are called at its edge.
#[derive(Clone, Debug)]
pub(crate) struct Names<'a> {
    environment: &'a str,
}

impl<'a> Names<'a> {
    pub(crate) fn of(environment: &'a str) -> Self {
        Self { environment }
    }

    /// The usage plan of a tier.
    pub(crate) fn plan(&self, tier: Tier) -> String {
        format!("eventledger-{}-{}", self.environment, tier.as_str())
    }

    /// The tier of a usage plan, if it is ours.
    pub(crate) fn tier(&self, plan: &str) -> Option<Tier> {
        Tier::ALL.into_iter().find(|tier| self.plan(*tier) == plan)
    }

    /// What the usage id of a key is called.
    pub(crate) fn usage_id(&self, id: &str) -> String {
        format!("eventledger-{}-{id}", self.environment)
    }

    /// The key whose usage id is called so, if it is ours.
    pub(crate) fn key<'t>(&self, usage_id: &'t str) -> Option<&'t str> {
        let id = usage_id.strip_prefix("eventledger-")?.strip_prefix(self.environment)?.strip_prefix('-')?;
        let is_id = id.len() == ID_CHARACTERS && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_id.then_some(id)
    }

    /// What the authorizer gives the edge for a request of this key.
    pub(crate) fn value(&self, id: &str) -> String {
        usage_identifier_key(self.environment, id)
    }
}

/// A key of ours, as far as the edge is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) id: String,
    pub(crate) client: String,
    pub(crate) tier: Tier,
    /// Whether it works, or may later.
    pub(crate) is_live: bool,
}

impl Wanted {
    pub(crate) fn of(key: &ApiKey, now: Timestamp) -> Self {
        Self {
            id: key.id.clone(),
            client: key.client.clone(),
            // As the limits read it.
            tier: Tier::parse(&key.tier).unwrap_or_default(),
            is_live: Standing::of(key, now).is_live(),
        }
    }
}

/// How often the holder of a key of a plan may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Throttle {
    pub(crate) per_second: u32,
    pub(crate) burst: u32,
}

impl Throttle {
    pub(crate) fn of(tier: Tier) -> Self {
        let requests = Quotas::default().of(tier).requests;
        Self { per_second: requests.per_second.get(), burst: requests.burst.get() }
    }
}

/// A usage plan of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UsagePlan {
    /// What API Gateway calls it.
    pub(crate) id: String,
    /// Absent when it has none, or one that our quotas cannot be.
    pub(crate) throttle: Option<Throttle>,
    /// Whether it meters any stage.
    pub(crate) has_stages: bool,
    /// Whether requests are counted down from a quota.
    pub(crate) has_quota: bool,
}

/// The usage id of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UsageId {
    /// What API Gateway calls it.
    pub(crate) gateway_id: String,
    pub(crate) is_enabled: bool,
    /// The plans of ours that it is in.
    pub(crate) plans: BTreeSet<Tier>,
}

/// What is ours at the edge: plans by their tier, usage ids by the id of their key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Edge {
    pub(crate) plans: BTreeMap<Tier, UsagePlan>,
    pub(crate) usage_ids: BTreeMap<String, UsageId>,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    CreatePlan { tier: Tier },
    Throttle { tier: Tier },
    CreateKey { id: String, client: String, tier: Tier },
    Enable { id: String, client: String },
    Disable { id: String, client: String },
    Join { id: String, client: String, tier: Tier },
    Leave { id: String, client: String, tier: Tier },
    Move { id: String, client: String, from: Tier, to: Tier },
}

/// What the edge lacks. Doing all of it leaves nothing to do, and so does doing a part, looking again, and doing the rest.
pub(crate) fn steps(wanted: &[Wanted], edge: &Edge) -> Vec<Step> {
    let mut steps = Vec::new();
    for tier in Tier::ALL {
        match edge.plans.get(&tier) {
            None => steps.push(Step::CreatePlan { tier }),
            Some(plan) if plan.throttle != Some(Throttle::of(tier)) => steps.push(Step::Throttle { tier }),
            Some(_) => {}
        }
    }
    for key in wanted {
        let (id, client, tier) = (key.id.clone(), key.client.clone(), key.tier);
        match edge.usage_ids.get(&key.id) {
            Some(known) if key.is_live => {
                steps.extend(plans(key, &known.plans));
                // Last, so that nothing counts in a plan that it is to leave.
                if !known.is_enabled {
                    steps.push(Step::Enable { id, client });
                }
            }
            Some(known) if known.is_enabled => steps.push(Step::Disable { id, client }),
            None if key.is_live => steps.push(Step::CreateKey { id, client, tier }),
            // It keeps its plan, so that what it used is still told.
            Some(_) | None => {}
        }
    }
    steps
}

/// What puts a key in the plan of its tier and in no other of ours.
fn plans(key: &Wanted, known: &BTreeSet<Tier>) -> Vec<Step> {
    let (id, client, to) = (key.id.clone(), key.client.clone(), key.tier);
    let mut others = known.iter().copied().filter(|tier| *tier != to);
    let first = if known.contains(&to) {
        None
    } else {
        Some(match others.next() {
            Some(from) => Step::Move { id: id.clone(), client: client.clone(), from, to },
            None => Step::Join { id: id.clone(), client: client.clone(), tier: to },
        })
    };
    let leaves: Vec<_> = others.map(|tier| Step::Leave { id: id.clone(), client: client.clone(), tier }).collect();
    // A stage takes a key from one plan only.
    leaves.into_iter().chain(first).collect()
}

/// A step as scripts read it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct StepRow {
    pub(super) step: &'static str,
    pub(super) id: Option<String>,
    pub(super) client: Option<String>,
    pub(super) plan: Option<String>,
    pub(super) from: Option<String>,
    pub(super) done: bool,
}

impl Step {
    /// In words.
    pub(super) fn sentence(&self, names: &Names<'_>) -> String {
        let throttle = |tier: Tier| {
            let Throttle { per_second, burst } = Throttle::of(tier);
            format!("{per_second} requests a second, {burst} at once")
        };
        match self {
            Self::CreatePlan { tier } => format!("create the usage plan {}: {}", names.plan(*tier), throttle(*tier)),
            Self::Throttle { tier } => format!("let the usage plan {} allow {}", names.plan(*tier), throttle(*tier)),
            Self::CreateKey { id, client, tier } => {
                format!("create the usage id {} of {client}, in {}", names.usage_id(id), names.plan(*tier))
            }
            Self::Enable { id, client } => format!("enable the usage id {} of {client}", names.usage_id(id)),
            Self::Disable { id, client } => format!("disable the usage id {} of {client}", names.usage_id(id)),
            Self::Join { id, client, tier } => {
                format!("put the usage id {} of {client} in {}", names.usage_id(id), names.plan(*tier))
            }
            Self::Leave { id, client, tier } => {
                format!("take the usage id {} of {client} out of {}", names.usage_id(id), names.plan(*tier))
            }
            Self::Move { id, client, from, to } => {
                let (from, to) = (names.plan(*from), names.plan(*to));
                format!("move the usage id {} of {client} from {from} to {to}", names.usage_id(id))
            }
        }
    }

    pub(super) fn row(&self, names: &Names<'_>, done: bool) -> StepRow {
        let row = |step, key: Option<(&String, &String)>, plan: Option<Tier>, from: Option<Tier>| StepRow {
            step,
            id: key.map(|(id, _)| id.clone()),
            client: key.map(|(_, client)| client.clone()),
            plan: plan.map(|tier| names.plan(tier)),
            from: from.map(|tier| names.plan(tier)),
            done,
        };
        match self {
            Self::CreatePlan { tier } => row("create plan", None, Some(*tier), None),
            Self::Throttle { tier } => row("throttle plan", None, Some(*tier), None),
            Self::CreateKey { id, client, tier } => row("create key", Some((id, client)), Some(*tier), None),
            Self::Enable { id, client } => row("enable key", Some((id, client)), None, None),
            Self::Disable { id, client } => row("disable key", Some((id, client)), None, None),
            Self::Join { id, client, tier } => row("join plan", Some((id, client)), Some(*tier), None),
            Self::Leave { id, client, tier } => row("leave plan", Some((id, client)), None, Some(*tier)),
            Self::Move { id, client, from, to } => row("move key", Some((id, client)), Some(*to), Some(*from)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a step makes of the edge.
    fn apply(edge: &mut Edge, step: &Step) {
        let usage_id = |edge: &mut Edge, id: &str| edge.usage_ids.remove(id).expect("a usage id");
        let mut put = |id: &str, change: &dyn Fn(&mut UsageId)| {
            let mut known = usage_id(edge, id);
            change(&mut known);
            edge.usage_ids.insert(id.to_owned(), known);
        };
        match step {
            Step::CreatePlan { tier } => {
                assert!(edge.plans.insert(*tier, plan(Some(Throttle::of(*tier)))).is_none(), "{tier:?} twice");
            }
            Step::Throttle { tier } => {
                edge.plans.get_mut(tier).expect("a plan").throttle = Some(Throttle::of(*tier));
            }
            Step::CreateKey { id, tier, .. } => {
                assert!(edge.plans.contains_key(tier));
                let new = UsageId { gateway_id: "new".to_owned(), is_enabled: true, plans: [*tier].into() };
                assert!(edge.usage_ids.insert(id.clone(), new).is_none(), "{id} twice");
            }
            Step::Enable { id, .. } => put(id, &|known| known.is_enabled = true),
            Step::Disable { id, .. } => put(id, &|known| known.is_enabled = false),
            Step::Join { id, tier, .. } => put(id, &|known| assert!(known.plans.insert(*tier))),
            Step::Leave { id, tier, .. } => put(id, &|known| assert!(known.plans.remove(tier))),
            Step::Move { id, from, to, .. } => {
                put(id, &|known| assert!(known.plans.remove(from) && known.plans.insert(*to)));
            }
        }
    }

    fn plan(throttle: Option<Throttle>) -> UsagePlan {
        UsagePlan { id: "plan".to_owned(), throttle, has_stages: false, has_quota: false }
    }

    /// Every way in which the plans can be: each absent, as it should be, or with another throttle.
    fn all_plans() -> Vec<BTreeMap<Tier, UsagePlan>> {
        let wrong = Throttle { per_second: 1, burst: 1 };
        let mut all = vec![BTreeMap::new()];
        for tier in Tier::ALL {
            let with = |throttle| {
                all.iter().cloned().map(move |mut plans: BTreeMap<_, _>| {
                    plans.insert(tier, plan(throttle));
                    plans
                })
            };
            let further: Vec<_> = [Some(Throttle::of(tier)), Some(wrong), None].into_iter().flat_map(with).collect();
            all.extend(further);
        }
        all
    }

    /// Every way in which a usage id can be, with these plans.
    fn all_usage_ids(plans: &BTreeMap<Tier, UsagePlan>) -> Vec<Option<UsageId>> {
        let mut sets = vec![BTreeSet::new()];
        for tier in plans.keys() {
            sets.extend(sets.clone().into_iter().map(|set| set.into_iter().chain([*tier]).collect()));
        }
        let usage_id = |is_enabled| move |plans| Some(UsageId { gateway_id: "known".to_owned(), is_enabled, plans });
        let enabled = sets.clone().into_iter().map(usage_id(true));
        [None].into_iter().chain(enabled).chain(sets.into_iter().map(usage_id(false))).collect()
    }

    #[test]
    fn the_steps_leave_nothing_to_do_wherever_they_were_broken_off() {
        let foreign = UsageId { gateway_id: "other".to_owned(), is_enabled: true, plans: BTreeSet::new() };
        let mut looked_at = 0;
        for plans in all_plans() {
            for usage_id in all_usage_ids(&plans) {
                for (tier, is_live) in Tier::ALL.into_iter().flat_map(|tier| [(tier, true), (tier, false)]) {
                    let wanted = [Wanted { id: "a".to_owned(), client: "c".to_owned(), tier, is_live }];
                    let mut edge = Edge { plans: plans.clone(), ..Edge::default() };
                    edge.usage_ids.extend(usage_id.clone().map(|known| ("a".to_owned(), known)));
                    edge.usage_ids.insert("gone".to_owned(), foreign.clone());
                    let all = steps(&wanted, &edge);
                    for done in 0..=all.len() {
                        let mut edge = edge.clone();
                        all[..done].iter().for_each(|step| apply(&mut edge, step));
                        let rest = steps(&wanted, &edge);
                        assert_eq!(rest, all[done..], "what was done is not done again");
                        rest.iter().for_each(|step| apply(&mut edge, step));
                        assert_eq!(steps(&wanted, &edge), []);
                        let ended = edge.usage_ids.get("a");
                        assert_eq!(ended.is_some_and(|known| known.is_enabled), is_live, "{all:?}");
                        assert!(!is_live || ended.is_some_and(|known| known.plans == [tier].into()), "{all:?}");
                        assert_eq!(ended.is_some(), is_live || usage_id.is_some(), "nothing is made for dead keys");
                        assert_eq!(edge.usage_ids.get("gone"), Some(&foreign), "what has no key is left alone");
                        looked_at += 1;
                    }
                }
            }
        }
        assert!(looked_at > 1_000, "{looked_at}");
    }

    #[test]
    fn names_are_read_back_and_no_others_are_ours() {
        let names = Names::of("dev");
        assert_eq!(names.key(&names.usage_id("3kT9mQ2xW7bZ")), Some("3kT9mQ2xW7bZ"));
        for other in ["eventledger-dev-short", "eventledger-dev2-3kT9mQ2xW7bZ", "billing", "eventledger-dev-standard"] {
            assert_eq!(names.key(other), None, "{other}");
        }
        assert!(Tier::ALL.into_iter().all(|tier| names.tier(&names.plan(tier)) == Some(tier)));
        assert_eq!(Names::of("prod").tier("eventledger-dev-small"), None);
        // The shortest name of an environment there can be.
        let value = Names::of("d").value("3kT9mQ2xW7bZ");
        assert!((20..=128).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{value}");
    }
}
