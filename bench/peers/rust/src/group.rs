//! A group of nodes in one process, drained in a fixed order.

use std::mem;

use raft::eraftpb::{ConfState, Entry, Message, Snapshot};
use raft::storage::MemStorage;
use raft::{Config, RawNode, Storage};
use slog::{o, Discard, Logger};

use crate::measure::Failure;

pub const COMPACT_EVERY: usize = 10_000;
const KEEP: u64 = 1_000;
const FIRST: u64 = 2; // index of the snapshot that each storage begins with

/// A node with its storage, its inbox, and its applied entries.
pub struct Member {
    pub node: RawNode<MemStorage>,
    inbox: Vec<Message>,
    spare: Vec<Message>,
    applied: usize,
    applied_bytes: usize,
    pub reads: usize,
}

/// Nodes 1 to `members.len()`; `sent` counts all messages.
pub struct Group {
    pub members: Vec<Member>,
    pub sent: usize,
}

impl Member {
    pub fn new(id: u64, voters: &[u64]) -> Result<Self, Failure> {
        let storage = MemStorage::new();
        let mut conf_state = ConfState::default();
        conf_state.set_voters(voters.to_vec());
        let mut snapshot = Snapshot::default();
        let metadata = snapshot.mut_metadata();
        metadata.set_conf_state(conf_state);
        metadata.set_index(FIRST);
        metadata.set_term(1);
        storage.wl().apply_snapshot(snapshot)?;
        let config = Config {
            id,
            election_tick: 10,
            heartbeat_tick: 1,
            applied: FIRST,
            max_size_per_msg: 1 << 20,
            max_inflight_msgs: 256,
            ..Default::default()
        };
        let node = RawNode::new(&config, storage, &Logger::root(Discard, o!()))?;
        Ok(Member { node, inbox: vec![], spare: vec![], applied: 0, applied_bytes: 0, reads: 0 })
    }

    fn apply(&mut self, entries: &[Entry]) {
        self.applied += entries.len();
        self.applied_bytes += entries.iter().map(|e| e.data.len()).sum::<usize>();
    }
}

impl Group {
    /// Makes a group and elects its first member.
    pub fn new(size: usize) -> Result<Self, Failure> {
        let voters: Vec<u64> = (1..=size as u64).collect();
        let members = voters.iter().map(|&id| Member::new(id, &voters)).collect::<Result<Vec<_>, _>>()?;
        let mut group = Group { members, sent: 0 };
        group.members[0].node.campaign()?;
        group.drain()?;
        group.check_leader(0)?;
        Ok(group)
    }

    /// Passes over the members by id, each stepping its inbox and then handling at most one Ready, until a pass does
    /// nothing.
    pub fn drain(&mut self) -> Result<(), Failure> {
        let mut busy = true;
        while busy {
            busy = false;
            for place in 0..self.members.len() {
                let member = &mut self.members[place];
                if !member.inbox.is_empty() {
                    busy = true;
                    mem::swap(&mut member.inbox, &mut member.spare);
                    for m in member.spare.drain(..) {
                        member.node.step(m)?;
                    }
                }
                if member.node.has_ready() {
                    busy = true;
                    self.handle(place)?;
                }
            }
        }
        Ok(())
    }

    /// Persists, sends, applies and advances, as raft-rs wants it: a leader's messages may go out at once.
    fn handle(&mut self, place: usize) -> Result<(), Failure> {
        let member = &mut self.members[place];
        let mut rd = member.node.ready();
        {
            let mut storage = member.node.store().wl();
            storage.append(rd.entries())?;
            if let Some(hs) = rd.hs() {
                storage.set_hardstate(hs.clone());
            }
        }
        member.apply(&rd.take_committed_entries());
        member.reads += rd.read_states().len();
        let (at_once, persisted) = (rd.take_messages(), rd.take_persisted_messages());
        let mut light = member.node.advance(rd);
        if let Some(commit) = light.commit_index() {
            member.node.store().wl().mut_hard_state().commit = commit;
        }
        member.apply(&light.take_committed_entries());
        member.node.advance_apply();
        self.send(at_once);
        self.send(persisted);
        self.send(light.take_messages());
        Ok(())
    }

    fn send(&mut self, messages: Vec<Message>) {
        self.sent += messages.len();
        for m in messages {
            self.members[m.to as usize - 1].inbox.push(m);
        }
    }

    /// Gives the inboxes' buffers back, because they belong to this program and not to the library.
    pub fn release(&mut self) {
        for member in &mut self.members {
            member.inbox = vec![];
            member.spare = vec![];
        }
    }

    /// Drops all but the last entries from each storage.
    pub fn compact(&mut self) -> Result<(), Failure> {
        for member in &self.members {
            let storage = member.node.store();
            let (first, last) = (storage.first_index()?, storage.last_index()?);
            if last >= first + KEEP {
                storage.wl().compact(last - KEEP + 1)?;
            }
        }
        Ok(())
    }

    /// Checks that all members agree on the leader.
    pub fn check_leader(&self, place: usize) -> Result<(), Failure> {
        for (i, member) in self.members.iter().enumerate() {
            let leader = member.node.raft.leader_id;
            if leader != place as u64 + 1 {
                return Err(format!("node {} follows {leader} instead of {}", i + 1, place + 1).into());
            }
        }
        Ok(())
    }

    /// Checks that every member has committed and applied exactly this many entries and bytes.
    pub fn check(&self, entries: usize, payload: usize) -> Result<(), Failure> {
        let index = FIRST + entries as u64;
        for (i, member) in self.members.iter().enumerate() {
            let log = &member.node.raft.raft_log;
            let indexes = (log.committed, log.applied, member.node.store().last_index()?);
            let found = (member.applied, member.applied_bytes, indexes);
            let expected = (entries, payload, (index, index, index));
            if found != expected {
                return Err(format!("node {} ended with {found:?} instead of {expected:?}", i + 1).into());
            }
        }
        Ok(())
    }
}
