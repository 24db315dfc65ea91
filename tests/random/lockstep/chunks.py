"""Some of many runs, for one of several processes."""


def chunk(seeds: range) -> tuple[int, int, str]:
    """Run some seeds; returns (runs, events, the first mismatch or an empty text)."""
    import raftcy
    from raftcy._build import load_pure

    from .runs import Mismatch, run

    pure = load_pure("raftcy_pure")
    events = 0
    for done, seed in enumerate(seeds):
        try:
            events += run(raftcy, pure, seed)
        except Mismatch as mismatch:
            return done, events, str(mismatch)
    return len(seeds), events, ""
