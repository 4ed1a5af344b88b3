"""Lambda functions, what calls them and what they may: roles and their policies, event sources, permissions; and log groups."""

import pathlib

from .base import Handler, Refused, handles, tag_list

# What changes with a function's configuration, and not with its code.
IN_FUNCTION = (
    "dead_letter_config description environment ephemeral_storage handler layers logging_config memory_size role runtime timeout "
    "tracing_config"
).split()
# What changes with its code.
CODE = ("filename", "source_code_hash", "architectures")


def invoke_arn(aws, arn):
    """What API Gateway calls of a function."""
    return f"arn:aws:apigateway:{aws.region}:lambda:path/2015-03-31/functions/{arn}/invocations"


@handles("aws_iam_role")
class Role(Handler):
    replaces = ("name", "name_prefix")
    updates = ("assume_role_policy",)

    def create(self, new):
        client, name = self.aws.client("iam"), self.name_of(new)
        request = new.camel("description", "path", "permissions_boundary", "max_session_duration")
        request["AssumeRolePolicyDocument"] = new["assume_role_policy"]
        made = client.create_role(RoleName=name, Tags=tag_list(new["tags_all"]), **request)["Role"]
        return {
            "id": name,
            "name": name,
            "arn": made["Arn"],
            "unique_id": made["RoleId"],
            "create_date": str(made["CreateDate"]),
        }

    def change(self, new, changed):
        document = new["assume_role_policy"]
        self.aws.client("iam").update_assume_role_policy(RoleName=new["name"], PolicyDocument=document)

    def delete(self, old):
        self.aws.client("iam").delete_role(RoleName=old["name"])

    def exists(self, old):
        return self.is_found(self.aws.client("iam").get_role, "NoSuchEntity", RoleName=old["name"])


@handles("aws_iam_role_policy")
class RolePolicy(Handler):
    replaces = ("name", "name_prefix", "role")
    updates = ("policy",)

    def create(self, new):
        name = self.name_of(new)
        self.aws.client("iam").put_role_policy(RoleName=new["role"], PolicyName=name, PolicyDocument=new["policy"])
        return {"id": f"{new['role']}:{name}", "name": name}

    def delete(self, old):
        self.aws.client("iam").delete_role_policy(RoleName=old["role"], PolicyName=old["name"])

    def exists(self, old):
        get = self.aws.client("iam").get_role_policy
        return self.is_found(get, "NoSuchEntity", RoleName=old["role"], PolicyName=old["name"])


@handles("aws_iam_role_policy_attachment")
class RolePolicyAttachment(Handler):
    replaces = ("role", "policy_arn")

    def create(self, new):
        self.aws.client("iam").attach_role_policy(RoleName=new["role"], PolicyArn=new["policy_arn"])
        return {"id": f"{new['role']}/{new['policy_arn']}"}

    def delete(self, old):
        self.aws.client("iam").detach_role_policy(RoleName=old["role"], PolicyArn=old["policy_arn"])

    def exists(self, old):
        pages = self.aws.client("iam").get_paginator("list_attached_role_policies").paginate(RoleName=old["role"])
        return any(each["PolicyArn"] == old["policy_arn"] for page in pages for each in page["AttachedPolicies"])


@handles("aws_cloudwatch_log_group")
class LogGroup(Handler):
    replaces = ("name", "name_prefix")
    updates = ("retention_in_days",)

    def create(self, new):
        name, tags = self.name_of(new), new["tags_all"]
        self.aws.client("logs").create_log_group(
            logGroupName=name, **new.lower_camel("log_group_class", "kms_key_id"), **({"tags": tags} if tags else {})
        )
        self.retention(name, new["retention_in_days"])
        arn = f"arn:aws:logs:{self.aws.region}:{self.aws.account}:log-group:{name}"
        return {
            "id": name,
            "name": name,
            "arn": arn,
            "log_group_class": "STANDARD",
            "deletion_protection_enabled": False,
        }

    def retention(self, name, days):
        if days:
            self.aws.client("logs").put_retention_policy(logGroupName=name, retentionInDays=days)
        else:
            self.aws.client("logs").delete_retention_policy(logGroupName=name)

    def change(self, new, changed):
        self.retention(new["name"], new["retention_in_days"])

    def delete(self, old):
        self.aws.client("logs").delete_log_group(logGroupName=old["name"])

    def exists(self, old):
        groups = self.aws.client("logs").describe_log_groups(logGroupNamePrefix=old["name"])["logGroups"]
        return any(group["logGroupName"] == old["name"] for group in groups)


