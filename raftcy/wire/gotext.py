"""Formats and parses text as Go's standard library does, because etcd's outputs and error texts contain the results.

Owns ``%q`` and the parsing of unsigned numbers.
"""

import re

__all__ = ["WHITE_SPACE", "parse_uint", "quote"]

WHITE_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
WHITE_SPACE += "\u2028\u2029\u202f\u205f\u3000"
"""What Go's ``strings.TrimSpace`` removes: Unicode white space. ``str.strip()`` would also remove U+001C to U+001F."""

_U64_DIGITS = 20
# Characters with an escape of their own. Everything else that is not printable is escaped by its number.
_ESCAPES = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}
_SPECIAL = re.compile(r'["\\]')


def quote(data: bytes) -> str:
    """Return ``data``, read as UTF-8, in double quotes, as Go's ``%q`` writes it.

    Python's Unicode tables decide which characters are printable; their version may differ from Go's.
    """
    # A byte that is not valid UTF-8 becomes a lone surrogate, which valid UTF-8 never decodes to.
    text = data.decode("utf-8", "surrogateescape")
    if text.isprintable() and _SPECIAL.search(text) is None:
        return f'"{text}"'
    return f'"{"".join(map(_escaped, text))}"'


def parse_uint(text: str) -> int:
    """Parse a decimal unsigned 64-bit number. Raises ValueError with the text of Go's ``strconv.ParseUint``."""
    rest = text.lstrip("0123456789")
    digits = text[: len(text) - len(rest)].lstrip("0")
    # Go reports the range as soon as it is exceeded, whatever follows; int() refuses to parse thousands of digits.
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
