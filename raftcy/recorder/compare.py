"""Two recordings side by side: where they part."""

from typing import NamedTuple

from .kinds import Kind
from .outcome import outcome_text
from .recording import Record, Recording


class Parting(NamedTuple):
    """Where two recordings differ: the record's number (None for the Config), in what, and how it is in each."""

    number: int | None
    what: str
    one: str
    other: str

    def __str__(self) -> str:
        where = "the Config" if self.number is None else f"record {self.number}"
        return f"{where} differs in {self.what}\n  one:   {self.one}\n  other: {self.other}"


def first_difference(one: Recording, other: Recording) -> Parting | None:
    """The first difference of two recordings, None if they are the same.

    Times, and the build that recorded, do not count; nor do checkpoints that only one of them has. Recordings that
    begin at different records, as those of rings do, are compared from the first one that both have.
    """
    for name in sorted({*one.config, *other.config}):
        values = one.config.get(name), other.config.get(name)
        if values[0] != values[1]:
            return Parting(None, name, *map(repr, values))
    ours, theirs = _calls(one), _calls(other)
    if not ours or not theirs:
        return None if ours == theirs else _missing(ours, theirs, 0)
    first = max(ours[0].number, theirs[0].number)
    ours = [record for record in ours if record.number >= first]
    theirs = [record for record in theirs if record.number >= first]
    for place in range(max(len(ours), len(theirs))):
        if place >= len(ours) or place >= len(theirs):
            return _missing(ours, theirs, place)
        found = _parting(ours[place], theirs[place])
        if found is not None:
            return found
    return None


def _calls(recording: Recording) -> list[Record]:
    return [record for record in recording.records if record.kind != Kind.CHECKPOINT]


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
