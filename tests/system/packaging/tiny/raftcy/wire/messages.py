"""A typed class: one source for both builds."""

from . import consts as k


class Message:
    def __init__(self, index: int) -> None:
        self.index = index

    def is_append(self, kind: int) -> bool:
        return kind == k.APP
