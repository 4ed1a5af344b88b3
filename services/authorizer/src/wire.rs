//! What API Gateway asks a Lambda authorizer of the type REQUEST, as far as it is looked at, and what it is answered.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

/// A request that wants to be let through.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// The method of the API that was asked for, as IAM names it: `…:<api>/<stage>/<method>/<path>`.
    method_arn: String,
    #[serde(default)]
    multi_value_headers: Option<HashMap<String, Vec<String>>>,
    #[serde(default)]
    request_context: Context,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Context {
    #[serde(default)]
    identity: Identity,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    #[serde(default)]
    source_ip: Option<String>,
}

impl Request {
    /// Its headers; those that are none are passed over.
    pub(crate) fn headers(&self) -> HeaderMap {
        let all = self.multi_value_headers.iter().flatten();
        all.flat_map(|(name, values)| {
            let name = name.parse::<HeaderName>().ok();
            values.iter().filter_map(move |value| Some((name.clone()?, HeaderValue::from_str(value).ok()?)))
        })
        .fold(HeaderMap::new(), |mut headers, (name, value)| {
            headers.append(name, value);
            headers
        })
    }

    /// Where it comes from.
    pub(crate) fn address(&self) -> IpAddr {
        let text = self.request_context.identity.source_ip.as_deref();
        text.and_then(|text| text.parse().ok()).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }

    /// Everything behind the stage: what a client may do there is for the services, and a path of a client's in a policy
    /// could be read as a pattern.
    fn stage(&self) -> String {
        let parts: Vec<&str> = self.method_arn.splitn(3, '/').take(2).collect();
        format!("{}/*", parts.join("/"))
    }
}

/// What is done with a request.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    principal_id: String,
    policy_document: Policy,
    /// What its client is counted by.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_identifier_key: Option<String>,
}

/// A policy in the language of IAM.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Policy {
    version: &'static str,
    statement: [Statement; 1],
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    action: &'static str,
    effect: &'static str,
    resource: String,
}

impl Answer {
    pub(crate) fn allow(request: &Request, usage_id: String, key_id: String) -> Self {
        Self::new("Allow", request, Some(usage_id), key_id)
    }

    pub(crate) fn deny(request: &Request) -> Self {
        Self::new("Deny", request, None, "nobody".to_owned())
    }

    fn new(
        effect: &'static str,
        request: &Request,
        usage_identifier_key: Option<String>,
        principal_id: String,
    ) -> Self {
        let statement = [Statement { action: "execute-api:Invoke", effect, resource: request.stage() }];
        Self { principal_id, policy_document: Policy { version: "2012-10-17", statement }, usage_identifier_key }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_request_is_read() {
        let request: Request = serde_json::from_str(include_str!("../fixtures/request.json")).unwrap();
        assert_eq!(request.headers().get_all("x-api-key").iter().collect::<Vec<_>>(), ["elk_dev_placeholder"]);
        assert_eq!(request.address().to_string(), "192.0.2.1");
        assert_eq!(request.stage(), "arn:aws:execute-api:eu-west-1:123456789012:example/live/*");
    }

    #[test]
    fn a_header_that_came_twice_comes_twice() {
        let text = r#"{"methodArn": "a/live/GET/", "multiValueHeaders": {"X-Api-Key": ["a", "b"], "no name": ["c"]}}"#;
        let request: Request = serde_json::from_str(text).unwrap();
        assert_eq!(request.headers().get_all("x-api-key").iter().count(), 2);
        assert_eq!(request.headers().len(), 2);
    }

    #[test]
    fn who_is_let_in_is_named_and_who_is_not_is_nobody() {
        let request: Request = serde_json::from_str(r#"{"methodArn": "a/live/GET/x/y"}"#).unwrap();
        let told = |answer| serde_json::to_value::<Answer>(answer).unwrap();
        let allowed = told(Answer::allow(&request, "usage".into(), "id".into()));
        assert_eq!(allowed["policyDocument"]["Statement"][0]["Effect"], "Allow");
        assert_eq!(allowed["policyDocument"]["Statement"][0]["Resource"], "a/live/*");
        assert_eq!((&allowed["principalId"], &allowed["usageIdentifierKey"]), (&"id".into(), &"usage".into()));
        let denied = told(Answer::deny(&request));
        assert_eq!(denied["policyDocument"]["Statement"][0]["Effect"], "Deny");
        assert!(denied.get("usageIdentifierKey").is_none());
    }
}