@handles("aws_lambda_function")
class Function(Handler):
    replaces = ("function_name",)
    updates = (*IN_FUNCTION, *CODE, "reserved_concurrent_executions")

    def create(self, new):
        client, name = self.aws.client("lambda"), new["function_name"]
        request = self.configuration(new) | new.camel("architectures", "package_type", "publish")
        # The service knows a function without a type of package as a zip, and so does the provider.
        made = client.create_function(
            FunctionName=name, Code={"ZipFile": self.zip(new)}, Tags=new["tags_all"] or {}, **request
        )
        client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
        self.concurrency(new)
        arn = made["FunctionArn"]
        return {
            "id": name,
            "arn": arn,
            "invoke_arn": invoke_arn(self.aws, arn),
            **self.version(arn, made["Version"]),
            "architectures": made["Architectures"],
            "code_sha256": made["CodeSha256"],
            "source_code_hash": made["CodeSha256"],
            "source_code_size": made["CodeSize"],
            "last_modified": made["LastModified"],
        }

    def version(self, arn, version):
        qualified = f"{arn}:{version}"
        return {
            "qualified_arn": qualified,
            "qualified_invoke_arn": invoke_arn(self.aws, qualified),
            "version": version,
        }

    @staticmethod
    def renewed(new, old):
        published = new["publish"] and any(new[name] != old[name] for name in (*CODE, *IN_FUNCTION))
        return ("qualified_arn", "qualified_invoke_arn", "version") if published else ()

    @staticmethod
    def configuration(new):
        request = new.camel("description", "handler", "layers", "memory_size", "role", "runtime", "timeout")
        environment, logging, letters = (
            new.block(name) for name in ("environment", "logging_config", "dead_letter_config")
        )
        tracing, storage = new.block("tracing_config"), new.block("ephemeral_storage")
        request["Environment"] = {"Variables": environment["variables"] or {} if environment else {}}
        if logging:
            request["LoggingConfig"] = logging.camel(
                "application_log_level", "log_format", "log_group", "system_log_level"
            )
        if letters:
            request["DeadLetterConfig"] = letters.camel("target_arn")
        if tracing:
            request["TracingConfig"] = tracing.camel("mode")
        if storage:
            request["EphemeralStorage"] = storage.camel("size")
        return request

    @staticmethod
    def zip(new):
        if not new["filename"]:
            raise Refused("a function without `filename`, and only a file can be its code here")
        return pathlib.Path(new["filename"]).read_bytes()

    def concurrency(self, new):
        reserved, client, name = new["reserved_concurrent_executions"], self.aws.client("lambda"), new["function_name"]
        # The provider's default, -1, means that nothing is reserved.
        if reserved is not None and reserved >= 0:
            client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=reserved)

    def change(self, new, changed):
        client, name = self.aws.client("lambda"), new["function_name"]
        if changed & set(CODE):
            client.update_function_code(FunctionName=name, ZipFile=self.zip(new), **new.camel("architectures"))
            client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
        if changed & set(IN_FUNCTION):
            client.update_function_configuration(FunctionName=name, **self.configuration(new))
            client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
        if "reserved_concurrent_executions" in changed:
            client.delete_function_concurrency(FunctionName=name)
            self.concurrency(new)
        if new["publish"] and changed & {*CODE, *IN_FUNCTION}:
            return self.version(new["arn"], client.publish_version(FunctionName=name)["Version"])
        return None

    def delete(self, old):
        self.aws.client("lambda").delete_function(FunctionName=old["function_name"])

    def exists(self, old):
        get = self.aws.client("lambda").get_function
        return self.is_found(get, "ResourceNotFoundException", FunctionName=old["function_name"])


@handles("aws_lambda_alias")
class Alias(Handler):
    replaces = ("function_name", "name")
    updates = ("description", "function_version")

    def create(self, new):
        made = self.aws.client("lambda").create_alias(**self.request(new))
        return {"id": made["AliasArn"], "arn": made["AliasArn"], "invoke_arn": invoke_arn(self.aws, made["AliasArn"])}

    @staticmethod
    def request(new):
        return new.camel("function_name", "name", "function_version", "description")

    def change(self, new, changed):
        self.aws.client("lambda").update_alias(**self.request(new))

    def delete(self, old):
        self.aws.client("lambda").delete_alias(FunctionName=old["function_name"], Name=old["name"])

    def exists(self, old):
        get = self.aws.client("lambda").get_alias
        return self.is_found(get, "ResourceNotFoundException", FunctionName=old["function_name"], Name=old["name"])

    def read(self, old):
        # A roll-back moves it without Terraform.
        if not self.exists(old):
            return None
        found = self.aws.client("lambda").get_alias(FunctionName=old["function_name"], Name=old["name"])
        return old | {"function_version": found["FunctionVersion"]}


