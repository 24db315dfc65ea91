"""Authorities and certificates for tests, made by the openssl program."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from .needs import needs_tool


@dataclass
class Certificate:
    """A certificate and its key, in files."""

    file: Path
    key: Path


class Authority:
    """An authority with files in a folder."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._openssl = needs_tool("openssl")
        self._folder = folder
        self._name = name
        self.file = folder / f"{name}.pem"
        self._key = folder / f"{name}.key"
        self._count = 0
        self._run(
            "req", "-x509", *self._new_key(self._key), "-subj", f"/CN={name}", "-days", "2", "-out", str(self.file)
        )

    def issue(self, *names: str, days: int = 2, password: str = "") -> Certificate:
        """A certificate with these names in its SAN, such as ``DNS:member-1``. With days below 0 it has expired."""
        self._count += 1
        stem = self._folder / f"{self._name}-{self._count}"
        key, request, file = (stem.with_suffix(suffix) for suffix in (".key", ".csr", ".pem"))
        extensions = stem.with_suffix(".ext")
        lines = ["basicConstraints=CA:FALSE", *([f"subjectAltName={','.join(names)}"] if names else [])]
        extensions.write_text("\n".join(lines) + "\n")
        self._run("req", *self._new_key(key, password), "-subj", "/CN=node", "-out", str(request))
        self._run(
            "x509", "-req", "-in", str(request), "-CA", str(self.file), "-CAkey", str(self._key), "-set_serial",
            str(self._count), "-days", str(days), "-extfile", str(extensions), "-out", str(file),
        )  # fmt: skip
        return Certificate(file, key)

    def _new_key(self, key: Path, password: str = "") -> list[str]:
        secret = ["-passout", f"pass:{password}"] if password else ["-nodes"]
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", *secret, "-keyout", str(key)]

    def _run(self, *arguments: str) -> None:
        done = subprocess.run([self._openssl, *arguments], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
