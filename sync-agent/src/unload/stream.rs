//! One stream to the sales-loader: hello, what the server has, batches within a window,
//! acknowledgements.
//!
//! The protocol is told in `proto/proto/sales.proto`. What the server acknowledged is handed out
//! through a callback at once, so that a stream that breaks in the middle loses nothing of it.

use crate::decide::Holdings;
use crate::error::chain;
use crate::settings::{LiveSettings, SalesSettings, Trust, reader::in_url};
use fs_err as fs;
use std::collections::{BTreeSet, HashSet, VecDeque};
use std::error::Error as _;
use std::io;
use std::time::Duration;
use tillway_proto::PeerId;
use tillway_proto::receipt::{ShiftKey, ShiftNumber};
use tillway_proto::sales::v1::{self, peer_frame, sales_loader_client::SalesLoaderClient, server_frame};
use tillway_proto::sales::{
    MAX_FRAME_BYTES, MAX_HELLO_SHIFTS, MAX_UNACKNOWLEDGED_BATCHES, MAX_UNKNOWN_FRAMES, PEER_METADATA, SALES_SCHEMA,
    holding_shift, naming, opened,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status, Streaming};
use uuid::Uuid;

/// To reach the sales-loader.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// From a frame of ours to the one that answers it. The server makes a batch durable in
/// milliseconds; a minute is a server that is lost.
const ANSWER_TIME: Duration = Duration::from_mins(1);

/// A half-open line is noticed by pings: one each 20 s, answered within 10.
const KEEP_ALIVE_PERIOD: Duration = Duration::from_secs(20);
const KEEP_ALIVE_TIME: Duration = Duration::from_secs(10);

/// Frames that wait for the line, beside the window of batches.
const FRAME_BUFFER: usize = 4;

/// Most receipts the server may say to have of the shifts of one stream: a bound for memory, 24
/// bytes each.
const MAX_HELD: usize = 4_000_000;

