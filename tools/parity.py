"""Writes tests/parity.md, or checks it: which tests answer which tests of etcd's raft v3.7.0.

    python -m tools.parity [--check]

A test names the tests that it answers in a line of its docstring:

    answers: TestLeaderElection, TestLeaderElectionPreVote

After a comma at its end, the names continue on the next line. If two packages of the reference have a test of the same
name, the plain name means the root package; write others with their package: `confchange.TestRestore`.

The tool refuses to write or check the table if a name is not in the reference, if a claim is in something that pytest
does not run, or if a reason is given for a test that is answered or unknown. The check also fails if a test has neither
an answer nor a reason.
"""

import sys
from pathlib import Path
from typing import NamedTuple

from .claimed import TESTS, Claimed, Table, Wrong, claimed, main

# The test functions of each file, in order, without the leading "Test".
REFERENCE = {
    "raft_test.go": """
        ProgressLeader ProgressResumeByHeartbeatResp ProgressPaused ProgressFlowControl UncommittedEntryLimit
        LeaderElection LeaderElectionPreVote LearnerElectionTimeout LearnerPromotion LearnerCanVote LeaderCycle
        LeaderCyclePreVote LeaderElectionOverwriteNewerLogs LeaderElectionOverwriteNewerLogsPreVote
        VoteFromAnyState PreVoteFromAnyState LogReplication LearnerLogReplication SingleNodeCommit
        CannotCommitWithoutNewTermEntry CommitWithoutNewTermEntry DuelingCandidates DuelingPreCandidates
        CandidateConcede SingleNodeCandidate SingleNodePreCandidate OldMessages Proposal ProposalByProxy Commit
        PastElectionTimeout StepIgnoreOldTermMsg HandleMsgApp HandleHeartbeat HandleHeartbeatResp
        RaftFreesReadOnlyMem MsgAppRespWaitReset RecvMsgVote RecvMsgPreVote StateTransition AllServerStepdown
        CandidateResetTermMsgHeartbeat CandidateResetTermMsgApp CandidateSelfVoteAfterLostElection
        CandidateSelfVoteAfterLostElectionPreVote CandidateDeliversPreCandidateSelfVoteAfterBecomingCandidate
        LeaderMsgAppSelfAckAfterTermChange LeaderStepdownWhenQuorumActive LeaderStepdownWhenQuorumLost
        LeaderSupersedingWithCheckQuorum LeaderElectionWithCheckQuorum FreeStuckCandidateWithCheckQuorum
        NonPromotableVoterWithCheckQuorum DisruptiveFollower DisruptiveFollowerPreVote ReadOnlyOptionSafe
        ReadOnlyWithLearner ReadOnlyOptionLease ReadOnlyForNewLeader ReadOnlyDuplicateRequest LeaderAppResp
        BcastBeat RecvMsgBeat LeaderIncreaseNext SendAppendForProgressProbe SendAppendForProgressReplicate
        SendAppendForProgressSnapshot RecvMsgUnreachable Restore RestoreWithLearner RestoreWithVotersOutgoing
        RestoreVoterToLearner RestoreLearnerPromotion LearnerReceiveSnapshot RestoreIgnoreSnapshot ProvideSnap
        IgnoreProvidingSnap RestoreFromSnapMsg SlowNodeRestore StepConfig StepIgnoreConfig
        NewLeaderPendingConfig AddNode AddLearner AddNodeCheckQuorum RemoveNode RemoveLearner Promotable
        RaftNodes CampaignWhileLeader PreCampaignWhileLeader CommitAfterRemoveNode LeaderTransferToUpToDateNode
        LeaderTransferToUpToDateNodeFromFollower LeaderTransferWithCheckQuorum LeaderTransferToSlowFollower
        LeaderTransferAfterSnapshot LeaderTransferToSelf LeaderTransferToNonExistingNode LeaderTransferTimeout
        LeaderTransferIgnoreProposal LeaderTransferReceiveHigherTermVote LeaderTransferRemoveNode
        LeaderTransferDemoteNode LeaderTransferBack LeaderTransferSecondTransferToAnotherNode
        LeaderTransferSecondTransferToSameNode TransferNonMember NodeWithSmallerTermCanCompleteElection
        PreVoteWithSplitVote PreVoteWithCheckQuorum LearnerCampaign PreVoteMigrationCanCompleteElection
        PreVoteMigrationWithFreeStuckPreCandidate ConfChangeCheckBeforeCampaign ConfChangeV2CheckBeforeCampaign
        FastLogRejection LogReplicationWithReorderedMessage
    """,
    "raft_paper_test.go": """
        FollowerUpdateTermFromMessage CandidateUpdateTermFromMessage LeaderUpdateTermFromMessage
        RejectStaleTermMessage StartAsFollower LeaderBcastBeat FollowerStartElection CandidateStartNewElection
        LeaderElectionInOneRoundRPC FollowerVote CandidateFallback FollowerElectionTimeoutRandomized
        CandidateElectionTimeoutRandomized FollowersElectionTimeoutNonconflict
        CandidatesElectionTimeoutNonconflict LeaderStartReplication LeaderCommitEntry LeaderAcknowledgeCommit
        LeaderCommitPrecedingEntries FollowerCommitEntry FollowerCheckMsgApp FollowerAppendEntries
        LeaderSyncFollowerLog VoteRequest Voter LeaderOnlyCommitsLogFromCurrentTerm
    """,
    "raft_flow_control_test.go": "MsgAppFlowControlFull MsgAppFlowControlMoveForward MsgAppFlowControlRecvHeartbeat",
    "raft_snap_test.go": """
        SendingSnapshotSetPendingSnapshot PendingSnapshotPauseReplication SnapshotFailure SnapshotSucceed
        SnapshotAbort
    """,
    "node_test.go": """
        NodeStep NodeStepUnblock NodePropose DisableProposalForwarding NodeReadIndexToOldLeader
        NodeProposeConfig NodeProposeAddDuplicateNode BlockProposal NodeProposeWaitDropped NodeTick NodeStop
        NodeStart NodeRestart NodeRestartFromSnapshot NodeAdvance SoftStateEqual IsHardStateEqual
        NodeProposeAddLearnerNode AppendPagination CommitPagination CommitPaginationWithAsyncStorageWrites
        NodeCommitPaginationAfterRestart
    """,
    "rawnode_test.go": """
        RawNodeStep RawNodeProposeAndConfChange RawNodeJointAutoLeave RawNodeProposeAddDuplicateNode
        RawNodeReadIndex RawNodeStart RawNodeRestart RawNodeRestartFromSnapshot RawNodeStatus
        RawNodeCommitPaginationAfterRestart RawNodeBoundedLogGrowthWithPartition RawNodeConsumeReady
    """,
    "log_test.go": """
        FindConflict FindConflictByTerm IsUpToDate Append LogMaybeAppend CompactionSideEffects
        HasNextCommittedEnts NextCommittedEnts AcceptApplying AppliedTo NextUnstableEnts CommitTo StableTo
        StableToWithSnap Compaction LogRestore IsOutOfBounds Term TermWithUnstableSnapshot Slice Scan
    """,
    "log_unstable_test.go": """
        UnstableMaybeFirstIndex MaybeLastIndex UnstableMaybeTerm UnstableRestore UnstableNextEntries
        UnstableNextSnapshot UnstableAcceptInProgress UnstableStableTo UnstableTruncateAndAppend
    """,
    "storage_test.go": """
        StorageTerm StorageEntries StorageLastIndex StorageFirstIndex StorageCompact StorageCreateSnapshot
        StorageAppend StorageApplySnapshot
    """,
    "types_test.go": "EntryID LogSlice",
    "util_test.go": """
        DescribeEntry LimitSize IsLocalMsg IsResponseMsg PayloadSizeOfEmptyEntry
    """,
    "interaction_test.go": "Interaction",
    "confchange/datadriven_test.go": "ConfChangeDataDriven",
    "confchange/quick_test.go": "ConfChangeQuick",
    "confchange/restore_test.go": "Restore",
    "quorum/datadriven_test.go": "DataDriven",
    "quorum/majority_test.go": "Describe",
    "quorum/quick_test.go": "Quick",
    "tracker/inflights_test.go": """
        InflightsAdd InflightFreeTo InflightsFull InflightsReset
    """,
    "tracker/progress_test.go": """
        ProgressString ProgressIsPaused ProgressResume ProgressBecomeProbe ProgressBecomeReplicate
        ProgressBecomeSnapshot ProgressUpdate ProgressMaybeDecr
    """,
    "raftpb/confchange_test.go": "LeaveJoint",
    "raftpb/confstate_test.go": "ConfState_Equivalent",
    "raftpb/raft_test.go": "ProtoMemorySizes",
    "rafttest/network_test.go": "NetworkDrop NetworkDelay",
    "rafttest/node_test.go": "BasicProgress Restart Pause",
}

