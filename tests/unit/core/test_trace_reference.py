"""Whole traces: raftcy and the reference write the same events for a script, byte for byte and in order."""

import io
import subprocess
from pathlib import Path
from typing import Any

import pytest

from raftcy import Config
from raftcy.core.trace import NdjsonTraceLogger
from raftcy.rafttest import EXTENDED, InteractionEnv, run_file
from tests.support.needs import needs_go, needs_shared
from tests.support.oracle import SOURCE

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def tracing_oracle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The oracle's tests, built with the tag that makes the reference write traces."""
    program = tmp_path_factory.mktemp("oracle") / "oracle.test"
    build = [needs_go(), "test", "-c", "-tags", "with_tla", "-o", str(program), "."]
    done = subprocess.run(build, cwd=SOURCE, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return program


def trace_of(script: Path) -> str:
    file = io.StringIO()
    logger = NdjsonTraceLogger(file)

    def configure(config: Config) -> None:
        config.trace_logger = logger

    env: Any = InteractionEnv(EXTENDED, on_config=configure)
    run_file(script, env.handle)
    return file.getvalue()


@pytest.mark.parametrize("folder", ["interaction", "extended"])
def test_traces_are_the_references(tracing_oracle: Path, tmp_path: Path, folder: str) -> None:
    scripts = sorted(needs_shared("conformance", folder).glob("*.txt"))
    assert scripts
    run = [str(tracing_oracle), "-test.run", "^TestTrace$", "-dir", str(scripts[0].parent), "-traces", str(tmp_path)]
    done = subprocess.run(run, cwd=SOURCE, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-2000:]
    events = 0
    for script in scripts:
        wanted = (tmp_path / f"{script.stem}.ndjson").read_text()
        assert trace_of(script) == wanted, script.name
        events += wanted.count("\n")
    assert events > 1000
