"""Runs the commands of the README on fresh machines: ``python -m tools.fresh_machine``. Needs root and debootstrap.

Each machine is a new Debian in a folder of its own, with Python and make, one with gcc and one without. A clean copy of
this checkout is put into it, with the pip settings and certificates of this machine, if it has any. Every line that a
command prints is shown with the seconds since its begin. At the end come the seconds of the wall clock and of the
processors for each command; the wall clock means something only if nothing else runs.

The exit status is 0 if every command succeeded, and 1 otherwise. The folders are removed unless ``--keep`` names one.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("ca-certificates", "make", "openssl", "python3", "python3-venv")
COMPILER = ("gcc", "libc6-dev", "python3-dev")
SETTINGS = ("/etc/pip.conf", "/etc/resolv.conf", "/etc/ssl/certs/ca-certificates.crt")
COMMANDS = ("make demo", "make test")
Result = tuple[str, str, int, float, float]


def machine(folder: Path, suite: str, packages: tuple[str, ...]) -> None:
    """Make a Debian with some packages in a folder, and a copy of this checkout in it."""
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(packages)}", suite, str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    for name in SETTINGS:
        if Path(name).exists():
            target = folder / name.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            shutil.copy(name, target)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, stdout=-1
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            target = folder / "raftcy" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)


# In a mount namespace of its own: outside, nothing is ever mounted in the folder, so that it can be removed safely.
ENTER = 'mount --rbind /proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" sh -c "cd /raftcy && exec $1"'


def run(folder: Path, label: str, command: str) -> Result:
    """Run a command in a machine, and show its lines with their seconds."""
    print(f"--- {label}: {command}", flush=True)
    environment = {name: each for name, each in os.environ.items() if name.startswith(("PIP_", "SSL_"))}
    environment |= {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/root", "LANG": "C.UTF-8"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.monotonic()
    line = ["unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, str(folder), command]
    with subprocess.Popen(line, env=environment, stdout=-1, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for text in process.stdout:
            print(f"{time.monotonic() - begun:6.1f}  {text}", end="", flush=True)
    wall = time.monotonic() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return label, command, process.returncode, wall, cpu


def main(argv: list[str]) -> int:
    """Make the machines and run the commands."""
    parser = argparse.ArgumentParser(prog="python -m tools.fresh_machine", description="The README on fresh machines.")
    parser.add_argument("commands", nargs="*", default=COMMANDS, metavar="COMMAND", help=f"default: {COMMANDS}")
    parser.add_argument("--suite", default="bookworm", help="the Debian (default: %(default)s)")
    parser.add_argument("--only", choices=("gcc", "no-gcc"), help="one of the two machines")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the machines here")
    options = parser.parse_args(argv)
    if shutil.which("debootstrap") is None or os.geteuid() != 0:
        parser.error("this needs root and debootstrap (on Debian: apt-get install debootstrap)")
    results: list[Result] = []
    with ExitStack() as stack:
        place = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="raftcy-machines-")))
        for label, packages in (("gcc", PACKAGES + COMPILER), ("no-gcc", PACKAGES)):
            if options.only in (None, label):
                folder = place / label
                machine(folder, options.suite, packages)
                results += [run(folder, label, command) for command in options.commands]
    for label, command, status, wall, cpu in results:
        print(f"{label:6}  {command:20}  status {status}, {wall:.0f} s, {cpu:.0f} s of processors")
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    return 1 if any(status for _, _, status, _, _ in results) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
