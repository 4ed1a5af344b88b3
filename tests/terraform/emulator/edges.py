"""API Gateway: its HTTP APIs (version 2) and its REST APIs, with stages and usage plans."""

from . import openapi
from .base import Handler, Refused, handles


class HttpApiPart(Handler):
    """An API of version 2 or a part of one. The arguments of its creation and of its update are the same."""

    # The operations of the API are called create_part, update_part, delete_part and get_part.
    part, identifier, attribute = "", "", "id"

    def request(self, new):
        raise NotImplementedError

    def key(self, state):
        """What names it in the API."""
        whole = {} if self.part == "api" else {"ApiId": state["api_id"]}
        return whole | {self.identifier: state[self.attribute]}

    def call(self, verb, **arguments):
        return getattr(self.aws.client("apigatewayv2"), f"{verb}_{self.part}")(**arguments)

    def change(self, new, changed):
        self.call("update", **self.request(new), **self.key(new))

    def delete(self, old):
        self.call("delete", **self.key(old))

    def exists(self, old):
        return self.is_found(
            getattr(self.aws.client("apigatewayv2"), f"get_{self.part}"), "NotFoundException", **self.key(old)
        )


@handles("aws_apigatewayv2_api")
class HttpApi(HttpApiPart):
    replaces = ("protocol_type",)
    part, identifier = "api", "ApiId"
    updates = ("description", "name", "cors_configuration", "disable_execute_api_endpoint")

    def request(self, new):
        request = new.camel("name", "description", "disable_execute_api_endpoint", "version")
        origins = new.block("cors_configuration")
        if origins:
            request["CorsConfiguration"] = origins.camel(
                "allow_credentials", "allow_headers", "allow_methods", "allow_origins", "expose_headers", "max_age"
            )
        return request

    def create(self, new):
        made = self.call("create", **self.request(new), **new.camel("protocol_type"), Tags=new["tags_all"] or {})
        name = made["ApiId"]
        execution = f"arn:aws:execute-api:{self.aws.region}:{self.aws.account}:{name}"
        arn = f"arn:aws:apigateway:{self.aws.region}::/apis/{name}"
        return {
            "id": name,
            "arn": arn,
            "api_endpoint": made["ApiEndpoint"],
            "execution_arn": execution,
            "ip_address_type": "ipv4",
        }


@handles("aws_apigatewayv2_integration")
class HttpIntegration(HttpApiPart):
    replaces = ("api_id", "integration_type")
    part, identifier = "integration", "IntegrationId"
    updates = ("integration_uri", "payload_format_version", "timeout_milliseconds", "description", "integration_method")

    def request(self, new):
        return new.camel(
            "connection_type",
            "description",
            "integration_method",
            "integration_type",
            "integration_uri",
            "payload_format_version",
            TimeoutInMillis="timeout_milliseconds",
        )

    def create(self, new):
        made = self.call("create", **self.request(new), **new.camel("api_id"))
        return {"id": made["IntegrationId"], "timeout_milliseconds": made.get("TimeoutInMillis", 30000)}


@handles("aws_apigatewayv2_route")
class HttpRoute(HttpApiPart):
    replaces = ("api_id",)
    part, identifier = "route", "RouteId"
    updates = ("route_key", "target", "authorization_type", "authorizer_id", "operation_name")

    def request(self, new):
        return new.camel("route_key", "target", "authorization_type", "authorizer_id", "operation_name")

    def create(self, new):
        return {"id": self.call("create", **self.request(new), **new.camel("api_id"))["RouteId"]}


@handles("aws_apigatewayv2_stage")
class HttpStage(HttpApiPart):
    replaces = ("api_id", "name")
    part, identifier, attribute = "stage", "StageName", "name"
    updates = (
        "access_log_settings",
        "auto_deploy",
        "default_route_settings",
        "description",
        "route_settings",
        "stage_variables",
    )

    def request(self, new):
        request = new.camel("auto_deploy", "deployment_id", "description", "stage_variables")
        logs, defaults = new.block("access_log_settings"), new.block("default_route_settings")
        if logs:
            request["AccessLogSettings"] = logs.camel("destination_arn", "format")
        if defaults:
            request["DefaultRouteSettings"] = self.route(defaults)
        if new["route_settings"]:
            request["RouteSettings"] = {block["route_key"]: self.route(block) for block in new["route_settings"]}
        return request

    @staticmethod
    def route(block):
        return block.camel(
            "data_trace_enabled", "detailed_metrics_enabled", "throttling_burst_limit", "throttling_rate_limit"
        )

    def create(self, new):
        self.call("create", **self.request(new), **new.camel("api_id", StageName="name"), Tags=new["tags_all"] or {})
        api, name = new["api_id"], new["name"]
        address = self.aws.client("apigatewayv2").get_api(ApiId=api)["ApiEndpoint"]
        return {
            "id": name,
            "arn": f"arn:aws:apigateway:{self.aws.region}::/apis/{api}/stages/{name}",
            "execution_arn": f"arn:aws:execute-api:{self.aws.region}:{self.aws.account}:{api}/{name}",
            "invoke_url": f"{address}/" if name == "$default" else f"{address}/{name}",
            "deployment_id": "",
        }


