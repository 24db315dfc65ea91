"""Two Patroni nodes with PostgreSQL on an etcd cluster: their folders, processes and settings."""

import json
import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from raftcy.demo.ports import free_ports

PASSWORD = "pw"
POSTGRES = "postgres"
TTL_S = 20


class Node:
    """One Patroni with its PostgreSQL, run as the user postgres."""

    def __init__(self, name: str, folder: Path, python: Path, binaries: Path, scope: str, etcd: Sequence[str]) -> None:
        self.name = name
        self.api, self.port = free_ports(2)
        self.home = folder / name
        self.home.mkdir()
        shutil.chown(self.home, POSTGRES, POSTGRES)
        self.file = folder / f"{name}.json"
        self._log = folder / f"{name}.log"
        self._python = python
        self.file.write_text(json.dumps(self._settings(scope, etcd, binaries)))
        self.process: subprocess.Popen[bytes] | None = None

    def _settings(self, scope: str, etcd: Sequence[str], binaries: Path) -> dict[str, Any]:
        users = (("replication", "repl"), ("superuser", POSTGRES), ("rewind", "rewinder"))
        address = f"127.0.0.1:{self.port}"
        return {
            "scope": scope,
            "name": self.name,
            "namespace": "/service/",
            "restapi": {"listen": f"127.0.0.1:{self.api}", "connect_address": f"127.0.0.1:{self.api}"},
            "etcd3": {"hosts": list(etcd), "protocol": "http"},
            "bootstrap": {
                "dcs": {
                    "ttl": TTL_S,
                    "loop_wait": 1,
                    "retry_timeout": 3,
                    "postgresql": {"use_pg_rewind": True, "parameters": {"wal_keep_size": "64MB", "hot_standby": "on"}},
                },
                "initdb": [{"encoding": "UTF8"}, "data-checksums", "no-sync", {"locale": "C"}],
            },
            "postgresql": {
                "listen": address,
                "connect_address": address,
                "data_dir": str(self.home / "data"),
                "bin_dir": str(binaries),
                "pgpass": str(self.home / "pgpass"),
                "authentication": {kind: {"username": user, "password": PASSWORD} for kind, user in users},
                "parameters": {
                    "unix_socket_directories": str(self.home),
                    "fsync": "off",
                    "shared_buffers": "16MB",
                    "max_connections": 20,
                },
                "pg_hba": [
                    "local all all trust",
                    "host all all 127.0.0.1/32 md5",
                    "host replication repl 127.0.0.1/32 md5",
                ],
            },
        }

    def start(self) -> None:
        """Start Patroni."""
        user = ["setpriv", f"--reuid={POSTGRES}", f"--regid={POSTGRES}", "--init-groups"]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [*user, str(self._python), "-m", "patroni", str(self.file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.home,
                start_new_session=True,
            )

    def kill(self) -> None:
        """Kill Patroni and its server at once."""
        if self.process is not None:
            self.process.kill()
            os.kill(int((self.home / "data" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
            self.process.wait()

    def end(self) -> None:
        """End whatever runs."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def state(self, path: str = "/") -> Any:
        """What the node says of itself."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.api}{path}", timeout=2) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)

    def leads(self) -> bool:
        """Whether its server runs as the primary."""
        state = self.state()
        return state.get("role") in ("primary", "master") and state.get("state") == "running"

    def streams(self) -> bool:
        """Whether its server follows the primary."""
        state = self.state()
        return state.get("role") == "replica" and state.get("replication_state") == "streaming"

    def sql(self, query: str) -> str:
        """Ask its server."""
        done = subprocess.run(
            ["psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", POSTGRES, "-Atqc", query, POSTGRES],
            env={**os.environ, "PGPASSWORD": PASSWORD, "PGCONNECT_TIMEOUT": "2"},
            capture_output=True,
            text=True,
            timeout=10,
        )
        if done.returncode:
            raise RuntimeError(done.stderr.strip())
        return done.stdout.strip()

    def tail(self) -> str:
        """The end of its log."""
        return self._log.read_text(errors="replace")[-2000:] if self._log.exists() else ""


class Steps:
    """What happens, each step within a bound. ``on_step`` is called at the beginning of each."""

    def __init__(self, on_step: Callable[[str], None]) -> None:
        self._on_step = on_step
        self.took_s: dict[str, float] = {}

    def wait(self, what: str, until: Callable[[], Any], bound_s: float) -> None:
        """Wait until something is true."""
        self._on_step(what)
        began = time.monotonic()
        last: object = None
        while time.monotonic() - began < bound_s:
            try:
                last = until()
                if last:
                    self.took_s[what] = time.monotonic() - began
                    return
            except Exception as error:
                last = repr(error)
            time.sleep(0.1)
        raise AssertionError(f"{what}: not within {bound_s} s, last {last}")