/// Why a stream did not come to its end. What was acknowledged before is kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StreamError {
    #[error("failed to read the certificate in grpccacertpath")]
    Certificate(#[source] io::Error),
    #[error("the address of the sales-loader `{address}` is none")]
    Address {
        address: String,
        #[source]
        source: tonic::transport::Error,
    },
    #[error("failed to reach the sales-loader {address}")]
    Connect {
        address: String,
        #[source]
        source: tonic::transport::Error,
    },
    #[error("cash.token is no header value")]
    Token,
    #[error("the sales-loader ended the stream: {}", status_text(status))]
    Ended { status: Box<Status> },
    #[error("the sales-loader did not answer {what} within {ANSWER_TIME:?}")]
    Silent { what: &'static str },
    #[error("the sales-loader closed the stream before it acknowledged everything")]
    ClosedEarly,
    #[error("the sales-loader broke the protocol: {what}")]
    Protocol { what: &'static str },
}

fn add(held: &mut Holdings, holding: &v1::Holding) -> Result<(), StreamError> {
    let shift = holding_shift(holding)
        .map_err(|_| StreamError::Protocol { what: "a shift that was opened at a time that is none" })?;
    let receipts = held.receipts.entry(shift).or_default();
    let uuids = holding.receipts.as_chunks::<16>();
    if !uuids.1.is_empty() || uuids.0.len() != holding.numbers.len() {
        return Err(StreamError::Protocol { what: "uuids of receipts that are not in step with their numbers" });
    }
    receipts.extend(holding.numbers.iter().copied().zip(uuids.0.iter().copied()));
    if holding.closed {
        held.closed.insert(shift);
    }
    held.partial |= holding.partial;
    held.knows_the_till |= !holding.last_receipt_time.is_empty();
    if held.receipts.values().map(HashSet::len).sum::<usize>() > MAX_HELD {
        return Err(StreamError::Protocol { what: "more receipts than a till can have" });
    }
    Ok(())
}

/// Something that the server set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) what: RefusedPart,
    /// Its reason.
    pub(crate) reason: String,
}

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefusedPart {
    /// The document of this row id.
    Document(i64),
    /// The record of this shift; a server of v0.1 tells its number alone.
    Shift(ShiftKey),
}

/// An acknowledgement: these batches, by their place in the order of sending from 0, are durable.
#[derive(Debug)]
pub(crate) struct Acknowledged {
    /// How many of the batches under way, from the oldest.
    pub(crate) batches: usize,
    /// What the server set aside.
    pub(crate) refused: Vec<Refused>,
}

/// An open stream.
#[derive(Debug)]
pub(crate) struct SalesStream {
    frames: Option<mpsc::Sender<v1::PeerFrame>>,
    answers: Streaming<v1::ServerFrame>,
    sent: u64,
    acknowledged: u64,
    waiting: VecDeque<u64>,
    /// Frames of no known kind that were passed over.
    unknown: u32,
}

/// The sales-loader, as this till speaks to it. A `channel` is good for one unloading and made
/// when it is first needed.
#[derive(Debug, Clone)]
pub(crate) struct SalesLoader {
    pub(crate) id: PeerId,
    pub(crate) instance: Uuid,
    pub(crate) settings: LiveSettings,
}

impl SalesLoader {
    /// Opens a stream for these shifts and hears what the server has of them.
    pub(super) async fn open(
        &self,
        channel: &mut Option<Channel>,
        shifts: impl IntoIterator<Item = ShiftKey>,
    ) -> Result<(SalesStream, Holdings), StreamError> {
        let settings = self.settings.current();
        let open_channel = match channel {
            Some(open) => open.clone(),
            None => channel.insert(connect(&settings.sales, &settings.trust).await?).clone(),
        };
        let named: BTreeSet<ShiftKey> = shifts.into_iter().collect();
        let (shifts, openings) = naming(named.into_iter().take(MAX_HELLO_SHIFTS));
        let hello = v1::Hello {
            schema: SALES_SCHEMA,
            peer_id: self.id.to_string(),
            shop_id: settings.shop.as_ref().map(ToString::to_string).unwrap_or_default(),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            instance: self.instance.to_string(),
            shifts,
            openings,
        };
        SalesStream::open(open_channel, settings.token.as_deref(), hello).await
    }

    /// Hears what the server has of these shifts, and of the till, without sending anything.
    pub(super) async fn ask(
        &self,
        channel: &mut Option<Channel>,
        shifts: Vec<ShiftKey>,
    ) -> Result<Holdings, StreamError> {
        let (stream, held) = self.open(channel, shifts).await?;
        stream.close().await;
        Ok(held)
    }
}

/// Over TLS where the site names who signs, or where the server's authority is known.
pub(super) async fn connect(settings: &SalesSettings, trust: &Trust) -> Result<Channel, StreamError> {
    let signed_by = match &settings.root_certificate {
        Some(path) => Some(fs::read(path).map_err(StreamError::Certificate)?),
        None => trust.asks_tls_of(&settings.host).then(|| trust.pem().as_bytes().to_vec()),
    };
    let scheme = if signed_by.is_some() { "https" } else { "http" };
    let address = format!("{scheme}://{}:{}", in_url(&settings.host), settings.port);
    let wrong = |source| StreamError::Address { address: address.clone(), source };
    let mut endpoint = Endpoint::from_shared(address.clone())
        .map_err(wrong)?
        .connect_timeout(CONNECT_TIME)
        .tcp_keepalive(Some(KEEP_ALIVE_PERIOD))
        .http2_keep_alive_interval(KEEP_ALIVE_PERIOD)
        .keep_alive_timeout(KEEP_ALIVE_TIME)
        .keep_alive_while_idle(true);
    if let Some(pem) = signed_by {
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)).domain_name(settings.host.clone());
        endpoint = endpoint.tls_config(tls).map_err(wrong)?;
    }
    endpoint.connect().await.map_err(|source| StreamError::Connect { address, source })
}

/// Whether a sales-loader answers there. Nothing of this till goes there.
pub(crate) async fn reaches(settings: &SalesSettings, trust: &Trust) -> Result<(), StreamError> {
    connect(settings, trust).await.map(drop)
}

impl SalesStream {
    /// Opens a stream and hears what the server has.
    async fn open(channel: Channel, token: Option<&str>, hello: v1::Hello) -> Result<(Self, Holdings), StreamError> {
        let mut client = SalesLoaderClient::new(channel)
            .max_decoding_message_size(MAX_FRAME_BYTES)
            .max_encoding_message_size(MAX_FRAME_BYTES);
        let (frames, outgoing) = mpsc::channel(FRAME_BUFFER);
        let mut request = Request::new(ReceiverStream::new(outgoing));
        if let Some(token) = token {
            let value = format!("Bearer {token}").parse().map_err(|_| StreamError::Token)?;
            request.metadata_mut().insert("authorization", value);
        }
        // An id is digits, letters and underscores.
        if let Ok(peer) = hello.peer_id.parse() {
            request.metadata_mut().insert(PEER_METADATA, peer);
        }
        // Into the buffer first: a server may answer the call only once it has heard it.
        let hello = v1::PeerFrame { frame: Some(peer_frame::Frame::Hello(hello)) };
        frames.send(hello).await.map_err(|_| StreamError::ClosedEarly)?;
        let silent = |_| StreamError::Silent { what: "the hello" };
        let answers = tokio::time::timeout(ANSWER_TIME, client.unload(request)).await.map_err(silent)?;
        let answers = answers.map_err(ended)?.into_inner();
        let waiting = VecDeque::new();
        let mut stream = Self { frames: Some(frames), answers, sent: 0, acknowledged: 0, waiting, unknown: 0 };
        let mut held = Holdings::default();
        loop {
            let Some(frame) = stream.answer("the hello").await? else { return Err(StreamError::ClosedEarly) };
            let server_frame::Frame::Holding(holding) = frame else {
                return Err(StreamError::Protocol { what: "an acknowledgement before anything was sent" });
            };
            add(&mut held, &holding)?;
            if holding.last {
                return Ok((stream, held));
            }
        }
    }

