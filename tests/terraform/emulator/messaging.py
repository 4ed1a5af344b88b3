"""Queues of SQS, topics of SNS, and the rules of EventBridge, whose types bear the name of CloudWatch Events."""

import json

from .base import Handler, handles, tag_list


@handles("aws_sqs_queue")
class Queue(Handler):
    replaces = ("name", "name_prefix", "fifo_queue")
    attributes = {
        "delay_seconds": "DelaySeconds",
        "fifo_queue": "FifoQueue",
        "kms_master_key_id": "KmsMasterKeyId",
        "max_message_size": "MaximumMessageSize",
        "message_retention_seconds": "MessageRetentionPeriod",
        "policy": "Policy",
        "receive_wait_time_seconds": "ReceiveMessageWaitTimeSeconds",
        "redrive_policy": "RedrivePolicy",
        "redrive_allow_policy": "RedriveAllowPolicy",
        "sqs_managed_sse_enabled": "SqsManagedSseEnabled",
        "visibility_timeout_seconds": "VisibilityTimeout",
    }
    updates = tuple(name for name in attributes if name != "fifo_queue")

    def texts(self, new, names):
        """The API takes texts only, and knows no queue that is explicitly not a FIFO queue."""
        given = {self.attributes[name]: new[name] for name in names if new[name] not in (None, "")}
        if not given.get("FifoQueue"):
            given.pop("FifoQueue", None)
        return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in given.items()}

    def create(self, new):
        client, name = self.aws.client("sqs"), self.name_of(new)
        url = client.create_queue(
            QueueName=name, Attributes=self.texts(new, self.attributes), tags=new["tags_all"] or {}
        )["QueueUrl"]
        made = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        chosen = {
            "kms_data_key_reuse_period_seconds": 300,
            "sqs_managed_sse_enabled": made.get("SqsManagedSseEnabled") == "true",
        }
        texts = {"policy": "", "redrive_policy": "", "redrive_allow_policy": ""}
        return {"id": url, "url": url, "name": name, "arn": made["QueueArn"], **texts, **chosen}

    def change(self, new, changed):
        self.aws.client("sqs").set_queue_attributes(QueueUrl=new["url"], Attributes=self.texts(new, changed))

    def delete(self, old):
        self.aws.client("sqs").delete_queue(QueueUrl=old["url"])

    def exists(self, old):
        get = self.aws.client("sqs").get_queue_attributes
        return self.is_found(get, "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", QueueUrl=old["url"])


@handles("aws_sqs_queue_policy")
class QueuePolicy(Handler):
    replaces = ("queue_url",)
    updates = ("policy",)

    def create(self, new):
        self.aws.client("sqs").set_queue_attributes(QueueUrl=new["queue_url"], Attributes={"Policy": new["policy"]})
        return {"id": new["queue_url"]}

    def delete(self, old):
        self.aws.client("sqs").set_queue_attributes(QueueUrl=old["queue_url"], Attributes={"Policy": ""})

    def exists(self, old):
        got = self.aws.client("sqs").get_queue_attributes(QueueUrl=old["queue_url"], AttributeNames=["All"])
        return bool(got["Attributes"].get("Policy"))


@handles("aws_sns_topic")
class Topic(Handler):
    replaces = ("name", "name_prefix", "fifo_topic")
    updates = ("display_name", "delivery_policy", "policy", "kms_master_key_id")

    def attributes(self, new):
        return new.camel("display_name", "delivery_policy", "policy", "kms_master_key_id")

    def create(self, new):
        name = self.name_of(new)
        attributes = self.attributes(new) | ({"FifoTopic": "true"} if new["fifo_topic"] else {})
        arn = self.aws.client("sns").create_topic(Name=name, Attributes=attributes, Tags=tag_list(new["tags_all"]))[
            "TopicArn"
        ]
        policy = self.aws.client("sns").get_topic_attributes(TopicArn=arn)["Attributes"].get("Policy", "")
        return {
            "id": arn,
            "arn": arn,
            "name": name,
            "owner": self.aws.account,
            "policy": policy,
            "beginning_archive_time": "",
        }

    def change(self, new, changed):
        for name, value in self.attributes(new).items():
            self.aws.client("sns").set_topic_attributes(TopicArn=new["arn"], AttributeName=name, AttributeValue=value)

    def delete(self, old):
        self.aws.client("sns").delete_topic(TopicArn=old["arn"])

    def exists(self, old):
        return self.is_found(
            self.aws.client("sns").get_topic_attributes, "NotFound", "NotFoundException", TopicArn=old["arn"]
        )


