//! Serves HTTP within limits, on a port or on a socket of this machine.
//!
//! A port speaks TLS and, with some, without ([`tongue`]); a request that came over TLS 1.3
//! carries what names its connection ([`ChannelBinding`]).
//!
//! Promises: the places of a port are limited, of all clients and of each address
//! ([`crate::connections`]), and a client that has not finished its request's head gives way to
//! others; a head has up to [`HEAD_BYTES`]; a client that sends its body or takes its answer too
//! slowly ([`pace`]) is cut off and gives its place back; an error of `accept` (no file
//! handles left) is waited out; on `stop` what was begun is finished. A handshake has as long as a
//! head.

mod moving;
mod pace;
#[cfg(test)]
mod tests;
mod tongue;

pub use tongue::{Heard, Plain, Tongues};

use self::moving::{BusyBody, Sent, Watched};
use self::pace::{Pace, Rate, SENT, TAKEN};
use crate::connections::{ConnectionLimits, Connections, Refused, Seat};
use axum::Router;
use axum::body::Body;
use axum::extract::OptionalFromRequestParts;
use axum::http::request::Parts;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;

/// Connections at the same time on one port: every client of a large service may fetch a large
/// file at once, and each costs a file handle and some ten KiB. Fewer where fewer files may be
/// open.
pub const MAX_CONNECTIONS: usize = 8_192;

/// Connections of one address that wait for a request's head to be whole, or for the next request:
/// as many clients as stand behind one router, with room. Each may hold a buffer of
/// [`HEAD_BYTES`].
pub const MAX_WAITING_OF_ADDRESS: usize = 1_024;

/// Largest head of a request: a browser's cookies and long names fit, and it is all that a client
/// may make the server keep before it has said what it wants.
pub const HEAD_BYTES: usize = 16 * 1024;

/// A request's head comes in one or two packets, and a connection that is kept open asks again
/// within seconds.
pub const HEAD_DEADLINE: Duration = Duration::from_secs(30);

/// Bytes under way to one client: 4 MB/s over a line of 50 ms. Without a limit the system takes
/// megabytes for a client that reads nothing, and a slow one is not told from a dead one.
pub const SEND_BUFFER_BYTES: u32 = 208 * 1024;

/// After an error of `accept`: handles come free when connections end.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Connections that a port takes however few files may be open.
const LEAST_CONNECTIONS: usize = 64;

/// Connections at the same time on the socket of this machine: people and scripts.
const MAX_LOCAL_CONNECTIONS: usize = 64;

/// Listens on an address, with buffers of their size for all who connect. To be called within a
/// runtime.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    /// Connections that wait to be accepted; the usual figure.
    const BACKLOG: u32 = 1024;
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The address of a client, noted where its connection was accepted.
#[derive(Debug, Clone, Copy)]
pub struct Client(pub IpAddr);

impl<S: Sync> OptionalFromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get().copied())
    }
}

/// The number of the system's user on the other side of a socket of this machine, noted where the
/// connection was accepted: the operating system says so, not the client.
#[derive(Debug, Clone, Copy)]
pub struct LocalUser(pub u32);

/// What names a TLS connection to both of its ends, and to nobody between them: a proof that is
/// made with it is worth nothing on another connection. Only TLS 1.3 promises that, so requests
/// that came otherwise have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelBinding(pub [u8; 32]);

/// The connection that a request came over, for whoever may have to end it later. It keeps nothing
/// of it open.
#[derive(Debug, Clone)]
pub struct Connection {
    number: u64,
    seat: Weak<Seat>,
}

impl Connection {
    fn of(seat: &Arc<Seat>) -> Self {
        Self { number: seat.number(), seat: Arc::downgrade(seat) }
    }

    /// A number that no other connection of its port had before.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whether it has not ended.
    pub fn is_open(&self) -> bool {
        self.seat.upgrade().is_some_and(|seat| !seat.ended().is_cancelled())
    }

    /// Ends it, with whatever is under way on it.
    pub fn end(&self) {
        if let Some(seat) = self.seat.upgrade() {
            seat.end();
        }
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Connection {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get().cloned())
    }
}

/// The label under which both ends ask TLS for the [`ChannelBinding`].
pub const CHANNEL_BINDING_LABEL: &[u8] = b"EXPORTER-tillway-attach";

