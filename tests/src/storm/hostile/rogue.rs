//! What the hostile till tries with all that stands on its disk: its own login at the broker, its
//! token at the sales service and at REST. None of it is its own, so none of it may come out.

use super::{Deeds, FROM, Outcome, Target, connect, log_in};
use crate::amqp;
use crate::faults::seed::Seed;
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueBindOptions, QueueDeleteOptions, QueuePurgeOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Connection};
use serde_json::json;
use std::sync::atomic::Ordering;
use tillway_proto::queue::{EXCHANGE, REPORTS_QUEUE};
use tillway_proto::sales::v1::sales_loader_client::SalesLoaderClient;
use tillway_proto::sales::v1::{self, PeerFrame, peer_frame, server_frame};
use tillway_proto::sales::{PEER_METADATA, SALES_SCHEMA};
use tillway_proto::{ControlQueue, DictionaryQueue, Direction, PeerId};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;
use tonic::transport::Endpoint;
use uuid::Uuid;

/// Grabs at others' queues in a row.
const GRABS: u64 = 10;

/// When the documents were rung up that it has not rung up.
const RUNG_UP: &str = "2026-03-04T09:30:00";

/// Reads, empties, deletes others' queues, has their messages sent to its own, and writes into
/// them in the server's name: as the login that it has for itself.
pub(super) async fn grab(target: &Target, seed: &mut Seed, deeds: &Deeds) -> Outcome {
    let password = target.secret.broker_password();
    let connection = log_in(target, &target.till, password.as_str()).await?;
    for _ in 0..GRABS {
        let Some(other) = seed.choose(&target.others).cloned() else { break };
        let grabbed = grab_once(target, seed, &connection, &other).await;
        // A broker that is killed refuses nothing.
        if grabbed.is_ok() {
            deeds.grabbed.fetch_add(1, Ordering::Relaxed);
        } else if connection.status().connected() {
            deeds.grabs.fetch_add(1, Ordering::Relaxed);
        }
    }
    connection.close(200, "done".into()).await?;
    Ok(())
}

async fn grab_once(
    target: &Target,
    seed: &mut Seed,
    connection: &Connection,
    other: &PeerId,
) -> Result<(), lapin::Error> {
    let (theirs, orders) = (DictionaryQueue::of(other).to_string(), ControlQueue::of(other).to_string());
    let channel = connection.create_channel().await?;
    match seed.below(6) {
        0 => channel.basic_get(theirs.as_str().into(), BasicGetOptions::default()).await.map(drop),
        1 => channel.basic_get(REPORTS_QUEUE.into(), BasicGetOptions::default()).await.map(drop),
        2 => channel.queue_purge(theirs.as_str().into(), QueuePurgeOptions::default()).await.map(drop),
        3 => channel.queue_delete(orders.as_str().into(), QueueDeleteOptions::default()).await.map(drop),
        4 => {
            let own = DictionaryQueue::of(&target.peer).to_string();
            let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
            channel.queue_bind(own.as_str().into(), EXCHANGE.into(), theirs.as_str().into(), options, arguments).await
        }
        _ => order(target, &channel, other, &orders).await,
    }
}

/// An order to another till, with a code of its own secret.
async fn order(target: &Target, channel: &Channel, other: &PeerId, to: &str) -> Result<(), lapin::Error> {
    let order = json!({ "schema": 1, "id": Uuid::from_u128(666), "type": "report-state" });
    let body = order.to_string().into_bytes();
    let head = target.secret.code_key().head(Direction::ToPeer, other, "report-state", "1", &body);
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let options = BasicPublishOptions::default();
    let sent = channel.basic_publish(EXCHANGE.into(), to.into(), options, &body, amqp::properties(&head));
    sent.await?.await.map(drop)
}

