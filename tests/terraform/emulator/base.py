"""What a handler of a resource type is, and the connection to the emulator. The handlers are left to the other modules."""

import functools
import secrets
import threading
import urllib.parse

import boto3
import botocore.config

THIS_MACHINE = {"127.0.0.1", "localhost", "::1"}
# Not for the service: what Terraform, the provider or nobody acts on, and what says again what another argument says.
NOT_SENT = {"id", "region", "tags", "timeouts", "force_destroy", "skip_destroy", "source_code_hash", "triggers"}

HANDLERS = {}


class Refused(Exception):
    """What cannot be done here, said for who reads Terraform's output."""


def reachable(environment):
    """Whether an emulator is named at all."""
    return bool(environment.get("AWS_ENDPOINT_URL"))


class Connection:
    """Clients of an emulator, in one region."""

    def __init__(self, environment, region):
        self.environment = environment
        self.region = region

    def client(self, service):
        """The client of a service. Without an emulator on this machine it is refused, whatever it is for."""
        endpoint = self.environment.get("AWS_ENDPOINT_URL")
        if not endpoint:
            raise Refused("there is no AWS here: AWS_ENDPOINT_URL names no emulator")
        if urllib.parse.urlsplit(endpoint).hostname not in THIS_MACHINE:
            raise Refused(f"{endpoint} is not on this machine, and only an emulator may be changed from here")
        return client(
            service,
            endpoint,
            self.region,
            self.environment.get("AWS_ACCESS_KEY_ID"),
            self.environment.get("AWS_SECRET_ACCESS_KEY"),
        )

    @property
    def account(self):
        return self.client("sts").get_caller_identity()["Account"]


# Clients may be shared by threads, but not while they are made.
making = threading.Lock()


def client(*arguments):
    with making:
        return cached_client(*arguments)


@functools.cache
def cached_client(service, endpoint, region, key, secret):
    # A bucket is named by the path, for no name of a host leads to the emulator.
    configuration = botocore.config.Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=configuration,
    )


class Arguments(dict):
    """The arguments of a resource or of a block in it. It knows which were read: what nobody read was not carried out."""

    def __init__(self, values):
        super().__init__({name: Arguments.blocks(value) for name, value in values.items()})
        self.used = set()

    @staticmethod
    def blocks(value):
        if isinstance(value, list):
            return [Arguments(each) if isinstance(each, dict) else each for each in value]
        return value

    def __getitem__(self, name):
        self.used.add(name)
        return super().__getitem__(name)

    def block(self, name):
        """A block that is there once, or nothing."""
        blocks = self[name]
        return blocks[0] if blocks else None

    def camel(self, *names, **renamed):
        """Arguments as the API names them, without those that are not given: `camel("rule_name", Handler="handler")`."""
        named = {"".join(part.capitalize() for part in name.split("_")): name for name in names} | renamed
        return {api_name: self[name] for api_name, name in named.items() if self[name] not in (None, "", [])}

    def lower_camel(self, *names):
        """The same for the APIs whose names begin with a small letter."""
        return {name[0].lower() + name[1:]: value for name, value in self.camel(*names).items()}

    def unread(self):
        """What is given and was not read, with the names of the blocks before."""
        for name, value in self.items():
            if value is None or value in ("", [], {}) or name in NOT_SENT:
                continue
            if name not in self.used:
                yield name
            elif isinstance(value, list):
                for each in value:
                    if isinstance(each, Arguments):
                        yield from (f"{name}.{inner}" for inner in each.unread())


class Handler:
    """One resource type on the emulator. `aws` is the connection; the arguments are what Terraform planned, unknown as None."""

    # What may change in place here, and what AWS cannot change, so that the provider replaces the resource. Tags are in neither.
    updates = ()
    replaces = ()

    def __init__(self, connection):
        self.aws = connection

    @staticmethod
    def renewed(new, old):
        """What the service chooses anew with a change, by the names of the attributes."""
        return ()

    def create(self, new):
        """Creates it and gives what the service chose: attributes by their names, `id` among them."""
        raise NotImplementedError

    def change(self, new, changed):
        """Changes what is among `updates`, and gives what is `renewed`. Where the API has one call for both, creating it again
        is the change."""
        self.create(new)

    def delete(self, old):
        raise NotImplementedError

    def exists(self, old):
        """Whether it is still there; what became of its arguments is not looked at."""
        raise NotImplementedError

    def read(self, old):
        """What became of it, or nothing when it is gone."""
        return old if self.exists(old) else None

    def apply_creation(self, values):
        new = Arguments(values)
        computed = self.create(new)
        self.refuse_unread(new)
        return computed

    def apply_change(self, old, values):
        new = Arguments(values)
        changed = {name for name in values if values[name] != old.get(name)} - {
            "timeouts",
            "force_destroy",
            "skip_destroy",
        }
        changed -= set(self.renewed(values, old))
        if "source_code_hash" not in self.updates:
            changed.discard("source_code_hash")
        strange = changed - set(self.updates)
        if strange:
            raise Refused(f"no change of: {', '.join(sorted(strange))}, for which there is nothing here")
        return self.change(new, changed) if changed else None

    def apply_deletion(self, old):
        if not old.get("skip_destroy"):
            self.delete(old)

    @staticmethod
    def refuse_unread(new):
        unread = sorted(new.unread())
        if unread:
            raise Refused(f"created, but not with: {', '.join(unread)}, for which there is nothing here")

    def is_found(self, call, *codes, **arguments):
        """Whether a call finds what it asks for; `codes` are the errors that say no."""
        try:
            call(**arguments)
        except Exception as error:
            if getattr(error, "response", {}).get("Error", {}).get("Code") in codes:
                return False
            raise
        return True

    def name_of(self, new, name="name", prefix="name_prefix"):
        """The name that is given, or one that is drawn, as the provider does."""
        return new[name] or f"{new[prefix] or 'terraform-'}{secrets.token_hex(13)}"


def handles(type_name):
    """Marks a class as the handler of a type."""

    def register(handler):
        HANDLERS[type_name] = handler
        return handler

    return register


def handler(type_name, connection):
    if type_name not in HANDLERS:
        raise Refused(f"{type_name} has no handler for the emulator")
    return HANDLERS[type_name](connection)


def replaces(type_name):
    """The arguments whose change replaces a resource; none are known of a type without a handler."""
    return HANDLERS[type_name].replaces if type_name in HANDLERS else ()


def renewed(type_name, new, old):
    """What the service chooses anew with a change; none is known of a type without a handler."""
    return HANDLERS[type_name].renewed(new, old) if type_name in HANDLERS else ()


def tag_list(tags):
    return [{"Key": key, "Value": value} for key, value in sorted((tags or {}).items())]
