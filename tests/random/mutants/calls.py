"""Faults in gRPC and in the HTTP/2 under it, each with the tests that find it. The simulator carries no HTTP/2."""

from typing import NamedTuple

from .edit import Edit

UNARY, STREAMS, ATTACKS, PORT = (
    f"tests/unit/etcd/test_{name}.py" for name in ("grpc_unary", "grpc_streams", "attacks", "endpoint")
)
CALLS, CONNECTION, PROTOCOL = "etcd/grpc_calls.py", "etcd/grpc_connection.py", "etcd/grpc_protocol.py"
ONE, MANY, NGH2, H2, LISTENING = (
    f"etcd/{name}.py" for name in ("grpc_unary", "grpc_streams", "ngh2_backing", "h2_backing", "listening")
)


class CallFault(NamedTuple):
    """What goes wrong, the edits that make it so, and tests of which each must fail."""

    name: str
    says: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]


FAULTS = [
    CallFault(
        "windows_leak",
        "what a refused call sends is never given back to the connection's window",
        (Edit(CONNECTION, "GrpcConnection.data", "self.http2.acknowledge(stream_id, len(data))", "None"),),
        (f"{UNARY}::test_windows_are_given_back_whatever_becomes_of_a_stream",),
    ),
    CallFault(
        "paused_windows_leak",
        "a paused stream that ends keeps its part of the connection's window",
        (Edit(MANY, "StreamCall.over", "self._unacknowledged_bytes", "0", nth=1),),
        (f"{STREAMS}::test_a_paused_stream_may_end",),
    ),
    CallFault(
        "pausing_acknowledges",
        "a paused stream gives its window back, so its client sends without a bound",
        (Edit(MANY, "StreamCall.data", "self._is_paused", "False", nth=1),),
        (f"{STREAMS}::test_a_paused_stream_keeps_its_client_waiting",),
    ),
    CallFault(
        "partial_bytes_leak",
        "bytes of incomplete requests stay counted after the end of their call",
        (Edit(CALLS, "Call.over", "self.connection.hold(-self.held_bytes)", "None"),),
        (f"{UNARY}::test_a_request_comes_in_any_cuts", f"{STREAMS}::test_requests_that_wait_are_bounded"),
    ),
    CallFault(
        "reset_before_the_end",
        "a call that ends early is reset at once, which drops what was sent before",
        (Edit(CONNECTION, "GrpcConnection._reset_early", "not self.http2.queued_bytes(each)", "True"),),
        (f"{STREAMS}::test_the_stop_waits_for_what_was_sent_before",),
    ),
    CallFault(
        "no_early_reset",
        "a client that was refused early may go on sending",
        (Edit(CONNECTION, "GrpcConnection.ended", "if not call.peer_ended:\n    self._early.add(call.stream_id)", ""),),
        (f"{UNARY}::test_an_early_refusal_resets_what_the_client_still_sends",),
    ),
    CallFault(
        "ended_inside_of_send",
        "a receiver is called from inside of a call of its own",
        (Edit(MANY, "StreamCall._abandon", "self.connection.later(self._tell_ended)", "self._tell_ended()"),),
        (f"{STREAMS}::test_the_receiver_is_never_called_from_a_call_of_its_own",),
    ),
    CallFault(
        "unbounded_stream",
        "a handler may send to a slow client without an end",
        (Edit(MANY, "StreamCall._queued", "waiting - size > connection.shared.limits.stream_queue_bytes", "False"),),
        (
            f"{STREAMS}::test_a_handler_that_ignores_it_is_ended_in_time",
            f"{STREAMS}::test_several_answers_count_for_the_bounds",
        ),
    ),
    CallFault(
        "unbounded_answers",
        "answers wait for a client that takes none without a bound",
        (Edit(CONNECTION, "GrpcConnection.admits", "waiting + size_bytes > shared.limits.queue_bytes", "False"),),
        (f"{UNARY}::test_too_much_that_waits_is_refused", f"{ATTACKS}::test_windows_that_stay_closed"),
    ),
    CallFault(
        "deadlines_stay",
        "an answered call stays among the deadlines",
        (Edit(CALLS, "Call.over", "self.connection.shared.deadlines.discard(self, self.slot)", "None"),),
        (f"{UNARY}::test_a_call_that_is_answered_has_no_deadline_left",),
    ),
    CallFault(
        "futures_go_on",
        "nobody tells a handler that its client cancelled",
        (Edit(ONE, "UnaryCall._give_up", "future.cancel()", "None"),),
        (f"{UNARY}::test_a_cancelled_call_cancels_its_future", f"{UNARY}::test_a_deadline_ends_a_call"),
    ),
    CallFault(
        "resets_uncounted",
        "streams may be begun and cancelled without a limit",
        (
            Edit(NGH2, "Ngh2Connection._report", "self._resets.take()", "False"),
            Edit(H2, "H2Backing._happened", 'self._count("resets")', "None"),
        ),
        (f"{ATTACKS}::test_rapid_reset",),
    ),
    CallFault(
        "faults_uncounted",
        "resets that a client makes the server send have no limit",
        (Edit(NGH2, "Ngh2Connection._report", "event.error_code not in _HARMLESS and self._faults.take()", "False"),),
        (f"{ATTACKS}::test_resets_that_the_server_is_made_to_send",),
    ),
    CallFault(
        "pings_uncounted",
        "a client may ping as often as it likes",
        (Edit(CONNECTION, "GrpcConnection.pinged", "self._strikes > _PING_STRIKES", "False"),),
        (f"{ATTACKS}::test_paced_ping_flood",),
    ),
    CallFault(
        "answers_that_leave_unseen",
        "a client that pings while a long answer leaves in parts loses its connection",
        (Edit(CONNECTION, "GrpcConnection._count_queued", "self._strikes = 0", ""),),
        (f"{ATTACKS}::test_pings_while_a_long_answer_leaves_in_parts",),
    ),
    CallFault(
        "frames_of_any_length",
        "h2 collects a frame of any length",
        (Edit(H2, "H2Backing.receive", "len(self._h2.incoming_buffer._data) > _LONGEST_FRAME_BYTES", "False"),),
        (f"{ATTACKS}::test_broken_frames_end_the_connection",),
    ),
    CallFault(
        "reads_while_stalled",
        "a connection is read while its client takes nothing",
        (
            Edit(PROTOCOL, "GrpcProtocol._choose_reading", "self.stalled_since_s is None and not self._rest", "True"),
            Edit(PROTOCOL, "GrpcProtocol.data_received", "self.stalled_since_s is not None", "False"),
        ),
        (f"{PORT}::test_a_client_that_reads_nothing_is_not_read_either",),
    ),
    CallFault(
        "no_notice",
        "a stop refuses calls that are on their way",
        (Edit(LISTENING, "Endpoint._drain", "await asyncio.sleep(notice_s)", "await asyncio.sleep(0)"),),
        (f"{PORT}::test_a_stop_tells_first_and_waits_for_answers",),
    ),
    CallFault(
        "cap_ignored",
        "any number of connections may be open",
        (Edit(LISTENING, "Endpoint._accepted", "len(self._open) >= self._most and not self._make_room()", "False"),),
        (f"{PORT}::test_one_connection_too_many_is_refused",),
    ),
]
