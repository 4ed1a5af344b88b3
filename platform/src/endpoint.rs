//! Endpoints: the single truth from which both the router and the OpenAPI document are made.
//!
//! A service lists its endpoints once. An endpoint cannot be built without saying what it asks of its callers, so nothing
//! is open by omission. [`Routes::router`] is the one place where the middleware is stacked.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use http::Method;
use ledger::Ledger;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use tower_http::catch_panic::CatchPanicLayer;

use crate::access::{self, Action, Gate, Quotas, Requirement};
use crate::in_flight::{self, InFlight, Places};
use crate::problem::{Code, Result};
use crate::telemetry::{Telemetry, note};
use crate::{edge, url};

/// Makes the schema of one type.
pub(crate) type MakeSchema = fn(&mut SchemaGenerator) -> Schema;

/// An answer that is a success.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) description: &'static str,
    pub(crate) schema: Option<MakeSchema>,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) links: Vec<Link>,
}

/// What to do next with an answer: an operation, and where in the answer or its request its parameters are, in the
/// runtime expressions of OpenAPI.
#[derive(Clone, Debug)]
pub struct Link {
    pub(crate) operation_id: &'static str,
    pub(crate) parameters: Vec<(&'static str, &'static str)>,
    pub(crate) body: Option<(&'static str, &'static str)>,
}

impl Link {
    /// A link to an operation.
    #[must_use]
    pub fn to(operation_id: &'static str) -> Self {
        Self { operation_id, parameters: Vec::new(), body: None }
    }

    /// A parameter of the operation.
    #[must_use]
    pub fn with(mut self, parameter: &'static str, expression: &'static str) -> Self {
        self.parameters.push((parameter, expression));
        self
    }

    /// The one member of the body.
    #[must_use]
    pub fn sending(mut self, member: &'static str, expression: &'static str) -> Self {
        self.body = Some((member, expression));
        self
    }
}

/// A header that is read: its name, what it is for, and its schema.
pub(crate) type ReadHeader = (&'static str, &'static str, MakeSchema);

/// What there is to know about an endpoint.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) operation_id: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) requirement: Requirement,
    pub(crate) body: Option<MakeSchema>,
    pub(crate) query: Option<MakeSchema>,
    pub(crate) headers: Vec<ReadHeader>,
    pub(crate) answers: Vec<Answer>,
    pub(crate) problems: Vec<Code>,
}

/// An endpoint that has not said yet what it asks of its callers.
#[derive(Clone, Debug)]
pub struct Unguarded(Endpoint);

impl Endpoint {
    /// Methods and path, as the routes of API Gateway write them, which name the parts of a path as we do. What answers GET
    /// answers HEAD.
    pub fn routes(&self) -> impl Iterator<Item = String> {
        let methods =
            if self.method == Method::GET { vec![Method::GET, Method::HEAD] } else { vec![self.method.clone()] };
        methods.into_iter().map(|method| format!("{method} {}", self.path))
    }

    /// Whether anyone may, without a key.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.requirement == Requirement::Open
    }

    /// An endpoint for GET.
    #[must_use]
    pub fn get(path: &'static str, operation_id: &'static str, summary: &'static str) -> Unguarded {
        Unguarded::new(Method::GET, path, operation_id, summary)
    }

    /// An endpoint for POST.
    #[must_use]
    pub fn post(path: &'static str, operation_id: &'static str, summary: &'static str) -> Unguarded {
        Unguarded::new(Method::POST, path, operation_id, summary)
    }

    /// An endpoint for DELETE.
    #[must_use]
    pub fn delete(path: &'static str, operation_id: &'static str, summary: &'static str) -> Unguarded {
        Unguarded::new(Method::DELETE, path, operation_id, summary)
    }

    /// It reads a body.
    #[must_use]
    pub fn accepts<T: JsonSchema>(mut self) -> Self {
        self.body = Some(|generator| generator.subschema_for::<T>());
        self
    }

    /// It reads the query.
    #[must_use]
    pub fn asks<T: JsonSchema>(mut self) -> Self {
        self.query = Some(T::json_schema);
        self
    }

    /// It reads a header.
    #[must_use]
    pub fn reads_header(
        mut self,
        name: &'static str,
        description: &'static str,
        schema: fn(&mut SchemaGenerator) -> Schema,
    ) -> Self {
        self.headers.push((name, description, schema));
        self
    }

    /// It answers with a body.
    #[must_use]
    pub fn answers<T: JsonSchema>(mut self, status: u16, description: &'static str) -> Self {
        let schema: MakeSchema = |generator| generator.subschema_for::<T>();
        self.answers.push(Answer { status, description, schema: Some(schema), headers: Vec::new(), links: Vec::new() });
        self
    }

    /// It answers without a body.
    #[must_use]
    pub fn answers_empty(mut self, status: u16, description: &'static str) -> Self {
        self.answers.push(Answer { status, description, schema: None, headers: Vec::new(), links: Vec::new() });
        self
    }

    /// The last answer has a header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, description: &'static str) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.headers.push((name, description));
        }
        self
    }

    /// What the last answer leads to.
    #[must_use]
    pub fn leads_to(mut self, links: impl IntoIterator<Item = Link>) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.links.extend(links);
        }
        self
    }

    /// The problems it answers beside those that every endpoint can.
    #[must_use]
    pub fn problems(mut self, codes: &[Code]) -> Self {
        self.problems.extend(codes);
        self
    }

    /// Completes it with its handler.
    ///
    /// # Panics
    /// Never: the methods that an endpoint can have all have a filter.
    #[must_use]
    pub fn handled_by<T: 'static>(self, handler: impl Handler<T, Ledger>) -> Route {
        let filter = MethodFilter::try_from(self.method.clone()).expect("the method of an endpoint has a filter");
        Route { handler: on(filter, handler), endpoint: self }
    }
}

