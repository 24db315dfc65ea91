"""Sleep of idle groups: how the hosts agree on it, and what ends it. No I/O.

The host of a group's leader claims, to the host of each other member, that its member leads the group in this term, and
that the whole log up to this commit index is committed. The other host agrees for its member, or refuses. Once all have
agreed, the leader's member sleeps: it takes no ticks and sends no heartbeats. A follower sleeps from the moment it
agrees. Instead of heartbeats, one beat a tick travels from host to host, for all groups together. It carries what was
claimed and withdrawn since the last beat, and a digest of all claims to the receiver.

Sleep only leaves out ticks and heartbeats, which Raft may lose at any time, so it cannot harm the log. It must not keep
a group from electing a leader, or a member from following one. Rules:

1.  A claim is true while it stands: the host withdraws it in the same turn in which its member gets work, follows
    another leader, or ends.
2.  A member agrees only to a claim that describes exactly its own state: it follows that leader in that term, its log
    ends at the claimed index, and all of it is committed and applied. So a leader whose member lags cannot sleep.
3.  Only the leader of a term claims in it, and a member agrees only to the leader that it follows. So two leaders
    cannot both sleep.
4.  Whoever gets work wakes: a proposal, a read, a message other than a leader's heartbeat, a change. A follower that
    wakes refuses the claim in every beat until it is withdrawn, which wakes the leader, which wakes all others.
5.  A follower sleeps only while beats of that start of the leader's host come, with the digest of the claims that the
    follower's host has noted. After ``patience`` ticks without one it wakes, and counts those ticks as ticks without a
    heartbeat. If a digest differs, the host asks for the whole list. Members without a claim in it wake.
6.  A beat with another nonce comes from another start of that host, which has claimed nothing and agreed to nothing:
    all members that slept under it wake, and so do all leaders to which it had agreed.
7.  A leader to whose claim a silent host had agreed sleeps on while the rest is a majority, and wakes otherwise: it may
    have to step down.
8.  An older beat that was overtaken by a newer one changes nothing.

Asleep there is no CheckQuorum and no lease. The beats stand in for the former (rule 7): a leader without a majority
wakes after ``patience`` ticks and steps down an election timeout later.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from .beat import Beat, Claim

_MASK = 2**64 - 1
Agrees = Callable[[int, int, int, int], bool]
"""Whether the member of a group (first) may sleep under a leader's claim: leader, term, commit."""


class Changes(NamedTuple):
    """The groups whose members fall asleep and wake. ``ticks`` is how long a waking follower has heard nothing."""

    asleep: list[int]
    awake: list[tuple[int, int]]


class _Noted:
    """A claim of this host. ``number`` is that of the first beat with it."""

    __slots__ = ("commit", "number", "term")

    def __init__(self, term: int, commit: int, number: int) -> None:
        self.term = term
        self.commit = commit
        self.number = number


class _Offer:
    """A group that a member here leads: whom it claims to, how many have to agree, and who makes a majority."""

    __slots__ = ("asleep", "members", "missing", "voters")

    def __init__(self, members: tuple[int, ...], voters: tuple[int, ...]) -> None:
        self.members = members
        # How many of them have not agreed yet.
        self.missing = len(members)
        # The voters on other hosts. This host's member stands for itself.
        self.voters = voters
        self.asleep = False

    def has_majority(self) -> bool:
        """Whether those that were claimed to are a majority together with the leader."""
        reached = sum(1 for each in self.voters if each in self.members) + 1
        return 2 * reached > len(self.voters) + 1


class _Peer:
    """What this host knows of another one."""

    __slots__ = (
        "acked",
        "added",
        "changed",
        "claimed",
        "claimed_digest",
        "claims",
        "digest",
        "full",
        "heard",
        "last",
        "nonce",
        "number",
        "owes",
        "refused",
        "removed",
        "silent",
        "unsure",
        "waiting",
        "wants",
    )

    def __init__(self) -> None:
        self.nonce = 0
        self.number = 0
        # Claims of this host to that one. ``waiting`` are those without an answer; ``changed`` is the number of the
        # last beat that changed any, and ``acked`` that of the last beat that the other host has agreed with.
        self.claims: dict[int, _Noted] = {}
        self.digest = 0
        self.added: dict[int, None] = {}
        self.removed: dict[int, None] = {}
        self.waiting: dict[int, None] = {}
        self.full = False
        self.changed = self.acked = 0
        self.silent = 0
        # Claims of that host to this one, and those among them under which no member here sleeps. ``last`` is the
        # number of its last beat, and ``heard`` that of the last one whose digest was right.
        self.claimed: dict[int, tuple[int, int]] = {}
        self.claimed_digest = 0
        self.refused: dict[int, None] = {}
        self.last = self.heard = 0
        self.wants = self.owes = False
        self.unsure = 0