@handles("aws_lambda_permission")
class Permission(Handler):
    replaces = (
        "action",
        "function_name",
        "principal",
        "qualifier",
        "source_account",
        "source_arn",
        "statement_id",
        "statement_id_prefix",
    )

    def create(self, new):
        statement = self.name_of(new, "statement_id", "statement_id_prefix")
        request = new.camel("action", "function_name", "principal", "source_arn", "source_account", "qualifier")
        self.aws.client("lambda").add_permission(StatementId=statement, **request)
        return {"id": statement, "statement_id": statement}

    def delete(self, old):
        remove = self.aws.client("lambda").remove_permission
        # With its function it is gone too.
        self.is_found(
            remove, "ResourceNotFoundException", FunctionName=old["function_name"], StatementId=old["statement_id"]
        )

    def exists(self, old):
        get = self.aws.client("lambda").get_policy
        return self.is_found(get, "ResourceNotFoundException", FunctionName=old["function_name"])


@handles("aws_lambda_event_source_mapping")
class EventSourceMapping(Handler):
    replaces = ("event_source_arn", "starting_position")
    settings = (
        "batch_size bisect_batch_on_function_error enabled function_response_types maximum_batching_window_in_seconds "
        "maximum_record_age_in_seconds maximum_retry_attempts parallelization_factor tumbling_window_in_seconds"
    ).split()
    updates = (*settings, "destination_config", "filter_criteria")

    def request(self, new):
        request = new.camel(*self.settings)
        filters, destination = new.block("filter_criteria"), new.block("destination_config")
        if filters:
            request["FilterCriteria"] = {"Filters": [each.camel("pattern") for each in filters["filter"]]}
        if destination:
            request["DestinationConfig"] = {
                "OnFailure": {"Destination": destination.block("on_failure")["destination_arn"]}
            }
        return request

    def create(self, new):
        fixed = new.camel("event_source_arn", "function_name", "starting_position", Tags="tags_all")
        made = self.aws.client("lambda").create_event_source_mapping(**fixed, **self.request(new))
        arn = f"arn:aws:lambda:{self.aws.region}:{self.aws.account}:event-source-mapping:{made['UUID']}"
        state = {
            "function_arn": made["FunctionArn"],
            "state": made["State"],
            "last_modified": str(made["LastModified"]),
        }
        chosen = {"maximum_record_age_in_seconds": -1, "maximum_retry_attempts": -1, "parallelization_factor": 1}
        return {
            "id": made["UUID"],
            "uuid": made["UUID"],
            "arn": made.get("EventSourceMappingArn", arn),
            **state,
            **chosen,
        }

    def change(self, new, changed):
        self.aws.client("lambda").update_event_source_mapping(UUID=new["uuid"], **self.request(new))

    def delete(self, old):
        self.aws.client("lambda").delete_event_source_mapping(UUID=old["uuid"])

    def exists(self, old):
        get = self.aws.client("lambda").get_event_source_mapping
        return self.is_found(get, "ResourceNotFoundException", UUID=old["uuid"])


@handles("aws_lambda_function_event_invoke_config")
class EventInvokeConfig(Handler):
    replaces = ("function_name", "qualifier")
    updates = ("maximum_event_age_in_seconds", "maximum_retry_attempts", "destination_config")

    def create(self, new):
        request = new.camel("function_name", "qualifier", "maximum_event_age_in_seconds", "maximum_retry_attempts")
        destinations = new.block("destination_config")
        if destinations:
            chosen = {"OnFailure": destinations.block("on_failure"), "OnSuccess": destinations.block("on_success")}
            request["DestinationConfig"] = {name: block.camel("destination") for name, block in chosen.items() if block}
        self.aws.client("lambda").put_function_event_invoke_config(**request)
        return {"id": f"{new['function_name']}:{new['qualifier']}" if new["qualifier"] else new["function_name"]}

    def delete(self, old):
        delete = self.aws.client("lambda").delete_function_event_invoke_config
        delete(FunctionName=old["function_name"], **({"Qualifier": old["qualifier"]} if old["qualifier"] else {}))

    def exists(self, old):
        get = self.aws.client("lambda").get_function_event_invoke_config
        qualifier = {"Qualifier": old["qualifier"]} if old["qualifier"] else {}
        return self.is_found(get, "ResourceNotFoundException", FunctionName=old["function_name"], **qualifier)
