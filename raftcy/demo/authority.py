"""The certificates of the members, made by the openssl program for one run of the demo."""

import asyncio
import shutil
from collections.abc import Iterable
from pathlib import Path

from .lines import DemoError

_DAYS = "2"
_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


async def make_certificates(folder: Path, ids: Iterable[int]) -> bool:
    """Make an authority and a certificate for each member, in files with the names that the functions below return.

    Returns False, and makes nothing, if there is no openssl. The authority's key is removed at the end.
    """
    openssl = shutil.which("openssl")
    if openssl is None:
        return False
    key = folder / "authority.key"
    authority = authority_of(folder)
    about = ("-subj", "/CN=raftcy demo", "-days", _DAYS)
    await _run(openssl, "req", "-x509", *_NEW_KEY, "-keyout", key, *about, "-out", authority)
    for id in ids:
        request, names = folder / f"{id}.csr", folder / f"{id}.ext"
        # The name that binds a certificate to its member.
        names.write_text(f"basicConstraints=CA:FALSE\nsubjectAltName=DNS:member-{id}\n")
        certificate, own_key = certificate_of(folder, id)
        await _run(openssl, "req", *_NEW_KEY, "-keyout", own_key, "-subj", f"/CN=member {id}", "-out", request)
        await _run(
            openssl, "x509", "-req", "-in", request, "-CA", authority, "-CAkey", key, "-set_serial", id,
            "-days", _DAYS, "-extfile", names, "-out", certificate,
        )  # fmt: skip
    key.unlink()
    return True


def authority_of(folder: Path) -> Path:
    """Return the file of the authority's certificate."""
    return folder / "authority.pem"


def certificate_of(folder: Path, id: int) -> tuple[Path, Path]:
    """Return the files of a member's certificate and key."""
    return folder / f"{id}.pem", folder / f"{id}.key"


async def _run(*command: object) -> None:
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, said = await process.communicate()
    except BaseException:
        if process.returncode is None:
            process.kill()
        raise
    if process.returncode:
        raise DemoError(f"openssl made no certificate: {said.decode(errors='replace').strip()}")