class Sleeping:
    """The sleep of the groups of one host. ``nonce`` is drawn at each start, above 0; ``patience`` is in ticks.

    A group's member has one part at a time. The leader's host calls ``offer``, then ``withdraw`` when the member has
    work or leads no more. The other hosts are asked by ``agrees`` in ``hear``, and call ``refuse`` when the member has
    work.
    """

    def __init__(self, nonce: int, patience: int) -> None:
        self.nonce = nonce
        self._patience = patience
        self._peers: dict[int, _Peer] = {}
        self._offers: dict[int, _Offer] = {}
        # By group: the host under whose claim a member here sleeps.
        self._under: dict[int, int] = {}

    def is_asleep(self, group: int) -> bool:
        """Whether the member of a group sleeps here."""
        offer = self._offers.get(group)
        return offer.asleep if offer is not None else group in self._under

    def is_settled(self, group: int) -> bool:
        """Whether the member of a group sleeps here, or has offered to."""
        return group in self._offers or group in self._under

    # -- this host's members -------------------------------------------------------------------------------------

    def offer(self, group: int, term: int, commit: int, members: Iterable[int], voters: Iterable[int]) -> bool:
        """Offer sleep to the hosts of ``members``, for a group that a member here leads. Returns whether it sleeps now.

        ``voters`` are all other voters of the group, of which some may not be among ``members``: their hosts do not
        answer, so nobody could ask them. Together with the leader the members must be a majority; otherwise this does
        nothing and returns False, as a leader without a majority must not sleep.
        """
        self.withdraw(group)
        offer = _Offer(tuple(members), tuple(voters))
        if not offer.has_majority():
            return False
        self._offers[group] = offer
        for id in offer.members:
            peer = self._peer(id)
            if not peer.claims:
                peer.silent = 0
            peer.claims[group] = _Noted(term, commit, peer.number + 1)
            peer.digest ^= mix(group, term, commit)
            peer.added[group] = None
            peer.waiting[group] = None
            peer.removed.pop(group, None)
            peer.changed = peer.number + 1
        offer.asleep = not offer.members
        return offer.asleep

    def withdraw(self, group: int) -> None:
        """End the offer for a group, if there is one: its leader has work, or leads no more."""
        offer = self._offers.pop(group, None)
        if offer is not None:
            for id in offer.members:
                self._drop_claim(self._peers[id], group)

    def _drop_claim(self, peer: _Peer, group: int) -> None:
        noted = peer.claims.pop(group)
        peer.digest ^= mix(group, noted.term, noted.commit)
        peer.waiting.pop(group, None)
        peer.added.pop(group, None)
        if noted.number <= peer.number:
            peer.removed[group] = None
        peer.changed = peer.number + 1

    def refuse(self, group: int) -> None:
        """Refuse the claim under which the member of a group sleeps, if there is one: the member has work."""
        under = self._under.pop(group, None)
        if under is not None:
            self._peers[under].refused[group] = None

    def rouse(self, group: int) -> None:
        """Wake the member of a group, whatever its part."""
        self.withdraw(group)
        self.refuse(group)

    # -- time ----------------------------------------------------------------------------------------------------

    def tick(self) -> Changes:
        """Let a tick pass, and wake the members that a silent host concerns."""
        changes = Changes([], [])
        for id, peer in self._peers.items():
            if peer.claims:
                peer.silent += 1
                if peer.silent > self._patience:
                    self._lose_follower(id, peer, changes)
            if peer.claimed:
                peer.unsure += 1
                if peer.unsure > self._patience:
                    self._lose_leader(id, peer, changes)
        return changes

    def _lose_follower(self, id: int, peer: _Peer, changes: Changes) -> None:
        for group in list(peer.claims):
            offer = self._offers[group]
            offer.members = tuple(each for each in offer.members if each != id)
            offer.missing -= group in peer.waiting
            self._drop_claim(peer, group)
            if not offer.has_majority():
                self._wake_leader(group, changes)
            else:
                self._settle(group, offer, changes)

    def _lose_leader(self, id: int, peer: _Peer, changes: Changes) -> None:
        """Wake all members under a host, and forget its claims. If it is alive, it will send all of them again."""
        for group in peer.claimed:
            if group not in peer.refused:
                del self._under[group]
                changes.awake.append((group, peer.unsure))
        peer.claimed = {}
        peer.claimed_digest = 0
        peer.refused = {}
        peer.heard = 0
        peer.wants = True

    def _wake_leader(self, group: int, changes: Changes) -> None:
        self.withdraw(group)
        changes.awake.append((group, 0))

    def _settle(self, group: int, offer: _Offer, changes: Changes) -> None:
        if not offer.asleep and not offer.missing:
            offer.asleep = True
            changes.asleep.append(group)

    # -- beats ---------------------------------------------------------------------------------------------------

    @property
    def peers(self) -> list[int]:
        """The hosts that should get a beat at this tick."""
        return [id for id, peer in self._peers.items() if _needs_beats(peer)]

    def next_beat(self, id: int) -> Beat:
        """Return the next beat to a host."""
        peer = self._peer(id)
        peer.number += 1
        named = peer.claims if peer.full else peer.added
        beat = Beat(
            nonce=self.nonce,
            number=peer.number,
            heard_nonce=peer.nonce,
            heard=peer.heard,
            full=peer.full,
            wants=peer.wants,
            asks=_asks(peer),
            total=len(peer.claims),
            digest=peer.digest,
            claims=[Claim(group, peer.claims[group].term, peer.claims[group].commit) for group in named],
            withdrawn=[] if peer.full else list(peer.removed),
            refused=list(peer.refused),
        )
        peer.added = {}
        peer.removed = {}
        peer.full = peer.owes = False
        return beat

    def hear(self, id: int, beat: Beat, agrees: Agrees) -> Changes:
        """Take a beat of a host, and return whose members fall asleep and wake."""
        changes = Changes([], [])
        peer = self._peer(id)
        if beat.nonce != peer.nonce:
            self._begin_anew(id, peer, beat.nonce, changes)
        elif beat.number <= peer.last:
            return changes
        peer.last = beat.number
        peer.silent = 0
        peer.owes = beat.asks
        self._note_claims(id, peer, beat, agrees, changes)
        if beat.heard_nonce == self.nonce:
            self._note_answers(id, peer, beat, changes)
        return changes

    def _begin_anew(self, id: int, peer: _Peer, nonce: int, changes: Changes) -> None:
        """Take note of another start of a host. It knows nothing of what an earlier start has said and heard."""
        known = peer.nonce != 0
        peer.nonce = nonce
        peer.unsure = 0
        self._lose_leader(id, peer, changes)
        peer.wants = False
        if known:
            for group in list(peer.claims):
                self._wake_leader(group, changes)
            peer.added = {}
            peer.removed = {}
            peer.acked = peer.changed

    def _note_claims(self, id: int, peer: _Peer, beat: Beat, agrees: Agrees, changes: Changes) -> None:
        """Take over the other host's claims, and judge the new ones."""
        if not peer.claimed:
            peer.unsure = 0
        if beat.full:
            named = {claim.group for claim in beat.claims}
            for group in [group for group in peer.claimed if group not in named]:
                self._drop_claimed(peer, group, changes)
        for group in beat.withdrawn:
            if group in peer.claimed:
                self._drop_claimed(peer, group, changes)
        for group, term, commit in beat.claims:
            present = peer.claimed.get(group)
            if present == (term, commit) and group not in peer.refused:
                continue
            if present is not None:
                peer.claimed_digest ^= mix(group, *present)
            self._judge(id, peer, group, agrees(group, id, term, commit), changes)
            peer.claimed[group] = (term, commit)
            peer.claimed_digest ^= mix(group, term, commit)
        if len(peer.claimed) == beat.total and peer.claimed_digest == beat.digest:
            peer.heard = beat.number
            peer.wants = False
            peer.unsure = 0
        else:
            peer.wants = True

    def _judge(self, id: int, peer: _Peer, group: int, agreed: bool, changes: Changes) -> None:
        """Note whether the member of a group sleeps under a new claim."""
        under = self._under.get(group)
        if agreed:
            if under is None:
                changes.asleep.append(group)
            elif under != id:
                self._peers[under].refused[group] = None
            self._under[group] = id
            peer.refused.pop(group, None)
        else:
            if under == id:
                del self._under[group]
                changes.awake.append((group, 0))
            peer.refused[group] = None

    def _drop_claimed(self, peer: _Peer, group: int, changes: Changes) -> None:
        peer.claimed_digest ^= mix(group, *peer.claimed.pop(group))
        if group in peer.refused:
            del peer.refused[group]
        else:
            del self._under[group]
            changes.awake.append((group, 0))

    def _note_answers(self, id: int, peer: _Peer, beat: Beat, changes: Changes) -> None:
        """Take note of the claims that the other host has agreed to, and of those that it refuses."""
        peer.full |= beat.wants
        peer.acked = max(peer.acked, beat.heard)
        for group in beat.refused:
            noted = peer.claims.get(group)
            if noted is not None and noted.number <= beat.heard:
                self._wake_leader(group, changes)
        for group in list(peer.waiting):
            if peer.claims[group].number > beat.heard:
                break
            del peer.waiting[group]
            offer = self._offers[group]
            offer.missing -= 1
            self._settle(group, offer, changes)

    def _peer(self, id: int) -> _Peer:
        peer = self._peers.get(id)
        if peer is None:
            peer = self._peers[id] = _Peer()
        return peer


def _needs_beats(peer: _Peer) -> bool:
    """Whether there is anything to say to a host, or to hear from it."""
    return _asks(peer) or peer.full or peer.owes


def _asks(peer: _Peer) -> bool:
    """Whether the host has to answer: it is to show that it is alive, or that it has heard of a change."""
    return bool(peer.claims or peer.claimed) or peer.wants or peer.acked < peer.changed


def mix(group: int, term: int, commit: int) -> int:
    """Return 64 bits for a claim. The digest of several claims is the exclusive or of theirs."""
    mixed = (group * 0x9E3779B97F4A7C15 + term * 0xC2B2AE3D27D4EB4F + commit * 0x165667B19E3779F9) & _MASK
    mixed ^= mixed >> 29
    mixed = mixed * 0xBF58476D1CE4E5B9 & _MASK
    return mixed ^ mixed >> 32
