"""The data sources. Only the caller's identity asks the emulator; the others are worked out here."""

import json
import zlib

from .base import Refused

ALLOWED_VERSIONS = ("2008-10-17", "2012-10-17")


def read(type_name, arguments, connection):
    """The attributes that a data source has besides its arguments."""
    if type_name not in SOURCES:
        raise Refused("there is nothing here that reads it")
    return SOURCES[type_name](arguments, connection)


def caller_identity(arguments, connection):
    identity = connection.client("sts").get_caller_identity()
    return {
        "id": identity["Account"],
        "account_id": identity["Account"],
        "arn": identity["Arn"],
        "user_id": identity["UserId"],
    }


def region(arguments, connection):
    name = arguments["region"] or arguments["name"] or connection.region
    return {"id": name, "name": name, "region": name, "description": name, "endpoint": f"ec2.{name}.amazonaws.com"}


def partition(arguments, connection):
    if connection.region.startswith(("cn-", "us-gov-", "us-iso", "eu-iso", "eusc-")):
        raise Refused(f"the partition of {connection.region}")
    return {"id": "aws", "partition": "aws", "dns_suffix": "amazonaws.com", "reverse_dns_prefix": "com.amazonaws"}


def policy_document(arguments, connection):
    """The document as the provider writes it: a list of one as a text, longer ones in reverse order."""
    others = [name for name in ("override_json", "override_policy_documents", "source_json") if arguments[name]]
    if others:
        raise Refused(f"a policy document with {', '.join(others)}")
    version = arguments["version"] or "2012-10-17"
    if version not in ALLOWED_VERSIONS:
        raise Refused(f"a policy document of version {version}")
    statements = []
    for source in arguments["source_policy_documents"] or []:
        written = json.loads(source)["Statement"]
        statements += written if isinstance(written, list) else [written]
    statements += [statement(block) for block in arguments["statement"]]
    named = [each["Sid"] for each in statements if each.get("Sid")]
    if len(named) != len(set(named)):
        raise Refused(f"statements with the same sid: {sorted({sid for sid in named if named.count(sid) > 1})}")
    document = {
        "Version": version,
        **({"Id": arguments["policy_id"]} if arguments["policy_id"] else {}),
        "Statement": statements,
    }
    text, short = json.dumps(document, indent=2), json.dumps(document, separators=(",", ":"))
    return {"id": str(zlib.crc32(text.encode())), "json": text, "minified_json": short, "version": version}


def statement(block):
    effect = block["effect"] or "Allow"
    if effect not in ("Allow", "Deny"):
        raise Refused(f"a statement with the effect {effect}")
    written = {**({"Sid": block["sid"]} if block["sid"] else {}), "Effect": effect}
    lists = {"Action": "actions", "NotAction": "not_actions", "Resource": "resources", "NotResource": "not_resources"}
    written |= {name: one_or_many(block[argument]) for name, argument in lists.items() if block[argument]}
    for name, argument in (("Principal", "principals"), ("NotPrincipal", "not_principals")):
        if block[argument]:
            written[name] = principals(block[argument])
    for condition in block["condition"]:
        values = one_or_many(condition["values"])
        written.setdefault("Condition", {}).setdefault(condition["test"], {})[condition["variable"]] = values
    return written


def one_or_many(values):
    return values[0] if len(values) == 1 else sorted(values, reverse=True)


def principals(blocks):
    if any(block["type"] == "*" for block in blocks):
        return "*"
    identifiers = {}
    for block in blocks:
        identifiers.setdefault(block["type"], []).extend(block["identifiers"])
    return {kind: one_or_many(values) for kind, values in identifiers.items()}


SOURCES = {
    "aws_caller_identity": caller_identity,
    "aws_iam_policy_document": policy_document,
    "aws_partition": partition,
    "aws_region": region,
}
