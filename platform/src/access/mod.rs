//! Access: who asks, whether they may, and how often.
//!
//! [`pass`] stands in front of every handler and goes through its questions in a fixed order: who is it, is it too much, may
//! they do this here, do they take JSON. Nothing of a body is read before.

mod authorizer;
mod caller;
mod failures;
mod keys;
mod known;
mod meter;
mod pause;
mod quotas;
mod scope;
mod share;
mod standing;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, MatchedPath, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{Extensions, HeaderMap};
use ledger::Ledger;

pub use authorizer::Authorizer;
pub use caller::Caller;
use keys::{LetIn, Refusal};
pub(crate) use pause::Pause;
pub use quotas::{Allowance, Quotas, Tier, TierQuotas};
pub use scope::{Action, Scope};
pub use standing::Spending;
pub(crate) use standing::Standings;

use crate::in_flight::Held;
use crate::path::Parameters;
use crate::problem::{Code, Problem, Result};
use crate::telemetry::note;
use crate::{accept, headers, in_flight};

/// What a route asks of its callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// Nothing: anyone may.
    Open,
    /// Any grant on the stream in the path; without one, any valid key.
    AnyGrant,
    /// This action on the stream, and the subscription, in the path; without a stream, on some stream.
    Action(Action),
    /// This action for some subscription of the stream in the path; the handler looks at each.
    ActionForSome(Action),
}

/// The address of the client, where no socket tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// Everything that stands between a request and its handler.
#[derive(Debug)]
pub(crate) struct Gate {
    keys: keys::Keys,
    meter: meter::Meter,
    failures: failures::Failures,
}

impl Gate {
    pub(crate) fn new(ledger: &Ledger, environment: &str, quotas: Quotas) -> Self {
        Self {
            keys: keys::Keys::new(ledger.clone(), environment),
            meter: meter::Meter::new(ledger.clone(), quotas),
            failures: failures::Failures::new(quotas.failures_per_minute, ledger.clock().clone()),
        }
    }

    async fn authenticate(&self, headers: &HeaderMap, address: IpAddr) -> Result<LetIn, Refusal> {
        // Behind a proxy everybody has one address: who guesses must not keep out those who need not.
        if let Err(limited) = self.failures.check(address)
            && !self.keys.recognise(headers)
        {
            note("client", address.to_string());
            return Err(limited.into());
        }
        // Who offers none does not guess.
        let guess = keys::credential(headers).is_some().then(|| self.failures.guess(address));
        let let_in = self.keys.authenticate(headers).await;
        if let_in.as_ref().is_err_and(|refusal| refusal.problem.code() == Code::Unauthenticated) {
            // On call somebody will want to know where they come from.
            note("client", address.to_string());
        } else if let Some(guess) = guess {
            guess.was_none();
        }
        let_in
    }
}

/// Who was let in, for those who wait for something before they tell or change anything.
#[derive(Clone, Debug)]
pub(crate) struct Admitted {
    gate: Arc<Gate>,
    let_in: Arc<LetIn>,
}

impl Admitted {
    /// Insists that it still would be, where that was long ago.
    pub(crate) async fn check_again(&self) -> Result<()> {
        self.gate.keys.check_again(&self.let_in).await
    }
}

/// Lets a request through to its handler, or answers why not.
pub(crate) async fn pass(gate: Arc<Gate>, requirement: Requirement, mut request: Request, next: Next) -> Response {
    if let Err(problem) = headers::check_length(request.headers()) {
        return problem.into_response();
    }
    if requirement == Requirement::Open {
        return match accept::check(request.headers()) {
            Ok(()) => next.run(request).await,
            Err(problem) => problem.into_response(),
        };
    }
    let address = client_address(request.extensions());
    let let_in = match gate.authenticate(request.headers(), address).await {
        Ok(let_in) => let_in,
        Err(refusal) => return refusal.into_response(),
    };
    gate.keys.note_use(&let_in).await;
    let admitted = Admitted { gate: Arc::clone(&gate), let_in: Arc::new(let_in) };
    let caller = admitted.let_in.caller();
    note("key_id", caller.key_id());
    let standings = request.extensions().get::<Standings>().cloned().unwrap_or_default();
    let spending = Spending::new(Arc::clone(&gate), caller.clone(), standings);
    let held = match admit(requirement, caller, &spending, &mut request).await {
        Ok(held) => held,
        Err(problem) => return problem.into_response(),
    };
    let changes_nothing = request.method().is_safe();
    request.extensions_mut().insert(admitted.clone());
    let answer = next.run(request).await;
    if changes_nothing && let Err(problem) = admitted.check_again().await {
        return problem.into_response();
    }
    in_flight::answered(answer, held)
}

