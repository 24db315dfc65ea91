"""Certificates of the members, made by the openssl program."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ..peers.build import Missing, tool

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def make(folder: Path, members: int) -> Path:
    """Make an authority, and a certificate with a key for each member; returns the folder. Raises Missing."""
    openssl = tool("openssl")
    folder.mkdir(parents=True, exist_ok=True)

    def run(*words: str) -> None:
        done = subprocess.run([openssl, *words], cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Missing(f"openssl failed: {done.stderr.strip()[-500:]}")

    run("req", "-x509", *_KEY, "-keyout", "authority.key", "-subj", "/CN=bench", "-days", "2", "-out", "authority.pem")
    for id in range(1, members + 1):
        (folder / f"{id}.ext").write_text(f"subjectAltName=DNS:member-{id}\n", encoding="ascii")
        run("req", *_KEY, "-keyout", f"{id}.key", "-subj", f"/CN=member-{id}", "-out", f"{id}.csr")
        authority = ("-CA", "authority.pem", "-CAkey", "authority.key", "-set_serial", str(id))
        run("x509", "-req", "-in", f"{id}.csr", *authority, "-days", "2", "-extfile", f"{id}.ext", "-out", f"{id}.pem")
    return folder