impl Unguarded {
    fn new(method: Method, path: &'static str, operation_id: &'static str, summary: &'static str) -> Self {
        Self(Endpoint {
            method,
            path,
            operation_id,
            summary,
            requirement: Requirement::Open,
            body: None,
            query: None,
            headers: Vec::new(),
            answers: Vec::new(),
            problems: Vec::new(),
        })
    }

    fn requires(mut self, requirement: Requirement) -> Endpoint {
        self.0.requirement = requirement;
        self.0
    }

    /// Anyone may, without a key.
    #[must_use]
    pub fn open(self) -> Endpoint {
        self.requires(Requirement::Open)
    }

    /// Whoever has any grant on the stream may.
    #[must_use]
    pub fn needs_any_grant(self) -> Endpoint {
        self.requires(Requirement::AnyGrant)
    }

    /// Whoever has this action on what the path names may.
    #[must_use]
    pub fn needs(self, action: Action) -> Endpoint {
        self.requires(Requirement::Action(action))
    }

    /// Whoever has this action for some subscription of the stream may; the handler looks at each.
    #[must_use]
    pub fn needs_for_some(self, action: Action) -> Endpoint {
        self.requires(Requirement::ActionForSome(action))
    }
}

/// An endpoint and its handler.
#[derive(Clone, Debug)]
pub struct Route {
    endpoint: Endpoint,
    handler: MethodRouter<Ledger>,
}

/// The endpoints of one service, or of several.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    routes: Vec<Route>,
    /// What is no part of the API.
    beside: axum::Router<Ledger>,
    in_flight: Option<InFlight>,
}

/// What a process decides about its routers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The environment whose API keys are taken, such as `dev`.
    pub environment: String,
    /// How much callers may ask.
    pub quotas: Quotas,
    /// Where it is told what happened.
    pub telemetry: Telemetry,
}

impl Routes {
    /// These endpoints.
    #[must_use]
    pub fn new(routes: impl IntoIterator<Item = Route>) -> Self {
        Self { routes: routes.into_iter().collect(), ..Self::default() }
    }

    /// These and those of another service.
    #[must_use]
    pub fn merge(mut self, others: Self) -> Self {
        self.routes.extend(others.routes);
        self.beside = self.beside.merge(others.beside);
        self
    }

    /// The same, and a route that is no part of the API: no description lists it and nobody's key is asked for, but it is
    /// answered and told of like every other.
    #[must_use]
    pub fn beside(mut self, path: &str, operation: &'static str, handler: MethodRouter<Ledger>) -> Self {
        self.beside = self.beside.route(path, handler.route_layer(from_fn_with_state(operation, name)));
        self
    }

    /// The same, for a process that takes so many requests at once. Those that need no key are let through always, so that
    /// a busy server still says that it is alive.
    #[must_use]
    pub fn bounded(self, in_flight: InFlight) -> Self {
        Self { in_flight: Some(in_flight), ..self }
    }

    /// What there is to know about each.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.routes.iter().map(|route| &route.endpoint)
    }

    /// The router, with all of the middleware. From outside in: the edge, the deadline, panics, then for each endpoint its
    /// name, the bound on requests at once, its access checks and its handler. Unknown routes and methods are answered
    /// without asking who wants to know. Each layer of the router is cloned with all that is in it for each request, so there
    /// are three, and not one for each of these.
    pub fn router(self, ledger: Ledger, settings: &Settings) -> axum::Router {
        let gate = Arc::new(Gate::new(&ledger, &settings.environment, settings.quotas));
        let places = self.in_flight.map(Places::new);
        let mut router = self.beside;
        for Route { endpoint, handler } in self.routes {
            let Endpoint { path, operation_id, requirement, .. } = endpoint;
            let places = places.clone().filter(|_| requirement != Requirement::Open);
            let door = Door { operation: operation_id, requirement, gate: Arc::clone(&gate), places };
            router = router.route(path, handler.route_layer(from_fn_with_state(Arc::new(door), enter)));
        }
        router
            .fallback(edge::route_not_found)
            .method_not_allowed_fallback(edge::method_not_allowed)
            .layer(CatchPanicLayer::custom(edge::panicked))
            .layer(from_fn_with_state((ledger.clone(), settings.telemetry.clone()), edge::pass))
            .with_state(ledger)
    }
}

/// What stands between the router and a handler.
#[derive(Debug)]
struct Door {
    operation: &'static str,
    requirement: Requirement,
    gate: Arc<Gate>,
    /// None where requests at once are not bounded.
    places: Option<Places>,
}

/// Lets a request through to the handler of its endpoint, or answers why not.
async fn enter(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    if let Err(problem) = named(door.operation, &request) {
        return problem.into_response();
    }
    let admit = |request| access::pass(Arc::clone(&door.gate), door.requirement, request, next);
    match &door.places {
        Some(places) => in_flight::pass(places, request, admit).await,
        None => admit(request).await,
    }
}

/// Lets a request through to what is no part of the API.
async fn name(State(operation): State<&'static str>, request: Request, next: Next) -> Response {
    match named(operation, &request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Notes what is asked for, before anyone can refuse it, and refuses what no URL should be like.
fn named(operation: &'static str, request: &Request) -> Result<()> {
    note("operation", operation);
    url::check(request.uri())
}
