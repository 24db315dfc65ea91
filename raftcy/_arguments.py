"""Types for ``argparse``: whole numbers with limits."""

import argparse
from collections.abc import Callable

_UINT64_MAX = 2**64 - 1


def integer(low: int, high: int | None = None) -> Callable[[str], int]:
    """Return a type that accepts whole numbers from ``low`` to ``high`` inclusive; None for no upper limit."""
    limits = f"at least {low}" if high is None else f"{low} to {'2**64-1' if high == _UINT64_MAX else high}"

    def number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"needs a whole number, not {text!r}") from None
        if value < low or (high is not None and value > high):
            raise argparse.ArgumentTypeError(f"must be {limits}")
        return value

    return number
