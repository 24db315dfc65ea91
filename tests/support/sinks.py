"""A client of watches for tests: a sink that can be stopped, and what it has received."""

from raftcy.etcd import schema
from raftcy.etcd.encoding import field, number, tag


def header(revision: int) -> bytes:
    return field(tag(1), number(tag(3, 0), revision))


class Client:
    """Takes answers, as many as ``room`` allows before it stops being writable; None for any number."""

    def __init__(self, room: int | None = None) -> None:
        self.room = room
        self.answers: list[schema.WatchResponse] = []
        self.raw: list[bytes] = []

    @property
    def is_writable(self) -> bool:
        return self.room is None or self.room > 0

    def send(self, data: bytes | list[bytes]) -> None:
        if isinstance(data, list):
            data = b"".join(data)
        answer = schema.WatchResponse.FromString(data)
        if answer.events:
            assert self.is_writable or self.answers[-1].fragment
            if self.room is not None:
                self.room -= 1
        self.answers.append(answer)
        self.raw.append(data)

    def send_each(self, answers: list[bytes]) -> None:
        for each in answers:
            self.send(each)

    def take(self) -> list[schema.WatchResponse]:
        taken, self.answers = self.answers, []
        return taken

    def events(self, watch_id: int = 0) -> list[tuple[int, bytes, bytes]]:
        """The events that a watch has had: revision, key, and value; `-` for a delete."""
        return [
            (each.kv.mod_revision, each.kv.key, b"-" if each.type else each.kv.value)
            for answer in self.answers
            if answer.watch_id == watch_id
            for each in answer.events
        ]