/// Its token in others' names: at the sales service as another till, and with another till's
/// documents in its own stream; at REST as an administrator, and as another till.
pub(super) async fn pose(target: &Target, seed: &mut Seed, deeds: &Deeds) -> Outcome {
    let Some(other) = seed.choose(&target.others).cloned() else { return Ok(()) };
    let was_let_in = match seed.below(4) {
        0 => greets(target, &other, &other).await?,
        1 => greets(target, &target.peer, &other).await?,
        2 => brings_documents_of(target, &other).await?,
        _ => asks(target, &other, seed).await?,
    };
    let count = if was_let_in { &deeds.posed_well } else { &deeds.posed };
    count.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

/// A stream with its own token, that names one till in its call and another in its first frame.
/// Whether the server states what it has.
async fn greets(target: &Target, named: &PeerId, greeting: &PeerId) -> Result<bool, Refusal> {
    let Some((_frames, mut answers)) = open(target, named, greeting).await? else { return Ok(false) };
    // Nothing, and the end of a line that broke, are no answers.
    Ok(matches!(answers.message().await, Ok(Some(_))))
}

/// Whether the server takes a document of another till on its stream.
async fn brings_documents_of(target: &Target, other: &PeerId) -> Result<bool, Refusal> {
    let Some((frames, mut answers)) = open(target, &target.peer, &target.peer).await? else { return Ok(false) };
    let batch = v1::Batch { sequence: 1, documents: vec![document(other)], ..v1::Batch::default() };
    let mut batch = Some(PeerFrame { frame: Some(peer_frame::Frame::Batch(batch)) });
    while let Some(v1::ServerFrame { frame: Some(frame) }) = answers.message().await? {
        match frame {
            server_frame::Frame::Holding(holding) if holding.last => {
                if let Some(batch) = batch.take() {
                    frames.send(batch).await?;
                }
            }
            server_frame::Frame::Holding(_) => {}
            server_frame::Frame::Ack(ack) => return Ok(ack.refused.is_empty()),
        }
    }
    Ok(false)
}

type Refusal = Box<dyn std::error::Error + Send + Sync>;
type Stream = (mpsc::Sender<PeerFrame>, tonic::Streaming<v1::ServerFrame>);

/// Opens a stream and greets; none where the call is refused.
async fn open(target: &Target, named: &PeerId, greeting: &PeerId) -> Result<Option<Stream>, Refusal> {
    let channel = Endpoint::from_shared(format!("http://127.0.0.1:{}", target.ports.sales))?
        .local_address(Some(FROM.into()))
        .connect()
        .await?;
    let (frames, outgoing) = mpsc::channel(2);
    let mut request = Request::new(ReceiverStream::new(outgoing));
    request.metadata_mut().insert("authorization", format!("Bearer {}", target.secret.token()).parse()?);
    request.metadata_mut().insert(PEER_METADATA, named.as_str().parse()?);
    let hello = v1::Hello {
        schema: SALES_SCHEMA,
        peer_id: greeting.to_string(),
        shop_id: target.shop.clone(),
        agent_version: "0.1.0".to_owned(),
        instance: Uuid::from_u128(666).to_string(),
        ..v1::Hello::default()
    };
    frames.send(PeerFrame { frame: Some(peer_frame::Frame::Hello(hello)) }).await?;
    match SalesLoaderClient::new(channel).unload(request).await {
        Ok(answer) => Ok(Some((frames, answer.into_inner()))),
        Err(_) => Ok(None),
    }
}

/// A sound document but for whose it is: where the server took it, it would be a receipt that
/// nobody rang up.
fn document(of: &PeerId) -> v1::Document {
    let sum = 66_600;
    let key = v1::ReceiptKey {
        till_id: of.to_string(),
        shift: 666,
        number: 1,
        uuid: Uuid::new_v4().as_bytes().to_vec(),
        shift_opened: Some(RUNG_UP.to_owned()),
    };
    let line = v1::Line {
        position: 1,
        item_code: "1".to_owned(),
        barcode: "b1".to_owned(),
        opcode: 50,
        quantity: 1_000,
        price: sum,
        sum_before: sum,
        sum,
        time: RUNG_UP.to_owned(),
        ..v1::Line::default()
    };
    let payment = v1::Payment { opcode: 70, type_code: 1, sum, time: RUNG_UP.to_owned(), ..v1::Payment::default() };
    v1::Document {
        key: Some(key),
        document_id: 1,
        doctype: 1,
        cash_code: "1".to_owned(),
        cashier: "1".to_owned(),
        time_beg: RUNG_UP.to_owned(),
        time_end: RUNG_UP.to_owned(),
        sum_before: sum,
        sum,
        lines: vec![line],
        payments: vec![payment],
        ..v1::Document::default()
    }
}

/// Whether REST does what its token is not for.
async fn asks(target: &Target, other: &PeerId, seed: &mut Seed) -> Result<bool, Refusal> {
    let calls = [
        "GET /api/v1/nodes".to_owned(),
        "GET /api/v1/findings".to_owned(),
        format!("GET /api/v1/tills/{other}/token"),
        format!("GET /api/v1/tills/{other}/cash-ini"),
        format!("POST /api/v1/tills/{other}/token"),
        format!("POST /api/v1/tills/{other}/stolen"),
        format!("POST /api/v1/tills/{other}/shift-closed"),
        format!("DELETE /api/v1/nodes/{other}"),
    ];
    let call = seed.choose(&calls).unwrap_or(&calls[0]);
    let token = target.secret.token();
    let request = format!(
        "{call} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    let mut stream = connect(target.ports.rest).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.starts_with("HTTP/1.1 2"))
}
