//! The edge itself: what API Gateway has of ours, and each step as its calls.
//!
//! Of what is not ours nothing is kept, and values of API keys are never asked for: those of others are secrets.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use aws_sdk_apigateway::Client;
use aws_sdk_apigateway::config::retry::RetryConfig;
use aws_sdk_apigateway::types::{Op, PatchOperation, ThrottleSettings, UsagePlan as Found};
use jiff::civil::Date;
use platform::access::Tier;

use super::steps::{Edge, Names, Step, Throttle, UsageId, UsagePlan};
use crate::environment::Environment;
use crate::failure::{Failure, Result, advice};

/// How much is listed at once; the most that AWS gives.
const PAGE: i32 = 500;
/// The first attempt and its repetitions: AWS takes a few changes a second of an account.
const ATTEMPTS: u32 = 8;
/// The only type of what a usage plan meters.
const API_KEY: &str = "API_KEY";

/// The requests of each day, and what was left of the quota, by what API Gateway calls the usage id.
pub(crate) type Usage = BTreeMap<String, Vec<Vec<i64>>>;

/// The edge of an environment.
#[derive(Debug)]
pub(crate) struct Gateway<'a> {
    client: Client,
    pub(crate) names: Names<'a>,
    environment: &'a str,
}

impl<'a> Gateway<'a> {
    pub(crate) async fn open(environment: &'a Environment) -> Self {
        let shared = platform::config::aws(Some(environment.settings.region.clone())).await;
        let settings = aws_sdk_apigateway::config::Builder::from(&shared)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS));
        let names = Names::of(&environment.name);
        Self { client: Client::from_conf(settings.build()), names, environment: &environment.name }
    }

    /// What it has of ours.
    ///
    /// # Errors
    /// `Refused` when two things have the same name: which one is meant, only a person can tell.
    pub(crate) async fn read(&self) -> Result<Edge> {
        let mut edge = Edge::default();
        let mut plans = self.client.get_usage_plans().limit(PAGE).into_paginator().items().send();
        while let Some(plan) = plans.try_next().await.map_err(failed)? {
            let Some(tier) = plan.name().and_then(|name| self.names.tier(name)) else { continue };
            if edge.plans.insert(tier, known_plan(&plan)?).is_some() {
                return Err(twice("usage plans", &self.names.plan(tier)));
            }
        }
        let mut keys = self.client.get_api_keys().limit(PAGE).into_paginator().items().send();
        while let Some(key) = keys.try_next().await.map_err(failed)? {
            let Some(id) = key.name().and_then(|name| self.names.key(name)) else { continue };
            let gateway_id = present(key.id(), "API key")?;
            let known = UsageId { gateway_id, is_enabled: key.enabled(), plans: BTreeSet::new() };
            if edge.usage_ids.insert(id.to_owned(), known).is_some() {
                return Err(twice("API keys", &self.names.usage_id(id)));
            }
        }
        for (tier, plan) in &edge.plans {
            let members = self.client.get_usage_plan_keys().usage_plan_id(&plan.id).limit(PAGE);
            let mut members = members.into_paginator().items().send();
            while let Some(member) = members.try_next().await.map_err(failed)? {
                let id = member.name().and_then(|name| self.names.key(name));
                let known = id.and_then(|id| edge.usage_ids.get_mut(id));
                // By its own id too: a name alone is anybody's.
                if let Some(known) = known.filter(|known| Some(known.gateway_id.as_str()) == member.id()) {
                    known.plans.insert(*tier);
                }
            }
        }
        Ok(edge)
    }

    /// Takes a step, and notes in what is known of the edge what later steps need.
    pub(super) async fn take(&self, step: &Step, edge: &mut Edge) -> Result<()> {
        match step {
            Step::CreatePlan { tier } => {
                let plan = self.create_plan(*tier).await?;
                edge.plans.insert(*tier, plan);
                Ok(())
            }
            Step::Throttle { tier } => self.throttle(plan_id(edge, *tier)?, Throttle::of(*tier)).await,
            Step::CreateKey { id, client, tier } => {
                let gateway_id = self.create_key(id, client).await?;
                self.join(plan_id(edge, *tier)?, &gateway_id).await
            }
            Step::Enable { id, .. } => self.enable(gateway_id(edge, id)?, true).await,
            Step::Disable { id, .. } => self.enable(gateway_id(edge, id)?, false).await,
            Step::Join { id, tier, .. } => self.join(plan_id(edge, *tier)?, gateway_id(edge, id)?).await,
            Step::Leave { id, tier, .. } => self.leave(plan_id(edge, *tier)?, gateway_id(edge, id)?).await,
            Step::Move { id, from, to, .. } => {
                let (known, to) = (gateway_id(edge, id)?, plan_id(edge, *to)?);
                self.leave(plan_id(edge, *from)?, known).await?;
                self.join(to, known).await
            }
        }
    }

    /// What the usage ids of a plan used from one day to another, both of them included.
    pub(crate) async fn usage(&self, plan: &UsagePlan, from: Date, to: Date) -> Result<Usage> {
        let asked = self.client.get_usage().usage_plan_id(&plan.id).limit(PAGE);
        let asked = asked.start_date(from.to_string()).end_date(to.to_string());
        let days = asked.into_paginator().items().send().try_collect().await.map_err(failed)?;
        Ok(days.into_iter().collect())
    }

    async fn create_plan(&self, tier: Tier) -> Result<UsagePlan> {
        let Throttle { per_second, burst } = Throttle::of(tier);
        let burst = i32::try_from(burst).map_err(failed_to_say)?;
        let throttle = ThrottleSettings::builder().rate_limit(f64::from(per_second)).burst_limit(burst).build();
        let wanted = self.client.create_usage_plan().name(self.names.plan(tier)).throttle(throttle);
        let wanted =
            wanted.description(format!("EventLedger {}: API keys of tier {}", self.environment, tier.as_str()));
        let made = wanted.send().await.map_err(failed)?;
        Ok(UsagePlan {
            id: present(made.id(), "usage plan")?,
            throttle: Some(Throttle::of(tier)),
            has_stages: false,
            has_quota: false,
        })
    }

    async fn throttle(&self, plan: &str, throttle: Throttle) -> Result<()> {
        let replace = |path: &str, value: u32| {
            PatchOperation::builder().op(Op::Replace).path(path).value(value.to_string()).build()
        };
        let change = self.client.update_usage_plan().usage_plan_id(plan);
        let change = change.patch_operations(replace("/throttle/rateLimit", throttle.per_second));
        let change = change.patch_operations(replace("/throttle/burstLimit", throttle.burst));
        change.send().await.map_err(failed).map(drop)
    }

    async fn create_key(&self, id: &str, client: &str) -> Result<String> {
        let wanted = self.client.create_api_key().name(self.names.usage_id(id)).value(self.names.value(id));
        let wanted = wanted.description(format!("EventLedger {}: usage of {client}", self.environment)).enabled(true);
        present(wanted.send().await.map_err(failed)?.id(), "API key")
    }

    async fn enable(&self, key: &str, is_enabled: bool) -> Result<()> {
        let change = PatchOperation::builder().op(Op::Replace).path("/enabled").value(is_enabled.to_string());
        let change = self.client.update_api_key().api_key(key).patch_operations(change.build());
        change.send().await.map_err(failed).map(drop)
    }

    async fn join(&self, plan: &str, key: &str) -> Result<()> {
        let change = self.client.create_usage_plan_key().usage_plan_id(plan).key_id(key).key_type(API_KEY);
        change.send().await.map_err(failed).map(drop)
    }

    async fn leave(&self, plan: &str, key: &str) -> Result<()> {
        let change = self.client.delete_usage_plan_key().usage_plan_id(plan).key_id(key);
        change.send().await.map_err(failed).map(drop)
    }
}

