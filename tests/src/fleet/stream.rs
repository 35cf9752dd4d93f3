//! One stream to the sales-loader, as `proto/proto/sales.proto` tells it: hello, what the server
//! has, batches, acknowledgements.

use super::till::Identity;
use std::time::Duration;
use tillway_proto::receipt::ShiftKey;
use tillway_proto::sales::v1::{self, peer_frame, sales_loader_client::SalesLoaderClient, server_frame};
use tillway_proto::sales::{MAX_FRAME_BYTES, MAX_UNACKNOWLEDGED_BATCHES, SALES_SCHEMA, holding_shift, naming};
use tillway_sync_agent::decide::Holdings;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};
use uuid::Uuid;

/// To reach the sales-loader.
pub(super) const CONNECT_TIME: Duration = Duration::from_secs(10);

/// From a frame to the one that answers it.
const ANSWER_TIME: Duration = Duration::from_mins(1);

/// Frames that wait for the line.
const FRAME_BUFFER: usize = 4;

/// Why a stream did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum StreamError {
    #[error("the till's token is no header value")]
    Token,
    #[error("the sales-loader ended the stream: {} ({:?})", .0.message(), .0.code())]
    Ended(#[source] Box<Status>),
    #[error("the sales-loader did not answer in time")]
    Silent(#[source] tokio::time::error::Elapsed),
    #[error("the sales-loader closed the stream early")]
    Closed,
    #[error("the sales-loader broke the protocol: {0}")]
    Protocol(&'static str),
    #[error("the line broke, by the till's luck")]
    Luck,
}

/// An open stream.
#[derive(Debug)]
pub(super) struct Stream {
    frames: mpsc::Sender<v1::PeerFrame>,
    answers: Streaming<v1::ServerFrame>,
    sent: u64,
    acknowledged: u64,
}

impl Stream {
    /// Opens a stream for these shifts and hears what the server has of them.
    pub(super) async fn open(
        channel: Channel,
        identity: &Identity,
        instance: Uuid,
        shifts: Vec<ShiftKey>,
    ) -> Result<(Self, Holdings), StreamError> {
        let mut client = SalesLoaderClient::new(channel)
            .max_decoding_message_size(MAX_FRAME_BYTES)
            .max_encoding_message_size(MAX_FRAME_BYTES);
        let (frames, outgoing) = mpsc::channel(FRAME_BUFFER);
        let mut request = Request::new(ReceiverStream::new(outgoing));
        let token = format!("Bearer {}", identity.secret.token()).parse().map_err(|_| StreamError::Token)?;
        request.metadata_mut().insert("authorization", token);
        let (shifts, openings) = naming(shifts);
        let hello = v1::Hello {
            schema: SALES_SCHEMA,
            peer_id: identity.till.to_string(),
            shop_id: identity.shop.to_string(),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            instance: instance.to_string(),
            shifts,
            openings,
        };
        let hello = v1::PeerFrame { frame: Some(peer_frame::Frame::Hello(hello)) };
        frames.send(hello).await.map_err(|_| StreamError::Closed)?;
        let answers = tokio::time::timeout(ANSWER_TIME, client.unload(request)).await.map_err(StreamError::Silent)?;
        let answers = answers.map_err(ended)?.into_inner();
        let mut stream = Self { frames, answers, sent: 0, acknowledged: 0 };
        let mut held = Holdings::default();
        loop {
            let server_frame::Frame::Holding(holding) = stream.answer().await? else {
                return Err(StreamError::Protocol("an acknowledgement before anything was sent"));
            };
            add(&mut held, &holding)?;
            if holding.last {
                return Ok((stream, held));
            }
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.sent - self.acknowledged < MAX_UNACKNOWLEDGED_BATCHES
    }

    pub(super) fn is_settled(&self) -> bool {
        self.sent == self.acknowledged
    }

    pub(super) async fn send(
        &mut self,
        documents: Vec<v1::Document>,
        shifts: Vec<v1::Shift>,
    ) -> Result<(), StreamError> {
        self.sent += 1;
        let batch = v1::Batch { sequence: self.sent, documents, shifts };
        let frame = v1::PeerFrame { frame: Some(peer_frame::Frame::Batch(batch)) };
        let sent = tokio::time::timeout(ANSWER_TIME, self.frames.send(frame)).await.map_err(StreamError::Silent)?;
        sent.map_err(|_| StreamError::Closed)
    }

    /// Waits for an acknowledgement; gives how many batches, from the oldest under way, are
    /// durable now.
    pub(super) async fn acknowledgement(&mut self) -> Result<usize, StreamError> {
        let server_frame::Frame::Ack(ack) = self.answer().await? else {
            return Err(StreamError::Protocol("a holding after the last one"));
        };
        if ack.through > self.sent || ack.through < self.acknowledged {
            return Err(StreamError::Protocol("an acknowledgement of something that was not sent"));
        }
        if !ack.refused.is_empty() {
            return Err(StreamError::Protocol("a receipt was refused that is in order"));
        }
        let batches = ack.through - self.acknowledged;
        self.acknowledged = ack.through;
        usize::try_from(batches).map_err(|_| StreamError::Protocol("too many batches"))
    }

    /// Says that there is nothing more.
    pub(super) async fn close(self) {
        let Self { frames, mut answers, .. } = self;
        drop(frames);
        let rest = async { while let Ok(Some(_)) = answers.message().await {} };
        let _ = tokio::time::timeout(ANSWER_TIME, rest).await;
    }

    async fn answer(&mut self) -> Result<server_frame::Frame, StreamError> {
        let heard = tokio::time::timeout(ANSWER_TIME, self.answers.message()).await.map_err(StreamError::Silent)?;
        heard.map_err(ended)?.ok_or(StreamError::Closed)?.frame.ok_or(StreamError::Protocol("a frame of no known kind"))
    }
}

fn add(held: &mut Holdings, holding: &v1::Holding) -> Result<(), StreamError> {
    let shift = holding_shift(holding).map_err(|_| StreamError::Protocol("a shift opened at a time that is none"))?;
    let receipts = held.receipts.entry(shift).or_default();
    let (uuids, rest) = holding.receipts.as_chunks::<16>();
    if !rest.is_empty() || uuids.len() != holding.numbers.len() {
        return Err(StreamError::Protocol("uuids of receipts that are not in step with their numbers"));
    }
    receipts.extend(holding.numbers.iter().copied().zip(uuids.iter().copied()));
    if holding.closed {
        held.closed.insert(shift);
    }
    held.partial |= holding.partial;
    held.knows_the_till |= !holding.last_receipt_time.is_empty();
    Ok(())
}

fn ended(status: Status) -> StreamError {
    StreamError::Ended(Box::new(status))
}
