"""The rule of promises: what a member acknowledges."""

from ...wire import consts as k
from ...wire.messages import Message
from ..seen import Seen
from .base import Checker


class PromisesAreDurable(Checker):
    """Whatever a member acknowledges is on its disk, synced, before the message is sent (paper, figure 2; thesis 3.8).

    For a vote these are the term and the vote; for an append, the term of the acknowledgement and the log up to its
    index. An acknowledgement from an older term may be sent after a newer leader has overwritten those entries: that
    leader was elected by a majority that did not have them, so this acknowledgement can no longer commit them.
    """

    rule = "promises are durable"

    def sending(self, member: Seen, m: Message) -> None:
        kind = m.type
        if m.reject or (kind != k.APP_RESP and kind != k.VOTE_RESP):
            return
        disk = member.disk
        state = disk.synced
        term, vote = (state.term, state.vote) if state is not None else (0, 0)
        if kind == k.VOTE_RESP:
            if term < m.term or (term == m.term and vote != m.to):
                self.fail(f"{member.id} votes for {m.to} in term {m.term}; on disk are term {term}, vote {vote}")
        elif m.index:
            if term == m.term and m.index > disk.last_index():
                self.fail(f"{member.id} acknowledges {m.index}; its log on disk ends at {disk.last_index()}")
            if term < m.term:
                self.fail(f"{member.id} acknowledges {m.index} in term {m.term}; on disk is term {term}")