@handles("aws_api_gateway_rest_api")
class RestApi(Handler):
    updates = ("body", "description")

    def create(self, new):
        client = self.aws.client("apigateway")
        if new["put_rest_api_mode"] not in (None, "overwrite"):
            raise Refused(f"put_rest_api_mode {new['put_rest_api_mode']}")
        request = new.lower_camel(
            "api_key_source",
            "binary_media_types",
            "description",
            "disable_execute_api_endpoint",
            "endpoint_access_mode",
            "name",
            "policy",
            "security_policy",
        )
        endpoint = new.block("endpoint_configuration")
        if endpoint:
            request["endpointConfiguration"] = endpoint.lower_camel("types", "vpc_endpoint_ids")
        made = client.create_rest_api(**request, tags=new["tags_all"] or {})
        name = made["id"]
        if new["body"]:
            openapi.replace(client, name, new["body"])
        account, area = self.aws.account, self.aws.region
        return {
            "id": name,
            "arn": f"arn:aws:apigateway:{area}::/restapis/{name}",
            "execution_arn": f"arn:aws:execute-api:{area}:{account}:{name}",
            "root_resource_id": client.get_resources(restApiId=name)["items"][0]["id"],
            "api_key_source": made.get("apiKeySource", "HEADER"),
            "created_date": str(made["createdDate"]),
            "description": new["description"] or "",
            "disable_execute_api_endpoint": False,
            "security_policy": new["security_policy"] or "TLS_1_0",
        }

    def change(self, new, changed):
        if "body" in changed:
            openapi.replace(self.aws.client("apigateway"), new["id"], new["body"])
        if "description" in changed:
            patch(
                self.aws.client("apigateway").update_rest_api, {"/description": new["description"]}, restApiId=new["id"]
            )

    def delete(self, old):
        self.aws.client("apigateway").delete_rest_api(restApiId=old["id"])

    def exists(self, old):
        return self.is_found(self.aws.client("apigateway").get_rest_api, "NotFoundException", restApiId=old["id"])


def patch(call, values, **key):
    """A change as API Gateway takes it: paths, and texts for what they name."""
    texts = {path: str(value).lower() if isinstance(value, bool) else str(value) for path, value in values.items()}
    call(patchOperations=[{"op": "replace", "path": path, "value": text} for path, text in texts.items()], **key)


@handles("aws_api_gateway_deployment")
class RestDeployment(Handler):
    replaces = ("rest_api_id", "triggers")

    def create(self, new):
        request = new.lower_camel("description", "variables")
        made = self.aws.client("apigateway").create_deployment(restApiId=new["rest_api_id"], **request)
        return {"id": made["id"], "created_date": str(made["createdDate"])}

    def delete(self, old):
        self.aws.client("apigateway").delete_deployment(restApiId=old["rest_api_id"], deploymentId=old["id"])

    def exists(self, old):
        get = self.aws.client("apigateway").get_deployment
        return self.is_found(get, "NotFoundException", restApiId=old["rest_api_id"], deploymentId=old["id"])


@handles("aws_api_gateway_stage")
class RestStage(Handler):
    replaces = ("rest_api_id", "stage_name")
    updates = ("deployment_id", "description", "access_log_settings")

    def create(self, new):
        key = {"restApiId": new["rest_api_id"], "stageName": new["stage_name"]}
        client = self.aws.client("apigateway")
        request = new.lower_camel("deployment_id", "description", "variables")
        if new["xray_tracing_enabled"] is not None:
            request["tracingEnabled"] = new["xray_tracing_enabled"]
        client.create_stage(**key, **request, tags=new["tags_all"] or {})
        self.settings(new, {"access_log_settings"})
        api, name, area = new["rest_api_id"], new["stage_name"], self.aws.region
        return {
            "id": f"ags-{api}-{name}",
            "arn": f"arn:aws:apigateway:{area}::/restapis/{api}/stages/{name}",
            "execution_arn": f"arn:aws:execute-api:{area}:{self.aws.account}:{api}/{name}",
            "invoke_url": f"https://{api}.execute-api.{area}.amazonaws.com/{name}",
            "web_acl_arn": "",
        }

    def settings(self, new, changed):
        values = {}
        logs = new.block("access_log_settings")
        if "access_log_settings" in changed and logs:
            values = {
                "/accessLogSettings/destinationArn": logs["destination_arn"],
                "/accessLogSettings/format": logs["format"],
            }
        for argument, path in (("deployment_id", "/deploymentId"), ("description", "/description")):
            if argument in changed:
                values[path] = new[argument]
        if values:
            key = {"restApiId": new["rest_api_id"], "stageName": new["stage_name"]}
            patch(self.aws.client("apigateway").update_stage, values, **key)

    def change(self, new, changed):
        self.settings(new, changed)

    def delete(self, old):
        self.aws.client("apigateway").delete_stage(restApiId=old["rest_api_id"], stageName=old["stage_name"])

    def exists(self, old):
        get = self.aws.client("apigateway").get_stage
        return self.is_found(get, "NotFoundException", restApiId=old["rest_api_id"], stageName=old["stage_name"])


