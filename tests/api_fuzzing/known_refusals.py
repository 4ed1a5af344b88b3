"""The check that data which fits the schema is accepted, but for what JSON Schema cannot say: each refusal by its code.

Schemathesis' own `positive_data_acceptance` takes a list of statuses. That would let every 400 and 422 pass; here a
refusal passes only for the reason that is written down.
"""

import re

import schemathesis
from schemathesis.specs.openapi.checks import positive_data_acceptance

# The code of a problem, the JSON pointer of its first error, the operations that give it, and why the schema cannot say it.
KNOWN = [
    ("invalid_cursor", ".*", ".*", "a cursor is signed: no text that anyone makes up is one"),
    ("generation_mismatch", ".*", ".*", "the cursor is older than a seek"),
    ("position_expired", ".*", ".*", "it depends on the time"),
    ("stream_recreated", ".*", ".*", "the cursor is of a deleted stream of the same name"),
    ("idempotency_key_reused", ".*", "POST .*/events", "an earlier request had the same key and another body"),
    ("tail_mismatch", ".*", "POST .*/events", "`If-Match` is compared with what was published before"),
    ("invalid_header", "/if-match", "POST .*/events", "the coverage phase takes texts for valid that do not match a pattern with quotes"),
    ("invalid_query", "/from", ".*", "`cursor` and `from` exclude each other; OpenAPI describes parameters one by one"),
    ("invalid_query", "/(prefix|after)", ".*", "512 bytes of UTF-8; JSON Schema counts characters"),
    ("invalid_path", "", ".*", "a key of 512 bytes of UTF-8; JSON Schema counts characters"),
    ("validation_failed", "(/events/[0-9]+)?/key", ".*", "a key of 512 bytes of UTF-8; JSON Schema counts characters"),
    ("validation_failed", "(/events/[0-9]+)?/headers", ".*", "4 KiB of UTF-8 over all headers"),
    ("validation_failed", "", ".*/(compact|compacted|compacted/.*|subscriptions|subscriptions/.*)", "a stream without compaction has no state to read"),
    ("validation_failed", "/events", "POST .*/events", "`If-Match` is for events that go to one partition"),
    ("payload_too_large", ".*", "POST .*", "limits in bytes of the whole body"),
]


@schemathesis.hook
def map_query(ctx, query):
    """Waiting polls wait a second at most: the longer ones would take nearly all of the time, for one more answer."""
    if query and isinstance(query.get("wait"), int) and 1 < query["wait"] <= 20:
        query["wait"] = 1
    return query


@schemathesis.check
def valid_data_acceptance(ctx, response, case):
    """Valid data is accepted, or refused for a reason that is listed."""
    if 400 <= response.status_code < 500 and "problem+json" in response.headers.get("content-type", [""])[0]:
        problem = response.json()
        errors = problem["errors"] or [{"pointer": ""}]
        for code, pointer, operation, _ in KNOWN:
            subjects = [(pointer, errors[0]["pointer"]), (operation, case.operation.label)]
            if problem["code"] == code and all(re.fullmatch(*subject) for subject in subjects):
                return None
    return positive_data_acceptance(ctx, response, case)
