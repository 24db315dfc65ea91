"""Network namespaces for members, on a bridge. All of them are nameless, and end with the processes that hold them.

The namespaces are joined by neighbour tables, not by ARP: to cut the way from one member to another, its entry for the
other gets a link address that nobody has. Packets in the other direction pass, and nobody hears of the cut.
"""

import ctypes
import os
import select
import signal
import socket
import subprocess
from collections.abc import Iterable

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
PORT = 7000
NOWHERE = "02:00:00:00:ff:ff"
_libc = ctypes.CDLL(None, use_errno=True)


def address(id: int) -> str:
    """The address at which a member listens."""
    return f"10.77.0.{id}:{PORT}"


def end_with_parent() -> None:
    """Kill this process when its parent ends."""
    _check(_libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _link(id: int) -> str:
    return f"02:00:00:00:00:{id:02x}"


def ip(lines: Iterable[str], holder: int = 0) -> None:
    """Run lines of ``ip`` in this namespace, or in that of the process ``holder``. Raises OSError if one fails."""
    command = ["nsenter", "-t", str(holder), "-n"] if holder else []
    text = "".join(f"{line}\n" for line in lines)
    done = subprocess.run([*command, "ip", "-batch", "-"], input=text, capture_output=True, text=True, timeout=30)
    if done.returncode != 0:
        raise OSError(f"ip: {done.stderr.strip()} in {text}")


class Network:
    """A bridge in a namespace of its own, which this process enters, and a namespace for each member."""

    def __init__(self) -> None:
        _check(_libc.unshare(CLONE_NEWNET))
        # It lives as long as this, even if this process enters another one.
        self._hub = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        ip(["link set lo up", "link add hub type bridge", "link set hub up"])
        self._holders: dict[int, subprocess.Popen[bytes]] = {}
        self._cut: dict[int, set[int]] = {}

    def add(self, id: int) -> None:
        """Make the namespace of a member, 1 to 250."""

        def before() -> None:
            end_with_parent()
            _check(_libc.unshare(CLONE_NEWNET))

        # Popen returns once the program runs, so the namespace is there.
        holder = self._holders[id] = subprocess.Popen(["sleep", "infinity"], preexec_fn=before)
        ip([f"link add v{id} type veth peer name eth0 address {_link(id)} netns {holder.pid}"])
        ip([f"link set v{id} master hub up"])
        ip(["link set lo up", f"addr add 10.77.0.{id}/24 dev eth0", "link set eth0 up"], holder.pid)
        self._cut[id] = set()
        for each in self._holders:
            self._set(each, set(self._holders), self._cut[each])

    def _set(self, id: int, others: Iterable[int], cut: set[int]) -> None:
        lines = [
            f"neigh replace 10.77.0.{other} lladdr {NOWHERE if other in cut else _link(other)} nud permanent dev eth0"
            for other in others
            if other != id
        ]
        if lines:
            ip(lines, self._holders[id].pid)

    def cut(self, ways: dict[int, set[int]]) -> None:
        """Cut, for each member, the ways from it to these others, and heal all other ways."""
        for id in self._holders:
            wanted = ways.get(id, set())
            changed = wanted ^ self._cut[id]
            if changed:
                self._cut[id] = wanted
                self._set(id, changed, wanted)

    def enter(self, id: int) -> None:
        """Move this process into the namespace of a member."""
        with open(f"/proc/{self._holders[id].pid}/ns/net") as file:
            _check(_libc.setns(file.fileno(), CLONE_NEWNET))

    def leave(self) -> None:
        """Move this process back into the namespace of the bridge."""
        _check(_libc.setns(self._hub, CLONE_NEWNET))

    def close(self) -> None:
        """End all namespaces but this process's."""
        for holder in self._holders.values():
            holder.kill()
            holder.wait()
        os.close(self._hub)


def reached(network: Network, ids: list[int]) -> set[tuple[int, int]]:
    """Which members' datagrams reach which others."""
    sockets = {}
    for id in ids:
        network.enter(id)
        sockets[id] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sockets[id].bind((f"10.77.0.{id}", PORT))
    network.leave()
    for id, each in sockets.items():
        for other in set(ids) - {id}:
            each.sendto(bytes([id]), (f"10.77.0.{other}", PORT))
    found = set()
    while ready := select.select(list(sockets.values()), [], [], 0.3)[0]:
        for id in ids:
            if sockets[id] in ready:
                found.add((sockets[id].recv(9)[0], id))
    for each in sockets.values():
        each.close()
    return found


def can_make_networks() -> bool:
    """Whether this machine lets a process make such networks. Tried in a process of its own."""
    try:
        pid = os.fork()
    except OSError:
        return False
    if pid == 0:
        status = 1
        try:
            network = Network()
            try:
                network.add(1)
                network.add(2)
                network.cut({1: {2}})
            finally:
                network.close()
            status = 0
        except OSError:
            pass
        finally:
            os._exit(status)
    return os.waitpid(pid, 0)[1] == 0
