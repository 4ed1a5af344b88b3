"""Starts MiniStack, an AWS emulator in Python, as `just check-emulator`, `just check-aws` and `just e2e` need it."""

import collections
import contextvars
import datetime
import json
import re
import socketserver

# Answers must leave at once: held back until the client's acknowledgement, each would take 40 ms.
socketserver.StreamRequestHandler.disable_nagle_algorithm = True

from ministack import app  # noqa: E402
from ministack.core import iam_actions, iam_evaluator  # noqa: E402
from ministack.services import apigateway_v1 as gateway  # noqa: E402
from ministack.services import dynamodb  # noqa: E402

# API Gateway takes the values of a change as texts and gives them back as what they are. MiniStack keeps the texts, with
# which no client of AWS can read the API key or the usage plan any more.
TYPES = {
    "/enabled": lambda text: text == "true",
    "/throttle/rateLimit": float,
    "/throttle/burstLimit": int,
}
patch = gateway._apply_patch


def patch_with_types(thing, operations):
    for operation in operations:
        path, value = operation.get("path", ""), operation.get("value")
        if path == "/apiStages" and operation.get("op") == "add":
            api, stage = value.split(":")
            thing["apiStages"] = [*thing.get("apiStages", []), {"apiId": api, "stage": stage}]
        elif path in TYPES and isinstance(value, str):
            patch(thing, [{**operation, "value": TYPES[path](value)}])
        else:
            patch(thing, [operation])
    return thing


gateway._apply_patch = patch_with_types

# MiniStack holds callers to the quota of a usage plan and has no GetUsage, which tells what was counted. What is counted here
# are the requests that it let through to that point; of a quota nothing is told, our plans have none.
counted = collections.Counter()
check_quota = gateway._check_quota
handle = gateway.handle_request


def check_quota_and_count(key, api, stage):
    if key is not None:
        today = datetime.datetime.now(datetime.UTC).date()
        for plan, _, _ in gateway._usage_plans_for_key(key["id"], api, stage):
            counted[plan, key["id"], today] += 1
    return check_quota(key, api, stage)


async def handle_with_usage(method, path, headers, body, query):
    parts = path.strip("/").split("/")
    if method == "GET" and parts[0] == "usageplans" and parts[2:] == ["usage"]:
        first, last = (datetime.date.fromisoformat(gateway._qp(query, name)) for name in ("startDate", "endDate"))
        days = [first + datetime.timedelta(days=number) for number in range((last - first).days + 1)]
        keys = sorted({key for plan, key, day in counted if plan == parts[1] and day in days})
        usage = {key: [[counted[parts[1], key, day], 0] for day in days] for key in keys}
        answer = {"usagePlanId": parts[1], "startDate": str(first), "endDate": str(last), "values": usage}
        return gateway._v1_response(answer)
    return await handle(method, path, headers, body, query)


gateway._check_quota = check_quota_and_count
gateway.handle_request = handle_with_usage

# An API that takes the API key from its authorizer does not look for one in the request, where keys of ours are. MiniStack always
# does, and forgets what the authorizer said.
said = contextvars.ContextVar("usageIdentifierKey", default="")
invoke_authorizer = gateway._invoke_authorizer_lambda
check_api_key = gateway._check_api_key


async def invoke_authorizer_and_note(*arguments):
    result = await invoke_authorizer(*arguments)
    body = (result or {}).get("body")
    try:
        answer = body if isinstance(body, dict) else json.loads(body or "{}")
    except ValueError:
        answer = {}
    said.set(answer.get("usageIdentifierKey") or "" if isinstance(answer, dict) else "")
    return result


def check_api_key_of_authorizer(method, api, stage, headers):
    if gateway._rest_apis[api].get("apiKeySource") == "AUTHORIZER":
        headers = {"x-api-key": said.get()}
    return check_api_key(method, api, stage, headers)


gateway._invoke_authorizer_lambda = invoke_authorizer_and_note
gateway._check_api_key = check_api_key_of_authorizer

# A REST API takes a path apart, and hands it on, as it was sent: an escaped slash is part of a name. MiniStack decodes it first.
sent = contextvars.ContextVar("path as it was sent", default=None)
handle_execute_api = app._handle_execute_api_request
handle_execute = gateway.handle_execute


async def handle_execute_api_as_sent(*arguments, raw_path=None, **further):
    sent.set(raw_path)
    return await handle_execute_api(*arguments, raw_path=raw_path, **further)


async def handle_execute_as_sent(api, stage, method, path, *arguments):
    _, found, rest = (sent.get() or "").partition(f"/{api}/{stage}")
    return await handle_execute(api, stage, method, (rest or "/") if found else path, *arguments)


app._handle_execute_api_request = handle_execute_api_as_sent
gateway.handle_execute = handle_execute_as_sent

# With AUTH=true a role's policy counts, and it may name the partition keys that it allows. MiniStack does not tell its policies
# which keys a request names, and a condition on all of none is true, so each such condition would allow everything. Of a
# transaction each item is authorized as what it does by itself, so each is told its own key.
context_of = iam_actions.dynamodb_service_context
enforce = iam_evaluator.enforce
ITEMS = "items of the transaction"


def partition_key(table):
    """The name of the attribute that is a table's partition key."""
    schema = dynamodb._tables.get(table, {}).get("KeySchema", [])
    return next((key["AttributeName"] for key in schema if key["KeyType"] == "HASH"), None)


def leading_keys(request):
    """The values of partition keys that a request on one table names."""
    name = partition_key(request.get("TableName"))
    for member in ("Key", "Item"):
        yield from request.get(member, {}).get(name, {}).values()
    names = request.get("ExpressionAttributeNames", {})
    for attribute, value in re.findall(r"([#\w]+)\s*=\s*(:\w+)", request.get("KeyConditionExpression", "")):
        if names.get(attribute, attribute) == name:
            yield from request["ExpressionAttributeValues"][value].values()


def context_with_keys(body):
    request = json.loads(body or b"{}")
    items = [
        (f"dynamodb:{kind}Item", key)
        for item in request.get("TransactItems", [])
        for kind, part in item.items()
        for key in leading_keys(part)
    ]
    keys = list(leading_keys(request))
    return context_of(body) | ({ITEMS: items} if items else {}) | ({"dynamodb:LeadingKeys": keys} if keys else {})


def enforce_for_each_item(access_key, action, service, region, resource_arn, service_context=None):
    context = dict(service_context or {})
    items = context.pop(ITEMS, None)
    contexts = [context] if items is None else [
        context | {"dynamodb:LeadingKeys": [key]} for done, key in items if done == action
    ]
    denials = (
        enforce(access_key, action, service, region, resource_arn=resource_arn, service_context=each) for each in contexts
    )
    return next((denied for denied in denials if denied), None)


iam_evaluator.enforce = enforce_for_each_item
iam_actions.dynamodb_service_context = context_with_keys

app.main()
