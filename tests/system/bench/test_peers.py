"""The peer programs take the same command line, print the same line, and send as many messages as raftcy."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest

from bench.peers import build
from tests.support.needs import FREE_THREADED, ROOT, missing, needs_cargo, needs_go, needs_package

from .test_workloads import FIELDS, MESSAGES, small

pytestmark = pytest.mark.once

NEEDS = {"go37": needs_go, "go36": needs_go, "rust": needs_cargo, "rust-prost": needs_cargo}
CODEC = ["codec_encode", "codec_decode", "codec_encode_hb", "codec_decode_hb"]


@cache
def built(name: str) -> list[str]:
    try:
        return build.PEERS[name]()
    except build.Missing as reason:
        missing(f"the peer {name}: {reason}")


@pytest.fixture(params=sorted(NEEDS))
def peer(request) -> list[str]:
    NEEDS[request.param]()
    return built(request.param)


def run(command: list[str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*command, *words], cwd=ROOT, capture_output=True, text=True, timeout=120)


def line_of(command: list[str], *words: str) -> dict:
    done = run(command, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("workload", MESSAGES)
def test_messages_per_operation(peer: list[str], workload: str) -> None:
    line = line_of(peer, workload, *small(workload))
    assert list(line) == FIELDS
    assert (line["workload"], line["loop"], line["n"]) == (workload, "compiled", 6)
    assert line["extra"]["messages_per_op"] == MESSAGES[workload]


def test_a_batch_in_one_message() -> None:
    NEEDS["rust"]()
    line = line_of(built("rust"), "batch", "--n", "128", "--batch-append")
    assert line["extra"]["messages_per_op"] == MESSAGES["batch"] / 64


@pytest.mark.parametrize("workload", [*CODEC, "quorum"])
def test_the_rest_runs(peer: list[str], workload: str) -> None:
    line = line_of(peer, workload, *small(workload))
    assert list(line) == FIELDS
    assert line["extra"]["cpu_us_per_op"] >= 0


@pytest.mark.parametrize("workload", ["node", "node3"])
@pytest.mark.parametrize("name", ["go37", "go36"])
def test_the_channel_node(name: str, workload: str) -> None:
    needs_go()
    assert line_of(built(name), workload, "--n", "20")["n"] == 20


@pytest.mark.parametrize(
    ("name", "version"), [("go37", "v3.7.0"), ("go36", "v3.6.0"), ("rust", "0.7.0"), ("rust-prost", "0.7.0")]
)
def test_versions_are_those_that_are_pinned(name: str, version: str) -> None:
    NEEDS[name]()
    assert line_of(built(name), "single", "--n", "1")["version"] == version


@pytest.mark.parametrize(
    "words", [[], ["nothing"], ["single", "--n", "0"], ["single", "--n", "many"], ["single", "--colour", "1"]]
)
def test_a_wrong_command_line(peer: list[str], words: list[str]) -> None:
    done = run(peer, *words)
    assert done.returncode == 2
    assert done.stderr != ""
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ticks", "--nodes", "3"], "ticks does nothing with --nodes; it takes --n, --seed, --groups"),
        (["batch", "--groups", "3"], "batch does nothing with --groups"),
        (["quorum", "--size", "3"], "quorum does nothing with --size; it takes --n, --seed, --nodes"),
        (["codec_encode_hb", "--batch", "3"], "codec_encode_hb does nothing with --batch"),
    ],
)
def test_an_option_that_does_nothing_is_refused(peer: list[str], words: list[str], said: str) -> None:
    done = run(peer, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


@pytest.mark.parametrize("words", [["codec_encode_hb", "--size", "3"], ["codec_encode", "--nodes", "3"]])
def test_protobuf_refuses_what_it_does_nothing_with(words: list[str]) -> None:
    done = run(built("upb"), *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert words[1] in done.stderr


def test_sizes_of_encodings() -> None:
    """docs/benchmarks.md explains why they differ."""
    found = {}
    for name, needs in NEEDS.items():
        needs()
        found[name] = line_of(built(name), "codec_encode", "--n", "1")["extra"]["bytes"]
    ours = line_of([sys.executable, "-m", "bench"], "codec_encode", "--n", "1")["extra"]["bytes"]
    # Two bytes for the type of each entry, which is 0; two each for vote, reject and reject hint, which are 0 too.
    assert (ours, found) == (9106, {"go37": 9106, "go36": 9112, "rust": 9106 - 128, "rust-prost": 9106 - 128})


@pytest.mark.parametrize("workload", [name + fields for name in CODEC for fields in ("", "_fields")])
def test_protobuf(workload: str) -> None:
    line = line_of(built("upb"), workload, *small(workload))
    ours = line_of([sys.executable, "-m", "bench"], workload, *small(workload))
    assert list(line) == FIELDS
    assert line["extra"]["bytes"] == ours["extra"]["bytes"]


@pytest.mark.parametrize("outstanding", ["1", "20"])
def test_pysyncobj(outstanding: str) -> None:
    needs_package("pysyncobj")
    for command, journal in ((build.pysyncobj(), False), (build.pysyncobj_journal(), True)):
        line = line_of(command, "cluster", "--n", "40", "--outstanding", outstanding)
        assert list(line) == FIELDS
        assert (line["n"], line["extra"]["journal"]) == (40, journal)


@pytest.mark.parametrize("options", [[], ["-modfile=go36.mod", "-tags=raft36"]], ids=["3.7", "3.6"])
def test_the_go_source_is_clean(options: list[str]) -> None:
    go = needs_go()
    folder = build.SOURCES / "go"
    done = subprocess.run([go, "vet", *options, "."], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    done = subprocess.run([go + "fmt", "-l", "."], cwd=folder, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_rust_source_is_formatted() -> None:
    cargo = needs_cargo()
    done = subprocess.run([cargo, "fmt", "--check"], cwd=build.SOURCES / "rust", capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_cannot_be_built_is_left_out_with_a_reason(monkeypatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    commands, left_out = build.build_all()
    assert {"go37", "go36", "rust"} <= set(left_out)
    assert left_out["go37"] == "there is no go"
    assert left_out["rust"] == "there is no cargo"
    # protobuf has no wheel with its C codec for an interpreter without the lock.
    assert ("upb" in commands) != FREE_THREADED
    assert ("upb" in left_out) == FREE_THREADED


def test_only_wanted_peers_are_built_and_named(monkeypatch, capsys) -> None:
    built: list[str] = []
    monkeypatch.setattr(build, "PEERS", {name: lambda name=name: built.append(name) or [name] for name in build.PEERS})
    assert build.build_all(["rust", "go37", "python"]) == ({"go37": ["go37"], "rust": ["rust"]}, {})
    assert built == ["go37", "rust"]
    assert capsys.readouterr().err.splitlines() == ["building go37 (1 of 2 peers)", "building rust (2 of 2 peers)"]


@pytest.fixture
def toy_cargo(monkeypatch, tmp_path: Path) -> Path:
    """A cargo on the path that takes a moment, and makes a copy of ``sleep`` with the features' names behind it."""
    cargo = tmp_path / "cargo"
    cargo.write_text(
        '#!/bin/sh\nfor features; do :; done\nout="$CARGO_TARGET_DIR/release/raftcy-bench-rust"\nmkdir -p "${out%/*}"\n'
        'cp "$(command -v sleep)" "$out"\necho "$features" >> "$out"\nsleep 0.3\n'
    )
    cargo.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("PROTOC", "protoc")
    monkeypatch.setattr(build, "OUT", tmp_path / "out")
    return cargo


@pytest.mark.usefixtures("toy_cargo")
def test_a_peer_that_runs_can_be_built_again() -> None:
    with subprocess.Popen([*build.rust(), "60"]) as running:
        try:
            assert build.rust()
        finally:
            running.kill()


@pytest.mark.usefixtures("toy_cargo")
def test_peers_that_are_built_at_once_keep_apart() -> None:
    with ThreadPoolExecutor() as pool:
        building = [pool.submit(each) for each in (build.rust, build.rust_prost, build.rust, build.rust_prost)]
        for codec, each in zip(("protobuf", "prost") * 2, building, strict=True):
            (program,) = each.result()
            assert Path(program).read_bytes().endswith(f"{codec}-codec\n".encode())


def test_a_failing_build_says_why(monkeypatch, tmp_path) -> None:
    needs_go()
    (tmp_path / "go").mkdir()
    (tmp_path / "go" / "main.go").write_text("package main\n\nfunc main() { undefined() }\n")
    (tmp_path / "go" / "go.mod").write_text("module broken\n\ngo 1.26\n")
    monkeypatch.setattr(build, "SOURCES", tmp_path)
    with pytest.raises(build.Missing, match="undefined"):
        build.go37()
