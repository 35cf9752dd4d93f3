//! Tills that unload: real streams with the service's own protocol, frames made before the clock
//! starts.

use super::raw::{self, Raw};
use super::receipts::{Round, Templates, Till};
use crate::figure::{Outcome, as_f64, percentile};
use crate::{MeasureError, part};
use fs_err as fs;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use prost::Message as _;
use prost::bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Instant;
use tillway_proto::sales::MAX_UNACKNOWLEDGED_BATCHES;
use tillway_proto::sales::v1::{self, peer_frame, server_frame};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Streaming};

/// Frames that wait for the line, as in the agent.
const FRAME_BUFFER: usize = 4;

/// Who unloads what to where.
#[derive(Serialize, Deserialize)]
pub(super) struct Unloading {
    pub(super) port: u16,
    /// A file with the [`Till`]s.
    pub(super) tills: PathBuf,
    /// Of each till.
    pub(super) receipts: usize,
    /// Tills at a time: a service takes only so many streams.
    pub(super) at_a_time: usize,
}

/// The streams of a till, as bytes.
struct Sender {
    token: String,
    streams: Vec<(Bytes, Vec<Bytes>)>,
}

/// The part: from the first connection to the last acknowledgement.
pub(super) fn unload(arguments: &str) -> Result<Outcome, MeasureError> {
    let unloading: Unloading = part::arguments(arguments)?;
    let text = fs::read(&unloading.tills).map_err(MeasureError::File)?;
    let tills: Vec<Till> = serde_json::from_slice(&text).map_err(|error| MeasureError::wrong("the tills", error))?;
    let templates = Templates::ring()?;
    let senders: Vec<Sender> = tills.iter().map(|till| sender(&templates, till, unloading.receipts)).collect();
    drop(templates);
    let frames: usize = senders.iter().flat_map(|sender| &sender.streams).map(|(_, batches)| batches.len()).sum();
    let of_streams = senders.iter().flat_map(|sender| &sender.streams);
    let bytes: usize = of_streams.flat_map(|(_, batches)| batches).map(Bytes::len).sum();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(MeasureError::File)?;
    let began = jiff::Timestamp::now().as_duration().as_secs_f64();
    let (waits, outcome) = part::timed(|| runtime.block_on(all(&unloading, senders)))?;
    Ok(outcome
        .with("began", began)
        .with("frames", as_f64(frames))
        .with("bytes", as_f64(bytes))
        .with("acknowledged_p50", percentile(&waits, 0.5))
        .with("acknowledged_p99", percentile(&waits, 0.99)))
}

fn sender(templates: &Templates, till: &Till, receipts: usize) -> Sender {
    let bytes = |frame| Bytes::from(v1::PeerFrame { frame: Some(frame) }.encode_to_vec());
    let stream = |Round { hello, batches }| {
        let batches = batches.into_iter().map(|batch| bytes(peer_frame::Frame::Batch(batch))).collect();
        (bytes(peer_frame::Frame::Hello(hello)), batches)
    };
    let streams = templates.rounds(&till.id, &till.shop, receipts).into_iter().map(stream).collect();
    Sender { token: till.token.clone(), streams }
}

/// How long each batch waited for its acknowledgement.
async fn all(unloading: &Unloading, senders: Vec<Sender>) -> Result<Vec<f64>, MeasureError> {
    let mut waiting = senders.into_iter();
    let mut under_way = FuturesUnordered::new();
    let mut waits = Vec::new();
    loop {
        while under_way.len() < unloading.at_a_time
            && let Some(sender) = waiting.next()
        {
            under_way.push(one(unloading.port, sender));
        }
        match under_way.next().await {
            Some(done) => waits.extend(done?),
            None => return Ok(waits),
        }
    }
}

async fn one(port: u16, sender: Sender) -> Result<Vec<f64>, MeasureError> {
    let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}")).map_err(|error| wrong(&error))?;
    let channel = endpoint.connect().await.map_err(|error| wrong(&error))?;
    let mut waits = Vec::new();
    for (hello, batches) in sender.streams {
        stream(channel.clone(), &sender.token, hello, batches, &mut waits).await?;
    }
    Ok(waits)
}

async fn stream(
    channel: Channel,
    token: &str,
    hello: Bytes,
    batches: Vec<Bytes>,
    waits: &mut Vec<f64>,
) -> Result<(), MeasureError> {
    let (frames, outgoing) = mpsc::channel(FRAME_BUFFER);
    let mut request = Request::new(ReceiverStream::new(outgoing));
    let token = format!("Bearer {token}").parse().map_err(|error| wrong(&error))?;
    request.metadata_mut().insert("authorization", token);
    frames.send(hello).await.map_err(|error| wrong(&error))?;
    let mut client = Grpc::new(channel);
    client.ready().await.map_err(|error| wrong(&error))?;
    let path = tonic::codegen::http::uri::PathAndQuery::from_static(raw::PATH);
    let answers = client.streaming(request, path, Raw::<raw::Till>::new()).await.map_err(|status| wrong(&status))?;
    let mut answers = answers.into_inner();
    while !matches!(answer(&mut answers).await?, Some(server_frame::Frame::Holding(holding)) if holding.last) {}
    let mut batches = batches.into_iter();
    let (mut sent, mut acknowledged) = (0, 0);
    let mut times = VecDeque::new();
    loop {
        if sent - acknowledged < MAX_UNACKNOWLEDGED_BATCHES
            && let Some(batch) = batches.next()
        {
            sent += 1;
            times.push_back(Instant::now());
            frames.send(batch).await.map_err(|error| wrong(&error))?;
        } else if sent == acknowledged {
            drop(frames);
            while answer(&mut answers).await?.is_some() {}
            return Ok(());
        } else {
            match answer(&mut answers).await? {
                Some(server_frame::Frame::Ack(ack)) if ack.refused.is_empty() => {
                    let batches = usize::try_from(ack.through - acknowledged).unwrap_or(0);
                    waits.extend(times.drain(..batches).map(|time| time.elapsed().as_secs_f64()));
                    acknowledged = ack.through;
                }
                other => return Err(wrong(&format!("{other:?} in place of an acknowledgement"))),
            }
        }
    }
}

async fn answer(answers: &mut Streaming<v1::ServerFrame>) -> Result<Option<server_frame::Frame>, MeasureError> {
    let frame = answers.message().await.map_err(|status| wrong(&status))?;
    Ok(frame.and_then(|frame| frame.frame))
}

fn wrong(error: &impl ToString) -> MeasureError {
    MeasureError::wrong("a till's stream", error.to_string())
}
