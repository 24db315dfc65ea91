"""Texts as Go's standard library writes and reads them, where they are part of outputs and errors.

Owns ``%q`` and the reading of unsigned numbers. Never knows what a text is about.
"""

import re

__all__ = ["WHITE_SPACE", "parse_uint", "quote"]

WHITE_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
WHITE_SPACE += "\u2028\u2029\u202f\u205f\u3000"
"""Unicode's white space, which texts are trimmed of; str.strip() by itself would also take U+001C to U+001F."""

_U64_DIGITS = 20
# What is written by an escape: the backslash, the quotes, and what is not printable, surrogates included.
_ESCAPES = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}
_SPECIAL = re.compile(r'["\\]')


def quote(data: bytes) -> str:
    """``data`` in double quotes, read as UTF-8, as Go's ``%q`` writes it.

    What counts as printable is for Python's Unicode tables to say, whose version is not always Go's.
    """
    # A byte that is no UTF-8 becomes a lone surrogate, which no UTF-8 does.
    text = data.decode("utf-8", "surrogateescape")
    if text.isprintable() and _SPECIAL.search(text) is None:
        return f'"{text}"'
    return f'"{"".join(map(_escaped, text))}"'


def parse_uint(text: str) -> int:
    """A decimal unsigned 64-bit number; ValueError with the text of Go's ``strconv.ParseUint``."""
    rest = text.lstrip("0123456789")
    digits = text[: len(text) - len(rest)].lstrip("0")
    # Go stops where the range is left, whatever follows; int() would refuse thousands of digits.
    if len(digits) > _U64_DIGITS or int(digits or "0") >= 2**64:
        raise _not_parsed(text, "value out of range")
    if rest or not text:
        raise _not_parsed(text, "invalid syntax")
    return int(digits or "0")


def _not_parsed(text: str, reason: str) -> ValueError:
    return ValueError(f"strconv.ParseUint: parsing {quote(text.encode('utf-8', 'surrogateescape'))}: {reason}")


def _escaped(rune: str) -> str:
    code = ord(rune)
    if code in _ESCAPES:
        return _ESCAPES[code]
    if rune.isprintable():
        return rune
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
