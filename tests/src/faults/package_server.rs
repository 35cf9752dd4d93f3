//! A package server that answers wrongly, between a till and the real one: let the till's link
//! lead to it.

use super::runtime;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// A head that is longer is none.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Written at a time of a body without end.
const STEP_BYTES: usize = 64 * 1024;

/// How requests are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// As the real server does.
    Truly,
    /// With this status and no file.
    Status(u16),
    /// 503, and a time to wait.
    Busy {
        /// `Retry-After`.
        retry_after: Duration,
    },
    /// The real head, and the body ends this many bytes early.
    CutShort {
        /// How many.
        by: usize,
    },
    /// A body that is longer than the real one, with a head that says so.
    TooLong {
        /// How much longer.
        by: usize,
    },
    /// One bit of the body is another one.
    OtherContent,
    /// A body without a length and without an end.
    Endless,
}

#[derive(Debug)]
struct Shared {
    target: u16,
    answer: watch::Sender<Answer>,
    requests: AtomicU64,
    sent: AtomicU64,
    ended: CancellationToken,
}

/// A stand-in on a port of its own.
#[derive(Debug)]
pub struct PackageServer {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    shared: Arc<Shared>,
}

impl PackageServer {
    /// In front of the real one on port `target`; answers truly at first.
    pub fn in_front_of(target: u16) -> io::Result<Self> {
        let runtime = runtime()?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            target,
            answer: watch::Sender::new(Answer::Truly),
            requests: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            ended: CancellationToken::new(),
        });
        let _inside = runtime.enter();
        let listener = TcpListener::from_std(listener)?;
        runtime.spawn(serve(listener, Arc::clone(&shared)));
        Ok(Self { port, shared })
    }

    /// From the next request on.
    pub fn answer(&self, answer: Answer) {
        self.shared.answer.send_replace(answer);
    }

    /// Requests for files so far.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// Bytes of bodies sent so far.
    pub fn bytes_sent(&self) -> u64 {
        self.shared.sent.load(Ordering::SeqCst)
    }
}

impl Drop for PackageServer {
    fn drop(&mut self) {
        self.shared.ended.cancel();
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let ended = shared.ended.clone();
    let accepting = async {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let shared = Arc::clone(&shared);
            tokio::spawn(async move {
                let ended = shared.ended.clone();
                tokio::select! {
                    // A client that went is no error here.
                    _ = respond(stream, &shared) => {}
                    () = ended.cancelled() => {}
                }
            });
        }
    };
    tokio::select! {
        () = accepting => {}
        () = ended.cancelled() => {}
    }
}

/// Answers one request and closes.
async fn respond(mut client: TcpStream, shared: &Shared) -> io::Result<()> {
    let Some(head) = read_head(&mut client).await? else { return Ok(()) };
    shared.requests.fetch_add(1, Ordering::SeqCst);
    let answer = *shared.answer.borrow();
    match answer {
        Answer::Status(status) => plain(&mut client, status, "").await,
        Answer::Busy { retry_after } => {
            plain(&mut client, 503, &format!("Retry-After: {}\r\n", retry_after.as_secs())).await
        }
        Answer::Endless => {
            client.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").await?;
            let step = vec![b'x'; STEP_BYTES];
            loop {
                client.write_all(&step).await?;
                shared.sent.fetch_add(STEP_BYTES as u64, Ordering::SeqCst);
            }
        }
        Answer::Truly | Answer::CutShort { .. } | Answer::TooLong { .. } | Answer::OtherContent => {
            let (head, body) = ask(&head, shared.target).await?;
            let (head, body) = distort(answer, head, body);
            client.write_all(&head).await?;
            client.write_all(&body).await?;
            shared.sent.fetch_add(body.len() as u64, Ordering::SeqCst);
            client.shutdown().await
        }
    }
}

async fn plain(client: &mut TcpStream, status: u16, more: &str) -> io::Result<()> {
    let head = format!("HTTP/1.1 {status} Said\r\nConnection: close\r\nContent-Length: 0\r\n{more}\r\n");
    client.write_all(head.as_bytes()).await?;
    client.shutdown().await
}

async fn read_head(client: &mut TcpStream) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > MAX_HEAD_BYTES || client.read_buf(&mut head).await? == 0 {
            return Ok(None);
        }
    }
    Ok(String::from_utf8(head).ok())
}

/// The real answer: its head up to the empty line, and its body.
async fn ask(head: &str, target: u16) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await?;
    let kept = head.trim_end().split("\r\n").filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let lines: Vec<&str> = kept.chain(["Connection: close", "", ""]).collect();
    server.write_all(lines.join("\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").map_or(answer.len(), |found| found + 4);
    let body = answer.split_off(end);
    Ok((answer, body))
}

fn distort(answer: Answer, head: Vec<u8>, mut body: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
    match answer {
        Answer::CutShort { by } => body.truncate(body.len().saturating_sub(by)),
        Answer::OtherContent => {
            let middle = body.len() / 2;
            if let Some(byte) = body.get_mut(middle) {
                *byte ^= 1;
            }
        }
        Answer::TooLong { by } => {
            let before = body.len();
            body.resize(before + by, b'x');
            let text = String::from_utf8_lossy(&head).into_owned();
            let said = |line: &str| line.to_ascii_lowercase().starts_with("content-length:");
            let longer = format!("content-length: {}", body.len());
            let lines = text.split("\r\n").map(|line| if said(line) { longer.as_str() } else { line });
            return (lines.collect::<Vec<_>>().join("\r\n").into_bytes(), body);
        }
        _ => {}
    }
    (head, body)
}