async fn admit(
    requirement: Requirement,
    caller: &Caller,
    spending: &Spending,
    request: &mut Request,
) -> Result<Option<Held>> {
    spending.request().await?;
    let held = in_flight::hold(request.extensions(), caller.key_id())?;
    let template = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let parameters = Parameters::read(template, request.uri().path())?;
    authorise(requirement, caller, &parameters)?;
    // What somebody may not know of is not told either: it may be anything, such as a part of a credential.
    if let Some(stream) = &parameters.stream {
        note("stream", stream.as_str());
    }
    if let Some(subscription) = &parameters.subscription {
        note("subscription", subscription.as_str());
    }
    accept::check(request.headers())?;
    request.extensions_mut().insert(parameters);
    request.extensions_mut().insert(caller.clone());
    request.extensions_mut().insert(spending.clone());
    Ok(held)
}

/// A stream that the caller has no grant on is absent to it; on others it is told what it lacks.
fn authorise(requirement: Requirement, caller: &Caller, parameters: &Parameters) -> Result<()> {
    let stream = parameters.stream.as_ref();
    if stream.is_some_and(|stream| !caller.sees(stream)) {
        return Err(Problem::stream_not_found());
    }
    let (allowed, action) = match (requirement, stream) {
        (Requirement::Open | Requirement::AnyGrant, _) => return Ok(()),
        (Requirement::Action(action) | Requirement::ActionForSome(action), None) => {
            (caller.may_somewhere(action), action)
        }
        (Requirement::Action(action), Some(stream)) => {
            (caller.may(action, stream, parameters.subscription.as_ref()), action)
        }
        (Requirement::ActionForSome(action), Some(stream)) => (caller.may_with_some(action, stream), action),
    };
    if allowed { Ok(()) } else { Err(caller::insufficient(action)) }
}

fn client_address(extensions: &Extensions) -> IpAddr {
    let given = extensions.get::<ClientAddress>().map(|address| address.0);
    let connected = extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    given.or(connected).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::model::{StreamName, SubscriptionName};

    fn code(requirement: Requirement, scope: &str, stream: Option<&str>, subscription: Option<&str>) -> Option<Code> {
        let caller = Caller::new("id", vec![Scope::parse(scope).unwrap()], Tier::default());
        let parameters = Parameters {
            stream: stream.map(|name| StreamName::parse(name).unwrap()),
            subscription: subscription.map(|name| SubscriptionName::parse(name).unwrap()),
            key: None,
        };
        authorise(requirement, &caller, &parameters).err().map(|problem| problem.code())
    }

    #[test]
    fn a_stream_without_any_grant_is_absent() {
        for requirement in [Requirement::AnyGrant, Requirement::Action(Action::Poll)] {
            assert_eq!(code(requirement, "poll:orders-*", Some("billing"), None), Some(Code::StreamNotFound));
        }
        assert_eq!(code(Requirement::AnyGrant, "publish:orders", Some("orders"), None), None);
        assert_eq!(code(Requirement::AnyGrant, "publish:orders", None, None), None);
    }

    #[test]
    fn a_grant_of_another_action_is_not_enough() {
        let poll = Requirement::Action(Action::Poll);
        assert_eq!(code(poll, "publish:orders", Some("orders"), None), Some(Code::InsufficientScope));
        assert_eq!(code(poll, "poll:orders:a", Some("orders"), Some("b")), Some(Code::InsufficientScope));
        assert_eq!(code(poll, "poll:orders:a", Some("orders"), None), Some(Code::InsufficientScope));
        assert_eq!(code(poll, "poll:orders:a", Some("orders"), Some("a")), None);
        assert_eq!(code(Requirement::ActionForSome(Action::Poll), "poll:orders:a", Some("orders"), None), None);
        let create = Requirement::Action(Action::StreamAdmin);
        assert_eq!(code(create, "poll:*", None, None), Some(Code::InsufficientScope));
        assert_eq!(code(create, "stream.admin:a*", None, None), None);
    }
}
