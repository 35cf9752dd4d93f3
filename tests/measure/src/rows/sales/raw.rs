//! The sales protocol with frames as the bytes they are: so the tills of a run cost next to
//! nothing, and the server that ours is compared with neither decodes nor encodes what it writes.

use prost::Message as _;
use prost::bytes::{Buf as _, BufMut as _, Bytes};
use std::marker::PhantomData;
use tillway_proto::sales::v1::ServerFrame;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Status};

/// The call, as `proto/proto/sales.proto` names it.
pub(super) const PATH: &str = "/tillway.sales.v1.SalesLoader/Unload";

/// Frames of tills as bytes, frames of the server as messages: the till's end, and with [`Server`]
/// the other one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Till;

/// The server's end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Server;

/// Both directions of an end.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Raw<End>(PhantomData<End>);

impl<End> Raw<End> {
    pub(super) fn new() -> Self {
        Self(PhantomData)
    }
}

impl Codec for Raw<Till> {
    type Encode = Bytes;
    type Decode = ServerFrame;
    type Encoder = AsBytes;
    type Decoder = AsMessage;

    fn encoder(&mut self) -> AsBytes {
        AsBytes
    }

    fn decoder(&mut self) -> AsMessage {
        AsMessage
    }
}

impl Codec for Raw<Server> {
    type Encode = ServerFrame;
    type Decode = Bytes;
    type Encoder = AsMessage;
    type Decoder = AsBytes;

    fn encoder(&mut self) -> AsMessage {
        AsMessage
    }

    fn decoder(&mut self) -> AsBytes {
        AsBytes
    }
}

/// A frame of a till.
#[derive(Debug)]
pub(super) struct AsBytes;

/// A frame of the server.
#[derive(Debug)]
pub(super) struct AsMessage;

impl Encoder for AsBytes {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, frame: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(frame);
        Ok(())
    }
}

impl Decoder for AsBytes {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

impl Encoder for AsMessage {
    type Item = ServerFrame;
    type Error = Status;

    fn encode(&mut self, frame: ServerFrame, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        frame.encode(into).map_err(|error| Status::new(Code::Internal, error.to_string()))
    }
}

impl Decoder for AsMessage {
    type Item = ServerFrame;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<ServerFrame>, Status> {
        ServerFrame::decode(from).map(Some).map_err(|error| Status::new(Code::Internal, error.to_string()))
    }
}
