//! What goes over wires: a proxy that keeps the bytes of gRPC streams, and a status server that
//! keeps what it is told.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// What an HTTP/2 client says first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Length, type, flags, stream.
const FRAME_HEADER: usize = 9;
const DATA: u8 = 0;
const PADDED: u8 = 8;
/// Compressed or not, length.
const MESSAGE_HEADER: usize = 5;

/// Both directions of each connection.
type Streams = Arc<Mutex<Vec<(Vec<u8>, Vec<u8>)>>>;

/// Stands between agents and the sales service.
pub(super) struct Recorder {
    pub(super) port: u16,
    target: Arc<Mutex<u16>>,
    streams: Streams,
}

impl Recorder {
    pub(super) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let recorder = Self { port, target: Arc::default(), streams: Streams::default() };
        let (target, streams) = (Arc::clone(&recorder.target), Arc::clone(&recorder.streams));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let port = *target.lock().unwrap_or_else(PoisonError::into_inner);
                if let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
                    let _ = join(client, server, &streams);
                }
            }
        });
        Ok(recorder)
    }

    pub(super) fn lead_to(&self, port: u16) {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = port;
    }

    /// All messages so far: what tills said, what the server said.
    pub(super) fn messages(&self) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let of_tills = streams.iter().flat_map(|(till, _)| messages(till)).collect();
        (of_tills, streams.iter().flat_map(|(_, server)| messages(server)).collect())
    }
}

fn join(client: TcpStream, server: TcpStream, streams: &Streams) -> io::Result<()> {
    let number = {
        let mut streams = streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.push((Vec::new(), Vec::new()));
        streams.len() - 1
    };
    let ways = [(client.try_clone()?, server.try_clone()?, true), (server, client, false)];
    for (from, to, up) in ways {
        let streams = Arc::clone(streams);
        thread::spawn(move || {
            copy(from, to, |bytes| {
                let mut streams = streams.lock().unwrap_or_else(PoisonError::into_inner);
                let stream = &mut streams[number];
                if up { &mut stream.0 } else { &mut stream.1 }.extend_from_slice(bytes);
            });
        });
    }
    Ok(())
}

fn copy(mut from: TcpStream, mut to: TcpStream, keep: impl Fn(&[u8])) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        keep(&buffer[..count]);
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// gRPC messages of one direction of a connection. All frames of data are of calls that follow
/// each other.
fn messages(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = bytes.strip_prefix(PREFACE).unwrap_or(bytes);
    let mut data = Vec::new();
    while rest.len() >= FRAME_HEADER {
        let length = usize::from(rest[0]) << 16 | usize::from(rest[1]) << 8 | usize::from(rest[2]);
        let Some(body) = rest.get(FRAME_HEADER..FRAME_HEADER + length) else { break };
        if rest[3] == DATA && rest[4] & PADDED == 0 {
            data.extend_from_slice(body);
        }
        rest = &rest[FRAME_HEADER + length..];
    }
    let mut found = Vec::new();
    let mut rest = data.as_slice();
    while let [_, a, b, c, d, ..] = *rest {
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let Some(body) = rest.get(MESSAGE_HEADER..MESSAGE_HEADER + length) else { break };
        found.push(body.to_vec());
        rest = &rest[MESSAGE_HEADER + length..];
    }
    found
}

/// A back office's status server.
pub(super) struct StatusServer {
    pub(super) port: u16,
    told: Arc<Mutex<Vec<String>>>,
}

impl StatusServer {
    pub(super) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let server = Self { port: listener.local_addr()?.port(), told: Arc::default() };
        let told = Arc::clone(&server.told);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if let Ok(request) = answer(client) {
                    told.lock().unwrap_or_else(PoisonError::into_inner).push(request);
                }
            }
        });
        Ok(server)
    }

    /// What it was told: method, path, body.
    pub(super) fn told(&self) -> Vec<String> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn answer(mut client: TcpStream) -> io::Result<String> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim().to_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    client.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\nconnection: close\r\n\r\n\"4711a\"")?;
    let (request, _) = first.trim().rsplit_once(' ').unwrap_or_default();
    Ok(format!("{request}\n{}", String::from_utf8_lossy(&body)))
}