@handles("aws_sns_topic_policy")
class TopicPolicy(Handler):
    replaces = ("arn",)
    updates = ("policy",)

    def create(self, new):
        set_attributes = self.aws.client("sns").set_topic_attributes
        set_attributes(TopicArn=new["arn"], AttributeName="Policy", AttributeValue=new["policy"])
        return {"id": new["arn"], "owner": self.aws.account}

    def delete(self, old):
        # SNS has no way to take a policy away; the provider puts this back, which is what a topic has at first.
        owner = {"Condition": {"StringEquals": {"AWS:SourceOwner": self.aws.account}}}
        statement = {
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": "sns:Publish",
            "Resource": old["arn"],
            **owner,
        }
        policy = json.dumps({"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]})
        set_attributes = self.aws.client("sns").set_topic_attributes
        set_attributes(TopicArn=old["arn"], AttributeName="Policy", AttributeValue=policy)

    def exists(self, old):
        return self.is_found(
            self.aws.client("sns").get_topic_attributes, "NotFound", "NotFoundException", TopicArn=old["arn"]
        )


@handles("aws_sns_topic_subscription")
class Subscription(Handler):
    replaces = ("endpoint", "protocol", "topic_arn")

    def create(self, new):
        attributes = new.camel("filter_policy", "filter_policy_scope", "redrive_policy", "delivery_policy")
        attributes |= {"RawMessageDelivery": "true"} if new["raw_message_delivery"] else {}
        request = new.camel("topic_arn", "protocol", "endpoint")
        arn = self.aws.client("sns").subscribe(**request, Attributes=attributes, ReturnSubscriptionArn=True)[
            "SubscriptionArn"
        ]
        made = self.aws.client("sns").get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
        pending = made.get("PendingConfirmation") == "true"
        state = {
            "pending_confirmation": pending,
            "confirmation_was_authenticated": not pending,
            "filter_policy_scope": "",
        }
        return {"id": arn, "arn": arn, "owner_id": self.aws.account, **state}

    def delete(self, old):
        self.aws.client("sns").unsubscribe(SubscriptionArn=old["arn"])

    def exists(self, old):
        get = self.aws.client("sns").get_subscription_attributes
        return self.is_found(get, "NotFound", "NotFoundException", SubscriptionArn=old["arn"])


@handles("aws_cloudwatch_event_rule")
class EventRule(Handler):
    replaces = ("event_bus_name", "name", "name_prefix")
    updates = ("description", "event_pattern", "schedule_expression", "state", "role_arn")

    def create(self, new):
        name = self.name_of(new)
        request = new.camel(
            "description", "event_bus_name", "event_pattern", "role_arn", "schedule_expression", "state"
        )
        arn = self.aws.client("events").put_rule(Name=name, Tags=tag_list(new["tags_all"]), **request)["RuleArn"]
        bus = new["event_bus_name"]
        return {"id": f"{bus}/{name}" if bus and bus != "default" else name, "name": name, "arn": arn}

    def delete(self, old):
        self.aws.client("events").delete_rule(Name=old["name"], **bus_of(old))

    def exists(self, old):
        describe = self.aws.client("events").describe_rule
        return self.is_found(describe, "ResourceNotFoundException", Name=old["name"], **bus_of(old))


@handles("aws_cloudwatch_event_target")
class EventTarget(Handler):
    replaces = ("event_bus_name", "rule", "target_id")
    updates = ("arn", "input", "input_path", "input_transformer", "retry_policy", "dead_letter_config")

    def create(self, new):
        name = self.name_of(new, "target_id", "target_id")
        target = {"Id": name, **new.camel("arn", "input", "input_path", "role_arn")}
        retries, letters, transformer = (
            new.block(block) for block in ("retry_policy", "dead_letter_config", "input_transformer")
        )
        if retries:
            target["RetryPolicy"] = retries.camel("maximum_event_age_in_seconds", "maximum_retry_attempts")
        if letters:
            target["DeadLetterConfig"] = letters.camel("arn")
        if transformer:
            target["InputTransformer"] = transformer.camel("input_template", InputPathsMap="input_paths")
        answer = self.aws.client("events").put_targets(Targets=[target], **new.camel("rule", "event_bus_name"))
        if answer["FailedEntryCount"]:
            raise RuntimeError(f"the target was not taken: {answer['FailedEntries']}")
        return {"id": f"{new['rule']}-{name}", "target_id": name}

    def delete(self, old):
        self.aws.client("events").remove_targets(Rule=old["rule"], Ids=[old["target_id"]], **bus_of(old))

    def exists(self, old):
        get = self.aws.client("events").list_targets_by_rule
        try:
            targets = get(Rule=old["rule"], **bus_of(old))["Targets"]
        except self.aws.client("events").exceptions.ResourceNotFoundException:
            return False
        return any(target["Id"] == old["target_id"] for target in targets)


def bus_of(old):
    return {"EventBusName": old["event_bus_name"]} if old["event_bus_name"] else {}
