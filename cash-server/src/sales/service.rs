//! The gRPC service that tills unload to: `proto/sales.proto` tells the protocol.
//!
//! Whoever connects has a place for some seconds ([`incoming`]), and a stream only once till and
//! token, which stand in the metadata of the call, are right: before that nothing of a frame is
//! read. A wrong token of a known till is a finding, and so is a till's own
//! token in another's name ([`Intruders`]).
//!
//! A stream is one [`session`]. One till has one stream at a time ([`registry`]). Nothing is
//! acknowledged that the spool has not made durable. Whatever a till does, a stream ends: frames,
//! their number and their size are bounded, and a till that says nothing is cut off. The
//! [`Database`] is asked, never depended on: with it down tills unload into the spool.

mod batch;
mod incoming;
mod notes;
mod registry;
mod session;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use fs_err as fs;
use futures_util::Stream;
use tillway_proto::sales::arrived::sales_loader_server::{SalesLoader as Service, SalesLoaderServer};
use tillway_proto::sales::v1::ServerFrame;
use tillway_proto::sales::{ArrivedFrame, MAX_FRAME_BYTES, PEER_METADATA};
use tillway_proto::{PeerId, ShopId, TillId};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::metadata::MetadataMap;
use tonic::transport::Server;
use tonic::{Code, Request, Response, Status, Streaming};

use super::database::Database;
use super::intruders::Intruders;
use super::spool::Spool;
use crate::network::{AuthError, TillAuth};
use crate::store::sales::SalesStore;
use incoming::TlsFault;
use notes::Notes;
use registry::Registry;
use session::{Login, Session};
use tillway_service::connections::Seat;
use tillway_service::serving::{Plain, Tongues};

/// Streams at one time; further ones come again later. A shop has tens of tills, a centre takes
/// some hundred at once, and each stream may hold one frame in memory.
pub const MAX_STREAMS: usize = 256;

/// Streams within one connection: an agent needs one.
const MAX_STREAMS_PER_CONNECTION: u32 = 8;

/// A ping after so long without a word: a link that is half open is noticed.
const PING_INTERVAL: Duration = Duration::from_secs(20);

/// A connection whose ping is not answered for so long is cut.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes that may be under way to us on one stream before we read them: covers a shop's link, not
/// more.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;

/// The same for a connection.
const CONNECTION_WINDOW_BYTES: u32 = 2 * 1024 * 1024;

/// Largest headers of a request: a token and little else.
const MAX_HEADER_BYTES: u32 = 16 * 1024;

/// Longest token.
const MAX_TOKEN_BYTES: usize = 512;

/// Frames that wait to be sent to one till.
const ANSWERS: usize = 4;

/// So long may streams take to finish what is under way when the server stops.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// Deadlines of a stream.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// From a connection to its first stream with a right token, and from there to the first
    /// frame.
    pub hello: Duration,
    /// For each further frame while nothing is under way.
    pub idle: Duration,
    /// For the till to take an answer.
    pub answer: Duration,
    /// A stream that has said nothing for so long gives way to one of another machine with the
    /// right token.
    pub silent: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            hello: Duration::from_secs(10),
            idle: Duration::from_mins(1),
            answer: Duration::from_secs(30),
            silent: Duration::from_secs(10),
        }
    }
}

/// What the service works with.
#[derive(Debug, Clone)]
pub struct Deps {
    /// Checks tokens.
    pub auth: Arc<dyn TillAuth>,
    /// What is loaded.
    pub store: Arc<dyn SalesStore>,
    /// What is not loaded yet; takes what comes.
    pub spool: Spool,
    /// Is told of tokens that are wrong, or where they do not belong.
    pub intruders: Intruders,
    /// How long a till may be silent.
    pub deadlines: Deadlines,
}

/// Certificate and key, PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsPaths {
    /// The certificate, with its chain.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// What the port speaks.
#[derive(Clone)]
pub enum Speaks {
    /// As all ports of this server.
    Tongues(Tongues),
    /// TLS alone, with this certificate.
    Own(TlsPaths),
}