/// On a request that came over TLS, whatever its version.
#[derive(Debug, Clone, Copy)]
pub struct OverTls;

/// What a port speaks.
#[derive(Clone)]
pub struct Port {
    tongues: Tongues,
    refusal: Router,
}

impl Port {
    /// `refusal` answers requests that may not come without TLS; then their connection ends.
    pub fn new(tongues: Tongues, refusal: Router) -> Self {
        Self { tongues, refusal }
    }

    /// A port that speaks plainly with everybody.
    pub fn plain() -> Self {
        Self::new(Tongues::plain(), Router::new())
    }
}

/// Serves until `stop`, then finishes what was begun. Requests carry a [`Client`]. `files`: how
/// many files this port may have open.
pub async fn serve(listener: TcpListener, port: Port, router: Router, stop: CancellationToken, files: usize) {
    let limits = Limits { connections: connection_limits(files), sent: SENT, taken: TAKEN };
    serve_within(listener, port, router, stop, limits).await;
}

/// Serves users of this machine as [`serve`] does others. Requests carry a [`LocalUser`].
pub async fn serve_local(listener: UnixListener, router: Router, stop: CancellationToken) {
    let connections = ConnectionLimits {
        all: MAX_LOCAL_CONNECTIONS,
        of_address: MAX_LOCAL_CONNECTIONS,
        waiting_of_address: MAX_LOCAL_CONNECTIONS / 2,
        first: HEAD_DEADLINE,
        again: HEAD_DEADLINE,
    };
    serve_within(listener, AsItIs, router, stop, Limits { connections, sent: SENT, taken: TAKEN }).await;
}

/// Where clients come in.
trait Door {
    /// What a client speaks over.
    type Stream: Send + 'static;
    /// What is known of a client; requests carry it.
    type Who: std::fmt::Debug + Copy + Send + Sync + 'static;

    /// The next client, with the address that its place is counted for.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, IpAddr, Self::Who)>> + Send;
}

impl Door for TcpListener {
    type Stream = TcpStream;
    type Who = Client;

    async fn accept(&self) -> io::Result<(TcpStream, IpAddr, Client)> {
        let (stream, client) = TcpListener::accept(self).await?;
        // Small answers go at once; an error here only costs time.
        let _ = stream.set_nodelay(true);
        Ok((stream, client.ip(), Client(client.ip())))
    }
}

impl Door for UnixListener {
    type Stream = UnixStream;
    type Who = LocalUser;

    async fn accept(&self) -> io::Result<(UnixStream, IpAddr, LocalUser)> {
        let (stream, _) = UnixListener::accept(self).await?;
        let user = LocalUser(stream.peer_cred()?.uid());
        Ok((stream, Ipv6Addr::LOCALHOST.into(), user))
    }
}

/// What happens on a connection before its first request.
trait Opening<S>: Clone + Send + 'static {
    /// What requests come over.
    type Opened: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    fn open(&self, stream: S, taken: Rate) -> impl Future<Output = io::Result<Opened<Self::Opened>>> + Send;
}

/// A connection that requests may come over.
struct Opened<S> {
    stream: S,
    secured: Option<(OverTls, Option<ChannelBinding>)>,
    /// Answers all requests in the place of what the port is for.
    refusal: Option<Router>,
}

/// Nothing.
#[derive(Clone)]
struct AsItIs;

impl Opening<UnixStream> for AsItIs {
    type Opened = Watched<UnixStream>;

    async fn open(&self, stream: UnixStream, taken: Rate) -> io::Result<Opened<Watched<UnixStream>>> {
        Ok(Opened { stream: Watched { stream, pace: Pace::new(taken) }, secured: None, refusal: None })
    }
}

impl Opening<TcpStream> for Port {
    type Opened = Either<Watched<TcpStream>, TlsStream<Watched<TcpStream>>>;

    async fn open(&self, stream: TcpStream, taken: Rate) -> io::Result<Opened<Self::Opened>> {
        let heard = self.tongues.hear(&stream).await?;
        let stream = Watched { stream, pace: Pace::new(taken) };
        let acceptor = match heard {
            Heard::Plain => return Ok(Opened { stream: Either::Left(stream), secured: None, refusal: None }),
            Heard::Refused => {
                let refusal = Some(self.refusal.clone());
                return Ok(Opened { stream: Either::Left(stream), secured: None, refusal });
            }
            Heard::Tls(acceptor) => acceptor,
        };
        let stream = acceptor.accept(stream).await?;
        let secured = Some((OverTls, binding(stream.get_ref().1)));
        Ok(Opened { stream: Either::Right(stream), secured, refusal: None })
    }
}

