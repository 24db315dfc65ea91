"""Parses numbers and booleans as Go's ``strconv`` does, because its error texts appear in the outputs of scripts."""

import re

from ..wire.gotext import parse_uint, quote
from .datadriven import to_bytes

__all__ = ["parse_bool", "parse_int", "parse_uint"]

_SIGNED = re.compile(r"([+-]?)0*([0-9]+)", re.ASCII)
_BOOLS = dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True)
_BOOLS |= dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False)


def parse_int(text: str) -> int:
    """Parse a decimal number from -2**63 to 2**63-1, with an optional sign. Raises ValueError for anything else."""
    found = _SIGNED.fullmatch(text)
    if found is None:
        raise _error("ParseInt", text, "invalid syntax")
    # int() refuses to parse thousands of digits, and twenty are out of range already.
    number = int(found[1] + found[2][:20])
    if not -(2**63) <= number <= 2**63 - 1:
        raise _error("ParseInt", text, "value out of range")
    return number


def parse_bool(text: str) -> bool:
    """Parse ``1 t T TRUE true True`` or ``0 f F FALSE false False``. Raises ValueError for anything else."""
    value = _BOOLS.get(text)
    if value is None:
        raise _error("ParseBool", text, "invalid syntax")
    return value


def _error(function: str, text: str, reason: str) -> ValueError:
    return ValueError(f"strconv.{function}: parsing {quote(to_bytes(text))}: {reason}")