    /// Whether another batch may be sent before an acknowledgement is heard.
    pub(crate) fn has_room(&self) -> bool {
        self.sent - self.acknowledged < MAX_UNACKNOWLEDGED_BATCHES
    }

    /// Whether everything sent was acknowledged.
    pub(crate) fn is_settled(&self) -> bool {
        self.sent == self.acknowledged
    }

    /// Sends a batch; only where there is room.
    pub(crate) async fn send(
        &mut self,
        documents: Vec<v1::Document>,
        shifts: Vec<v1::Shift>,
    ) -> Result<(), StreamError> {
        self.sent += 1;
        let batch = v1::Batch { sequence: self.sent, documents, shifts };
        let frame = v1::PeerFrame { frame: Some(peer_frame::Frame::Batch(batch)) };
        let Some(frames) = &self.frames else { return Err(StreamError::ClosedEarly) };
        let handed = tokio::time::timeout(ANSWER_TIME, frames.send(frame)).await;
        match handed {
            Ok(Ok(())) => {
                self.waiting.push_back(self.sent);
                Ok(())
            }
            // The call is over; why, its answer side knows.
            Ok(Err(_)) => {
                self.answer("a batch").await?;
                Err(StreamError::ClosedEarly)
            }
            Err(_) => Err(StreamError::Silent { what: "a batch" }),
        }
    }

    /// Waits for the next acknowledgement.
    pub(crate) async fn acknowledgement(&mut self) -> Result<Acknowledged, StreamError> {
        let Some(frame) = self.answer("a batch").await? else { return Err(StreamError::ClosedEarly) };
        let server_frame::Frame::Ack(ack) = frame else {
            return Err(StreamError::Protocol { what: "a holding after the last one" });
        };
        if ack.through > self.sent {
            return Err(StreamError::Protocol { what: "an acknowledgement of something that was not sent" });
        }
        let mut batches = 0;
        while self.waiting.front().is_some_and(|sequence| *sequence <= ack.through) {
            self.waiting.pop_front();
            batches += 1;
        }
        self.acknowledged = self.acknowledged.max(ack.through);
        let part = |refused: &v1::Refused| match refused.document_id {
            0 => RefusedPart::Shift(ShiftKey {
                number: ShiftNumber(refused.shift),
                opened: opened(refused.shift_opened.as_deref()).unwrap_or_default(),
            }),
            document => RefusedPart::Document(document),
        };
        let refused = ack.refused.into_iter().map(|refused| Refused { what: part(&refused), reason: refused.reason });
        let refused = refused.collect();
        Ok(Acknowledged { batches, refused })
    }

    /// Says that there is nothing more, and hears the server close. Everything is acknowledged by
    /// then; a goodbye that is not answered changes nothing.
    pub(crate) async fn close(mut self) {
        self.frames = None;
        while let Ok(Some(_)) = self.answer("the end").await {}
    }

    /// The next frame; those of a kind that only a newer server knows are passed over.
    async fn answer(&mut self, what: &'static str) -> Result<Option<server_frame::Frame>, StreamError> {
        loop {
            let heard = tokio::time::timeout(ANSWER_TIME, self.answers.message()).await;
            match heard.map_err(|_| StreamError::Silent { what })?.map_err(ended)? {
                Some(v1::ServerFrame { frame: Some(frame) }) => return Ok(Some(frame)),
                Some(v1::ServerFrame { frame: None }) if self.unknown < MAX_UNKNOWN_FRAMES => self.unknown += 1,
                Some(v1::ServerFrame { frame: None }) => {
                    return Err(StreamError::Protocol { what: "too many frames of no known kind" });
                }
                None => return Ok(None),
            }
        }
    }
}

fn ended(status: Status) -> StreamError {
    StreamError::Ended { status: Box::new(status) }
}

/// What a status says, once: as its own cause it would say the same in the words of a library.
fn status_text(status: &Status) -> String {
    let mut text = match status.message() {
        "" => status.code().description().to_owned(),
        message => message.to_owned(),
    };
    if let Some(cause) = status.source().map(chain).filter(|cause| !text.contains(cause)) {
        text = format!("{text}: {cause}");
    }
    text
}