fn binding(connection: &rustls::ServerConnection) -> Option<ChannelBinding> {
    let is_new = connection.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3);
    let exported = is_new.then(|| connection.export_keying_material([0; 32], CHANNEL_BINDING_LABEL, None));
    exported.and_then(Result::ok).map(ChannelBinding)
}

/// What clients may take.
#[derive(Debug, Clone, Copy)]
struct Limits {
    connections: ConnectionLimits,
    sent: Rate,
    taken: Rate,
}

fn connection_limits(files: usize) -> ConnectionLimits {
    let all = files.clamp(LEAST_CONNECTIONS, MAX_CONNECTIONS);
    ConnectionLimits {
        all,
        of_address: all / 2,
        waiting_of_address: MAX_WAITING_OF_ADDRESS.min(all / 2),
        first: HEAD_DEADLINE,
        again: HEAD_DEADLINE,
    }
}

async fn serve_within<D: Door>(
    door: D,
    opening: impl Opening<D::Stream>,
    router: Router,
    stop: CancellationToken,
    limits: Limits,
) {
    let places = Connections::new(limits.connections);
    let mut connections = JoinSet::new();
    'accepting: loop {
        let accepted = tokio::select! {
            accepted = door.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, address, client)) => {
                let seat = loop {
                    match places.enter(address) {
                        Ok(seat) => break Some(seat),
                        Err(Refused::Address) => break None,
                        // Everybody waits, this one and those in the listener's queue.
                        Err(Refused::Port) => tokio::select! {
                            () = places.freed() => {}
                            () = stop.cancelled() => break 'accepting,
                        },
                    }
                };
                if let Some(seat) = seat {
                    let (opening, router, stop) = (opening.clone(), router.clone(), stop.clone());
                    connections.spawn(async move {
                        let ended = seat.ended();
                        let opened = tokio::select! {
                            opened = tokio::time::timeout(HEAD_DEADLINE, opening.open(stream, limits.taken)) => opened,
                            () = ended.cancelled() => return,
                            () = stop.cancelled() => return,
                        };
                        match opened {
                            Ok(Ok(opened)) => connection(opened, client, seat, router, stop, limits).await,
                            Ok(Err(error)) => tracing::debug!(?client, %error, "a connection did not open"),
                            Err(_) => tracing::debug!(?client, "a connection said nothing in time"),
                        }
                    });
                } else {
                    tracing::debug!(?client, "a connection is refused: its address has all that one may have");
                }
            }
            // The client was gone before it was its turn.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(%error, "failed to accept a connection");
                tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop(door);
    while connections.join_next().await.is_some() {}
}

async fn connection<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    opened: Opened<S>,
    client: impl Clone + Send + Sync + 'static,
    seat: Arc<Seat>,
    router: Router,
    stop: CancellationToken,
    limits: Limits,
) {
    let Opened { stream, secured, refusal } = opened;
    let (io, ended) = (TokioIo::new(stream), seat.ended());
    let is_refused = refusal.is_some();
    let router = TowerToHyperService::new(refusal.unwrap_or(router));
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(client.clone());
        request.extensions_mut().insert(Connection::of(&seat));
        if let Some((over_tls, binding)) = secured {
            request.extensions_mut().insert(over_tls);
            binding.and_then(|binding| request.extensions_mut().insert(binding));
        }
        let busy = seat.busy();
        let answered = router.call(request.map(|body| Sent { body, pace: Pace::new(limits.sent) }));
        async move { answered.await.map(|response: Response<Body>| response.map(|body| BusyBody { body, _busy: busy })) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .keep_alive(!is_refused)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(io, service);
    let mut served = std::pin::pin!(served);
    let result = tokio::select! {
        result = served.as_mut() => result,
        () = ended.cancelled() => return,
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            tokio::select! {
                result = served => result,
                () = ended.cancelled() => return,
            }
        }
    };
    if let Err(error) = result {
        tracing::debug!(error = &error as &dyn std::error::Error, "a connection ended early");
    }
}
