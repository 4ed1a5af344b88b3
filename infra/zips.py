"""Names the zips of the functions with what is in them: infra/zips.py FOLDER ARCHITECTURE. Fails where one was built for another
processor: AWS would take it, and every invocation would fail.
"""

import hashlib
import pathlib
import sys
import zipfile

# ELF's numbers of machines, by what Lambda calls them.
MACHINES = {"x86_64": 62, "arm64": 183}

folder, architecture = pathlib.Path(sys.argv[1]), sys.argv[2]
for path in sorted(folder.glob("*/bootstrap.zip")):
    with zipfile.ZipFile(path) as archive, archive.open("bootstrap") as program:
        start = program.read(20)
    machine = int.from_bytes(start[18:20], "little")
    if start[:4] != b"\x7fELF" or machine != MACHINES[architecture]:
        sys.exit(f"{path} is not built for {architecture}: just build-lambda {architecture}")
    print(path, hashlib.sha256(path.read_bytes()).hexdigest())
