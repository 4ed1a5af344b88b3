"""Names the zips of the functions with what is in them: infra/zips.py FOLDER ARCHITECTURE. Fails where one was built for another
processor, or on a machine whose C library is newer than Lambda's: AWS would take it, and every invocation would fail.
"""

import hashlib
import pathlib
import re
import sys
import zipfile

# ELF's numbers of machines, by what Lambda calls them.
MACHINES = {"x86_64": 62, "arm64": 183}

# What Amazon Linux 2023 has, as `provided.al2023` says.
GLIBC = 34

folder, architecture = pathlib.Path(sys.argv[1]), sys.argv[2]
for path in sorted(folder.glob("*/bootstrap.zip")):
    with zipfile.ZipFile(path) as archive, archive.open("bootstrap") as program:
        content = program.read()
    start = content[:20]
    machine = int.from_bytes(start[18:20], "little")
    if start[:4] != b"\x7fELF" or machine != MACHINES[architecture]:
        sys.exit(f"{path} is not built for {architecture}: just build-lambda {architecture}")
    newest = max((int(minor) for minor in re.findall(rb"GLIBC_2\.(\d+)", content)), default=0)
    if newest > GLIBC:
        sys.exit(f"{path} needs glibc 2.{newest}, and Lambda has 2.{GLIBC}: build it where glibc is that old")
    print(path, hashlib.sha256(path.read_bytes()).hexdigest())
