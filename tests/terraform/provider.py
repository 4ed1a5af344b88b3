"""A stand-in for the AWS provider: what Terraform speaks with over gRPC, in version 6 of its plugin protocol.

It serves the schema, and by it Terraform itself refuses unknown arguments, missing required ones, values of a wrong type, and
too few or too many blocks. Hence nothing is left to validate here; the real provider's own checks of values are not here.

It plans as the schema allows: what is computed and not given is unknown until it was applied, and stays as it is in an update.
The region and `tags_all` are known, as with the real provider. Which changes replace a resource is not told by the schema; each
handler of `emulator` names those that are known of its type. Any other change is planned as an update in place, and is an error
when it is applied and the handler has no such update.

It applies, and reads, on an emulator only. Without one, and on any address that is not this machine's, it refuses. What is done
there for each type is left to `emulator`, what the schema is to `schema.py`, and Terraform's side to `session.py`.
"""

import concurrent.futures
import json

import grpc
import msgpack
from tf.gen import tfplugin_pb2 as protocol
from tf.gen import tfplugin_pb2_grpc as service

import emulator

NESTING = {"single": 1, "list": 2, "set": 3, "map": 4, "group": 5}
CONFIGURED = {"allowed_account_ids", "default_tags", "region"}
UNKNOWN = msgpack.ExtType(0, b"\x00")


class Provider(service.ProviderServicer):
    """The answers to Terraform's calls. Those that are not here, such as an import, are refused as not implemented."""

    def __init__(self, schema, environment):
        self.schema = schema
        self.environment = environment
        self.region = environment.get("AWS_REGION")
        self.default_tags = {}

    def GetMetadata(self, request, context):
        return protocol.GetMetadata.Response(
            resources=[
                protocol.GetMetadata.ResourceMetadata(type_name=name) for name in self.schema["resource_schemas"]
            ],
            data_sources=[
                protocol.GetMetadata.DataSourceMetadata(type_name=name) for name in self.schema["data_source_schemas"]
            ],
        )

    def GetProviderSchema(self, request, context):
        return protocol.GetProviderSchema.Response(
            provider=schema_message(self.schema["provider"]),
            resource_schemas={name: schema_message(each) for name, each in self.schema["resource_schemas"].items()},
            data_source_schemas={
                name: schema_message(each) for name, each in self.schema["data_source_schemas"].items()
            },
        )

    def ValidateProviderConfig(self, request, context):
        return protocol.ValidateProviderConfig.Response()

    def ValidateResourceConfig(self, request, context):
        return protocol.ValidateResourceConfig.Response()

    def ValidateDataResourceConfig(self, request, context):
        return protocol.ValidateDataResourceConfig.Response()

    def GetFunctions(self, request, context):
        return protocol.GetFunctions.Response()

    def StopProvider(self, request, context):
        return protocol.StopProvider.Response()

    def ConfigureProvider(self, request, context):
        configuration = known(unpack(request.config))
        self.region = configuration["region"] or self.environment.get("AWS_REGION")
        self.default_tags = {}
        for block in configuration["default_tags"]:
            self.default_tags = block["tags"] or {}
        try:
            strange = sorted(name for name, value in configuration.items() if value and name not in CONFIGURED)
            if strange:
                raise emulator.Refused(f"there is nothing here for its arguments {', '.join(strange)}")
            if not self.region:
                raise emulator.Refused("no region: neither the provider's block nor AWS_REGION names one")
            allowed = configuration["allowed_account_ids"]
            if allowed and emulator.reachable(self.environment):
                account = self.connection().account
                if account not in allowed:
                    raise emulator.Refused(f"the account {account} is not among allowed_account_ids")
        except Exception as error:
            return protocol.ConfigureProvider.Response(diagnostics=[diagnostic("provider aws", error)])
        return protocol.ConfigureProvider.Response()

    def connection(self, region=None):
        return emulator.Connection(self.environment, region or self.region)

    def handler(self, type_name, state):
        return emulator.handler(type_name, self.connection(state.get("region")))

    def UpgradeResourceState(self, request, context):
        return protocol.UpgradeResourceState.Response(upgraded_state=pack(json.loads(request.raw_state.json)))

    def ReadResource(self, request, context):
        try:
            state = unpack(request.current_state)
            state = self.handler(request.type_name, state).read(state)
        except Exception as error:
            return protocol.ReadResource.Response(diagnostics=[diagnostic(f"{request.type_name}: read", error)])
        return protocol.ReadResource.Response(new_state=pack(state))

    def PlanResourceChange(self, request, context):
        planned, prior = unpack(request.proposed_new_state), unpack(request.prior_state)
        replaced = []
        if planned is not None:
            attributes = self.schema["resource_schemas"][request.type_name]["block"]["attributes"]
            given = unpack(request.config)
            if prior is None:
                for name, attribute in attributes.items():
                    if attribute.get("computed") and planned[name] is None:
                        planned[name] = UNKNOWN
            if "region" in attributes and given["region"] is None:
                planned["region"] = self.region
            if "tags_all" in attributes:
                planned["tags_all"] = self.all_tags(given["tags"])
            if prior is not None:
                replaced = [
                    name
                    for name in emulator.replaces(request.type_name)
                    if (planned[name] or None) != (prior[name] or None)
                ]
                planned.update(dict.fromkeys(emulator.renewed(request.type_name, planned, prior), UNKNOWN))
        step = protocol.AttributePath.Step
        return protocol.PlanResourceChange.Response(
            planned_state=pack(planned),
            requires_replace=[protocol.AttributePath(steps=[step(attribute_name=name)]) for name in replaced],
            legacy_type_system=True,
        )

    def all_tags(self, tags):
        """A resource's tags with the provider's defaults; null where there are none."""
        return UNKNOWN if tags == UNKNOWN else ({**self.default_tags, **(tags or {})} or None)

    def ApplyResourceChange(self, request, context):
        planned, prior = unpack(request.planned_state), unpack(request.prior_state)
        action = "create" if prior is None else "delete" if planned is None else "update"
        state = known(planned)
        try:
            handler = self.handler(request.type_name, planned or prior)
            if action == "create":
                computed = handler.apply_creation(state)
            elif action == "update":
                computed = handler.apply_change(known(prior), state)
            else:
                computed = handler.apply_deletion(known(prior))
            unheard = set(computed or {}) - set(state or {})
            if unheard:
                raise emulator.Refused(f"the handler computes what the schema lacks: {', '.join(sorted(unheard))}")
            if computed:
                state.update({name: computed.get(name) for name, value in planned.items() if value == UNKNOWN})
        except Exception as error:
            return protocol.ApplyResourceChange.Response(
                new_state=request.prior_state, diagnostics=[diagnostic(f"{request.type_name}: {action}", error)]
            )
        return protocol.ApplyResourceChange.Response(new_state=pack(state), legacy_type_system=True)

    def ReadDataSource(self, request, context):
        state = known(unpack(request.config))
        try:
            state.update(emulator.read(request.type_name, state, self.connection(state.get("region"))))
        except Exception as error:
            return protocol.ReadDataSource.Response(diagnostics=[diagnostic(f"data {request.type_name}", error)])
        return protocol.ReadDataSource.Response(state=pack(state))


