"""The command of the server, up to where the server begins."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from raftcy import __version__
from raftcy.etcd.identity import ETCD_VERSION
from tests.support.needs import ROOT

pytestmark = pytest.mark.once


def run(*arguments: str, module: str = "raftcy.etcd.launch", **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ETCD")}
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=inherited | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_version_is_read_by_etcds_test_suite() -> None:
    done = run("--version")
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == f"etcd Version: {ETCD_VERSION}"
    assert f"raftcy Version: {__version__}, " in done.stdout


def test_the_command_of_raftcy_is_the_same() -> None:
    assert run("etcd", "--version", module="raftcy").stdout == run("--version").stdout
    assert "etcd v3 server" in run("--help", module="raftcy").stdout


def test_help_lists_the_flags_that_have_an_effect() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert "  --initial-cluster\n" in done.stdout
    assert "--unsafe-no-fsync" not in done.stdout
    assert "--max-wals" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--unsafe-no-fsync"], "--unsafe-no-fsync=true is not supported"),
        (["--nothing"], "flag provided but not defined: -nothing"),
        (["--listen-client-urls=http://127.0.0.1:0"], "--advertise-client-urls is required"),
        (["--config-file=nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_what_cannot_be_used_ends_with_one_line(arguments: list[str], text: str) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("raftcy-etcd: ")
    assert text in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_variable_counts_as_a_flag() -> None:
    assert "ETCD_AUTO_TLS=true is not supported" in run(ETCD_AUTO_TLS="true").stderr
    assert "ETCD_NAME is shadowed" in run("--name=a", ETCD_NAME="b").stderr
    assert "nowhere.yaml" in run(ETCD_CONFIG_FILE="nowhere.yaml").stderr


@pytest.mark.parametrize("missing", ["aiohttp", "sortedcontainers", "prometheus_client"])
def test_without_the_extra_it_says_what_to_install(missing: str, tmp_path: Path) -> None:
    """A finder in front of all others makes the library one that is not installed."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Hide:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] == {missing!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Hide())\n"
    )
    done = run(PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"raftcy-etcd: {missing} is not installed: install raftcy[etcd]\n"
    assert run("--version", PYTHONPATH=str(tmp_path)).returncode == 0
