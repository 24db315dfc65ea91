"""``python -m tests.random.mutants.hunt PROFILE SEED...``: simulate these seeds, in order, until a rule is broken.

Runs inside a copy of the package. The last line is JSON: the number of seeds run and, for the one that failed, the
seed, the rule and the failure.
"""

import json
import signal
import sys
from types import FrameType

from raftcy.sim import run

# A seed takes about a second, but a fault may make the core loop endlessly. This is CPU time, so a busy machine does
# not change the result.
LIMIT_S = 300
# A badly written fault raises these, whatever the simulator checks.
BROKEN = ("NameError", "UnboundLocalError", "AttributeError", "ImportError", "SyntaxError")


class Endless(BaseException):
    """A run has not ended in LIMIT_S seconds of CPU time."""


def give_up(number: int, frame: FrameType | None) -> None:
    raise Endless


def hunt(profile: str, seeds: list[int]) -> dict[str, object]:
    """Simulate the seeds and return the result."""
    signal.signal(signal.SIGPROF, give_up)
    for count, seed in enumerate(seeds, 1):
        signal.setitimer(signal.ITIMER_PROF, LIMIT_S)
        try:
            failure = run(seed, profile).failure
        except Endless:
            return {"seeds": count, "seed": seed, "rule": "no end", "text": f"no end within {LIMIT_S} s of CPU time"}
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        if failure is not None:
            if failure.rule == "no error" and failure.text.startswith(BROKEN):
                raise SystemExit(f"the fault itself is broken: {failure.text}")
            return {"seeds": count, "seed": seed, "rule": failure.rule, "text": failure.text[:500]}
    return {"seeds": len(seeds), "seed": None, "rule": None, "text": ""}


if __name__ == "__main__":
    print(json.dumps(hunt(sys.argv[1], [int(seed) for seed in sys.argv[2:]])))