# Names that only the release of 2019 had, from which the Node here takes its rules.
SEED_ONLY = {
    "raft_test.go (2019)": "LearnerCannotVote",
    "raft_snap_test.go (2019)": "SnapshotSucceedViaAppResp",
    "node_test.go (2019)": "NodeBoundedLogGrowthWithPartition NodeReadIndex ReadyContainUpdates",
    "log_test.go (2019)": "HasNextEnts NextEnts UnstableEnts",
}

# Tests that do not apply to a program in another language.
NOT_PORTABLE = {"TestProtoMemorySizes": "pins how many bytes of memory Go's structures take"}

# Reasons why a test has no answer here.
REASONS: dict[str, str] = {}

NOT_YET = "not answered"


class Row(NamedTuple):
    """A test of the reference: its file, its name, and the name by which tests here call it."""

    file: str
    name: str
    called: str


def rows(tables: dict[str, str]) -> list[Row]:
    """Return the tests of a table, with unique names."""
    found = []
    taken: set[str] = set()
    for file, names in tables.items():
        package = file.rpartition("/")[0]
        for each in names.split():
            name = "Test" + each
            found.append(Row(file, name, f"{package}.{name}" if name in taken else name))
            taken.add(name)
    return found


def answers(tests: Path = TESTS) -> Claimed:
    """Return the tests of a folder, by the name that they answer. Raises Wrong for claims that cannot be true."""
    known = {row.called for row in (*rows(REFERENCE), *rows(SEED_ONLY))}

    def objection(name: str) -> str:
        return "" if name in known else f"{name!r}, which the reference does not have"

    found, faults = claimed(tests, "answers", objection)
    portable = known - set(NOT_PORTABLE)
    faults += [f"a reason for {name!r}, which is not in the list" for name in sorted(set(REASONS) - portable)]
    faults += [f"a reason for {name}, which is answered" for name in sorted(set(REASONS) & set(found))]
    if faults:
        raise Wrong("\n".join(faults))
    return found


