"""What caused an error and what to do, for errors whose text is etcd's and names neither."""

NO_LEADER = "No leader is known here. Propose again once Ready.soft_state names one."
REMOVED = "This leader is no member any more. Propose again at another member, once that knows a new leader."
TRANSFER = "The leader is handing over. Propose again after the transfer: it ends within one election timeout."
NO_ROOM = "The log has reached index 2**64-3, and no entry can follow. Start a new group."
UNCOMMITTED = (
    "Too many bytes wait to be committed and applied: see Config.max_uncommitted_entries_size. "
    "Propose again once earlier proposals are applied; if none is, a quorum is missing."
)
NO_FORWARDING = "This node does not lead, and Config.disable_proposal_forwarding is set. Propose at the leader."
NOT_STORED_AS_ONE = (
    "The commit index of the stored hard state lies outside the stored log, so parts of one Ready were stored and "
    "others were lost. Store hard state, entries and snapshot by one atomic save (raftcy.LogStorage); "
    "raftcy.check_log_storage finds this before the start. This member's storage cannot be trusted: remove the member "
    "from the group, and add a new one with another id and an empty storage."
)
SIZE_IS_ZERO = (
    "Config.max_size_per_msg is 0, and so is max_committed_size_per_ready, which defaults to it: not even one entry "
    "can be handed out. Set max_size_per_msg, for example to 2**20."
)
LOG_LOST = (
    "This node acknowledged entries that it does not have any more; its disk was wiped, or taken back to an older "
    "state. It must not return under its id, since it could vote twice. Remove the member from the group, and add a "
    "new one with another id and an empty storage."
)
