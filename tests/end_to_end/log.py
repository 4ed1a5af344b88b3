"""Whether a line of a function's log holds a text: log.py LOG_GROUP TEXT. The exit code says so."""

import sys

import boto3
import botocore.exceptions

group, text = sys.argv[1:]
logs = boto3.client("logs")
try:
    streams = logs.describe_log_streams(logGroupName=group)["logStreams"]
    found = any(
        text in event["message"]
        for stream in streams
        for event in logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"])["events"]
    )
except botocore.exceptions.ClientError as error:
    sys.exit(str(error))
sys.exit(0 if found else 1)
