//! Connections to the port of the service, from `accept` to the first byte of HTTP/2.
//!
//! Each takes a place before anything is done for it ([`tillway_service::connections`]), shakes
//! hands within a deadline where it speaks TLS, and is closed where it does not and may not. It
//! ends when it has waited too long for a stream with a right token. So a client that says nothing
//! costs a place for some seconds, and gives it to the next one that comes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::either::Either;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

use tillway_service::connections::{ConnectionLimits, Connections, Seat};
use tillway_service::serving::{Heard, Tongues};

/// Connections to the port at one time. Streams are limited by themselves, so most of these may
/// wait.
const MAX_CONNECTIONS: usize = 1_024;

/// Of one address: the tills of a shop behind its router, and of a chain's office behind a few.
const MAX_CONNECTIONS_OF_ADDRESS: usize = MAX_CONNECTIONS / 2;

/// An agent opens its next stream on the same connection at once; one that needs it no more closes
/// it.
const AGAIN_WITHIN: Duration = Duration::from_mins(1);

/// How often it is looked for those that have waited too long.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// After an error of `accept`: handles come free when connections end.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Connections that are ready and not yet taken over.
const READY: usize = 64;

/// Why certificate and key cannot be used.
pub(super) type TlsFault = Box<dyn std::error::Error + Send + Sync>;

/// Reads certificate and key, which are PEM.
pub(super) fn tls_acceptor(cert: &[u8], key: &[u8]) -> Result<TlsAcceptor, TlsFault> {
    let chain = CertificateDer::pem_slice_iter(cert).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(key)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Takes connections until `stop`. `first`: from a connection to its first stream with a right
/// token.
pub(super) fn incoming(
    listener: TcpListener,
    tongues: Tongues,
    first: Duration,
    stop: CancellationToken,
) -> ReceiverStream<io::Result<Incoming>> {
    let connections = Connections::new(ConnectionLimits {
        all: MAX_CONNECTIONS,
        of_address: MAX_CONNECTIONS_OF_ADDRESS,
        waiting_of_address: MAX_CONNECTIONS_OF_ADDRESS,
        first,
        again: AGAIN_WITHIN,
    });
    let (ready, taken) = mpsc::channel(READY);
    tokio::spawn(accept(listener, tongues, first, connections, ready, stop));
    ReceiverStream::new(taken)
}

async fn accept(
    listener: TcpListener,
    tongues: Tongues,
    first: Duration,
    connections: Connections,
    ready: mpsc::Sender<io::Result<Incoming>>,
    stop: CancellationToken,
) {
    let mut opening = JoinSet::new();
    let mut look = tokio::time::interval(LOOK_EVERY.min(first));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = look.tick() => {
                connections.end_overdue();
                while opening.try_join_next().is_some() {}
                continue;
            }
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, client)) => match connections.enter(client.ip()) {
                Ok(seat) => drop(opening.spawn(open(stream, tongues.clone(), first, seat, ready.clone()))),
                Err(refused) => tracing::debug!(%client, ?refused, "a connection to the sales service is refused"),
            },
            // The client was gone before it was its turn.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(%error, "failed to accept a connection of a till");
                tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
            }
        }
    }
}

async fn open(
    stream: TcpStream,
    tongues: Tongues,
    first: Duration,
    seat: Arc<Seat>,
    ready: mpsc::Sender<io::Result<Incoming>>,
) {
    // Small frames go at once; an error here only costs time.
    let _ = stream.set_nodelay(true);
    let ended = seat.ended();
    let shaken = tokio::select! {
        shaken = tokio::time::timeout(first, shake(stream, &tongues)) => shaken,
        () = ended.cancelled() => return,
    };
    match shaken {
        Ok(Ok(Some(stream))) => {
            let _ = ready.send(Ok(Incoming { stream, seat, ended: Box::pin(ended.cancelled_owned()) })).await;
        }
        Ok(Ok(None)) => tracing::debug!(from = %seat.address(), "a till that speaks no TLS is refused"),
        Ok(Err(error)) => tracing::debug!(%error, "a till's connection did not open"),
        Err(_) => {}
    }
}

/// What a till speaks over; none where it may not go on without TLS.
async fn shake(stream: TcpStream, tongues: &Tongues) -> io::Result<Option<Either<TcpStream, TlsStream<TcpStream>>>> {
    Ok(match tongues.hear(&stream).await? {
        Heard::Tls(acceptor) => Some(Either::Right(acceptor.accept(stream).await?)),
        Heard::Plain => Some(Either::Left(stream)),
        Heard::Refused => None,
    })
}

/// A connection that ends when its place is taken from it.
pub(super) struct Incoming {
    stream: Either<TcpStream, TlsStream<TcpStream>>,
    seat: Arc<Seat>,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Incoming {
    fn live(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.ended.as_mut().poll(context).is_ready() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "no stream with a right token was opened in time"));
        }
        Ok(())
    }
}

impl Connected for Incoming {
    type ConnectInfo = Arc<Seat>;

    fn connect_info(&self) -> Arc<Seat> {
        Arc::clone(&self.seat)
    }
}

impl AsyncRead for Incoming {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.live(context)?;
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Incoming {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.live(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.live(context)?;
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