/// Why the service could not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Certificate or key cannot be read.
    #[error("failed to read the certificate or key of the sales service")]
    ReadTls(#[source] io::Error),
    /// Certificate or key are wrong.
    #[error("failed to use the certificate {} and key {} for the sales service", paths.cert.display(), paths.key.display())]
    Tls {
        /// The files.
        paths: TlsPaths,
        /// Why not.
        #[source]
        source: TlsFault,
    },
    /// Listening failed.
    #[error("failed to serve sales")]
    Serve(#[source] tonic::transport::Error),
}

/// Serves until `shutdown`; then lets streams finish what is under way.
pub async fn serve(
    listener: TcpListener,
    deps: Deps,
    speaks: Speaks,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let server = Server::builder()
        .http2_keepalive_interval(Some(PING_INTERVAL))
        .http2_keepalive_timeout(Some(PING_TIMEOUT))
        .max_concurrent_streams(MAX_STREAMS_PER_CONNECTION)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_max_header_list_size(MAX_HEADER_BYTES);
    let tongues = match &speaks {
        Speaks::Tongues(tongues) => tongues.clone(),
        Speaks::Own(paths) => {
            let read = |path| fs::read(path).map_err(ServeError::ReadTls);
            let (cert, key) = (read(&paths.cert)?, read(&paths.key)?);
            let wrong = |source| ServeError::Tls { paths: paths.clone(), source };
            Tongues::tls(incoming::tls_acceptor(&cert, &key).map_err(wrong)?, Plain::Nobody)
        }
    };
    let sessions = TaskTracker::new();
    let database = Database::new(Arc::clone(&deps.store));
    let (notes, note_writer) = notes::channel(database.clone());
    sessions.spawn(note_writer.run(shutdown.clone()));
    let incoming = incoming::incoming(listener, tongues, deps.deadlines.hello, shutdown.clone());
    let unloading = Unloading {
        database,
        notes,
        registry: Registry::new(deps.deadlines.silent),
        deps,
        streams: Arc::new(Semaphore::new(MAX_STREAMS)),
        sessions: sessions.clone(),
        shutdown: shutdown.clone(),
    };
    let service = SalesLoaderServer::new(unloading)
        .max_decoding_message_size(MAX_FRAME_BYTES)
        .max_encoding_message_size(MAX_FRAME_BYTES);
    let stopped = shutdown.clone();
    let mut server = server;
    let serving = server.add_service(service).serve_with_incoming_shutdown(incoming, shutdown.cancelled_owned());
    let served = tokio::select! {
        served = serving => served,
        // A till that keeps its connection open must not keep the server from stopping.
        () = async { stopped.cancelled().await; tokio::time::sleep(STOP_WITHIN).await } => Ok(()),
    };
    sessions.close();
    if tokio::time::timeout(STOP_WITHIN, sessions.wait()).await.is_err() {
        tracing::warn!("some sales streams did not end in time; the tills send again what was not acknowledged");
    }
    served.map_err(ServeError::Serve)
}

#[derive(Debug)]
struct Unloading {
    deps: Deps,
    database: Database,
    notes: Notes,
    registry: Registry,
    streams: Arc<Semaphore>,
    sessions: TaskTracker,
    shutdown: CancellationToken,
}

#[tonic::async_trait]
impl Service for Unloading {
    type UnloadStream = Pin<Box<dyn Stream<Item = Result<ServerFrame, Status>> + Send>>;

    async fn unload(&self, request: Request<Streaming<ArrivedFrame>>) -> Result<Response<Self::UnloadStream>, Status> {
        let token = bearer_token(request.metadata())?;
        let seat = request.extensions().get::<Arc<Seat>>().cloned();
        let (till, shop) = self.log_in(named_till(request.metadata())?, &token, seat.as_deref()).await?;
        let busy = seat.as_ref().map(Seat::busy);
        let place = Arc::clone(&self.streams).try_acquire_owned().map_err(|_| {
            Status::resource_exhausted(format!("{MAX_STREAMS} tills are unloading already; try again later"))
        })?;
        let (greeting, from) = (self.registry.greet(&till), address_of(seat.as_deref()));
        let (answers, receiver) = mpsc::channel(ANSWERS);
        let login = Login { till: till.clone(), shop, token, from: from.clone() };
        let session = Session::new(
            self.deps.clone(),
            self.database.clone(),
            self.registry.clone(),
            self.notes.clone(),
            login,
            answers.clone(),
            self.shutdown.clone(),
        );
        let (deadline, intruders) = (self.deps.deadlines.answer, self.deps.intruders.clone());
        self.sessions.spawn(async move {
            let _held = (place, busy);
            let ended = tokio::select! {
                ended = session.run(request.into_inner()) => ended,
                () = greeting.superseded.cancelled() => Err(Box::new(superseded())),
            };
            if let Err(status) = ended {
                if matches!(status.code(), Code::InvalidArgument | Code::OutOfRange) {
                    intruders.broke_protocol(&till, status.message(), &from);
                }
                // A till that takes no answers takes no farewell either.
                let _ = answers.send_timeout(Err(*status), deadline).await;
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

impl Unloading {
    /// The till whose token this is, with its shop: the one that is named, or where none is named,
    /// as by agents of version 0.1, whichever.
    async fn log_in(
        &self,
        named: Option<TillId>,
        token: &str,
        seat: Option<&Seat>,
    ) -> Result<(TillId, ShopId), Status> {
        let (auth, token, asked) = (Arc::clone(&self.deps.auth), token.to_owned(), named.clone());
        let checked = tokio::task::spawn_blocking(move || {
            let Some(till) = asked else { return (auth.till_of(&token), None) };
            match auth.authenticate(&till, &token) {
                Ok(shop) => (Ok((till, shop)), None),
                // It may be the token of another one.
                Err(error) => (Err(error), auth.till_of(&token).ok().map(|(own, _)| own)),
            }
        });
        let (checked, owner) =
            checked.await.map_err(|_| Status::unavailable("the server is stopping or failed; try again later"))?;
        let intruders = &self.deps.intruders;
        match (&checked, &named, owner) {
            (Ok((till, _)), ..) => intruders.right_token(till),
            (Err(_), Some(named), Some(own)) => intruders.in_others_name(&own, named.as_str(), &address_of(seat)),
            (Err(AuthError::WrongToken), Some(named), None) => intruders.wrong_token(named, &address_of(seat)),
            _ => {}
        }
        checked.map_err(|error| session::refused(&error))
    }
}

fn address_of(seat: Option<&Seat>) -> String {
    seat.map_or_else(|| "an unknown address".to_owned(), |seat| seat.address().to_string())
}

fn superseded() -> Status {
    Status::aborted("a newer stream of this till has taken over")
}

/// The peer that the call names, where it names one: a till, since others have no sales here.
#[allow(clippy::result_large_err)] // tonic's own type of error
fn named_till(metadata: &MetadataMap) -> Result<Option<TillId>, Status> {
    let Some(header) = metadata.get(PEER_METADATA) else { return Ok(None) };
    let named = header.to_str().ok().and_then(|text| text.parse::<PeerId>().ok());
    let till = named.as_ref().and_then(PeerId::till).cloned();
    till.map(Some).ok_or_else(|| Status::invalid_argument(format!("the header `{PEER_METADATA}` names no till")))
}

#[allow(clippy::result_large_err)] // tonic's own type of error
fn bearer_token(metadata: &MetadataMap) -> Result<String, Status> {
    let header = metadata
        .get("authorization")
        .ok_or_else(|| Status::unauthenticated("the header `authorization: Bearer <cash.token>` is missing"))?;
    header
        .to_str()
        .ok()
        .and_then(|text| text.strip_prefix("Bearer "))
        .filter(|token| !token.is_empty() && token.len() <= MAX_TOKEN_BYTES)
        .map(str::to_owned)
        .ok_or_else(|| Status::unauthenticated("the header `authorization` is not `Bearer <cash.token>`"))
}
