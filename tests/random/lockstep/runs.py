"""Random runs: a seed draws the events while one build runs them, and the other build repeats them."""

from __future__ import annotations

import random
from types import ModuleType
from typing import Any

from .cluster import Cluster, Event, Options

WEIGHTS = {
    "ready": 30,
    "deliver": 34,
    "append_thread": 8,
    "apply_thread": 8,
    "tick": 10,
    "propose": 8,
    "campaign": 2,
    "change": 2,
    "leave": 0.5,
    "read": 2,
    "transfer": 1,
    "forget": 0.5,
    "unreachable": 0.7,
    "snapshot_report": 0.7,
    "drop": 2,
    "compact": 1.5,
    "restart": 0.3,
    "status": 0.3,
}


class Mismatch(AssertionError):
    """The builds differ. The text names the run, the event, and the difference."""


def draw(rng: random.Random, cluster: Cluster, o: Options, mutate: bool) -> Event:
    """The next event that the cluster can run."""
    kind = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    ids = list(cluster.hosts)
    id = rng.choice(ids)
    if kind in ("deliver", "drop") and cluster.flight:
        place = rng.randrange(min(len(cluster.flight), 4 if rng.random() < 0.8 else 10_000))
        to = cluster.raftcy.Message.decode(cluster.flight[place]).to
        if to not in cluster.hosts:
            return "drop", ids[0], place
        if kind == "drop":
            return "drop", to, place
        flip = (rng.randrange(64), 1 << rng.randrange(8)) if mutate and rng.random() < 0.1 else None
        return "deliver", to, place, rng.random() < 0.08, flip
    if kind == "tick":
        return "tick", id, rng.choice([1, 1, 1, o.election_tick, 2 * o.election_tick])
    if kind == "propose":
        return "propose", id, rng.choice([None, b"", b"x" * rng.randrange(1, 60)])
    if kind == "change":
        steps = rng.choice([1, 1, 1, 2, 3])
        text = " ".join(rng.choice("vvlru") + str(rng.choice([*ids, 0, len(ids) + 1])) for _ in range(steps))
        return "change", id, rng.choice([None, 0, 0, 1, 2]), text, rng.random() < 0.4
    if kind == "read":
        return "read", id, b"r%d" % rng.randrange(3)
    if kind in ("transfer", "unreachable"):
        return kind, id, rng.choice([*ids, 77])
    if kind == "snapshot_report":
        return kind, id, rng.choice(ids), rng.choice([1, 2])
    if kind == "compact":
        return kind, id, rng.choice([0, 1, 3])
    if kind in ("deliver", "drop"):
        return "ready", id
    return kind, id


def run(one: ModuleType, other: ModuleType, seed: int, events: int = 120) -> int:
    """Run both builds in lockstep. Returns the number of events; raises Mismatch."""
    rng = random.Random(seed)
    o = Options(rng)
    return lead(seed, rng, o, Cluster(one, o), Cluster(other, o), events)


def lead(seed: int, rng: random.Random, o: Options, first: Cluster, second: Cluster, events: int) -> int:
    """Run the same random events on two clusters, as ``run`` does."""
    mutate = rng.random() < 0.4
    history: list[Event] = []
    for number in range(events):
        event = draw(rng, first, o, mutate)
        history.append(event)
        results = [_outcome(cluster, event) for cluster in (first, second)]
        unexpected = any(result[0] == "unexpected" for result in results)
        if unexpected or results[0] != results[1] or first.flight != second.flight:
            raise Mismatch(_report(seed, number, event, results, history))
        if dead(first, event[1]):
            break
    return len(history)


def dead(cluster: Cluster, id: int) -> bool:
    """Whether the node is dead; some changed bytes have to kill it."""
    try:
        cluster.hosts[id].node.has_ready()
    except cluster.raftcy.Stopped:
        return True
    return False


def _outcome(cluster: Cluster, event: Event) -> Any:
    try:
        return cluster.run(event)
    except Exception as error:
        # Not an error of ours: a failure even if both builds raise it.
        return "unexpected", type(error).__name__, str(error)


def _report(seed: int, number: int, event: Event, results: list[Any], history: list[Event]) -> str:
    lines = [f"seed {seed}, event {number}: {event}"]
    one, other = results
    if len(one) == len(other):
        for place, (a, b) in enumerate(zip(one, other, strict=True)):
            if a != b:
                lines += [f"  in part {place}:", f"    {a!r}", f"    {b!r}"]
    else:
        lines += [f"    {one!r}", f"    {other!r}"]
    lines.append("  after " + "; ".join(map(str, history[-6:])))
    return "\n".join(lines)
