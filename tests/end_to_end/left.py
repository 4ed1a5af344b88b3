"""Names what is left of an environment on the emulator, and fails then: left.py PREFIX."""

import sys

import boto3

prefix = sys.argv[1]


def names():
    """What is there, by kind."""
    yield "table", boto3.client("dynamodb").list_tables()["TableNames"]
    yield "function", [each["FunctionName"] for each in boto3.client("lambda").list_functions()["Functions"]]
    yield "role", [each["RoleName"] for each in boto3.client("iam").list_roles()["Roles"]]
    yield "API", [each["Name"] for each in boto3.client("apigatewayv2").get_apis()["Items"]]
    gateway = boto3.client("apigateway")
    yield "REST API", [each["name"] for each in gateway.get_rest_apis(limit=500)["items"]]
    yield "usage plan", [each["name"] for each in gateway.get_usage_plans(limit=500)["items"]]
    yield "usage id", [each["name"] for each in gateway.get_api_keys(limit=500)["items"]]
    yield "rule", [each["Name"] for each in boto3.client("events").list_rules()["Rules"]]
    yield "topic", [each["TopicArn"].split(":")[-1] for each in boto3.client("sns").list_topics()["Topics"]]
    yield "queue", [each.split("/")[-1] for each in boto3.client("sqs").list_queues().get("QueueUrls", [])]
    yield "alarm", [each["AlarmName"] for each in boto3.client("cloudwatch").describe_alarms()["MetricAlarms"]]
    groups = boto3.client("logs").describe_log_groups()["logGroups"]
    yield "log group", [each["logGroupName"].split("/")[-1] for each in groups]


left = [f"{kind} {name}" for kind, found in names() for name in found if name.startswith(prefix)]
sys.exit("\n".join(left) if left else 0)
