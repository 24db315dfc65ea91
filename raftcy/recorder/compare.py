"""Compares two recordings and finds the first difference."""

from typing import NamedTuple

from .outcome import outcome_text
from .recording import Record, Recording
from .records import Kind


class Parting(NamedTuple):
    """A difference between two recordings.

    ``number`` is the number of the record, None for the Config. ``what`` says which part differs, and ``one`` and
    ``other`` are the two texts of that part.
    """

    number: int | None
    what: str
    one: str
    other: str

    def __str__(self) -> str:
        where = "the Config" if self.number is None else f"record {self.number}"
        return f"{where} differs in {self.what}\n  one:   {self.one}\n  other: {self.other}"


def first_difference(one: Recording, other: Recording, until: int | None = None) -> Parting | None:
    """Return the first difference of two recordings, or None if there is none. ``until`` limits it to earlier records.

    Times, builds and checkpoints do not count. If the recordings start at different records, as rings do, the
    comparison starts at the first record that both have.

    Raises ValueError if ``until`` leaves no such record.
    """
    for name in sorted({*one.config, *other.config}):
        values = one.config.get(name), other.config.get(name)
        if values[0] != values[1]:
            return Parting(None, name, *map(repr, values))
    ours, theirs = _calls(one), _calls(other)
    first = max((records[0].number for records in (ours, theirs) if records), default=0)
    if until is not None and until <= first:
        raise ValueError(f"nothing to compare before record {until}: both recordings have records from {first} on")
    if not ours or not theirs:
        return None if ours == theirs else _missing(ours, theirs, 0)
    ours, theirs = _between(ours, first, until), _between(theirs, first, until)
    for place in range(max(len(ours), len(theirs))):
        if place >= len(ours) or place >= len(theirs):
            return _missing(ours, theirs, place)
        found = _parting(ours[place], theirs[place])
        if found is not None:
            return found
    return None


def _calls(recording: Recording) -> list[Record]:
    return [record for record in recording.records if record.kind != Kind.CHECKPOINT]


def _between(records: list[Record], first: int, until: int | None) -> list[Record]:
    return [record for record in records if first <= record.number and (until is None or record.number < until)]


def _missing(ours: list[Record], theirs: list[Record], place: int) -> Parting:
    if place < len(ours):
        return Parting(ours[place].number, "being there", str(ours[place]), "the recording ends")
    return Parting(theirs[place].number, "being there", "the recording ends", str(theirs[place]))


def _parting(one: Record, other: Record) -> Parting | None:
    if (one.kind, one.given) != (other.kind, other.given):
        return Parting(one.number, "the call", str(one), str(other))
    for place in range(max(len(one.answers), len(other.answers))):
        texts = [str(each.answers[place]) if place < len(each.answers) else "not asked" for each in (one, other)]
        if texts[0] != texts[1]:
            return Parting(one.number, "an answer", *texts)
    if one.outcome != other.outcome:
        return Parting(one.number, f"the outcome of {one.kind}", outcome_text(one.outcome), outcome_text(other.outcome))
    return None
