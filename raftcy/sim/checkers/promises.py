"""What a member says about itself."""

from ...wire import consts as k
from ...wire.messages import Message
from ..seen import Seen
from .base import Checker


class PromisesAreDurable(Checker):
    """What a member acknowledges is on its disk, synced, before it is said (paper, figure 2; thesis 3.8).

    A vote: the term and the vote. An append: the term in which it was acknowledged, and the log up to its index. An
    acknowledgement of an older term may come after a leader of a newer one has overwritten what it is for: that leader
    was elected by a majority without it, so it cannot become committed by this any more.
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
