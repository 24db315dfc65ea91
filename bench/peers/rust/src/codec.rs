//! The codec workloads: an append with 64 entries of 128 bytes, and a heartbeat.

use std::hint::black_box;

use prost::Message as _;
use raft::eraftpb::{Entry, Message, MessageType};

use crate::measure::{Failure, Measured};
use crate::options::Options;

/// A MsgAppend as a leader sends it.
pub fn append_message(o: &Options) -> Message {
    let entry =
        |i: usize| Entry { term: 5, index: 1_000_001 + i as u64, data: vec![i as u8; o.size], ..Default::default() };
    Message {
        msg_type: MessageType::MsgAppend as i32,
        to: 2,
        from: 1,
        term: 5,
        log_term: 5,
        index: 1_000_000,
        entries: (0..o.batch).map(entry).collect(),
        commit: 999_999,
        ..Default::default()
    }
}

/// A MsgHeartbeat as a leader sends it.
pub fn heartbeat_message() -> Message {
    Message {
        msg_type: MessageType::MsgHeartbeat as i32,
        to: 2,
        from: 1,
        term: 5,
        commit: 999_999,
        ..Default::default()
    }
}

/// Encodes one message n times.
pub fn encode(o: &Options, message: Message) -> Result<Measured, Failure> {
    let mut out = Measured::new(o.n);
    let mut data = Vec::new();
    out.run(|| {
        for _ in 0..o.n {
            data = black_box(&message).encode_to_vec();
        }
        Ok(())
    })?;
    if Message::decode(data.as_slice())? != message {
        return Err("the encoding does not decode to the message".into());
    }
    out.tell("bytes", data.len());
    Ok(out)
}

/// Decodes one encoding n times.
pub fn decode(o: &Options, message: Message) -> Result<Measured, Failure> {
    let data = message.encode_to_vec();
    let mut out = Measured::new(o.n);
    let mut decoded = Message::default();
    out.run(|| {
        for _ in 0..o.n {
            decoded = Message::decode(black_box(data.as_slice()))?;
        }
        Ok(())
    })?;
    if decoded != message || decoded.encode_to_vec() != data {
        return Err("the decoded message differs".into());
    }
    out.tell("bytes", data.len());
    Ok(out)
}