@handles("aws_api_gateway_method_settings")
class RestMethodSettings(Handler):
    replaces = ("method_path", "rest_api_id", "stage_name")
    paths = {
        "metrics_enabled": "metrics/enabled",
        "logging_level": "logging/loglevel",
        "data_trace_enabled": "logging/dataTrace",
        "throttling_burst_limit": "throttling/burstLimit",
        "throttling_rate_limit": "throttling/rateLimit",
    }
    updates = ("settings",)

    def create(self, new):
        settings = new.block("settings")
        path = self.path(new)
        # -1 is the provider's default and means that nothing is set.
        values = {
            f"{path}/{end}": settings[name] for name, end in self.paths.items() if settings[name] not in (None, -1)
        }
        patch(
            self.aws.client("apigateway").update_stage,
            values,
            restApiId=new["rest_api_id"],
            stageName=new["stage_name"],
        )
        return {"id": f"{new['rest_api_id']}-{new['stage_name']}-{new['method_path']}"}

    @staticmethod
    def path(state):
        resource, _, method = state["method_path"].rpartition("/")
        # A resource is one part of the path in a patch.
        return f"/{resource.replace('~', '~0').replace('/', '~1')}/{method}"

    def delete(self, old):
        operation = {"op": "remove", "path": self.path(old)}
        stage = {"restApiId": old["rest_api_id"], "stageName": old["stage_name"]}
        self.is_found(
            self.aws.client("apigateway").update_stage, "NotFoundException", patchOperations=[operation], **stage
        )

    def exists(self, old):
        get = self.aws.client("apigateway").get_stage
        return self.is_found(get, "NotFoundException", restApiId=old["rest_api_id"], stageName=old["stage_name"])


@handles("aws_api_gateway_usage_plan")
class UsagePlan(Handler):
    updates = ("throttle_settings", "description")

    def create(self, new):
        request = new.lower_camel("name", "description")
        stages = [each.camel(apiId="api_id", stage="stage") for each in new["api_stages"]]
        throttle, quota = new.block("throttle_settings"), new.block("quota_settings")
        if throttle:
            request["throttle"] = throttle.lower_camel("burst_limit", "rate_limit")
        if quota:
            request["quota"] = quota.lower_camel("limit", "offset", "period")
        made = self.aws.client("apigateway").create_usage_plan(**request, apiStages=stages, tags=new["tags_all"] or {})
        return {"id": made["id"], "arn": f"arn:aws:apigateway:{self.aws.region}::/usageplans/{made['id']}"}

    def change(self, new, changed):
        values = {"/description": new["description"] or ""} if "description" in changed else {}
        throttle = new.block("throttle_settings")
        if "throttle_settings" in changed:
            if throttle is None:
                raise Refused("no way here to take the throttle of a usage plan away")
            values |= {"/throttle/burstLimit": throttle["burst_limit"], "/throttle/rateLimit": throttle["rate_limit"]}
        patch(self.aws.client("apigateway").update_usage_plan, values, usagePlanId=new["id"])

    def delete(self, old):
        client = self.aws.client("apigateway")
        # A plan with stages is not deleted, so the provider takes them away first.
        stages = [f"{each['api_id']}:{each['stage']}" for each in old["api_stages"]]
        operations = [{"op": "remove", "path": "/apiStages", "value": stage} for stage in stages]
        if operations:
            client.update_usage_plan(usagePlanId=old["id"], patchOperations=operations)
        client.delete_usage_plan(usagePlanId=old["id"])

    def exists(self, old):
        return self.is_found(self.aws.client("apigateway").get_usage_plan, "NotFoundException", usagePlanId=old["id"])


@handles("aws_api_gateway_account")
class GatewayAccount(Handler):
    updates = ("cloudwatch_role_arn",)

    def create(self, new):
        if new["cloudwatch_role_arn"]:
            patch(self.aws.client("apigateway").update_account, {"/cloudwatchRoleArn": new["cloudwatch_role_arn"]})
        made = self.aws.client("apigateway").get_account()
        return {
            "id": "api-gateway-account",
            "api_key_version": made.get("apiKeyVersion", ""),
            "features": made.get("features", []),
            "throttle_settings": [
                {"burst_limit": limits["burstLimit"], "rate_limit": limits["rateLimit"]}
                for limits in [made["throttleSettings"]]
            ],
        }

    def delete(self, old):
        """The account is there for ever; as with the provider, it has no role any more."""
        patch(self.aws.client("apigateway").update_account, {"/cloudwatchRoleArn": ""})

    def exists(self, old):
        return True
