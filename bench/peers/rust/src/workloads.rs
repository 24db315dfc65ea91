//! The workloads on RawNode level. Set-up is not timed.

use std::hint::black_box;

use crate::group::{Group, Member, COMPACT_EVERY};
use crate::measure::{resident, Failure, Measured};
use crate::options::Options;

/// Proposals in batches, each batch drained.
pub fn replicate(o: &Options) -> Result<Measured, Failure> {
    let mut group = Group::new(o.nodes)?;
    for member in &mut group.members {
        member.node.raft.set_batch_append(o.batch_append);
    }
    let data: Vec<u8> = (0..128 + o.batch + o.size).map(|i| i as u8).collect();
    let (batches, span) = ((o.n / o.batch).max(1), (COMPACT_EVERY / o.batch).max(1));
    let mut out = Measured::new(batches * o.batch);
    let before = group.sent;
    out.run(|| {
        for start in (0..batches).step_by(span) {
            for number in start..batches.min(start + span) {
                for at in number % 128..number % 128 + o.batch {
                    group.members[0].node.propose(vec![], data[at..at + o.size].to_vec())?;
                }
                group.drain()?;
            }
            group.compact()?;
        }
        Ok(())
    })?;
    let each = match o.nodes {
        1 => Some(0),
        3 => Some(8),
        5 => Some(16),
        _ => None,
    };
    let messages = group.sent - before;
    if o.batch_append {
        // One message for a batch instead of one for each entry.
        out.expect(messages, None)?;
        if each.is_some_and(|each| messages * o.batch != each * out.n) {
            return Err(format!("{messages} messages for {} entries in batches of {}", out.n, o.batch).into());
        }
    } else {
        out.expect(messages, each)?;
    }
    group.check(1 + out.n, out.n * o.size)?;
    Ok(out)
}

/// Safe reads, each drained.
pub fn read_index(o: &Options) -> Result<Measured, Failure> {
    let mut group = Group::new(o.nodes)?;
    let contexts: Vec<Vec<u8>> = (0..o.n).map(|number| number.to_string().into_bytes()).collect();
    let mut out = Measured::new(o.n);
    let before = group.sent;
    out.run(|| {
        for context in contexts {
            group.members[0].node.read_index(context);
            group.drain()?;
        }
        Ok(())
    })?;
    let reads = group.members[0].reads;
    if reads != o.n {
        return Err(format!("{reads} of {} reads were answered", o.n).into());
    }
    out.expect(group.sent - before, (o.nodes == 3).then_some(4))?;
    group.check(1, 0)?;
    Ok(out)
}

/// Idle groups of three: each operation is one tick of one group, with heartbeats and answers.
pub fn ticks(o: &Options) -> Result<Measured, Failure> {
    let memory = resident();
    let mut groups = (0..o.groups).map(|_| Group::new(3)).collect::<Result<Vec<_>, _>>()?;
    groups.iter_mut().for_each(Group::release);
    let memory = resident().saturating_sub(memory);
    let rounds = (o.n / o.groups).max(1);
    let mut out = Measured::new(rounds * o.groups);
    let sent = |groups: &[Group]| groups.iter().map(|group| group.sent).sum::<usize>();
    let before = sent(&groups);
    out.run(|| {
        for _ in 0..rounds {
            for group in &mut groups {
                for member in &mut group.members {
                    member.node.tick();
                }
                group.drain()?;
            }
        }
        Ok(())
    })?;
    for group in &groups {
        group.check(1, 0)?;
        group.check_leader(0)?;
    }
    out.tell("groups", o.groups);
    out.tell("resident_bytes_per_node", memory / (3 * o.groups));
    out.expect(sent(&groups) - before, Some(4))?;
    Ok(out)
}

/// Campaigns from alternating nodes.
pub fn election(o: &Options) -> Result<Measured, Failure> {
    changes(o, 12, |group, _, to| Ok(group.members[to].node.campaign()?))
}

/// Leadership transfers to the next node.
pub fn transfer(o: &Options) -> Result<Measured, Failure> {
    changes(o, 13, |group, at, to| {
        group.members[at].node.transfer_leader(to as u64 + 1);
        Ok(())
    })
}

fn changes(
    o: &Options,
    each: usize,
    change: impl Fn(&mut Group, usize, usize) -> Result<(), Failure>,
) -> Result<Measured, Failure> {
    let mut group = Group::new(o.nodes)?;
    let mut out = Measured::new(o.n);
    let before = group.sent;
    out.run(|| {
        let mut leader = 0;
        for number in 1..=o.n {
            let next = (leader + 1) % o.nodes;
            change(&mut group, leader, next)?;
            group.drain()?;
            leader = next;
            if number % COMPACT_EVERY == 0 {
                group.compact()?;
            }
        }
        Ok(())
    })?;
    out.expect(group.sent - before, (o.nodes == 3).then_some(each))?;
    group.check_leader(o.n % o.nodes)?;
    group.check(1 + o.n, 0)?;
    Ok(out)
}

/// The committed index of a majority, through the tracker.
pub fn quorum(o: &Options) -> Result<Measured, Failure> {
    let voters: Vec<u64> = (1..=o.nodes as u64).collect();
    let mut member = Member::new(1, &voters)?;
    let tracker = member.node.raft.mut_prs();
    let mut matches = Vec::new();
    let mut state = o.seed;
    for (_, progress) in tracker.iter_mut() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        progress.matched = 1 + (state >> 33) % 1_000_000;
        matches.push(progress.matched);
    }
    matches.sort_unstable();
    let want = matches[o.nodes - (o.nodes / 2 + 1)];
    let mut out = Measured::new(o.n);
    out.run(|| {
        for _ in 0..o.n {
            let (found, _) = black_box(&mut *tracker).maximal_committed_index();
            if found != want {
                return Err(format!("committed index {found} instead of {want}").into());
            }
        }
        Ok(())
    })?;
    out.tell("nodes", o.nodes);
    Ok(out)
}
