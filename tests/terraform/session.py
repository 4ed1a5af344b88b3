"""Runs Terraform once in a directory: session.py DIRECTORY TERRAFORM-ARGUMENT...

The provider of `provider.py` runs in this process, for the types that the directory's files name. Terraform runs in another, by
`core.py`, in that directory and with its exit code. Nothing asks the network: Terraform is told where the provider listens, to
look for others in an empty directory only, and not to look for newer versions of itself. What it keeps beside a configuration
is kept under `target/terraform`, unless TF_DATA_DIR names a place; its state is where the configuration's backend says.
"""

import json
import os
import pathlib
import subprocess
import sys

import provider
import schema

HERE = pathlib.Path(__file__).resolve().parent
CACHE = HERE.parent.parent / "target" / "terraform"
ADDRESS = "registry.terraform.io/hashicorp/aws"
CLI_CONFIGURATION = """disable_checkpoint = true
provider_installation {{
  filesystem_mirror {{
    path = {empty}
  }}
}}
"""


def environment_of_core(directory, port):
    """The variables of Terraform's process."""
    empty = CACHE / "no-providers"
    empty.mkdir(parents=True, exist_ok=True)
    configuration = CACHE / "terraform.rc"
    text = CLI_CONFIGURATION.format(empty=json.dumps(str(empty)))
    # Not again each time: another run may be reading it.
    if not configuration.exists() or configuration.read_text() != text:
        configuration.write_text(text)
    address = {"Network": "tcp", "String": f"127.0.0.1:{port}"}
    reattach = {ADDRESS: {"Protocol": "grpc", "ProtocolVersion": 6, "Pid": os.getpid(), "Test": True, "Addr": address}}
    plain = {} if sys.stdout.isatty() else {"TF_CLI_ARGS": "-no-color"}
    name = str(directory).strip("/").replace("/", "-")
    return {
        "TF_DATA_DIR": str(CACHE / "data" / name),
        **plain,
        **os.environ,
        "CHECKPOINT_DISABLE": "1",
        "TF_CLI_CONFIG_FILE": str(configuration),
        "TF_IN_AUTOMATION": "1",
        "TF_INPUT": "0",
        "TF_REATTACH_PROVIDERS": json.dumps(reattach),
    }


def main(directory, *arguments):
    directory = pathlib.Path(directory).resolve()
    # Files are named by where they are from there, and providers share Terraform's directory.
    os.chdir(directory)
    try:
        server, port = provider.serve(schema.load(*schema.used_types(directory), CACHE), os.environ)
    except schema.SchemaError as error:
        sys.exit(f"the provider's schema: {error}")
    try:
        core = [sys.executable, str(HERE / "core.py"), *arguments]
        return subprocess.run(core, cwd=directory, env=environment_of_core(directory, port)).returncode
    finally:
        server.stop(grace=None).wait()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
