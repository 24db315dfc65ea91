"""Writes the protobuf module of the wire schema, or with --check tells whether it is up to date.

    python tools/gen_proto.py [--check]

Needs grpcio-tools, which holds a protoc; the generated text depends on its version, so that is pinned in
tools/constraints.txt. The check reads only and needs no network.
"""

import difflib
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = "raftcy/wire/raft.proto"  # the name in the descriptor pool, so that another raft.proto can live beside it
OUTPUTS = ("raftcy/wire/raft_pb2.py", "raftcy/wire/raft_pb2.pyi")


def generate(folder: Path) -> None:
    """Run protoc on proto/raft.proto, with results below `folder`."""
    try:
        from grpc_tools import protoc
    except ImportError:
        sys.exit("grpcio-tools is not installed; `make proto` and `make verify` install it")
    options = [f"--proto_path={Path(SCHEMA).parent}={ROOT / 'proto'}", f"--python_out={folder}", f"--pyi_out={folder}"]
    if status := protoc.main(["protoc", *options, SCHEMA]):
        sys.exit(status)


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