def schema_message(schema):
    return protocol.Schema(version=schema["version"], block=block_message(schema["block"]))


def block_message(block):
    message = protocol.Schema.Block()
    for name, attribute in sorted(block["attributes"].items()):
        flags = {flag: attribute.get(flag, False) for flag in ("required", "optional", "computed")}
        message.attributes.add(name=name, type=json.dumps(attribute["type"]).encode(), **flags)
    for name, nested in sorted(block["block_types"].items()):
        message.block_types.add(
            type_name=name,
            block=block_message(nested["block"]),
            nesting=NESTING[nested["nesting_mode"]],
            min_items=nested["min_items"],
            max_items=nested["max_items"],
        )
    return message


def unpack(value):
    """A value that Terraform sent; what is unknown is UNKNOWN, whatever Terraform knows of its range."""
    return msgpack.unpackb(value.msgpack, ext_hook=lambda code, data: UNKNOWN, strict_map_key=False)


def pack(value):
    return protocol.DynamicValue(msgpack=msgpack.packb(value))


def known(value):
    """A value with null for what is unknown, and whole numbers as integers, as boto3 wants them."""
    if value == UNKNOWN:
        return None
    if isinstance(value, dict):
        return {name: known(each) for name, each in value.items()}
    if isinstance(value, list):
        return [known(each) for each in value]
    # Terraform sends a number as a text where no double holds it exactly; no argument here is that large.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def diagnostic(place, error):
    text = str(error) if isinstance(error, emulator.Refused) else f"{type(error).__name__}: {error}"
    return protocol.Diagnostic(severity=protocol.Diagnostic.ERROR, summary=f"{place}: {text}")


def serve(schema, environment):
    """Starts it on a port of this machine: (the server, the port)."""
    server = grpc.server(
        concurrent.futures.ThreadPoolExecutor(max_workers=16), options=[("grpc.max_send_message_length", -1)]
    )
    service.add_ProviderServicer_to_server(Provider(schema, environment), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port
