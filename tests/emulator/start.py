"""Starts MiniStack, an AWS emulator in Python, as `just check-emulator` and `just check-aws` need it."""

import collections
import datetime
import socketserver

# Answers must leave at once: held back until the client's acknowledgement, each would take 40 ms.
socketserver.StreamRequestHandler.disable_nagle_algorithm = True

from ministack.app import main  # noqa: E402
from ministack.services import apigateway_v1 as gateway  # noqa: E402

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

main()
