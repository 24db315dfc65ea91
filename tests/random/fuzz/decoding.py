"""Decodes bytes that may be messages, and streams that may be frames, in both builds.

The first byte selects the kind of message; the rest is the input, unchanged. Both codecs read it, and so do the naive
reader of the tests and protobuf's own library. If a codec accepts it, each codec also reads back what it writes.
"""

from types import ModuleType
from typing import Any

from google.protobuf.message import DecodeError as ProtobufError

from raftcy.wire import raft_pb2
from tests.support import naive_codec as naive
from tests.support.values import KINDS, decode, encode, load, outcome

from .choices import Choices
from .machine import Finding


def decoding(builds: list[ModuleType], data: bytes) -> None:
    """Decode an input as one of the messages."""
    if not data:
        return
    kind, body = KINDS[data[0] % len(KINDS)], data[1:]
    outcomes = [outcome(build, kind, body) for build in builds]
    if any(each != outcomes[0] for each in outcomes):
        raise Finding(f"{kind} of {body.hex()}: {outcomes}")
    refused = outcomes[0][0] == "DecodeError"
    if refused and not 0 <= outcomes[0][2] <= len(body):
        raise Finding(f"{kind} of {body.hex()}: an error at {outcomes[0][2]}")
    against_naive(kind, body, outcomes[0] if refused else None, None if refused else outcomes[0][0])
    against_protobuf(kind, body, outcomes[0] if refused else None, None if refused else outcomes[0][2])
    if not refused:
        for build in builds:
            twice(build, kind, body)


def twice(build: ModuleType, kind: str, body: bytes) -> None:
    """An accepted input encodes to bytes that decode to the same value and encode the same again."""
    value = decode(build, kind, body)
    written = encode(build, kind, value)
    again = decode(build, kind, written)
    if again != value or repr(again) != repr(value) or hash(again) != hash(value):
        raise Finding(f"{kind} of {body.hex()} is {value!r}, and written and read again {again!r}")
    if encode(build, kind, again) != written:
        raise Finding(f"{kind} of {body.hex()} is written in two ways")


def against_naive(kind: str, body: bytes, error: Any, fields: Any) -> None:
    """The naive reader sees the same fields, or refuses the input too."""
    if error is not None and "nested deeper" in error[1]:
        return
    try:
        seen = naive.read(kind, body)
    except naive.Refused:
        seen = None
    if seen != fields:
        raise Finding(f"{kind} of {body.hex()}: read as {fields}, plainly {seen}, {error}")


def against_protobuf(kind: str, body: bytes, error: Any, written: bytes | None) -> None:
    """Protobuf writes the same bytes if it knows all fields; it accepts long numbers that raftcy refuses."""
    try:
        message = getattr(raft_pb2, kind).FromString(body)
    except ProtobufError:
        return
    before = message.SerializeToString(deterministic=True)
    message.DiscardUnknownFields()
    if message.SerializeToString(deterministic=True) != before:
        return
    if error is not None:
        if error[1] != "varint is longer than 64 bits":
            raise Finding(f"{kind} of {body.hex()}: protobuf takes it, {error}")
    elif written != before:
        raise Finding(f"{kind} of {body.hex()}: written as {(written or b'').hex()}, by protobuf as {before.hex()}")


# -- frames ------------------------------------------------------------------------------------------------------------


def framing(builds: list[ModuleType], data: bytes) -> None:
    """Feed a stream to each build, in pieces and as a whole."""
    c = Choices(data)
    cuts = [c.below(32) for _ in range(c.below(8))]
    stream = c.octets(len(data))
    hellos = [said(build, stream, [*cuts, len(stream)]) for build in builds] + [said(builds[0], stream, [len(stream)])]
    runs = [feed(build, stream, cuts) for build in builds]
    whole = [feed(build, stream, []) for build in builds]
    if any(each != hellos[0] for each in hellos) or runs[0] != runs[-1] or whole[0] != whole[-1]:
        raise Finding(f"{stream.hex()}: {hellos}, {runs}, {whole}")
    if runs[0] != whole[0]:
        raise Finding(f"{stream.hex()} in pieces: {runs[0]}, as a whole: {whole[0]}")
    payloads, error, rest = runs[0]
    frame = load(builds[0], "transport.frame")
    if sum(4 + len(payload) for payload in payloads) + rest != len(stream) and error is None:
        raise Finding(f"{stream.hex()}: bytes are lost")
    if b"".join(map(frame.encode_frame, payloads)) != stream[: len(stream) - rest]:
        raise Finding(f"{stream.hex()}: frames are written in another way")


def said(build: ModuleType, stream: bytes, cuts: list[int]) -> Any:
    """What a stream says to the acceptor of a connection: to one that waits for a hello, and to one that had it."""
    conversation, packets = load(build, "transport.conversation"), load(build, "transport.packets")
    outcomes = []
    for is_open in (False, True):
        speech = conversation.Speech(True)
        if is_open:
            speech.welcome(packets.Hello(sender=1, receiver=2))
        told: list[str] = []
        payloads: list[bytes] = []
        at = 0
        for size in cuts:
            for event in speech.receive(stream[at : at + size]):
                if isinstance(event, conversation.Messages):
                    payloads += [bytes(each) for each in event.payloads]
                else:
                    told.append(repr(event))
                if isinstance(event, conversation.Greeted) and event.hello.version == packets.PROTOCOL:
                    written = packets.encode_greeting(packets.HELLO, event.hello)
                    if packets.decode_greeting(written[4:]) != event.hello:
                        raise Finding(f"{event} is not read as it was written")
            at += size
        if speech.pending_bytes > len(stream):
            raise Finding(f"{speech.pending_bytes} bytes wait of {len(stream)}")
        outcomes.append((told, payloads, str(speech.error), speech.take_output()))
    return outcomes


def feed(build: ModuleType, stream: bytes, cuts: list[int]) -> tuple[list[bytes], str | None, int]:
    """The payloads of a stream, the error that ends it, and the number of bytes that wait."""
    decoder, errors = load(build, "transport.frame").FrameDecoder(), load(build, "errors")
    payloads: list[bytes] = []
    fed = 0
    try:
        for size in [*cuts, len(stream), 0]:
            payloads += decoder.feed(stream[fed : fed + size])
            fed += size
            if decoder.pending_bytes > fed:
                raise Finding(f"{decoder.pending_bytes} bytes wait of {fed}")
    except errors.DecodeError as error:
        return payloads, str(error), len(stream) - sum(4 + len(payload) for payload in payloads)
    return payloads, None, decoder.pending_bytes
