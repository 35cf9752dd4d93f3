//! What ours is compared with: a tonic service of the same call that writes each frame as it is
//! and syncs it, and nothing else.
//!
//! It checks no token, keeps nothing of what it has, and neither decodes nor hashes a frame. Each
//! stream has a file of its own, so that no stream waits for another one's sync.

use super::raw::{self, Raw};
use crate::figure::Outcome;
use crate::{MeasureError, part};
use fs_err as fs;
use prost::bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use tillway_proto::sales::MAX_FRAME_BYTES;
use tillway_proto::sales::v1::{self, ServerFrame, server_frame};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{Grpc, NamedService, StreamingService};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};

/// Answers that wait to be sent, as in ours.
const ANSWERS: usize = 4;

/// Windows as in ours.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 2 * 1024 * 1024;

/// Where it writes.
#[derive(Serialize, Deserialize)]
pub(super) struct Bare {
    pub(super) folder: PathBuf,
    /// Its port is written here when it listens.
    pub(super) port_file: PathBuf,
}

/// The part: serves until it is ended.
pub(super) fn serve(arguments: &str) -> Result<Outcome, MeasureError> {
    let bare: Bare = part::arguments(arguments)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(MeasureError::File)?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(MeasureError::File)?;
        let port = listener.local_addr().map_err(MeasureError::File)?.port();
        let unfinished = bare.port_file.with_extension("new");
        fs::write(&unfinished, port.to_string()).map_err(MeasureError::File)?;
        fs::rename(&unfinished, &bare.port_file).map_err(MeasureError::File)?;
        Server::builder()
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .add_service(BareLoader { folder: Arc::from(bare.folder.as_path()), streams: Arc::default() })
            .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)))
            .await
            .map_err(|error| MeasureError::wrong("the bare stream", error))
    })?;
    Ok(Outcome::default())
}

#[derive(Debug, Clone)]
struct BareLoader {
    folder: Arc<Path>,
    streams: Arc<AtomicU64>,
}

impl NamedService for BareLoader {
    const NAME: &'static str = "tillway.sales.v1.SalesLoader";
}

impl Service<http::Request<Body>> for BareLoader {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            let mut grpc = Grpc::new(Raw::<raw::Server>::new())
                .apply_max_message_size_config(Some(MAX_FRAME_BYTES), Some(MAX_FRAME_BYTES));
            Ok(grpc.streaming(service, request).await)
        })
    }
}

impl StreamingService<Bytes> for BareLoader {
    type Response = ServerFrame;
    type ResponseStream = ReceiverStream<Result<ServerFrame, Status>>;
    type Future = BoxFuture<Response<Self::ResponseStream>, Status>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        let number = self.streams.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.join(format!("{number}.frames"));
        let (answers, receiver) = mpsc::channel(ANSWERS);
        tokio::spawn(async move {
            if let Err(status) = take(&path, request.into_inner(), &answers).await {
                let _ = answers.send(Err(status)).await;
            }
        });
        Box::pin(async move { Ok(Response::new(ReceiverStream::new(receiver))) })
    }
}

async fn take(
    path: &Path,
    mut frames: Streaming<Bytes>,
    answers: &mpsc::Sender<Result<ServerFrame, Status>>,
) -> Result<(), Status> {
    let answer = async |frame| {
        let sent = answers.send(Ok(ServerFrame { frame: Some(frame) })).await;
        sent.map_err(|_| Status::cancelled("nobody listens"))
    };
    let failed = |error: std::io::Error| Status::internal(error.to_string());
    let mut file = fs::File::create(path).map_err(failed)?;
    let mut frames_taken = 0;
    while let Some(frame) = frames.message().await? {
        if frames_taken == 0 {
            // The hello.
            answer(server_frame::Frame::Holding(v1::Holding { last: true, ..v1::Holding::default() })).await?;
        } else {
            tokio::task::block_in_place(|| file.write_all(&frame).and_then(|()| file.sync_data())).map_err(failed)?;
            answer(server_frame::Frame::Ack(v1::Ack { through: frames_taken, refused: Vec::new() })).await?;
        }
        frames_taken += 1;
    }
    Ok(())
}
