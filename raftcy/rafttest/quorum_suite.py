"""The suite of quorums: committed indexes and votes, each computed in several ways that must agree."""

from collections.abc import Iterable, Iterator, Mapping

from ..core.quorum import JointConfig, MajorityConfig
from ..wire import consts as k
from ..wire.enums import VoteResult
from .conversions import parse_uint
from .datadriven import Case, ScriptError

__all__ = ["handle"]

_VOTES = {"_": 0, "n": 1, "y": 2}


def handle(case: Case) -> str:
    """Run ``committed [cfg=(ID,..)] [cfgj=(ID,..)|zero] [idx=(INDEX|_,..)]`` or ``vote`` with ``votes=(y|n|_,..)``.

    The values belong to the distinct ids, in the order in which the ids first appear.
    """
    if case.command not in ("committed", "vote"):
        raise ScriptError(f"unknown command: {case.command}")
    incoming, outgoing, is_joint = _configs(case)
    given = list(_given(case))
    ids = list(dict.fromkeys(incoming + outgoing))
    if len(ids) != len(given):
        members = " ".join(f"{id}:{{}}" for id in sorted(ids))
        values = " ".join(map(_show, given))
        return f"error: mismatched input (explicit or _) for voters map[{members}]: [{values}]"
    known = {id: value for id, value in zip(ids, given, strict=True) if value != 0}
    majority, joint = MajorityConfig(incoming), JointConfig(incoming, outgoing)
    mirrored = JointConfig(outgoing, incoming)
    if case.command == "vote":
        votes = {id: value == _VOTES["y"] for id, value in known.items()}
        if is_joint:
            return _joint_vote(joint, mirrored, votes)
        return f"{majority.vote_result(votes)}\n"
    return _joint_committed(joint, mirrored, known) if is_joint else _majority_committed(majority, known)


def _configs(case: Case) -> tuple[list[int], list[int], bool]:
    """Return the ids of both halves as written, and whether there is a second half."""
    incoming: list[int] = []
    outgoing: list[int] = []
    is_joint = False
    for argument in case.arguments:
        if argument.key == "cfg":
            incoming += map(parse_uint, argument.values)
        elif argument.key == "cfgj" and argument.values:
            is_joint = True
            if argument.values != ("zero",):
                outgoing += map(parse_uint, argument.values)
        elif argument.values and argument.key not in ("idx", "votes"):
            raise ScriptError(f"unknown arg {argument.key}")
    return incoming, outgoing, is_joint


def _given(case: Case) -> Iterator[int]:
    """Yield the values that the command uses; 0 stands for unknown."""
    for key, value in case.values():
        if key == "idx":
            number = 0 if value == "_" else parse_uint(value)
            if number == 0 and value != "_":
                raise ScriptError("cannot use 0 as idx")
            if case.command == "committed":
                yield number
        elif key == "votes":
            if value not in _VOTES:
                raise ScriptError(f"unknown vote: {value}")
            if case.command == "vote":
                yield _VOTES[value]


def _joint_vote(joint: JointConfig, mirrored: JointConfig, votes: Mapping[int, bool]) -> str:
    result = joint.vote_result(votes)
    return "".join(_differing(result, [(mirrored.vote_result(votes), "via symmetry")])) + f"{result}\n"


def _joint_committed(joint: JointConfig, mirrored: JointConfig, acked: Mapping[int, int]) -> str:
    result = joint.committed_index(acked)
    others = _differing(result, [(mirrored.committed_index(acked), "via symmetry")])
    return "".join([joint.describe(acked), *others, f"{_show(result)}\n"])


def _majority_committed(config: MajorityConfig, acked: Mapping[int, int]) -> str:
    result = config.committed_index(acked)
    ids = config.ids()
    ways = [
        (_count_committed(ids, acked), "via alternative computation"),
        (JointConfig(ids, []).committed_index(acked), "via zero-joint quorum"),
        (JointConfig(ids, ids).committed_index(acked), "via self-joint quorum"),
    ]
    for id in ids:
        index = acked.get(id, 0)
        if 0 < index < result:
            # A voter behind the committed index makes no difference by falling further behind.
            ways += [
                (config.committed_index({**acked, id: lower}), f"overlaying {id}->{lower}") for lower in (index - 1, 0)
            ]
    return "".join([config.describe(acked), *_differing(result, ways), f"{_show(result)}\n"])


def _count_committed(ids: list[int], acked: Mapping[int, int]) -> int:
    """Compute the committed index of a majority directly from its definition."""
    if not ids:
        return k.NO_LIMIT
    indexes = [acked.get(id, 0) for id in ids]
    return max(index for index in [0, *indexes] if sum(other >= index for other in indexes) > len(ids) // 2)


def _differing(result: int, ways: Iterable[tuple[int, str]]) -> Iterator[str]:
    return (f"{_show(value)} <-- {how}\n" for value, how in ways if value != result)


def _show(value: int) -> str:
    if isinstance(value, VoteResult):
        return str(value)
    return "∞" if value == k.NO_LIMIT else str(value)