def section(file: str, tests: list[Row], found: Claimed) -> list[str]:
    """Return the part of the table for one file."""
    lines = [f"## {file}", "", "| reference | here |", "| --- | --- |"]
    for row in tests:
        here = "<br>".join(f"`{test.removeprefix('tests/')}`" for test in found.get(row.called, ()))
        lines.append(f"| {row.name} | {here or '**none:** ' + reason(row.called)} |")
    return [*lines, ""]


def reason(name: str) -> str:
    """Return why a test has no answer."""
    return NOT_PORTABLE.get(name) or REASONS.get(name) or NOT_YET


def render(found: Claimed) -> str:
    """Return the whole table."""
    reference = rows(REFERENCE)
    seed = rows(SEED_ONLY)
    portable = [row for row in reference if row.called not in NOT_PORTABLE]
    done = sum(row.called in found for row in portable)
    old = sum(row.called in found for row in seed)
    rest = len(reference) - len(portable)
    lines = [
        "# Tests of the reference and their answers",
        "",
        "<!-- Written by tools/parity.py from the docstrings of the tests; not to be edited. -->",
        "",
        f"**{done} of {len(portable)}** tests of etcd's raft v3.7.0 are answered by tests here, in our own words.",
        f"It has {len(reference)} tests; {rest} of them cannot apply to a program in another language.",
        f"Of the {len(seed)} tests that only its release of 2019 had, **{old}** are answered, by the rules of v3.7.0.",
        "",
    ]
    missing = [row for row in (*portable, *seed) if row.called not in found]
    if missing:
        lines += ["Without an answer:", ""]
        lines += [f"- {row.name} ({row.file}): {reason(row.called)}" for row in missing]
        lines += [""]
    for tests in (reference, seed):
        for file in dict.fromkeys(row.file for row in tests):
            lines += section(file, [row for row in tests if row.file == file], found)
    return "\n".join(lines)


def undecided(found: Claimed) -> list[str]:
    """List the tests of the reference that have neither an answer nor a reason."""
    return [
        f"{row.name} of {row.file} has neither an answer nor a reason"
        for row in (*rows(REFERENCE), *rows(SEED_ONLY))
        if row.called not in found and reason(row.called) == NOT_YET
    ]


PARITY = Table("parity.md", "parity", answers, render, undecided)

if __name__ == "__main__":
    sys.exit(main(PARITY, __doc__, sys.argv[1:]))
