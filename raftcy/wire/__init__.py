"""Values as bytes: the encoding, frames on a stream, and the bridge to protobuf's messages."""
