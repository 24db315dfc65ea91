# Numbers of consts.py for the compiled build; that module itself is not compiled.
from libc.stdint cimport uint64_t

cdef extern from *:
    """
    #define RAFTCY_NO_LIMIT 18446744073709551615ULL
    #define RAFTCY_NO_TERM 18446744073709551615ULL
    #define RAFTCY_LOCAL_APPEND_THREAD 18446744073709551615ULL
    #define RAFTCY_LOCAL_APPLY_THREAD 18446744073709551614ULL
    """
    const uint64_t NO_LIMIT "RAFTCY_NO_LIMIT"
    const uint64_t NO_TERM "RAFTCY_NO_TERM"
    const uint64_t LOCAL_APPEND_THREAD "RAFTCY_LOCAL_APPEND_THREAD"
    const uint64_t LOCAL_APPLY_THREAD "RAFTCY_LOCAL_APPLY_THREAD"

cdef enum:
    NONE = 0

    # message types (MessageType)
    HUP = 0
    BEAT = 1
    PROP = 2
    APP = 3
    APP_RESP = 4
    VOTE = 5
    VOTE_RESP = 6
    SNAP = 7
    HEARTBEAT = 8
    HEARTBEAT_RESP = 9
    UNREACHABLE = 10
    SNAP_STATUS = 11
    CHECK_QUORUM = 12
    TRANSFER_LEADER = 13
    TIMEOUT_NOW = 14
    READ_INDEX = 15
    READ_INDEX_RESP = 16
    PRE_VOTE = 17
    PRE_VOTE_RESP = 18
    STORAGE_APPEND = 19
    STORAGE_APPEND_RESP = 20
    STORAGE_APPLY = 21
    STORAGE_APPLY_RESP = 22
    FORGET_LEADER = 23

    # entry types (EntryType)
    NORMAL = 0
    CONF_CHANGE = 1
    CONF_CHANGE_V2 = 2

    # roles (StateType)
    FOLLOWER = 0
    CANDIDATE = 1
    LEADER = 2
    PRE_CANDIDATE = 3

    # states of a peer's progress (ProgressState)
    PROBE = 0
    REPLICATE = 1
    SNAPSHOT = 2

    # what the next Ready would hold: nothing, only messages, or more
    NOTHING = 0
    MESSAGES = 1
    MORE = 2

    # results of a vote (VoteResult)
    VOTE_PENDING = 1
    VOTE_LOST = 2
    VOTE_WON = 3

    # who may have sent a message (origins.allowed_sender)
    ANYBODY = 0
    MEMBER = 1
    ITSELF = 2

    # kinds of an election
    PRE_ELECTION = 0
    ELECTION = 1
    TRANSFER = 2

    # how reads are made linearizable (ReadOnlyOption)
    READ_ONLY_SAFE = 0
    READ_ONLY_LEASE_BASED = 1

    # configuration changes (ConfChangeType) and transitions (ConfChangeTransition)
    ADD_NODE = 0
    REMOVE_NODE = 1
    UPDATE_NODE = 2
    ADD_LEARNER_NODE = 3
    AUTO = 0
    JOINT_IMPLICIT = 1
    JOINT_EXPLICIT = 2

    # presence bits of an Entry: 1 << (field number - 1)
    E_TYPE = 1
    E_TERM = 2
    E_INDEX = 4
    E_DATA = 8

    # presence bits of a Message; a list has none, it is present if not empty
    P_TYPE = 1
    P_TO = 2
    P_FROM = 4
    P_TERM = 8
    P_LOG_TERM = 16
    P_INDEX = 32
    P_COMMIT = 128
    P_SNAPSHOT = 256
    P_REJECT = 512
    P_REJECT_HINT = 1024
    P_CONTEXT = 2048
    P_VOTE = 4096
    P_ADDRESS = 7

    # presence bits of HardState, ConfState, SnapshotMetadata and Snapshot
    H_TERM = 1
    H_VOTE = 2
    H_COMMIT = 4
    H_ALL = 7
    C_AUTO_LEAVE = 16
    S_DATA = 1
    S_METADATA = 2
    D_CONF_STATE = 1
    D_INDEX = 2
    D_TERM = 4
    D_ALL = 7