fn known_plan(plan: &Found) -> Result<UsagePlan> {
    let throttle = plan.throttle().and_then(|throttle| {
        let rate = throttle.rate_limit();
        let is_whole = rate.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&rate);
        let burst = u32::try_from(throttle.burst_limit()).ok()?;
        is_whole.then_some(Throttle { per_second: rate as u32, burst })
    });
    Ok(UsagePlan {
        id: present(plan.id(), "usage plan")?,
        throttle,
        has_stages: !plan.api_stages().is_empty(),
        has_quota: plan.quota().is_some_and(|quota| quota.limit() > 0),
    })
}

fn plan_id(edge: &Edge, tier: Tier) -> Result<&str> {
    edge.plans.get(&tier).map(|plan| plan.id.as_str()).ok_or_else(|| unseen(tier.as_str()))
}

fn gateway_id<'e>(edge: &'e Edge, id: &str) -> Result<&'e str> {
    edge.usage_ids.get(id).map(|known| known.gateway_id.as_str()).ok_or_else(|| unseen(id))
}

fn unseen(what: &str) -> Failure {
    Failure::Failed(format!("{what} was not seen at the edge"))
}

fn present(id: Option<&str>, what: &str) -> Result<String> {
    id.map(str::to_owned).ok_or_else(|| Failure::Failed(format!("AWS told of a {what} without an id")))
}

fn twice(what: &str, name: &str) -> Failure {
    Failure::Refused(format!("two {what} of API Gateway are called {name}; delete the wrong one, nothing was written"))
}

fn failed(error: impl std::error::Error + 'static) -> Failure {
    Failure::Failed(format!("API Gateway: {}", advice(&error)))
}

fn failed_to_say(error: impl Display) -> Failure {
    Failure::Failed(error.to_string())
}
