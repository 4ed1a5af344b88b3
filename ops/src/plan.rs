//! Plans: nothing is changed that was not shown before in the same words, and nothing without a record of who did it and why.

use ledger::{AuditRecord, Change};
use platform::api_key::is_in;
use serde_json::Value;

use crate::desk::Desk;
use crate::failure::{Failure, Result};
use crate::options::Deed;
use crate::output::say;

/// What is going to be done.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The command, as the record has it.
    pub(crate) what: &'static str,
    /// What is changed, such as `api-key/<id>`.
    pub(crate) subject: String,
    /// What is done, step by step.
    pub(crate) steps: Vec<String>,
    /// How it is.
    pub(crate) before: Value,
    /// How it is to become.
    pub(crate) after: Value,
}

impl Desk {
    /// Shows a plan; where it is to be carried out, and may be, lets it be done with its record. False when it was only shown.
    ///
    /// # Errors
    /// `Refused` when it may not be carried out, `Overtaken` when what it was made of has changed, and what doing it answers.
    pub(crate) async fn carry_out(
        &self,
        deed: &Deed,
        plan: &Plan,
        work: impl AsyncFnOnce(&AuditRecord) -> Result<Change>,
    ) -> Result<bool> {
        for step in &plan.steps {
            say(&format!("plan: {step}"));
        }
        if !deed.execute {
            let missing = ["--execute".to_owned()].into_iter().chain(self.missing(deed)).collect::<Vec<_>>();
            say(&format!("nothing was written; repeat the command with {} to do it", missing.join(" ")));
            return Ok(false);
        }
        let record = self.record(deed, plan)?;
        match work(&record).await? {
            Change::Made => {
                for step in &plan.steps {
                    say(&format!("done: {step}"));
                }
                Ok(true)
            }
            Change::Overtaken => Err(Failure::Overtaken(plan.subject.clone())),
        }
    }

    /// The record of a plan that may be carried out.
    fn record(&self, deed: &Deed, plan: &Plan) -> Result<AuditRecord> {
        let name = &self.environment.name;
        let refused = |why: String| Err(Failure::Refused(format!("{why}; nothing was written")));
        if !self.is_certain {
            let file = self.environment.file.as_deref().unwrap_or(std::path::Path::new("settings.json"));
            return refused(format!("{} names no account yet, so this may be another's table", file.display()));
        }
        if let Some(typed) = deed.confirm.as_ref().filter(|typed| *typed != name) {
            return refused(format!("--confirm {typed} is not the name of {name}"));
        }
        let missing = self.missing(deed);
        let (Some(reason), Some(who), true) = (told(&deed.reason), told(&deed.operator), missing.is_empty()) else {
            return refused(format!(
                "it is not done yet, because who does it and why is kept; add {}",
                missing.join(" ")
            ));
        };
        if [&reason, &who].into_iter().any(|text| text.contains(char::is_control)) {
            return refused("--reason and --operator take a line without control characters".to_owned());
        }
        if is_in(&reason) || is_in(&who) {
            return refused("the record would hold an API key for good; write the id of the key instead".to_owned());
        }
        Ok(AuditRecord {
            at: self.ledger.clock().now(),
            id: self.ledger.randomness().hex_id(),
            who,
            what: plan.what.to_owned(),
            subject: plan.subject.clone(),
            before: plan.before.to_string(),
            after: plan.after.to_string(),
            reason,
        })
    }

    /// What a command lacks before it is carried out.
    fn missing(&self, deed: &Deed) -> Vec<String> {
        let confirm = self.environment.settings.protected && deed.confirm.is_none();
        let wanted = [
            (told(&deed.reason).is_none(), "--reason \"...\"".to_owned()),
            (told(&deed.operator).is_none(), "--operator NAME".to_owned()),
            (confirm, format!("--confirm {}", self.environment.name)),
        ];
        wanted.into_iter().filter(|(missing, _)| *missing).map(|(_, option)| option).collect()
    }
}

/// What somebody wrote, if it says anything.
fn told(text: &Option<String>) -> Option<String> {
    text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}
