//! The codec workloads: an append with 64 entries of 128 bytes, and a heartbeat.

use std::hint::black_box;

use raft::eraftpb::{Entry, Message, MessageType};

use crate::measure::{Failure, Measured};
use crate::options::Options;

#[cfg(feature = "prost-codec")]
mod generated {
    use super::{Failure, Message};
    use prost::Message as _;

    pub const NAME: &str = "prost";

    pub fn marshal(m: &Message) -> Result<Vec<u8>, Failure> {
        Ok(m.encode_to_vec())
    }

    pub fn unmarshal(data: &[u8]) -> Result<Message, Failure> {
        Ok(Message::decode(data)?)
    }
}

#[cfg(not(feature = "prost-codec"))]
mod generated {
    use super::{Failure, Message};
    use protobuf::Message as _;

    pub const NAME: &str = "protobuf";

    pub fn marshal(m: &Message) -> Result<Vec<u8>, Failure> {
        Ok(m.write_to_bytes()?)
    }

    pub fn unmarshal(data: &[u8]) -> Result<Message, Failure> {
        Ok(Message::parse_from_bytes(data)?)
    }
}

pub use generated::NAME;
use generated::{marshal, unmarshal};

/// A MsgAppend as a leader sends it.
#[allow(clippy::useless_conversion)] // one generator has vectors where the other has types of its own
pub fn append_message(o: &Options) -> Message {
    let entry = |i: usize| {
        let mut e = Entry::default();
        e.set_term(5);
        e.set_index(1_000_001 + i as u64);
        e.set_data(vec![i as u8; o.size].into());
        e
    };
    let mut m = message(MessageType::MsgAppend);
    m.set_log_term(5);
    m.set_index(1_000_000);
    m.set_entries((0..o.batch).map(entry).collect::<Vec<_>>().into());
    m
}

/// A MsgHeartbeat as a leader sends it.
pub fn heartbeat_message() -> Message {
    message(MessageType::MsgHeartbeat)
}

fn message(kind: MessageType) -> Message {
    let mut m = Message::default();
    m.set_msg_type(kind);
    m.set_to(2);
    m.set_from(1);
    m.set_term(5);
    m.set_commit(999_999);
    m
}

/// Encodes one message n times.
pub fn encode(o: &Options, message: Message) -> Result<Measured, Failure> {
    let mut out = Measured::new(o.n);
    let mut data = Vec::new();
    out.run(|| {
        for _ in 0..o.n {
            data = marshal(black_box(&message))?;
        }
        Ok(())
    })?;
    if unmarshal(&data)? != message {
        return Err("the encoding does not decode to the message".into());
    }
    out.tell("bytes", data.len());
    Ok(out)
}

/// Decodes one encoding n times.
pub fn decode(o: &Options, message: Message) -> Result<Measured, Failure> {
    let data = marshal(&message)?;
    let mut out = Measured::new(o.n);
    let mut decoded = Message::default();
    out.run(|| {
        for _ in 0..o.n {
            decoded = unmarshal(black_box(&data))?;
        }
        Ok(())
    })?;
    if decoded != message || marshal(&decoded)? != data {
        return Err("the decoded message differs".into());
    }
    out.tell("bytes", data.len());
    Ok(out)
}
