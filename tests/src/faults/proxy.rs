//! A link between two processes that is broken on purpose and mended again, while it is used.
//!
//! The proxy listens on a port of loopback and carries every connection to a target port. What is
//! wrong with the link is said by a few calls, which hold from their return on; [`Proxy::heal`]
//! takes all of them back. Usable without a runtime: the kit has its own.
//!
//! A link that is *half open* is one whose router forgot it: no byte arrives either way and nobody
//! is told. Connections that were half open once stay so after [`Proxy::heal`], as they do in
//! life: both ends have to notice by themselves.

mod connection;
mod rules;

pub use rules::{Direction, Ending};

use crate::faults::runtime;
use crate::ports::{NoFreePort, free_port};
use crate::wait::{Seen, wait_for};
use connection::Connection;
use rules::Rules;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// A call takes effect within milliseconds; longer, and the machine stands still.
const EFFECT_TIMEOUT: Duration = Duration::from_secs(20);

/// Between two tries to listen again: somebody may hold the port for a moment.
const LISTEN_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Why there is no proxy.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The kit's runtime.
    #[error("failed to start the runtime of the fault kit")]
    Runtime(#[source] io::Error),
    /// No port.
    #[error("no port for a proxy")]
    Port(#[source] NoFreePort),
}

/// What went over a link so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Connections accepted.
    pub connections: u64,
    /// Those that are open now.
    pub open: u64,
    /// Bytes carried to the target.
    pub to_target: u64,
    /// Bytes carried back.
    pub to_client: u64,
    /// Bytes swallowed by a half-open link, either way.
    pub swallowed: u64,
}

#[derive(Debug, Default)]
struct Counters {
    connections: AtomicU64,
    open: AtomicU64,
    to_target: AtomicU64,
    to_client: AtomicU64,
    swallowed: AtomicU64,
}

#[derive(Debug)]
struct Shared {
    target: AtomicU16,
    rules: watch::Sender<Rules>,
    counters: Counters,
    listening: AtomicBool,
    ended: CancellationToken,
}

/// A link. All its connections end when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    /// The port to connect to, on 127.0.0.1.
    pub port: u16,
    shared: Arc<Shared>,
}

impl Proxy {
    /// A link without faults from a free port to `target`, both on 127.0.0.1.
    pub fn to(target: u16) -> Result<Self, ProxyError> {
        let runtime = runtime().map_err(ProxyError::Runtime)?;
        let port = free_port().map_err(ProxyError::Port)?;
        let shared = Arc::new(Shared {
            target: AtomicU16::new(target),
            rules: watch::Sender::new(Rules::default()),
            counters: Counters::default(),
            listening: AtomicBool::new(false),
            ended: CancellationToken::new(),
        });
        runtime.spawn(listen(port, Arc::clone(&shared)));
        let proxy = Self { port, shared };
        proxy.wait_until_listening(true);
        Ok(proxy)
    }

    /// Closes all connections and refuses new ones.
    pub fn cut(&self) {
        self.change(|rules| {
            rules.refuse = true;
            rules.cut_before = rules.next;
        });
        self.wait_until_listening(false);
    }

    /// Closes all connections; new ones are carried.
    pub fn cut_once(&self) {
        self.change(|rules| rules.cut_before = rules.next);
    }

    /// Refuses new connections; those that are there live on.
    pub fn refuse(&self) {
        self.change(|rules| rules.refuse = true);
        self.wait_until_listening(false);
    }

    /// Accepts connections and swallows what comes, both ways; nothing is ever closed. Connections
    /// that are there become so too, and stay so after [`Proxy::heal`].
    pub fn half_open(&self) {
        self.change(|rules| rules.half_open = true);
    }

    /// Holds every byte back until [`Proxy::heal`], which lets all of them through.
    pub fn freeze(&self) {
        self.change(|rules| rules.frozen = true);
    }

    /// Each direction of each connection carries so many bytes a second.
    pub fn slow(&self, bytes_per_second: u64) {
        self.change(|rules| rules.bytes_per_second = Some(bytes_per_second.max(1)));
    }

    /// Everything read is handed on so much later.
    pub fn delay(&self, by: Duration) {
        self.change(|rules| rules.delay = by);
    }

    /// Ends each connection after so many bytes in one direction, counted from its begin;
    /// [`Proxy::ending`] says how.
    pub fn cut_after(&self, bytes: u64, direction: Direction) {
        self.change(|rules| rules.cut_after = Some((bytes, direction)));
    }

    /// How connections are ended by faults from now on, [`Proxy::heal`] included; at first
    /// [`Ending::Close`].
    pub fn ending(&self, ending: Ending) {
        self.change(|rules| rules.ending = ending);
    }

    /// Mends the link. What was half open stays so; new connections are carried.
    pub fn heal(&self) {
        self.change(|rules| {
            let dead_before = if rules.half_open { rules.next } else { rules.dead_before };
            *rules = Rules {
                next: rules.next,
                cut_before: rules.cut_before,
                dead_before,
                ending: rules.ending,
                ..Rules::default()
            };
        });
        self.wait_until_listening(true);
    }

    /// New connections go to another port: a server that moved, or a stand-in for it.
    pub fn lead_to(&self, target: u16) {
        self.shared.target.store(target, Ordering::SeqCst);
    }

    /// What went over it so far.
    pub fn counts(&self) -> Counts {
        let counters = &self.shared.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        Counts {
            connections: read(&counters.connections),
            open: read(&counters.open),
            to_target: read(&counters.to_target),
            to_client: read(&counters.to_client),
            swallowed: read(&counters.swallowed),
        }
    }

    fn change(&self, change: impl FnOnce(&mut Rules)) {
        self.shared.rules.send_modify(change);
    }

    /// Late only where the machine stands still; then the test that relies on it says so.
    fn wait_until_listening(&self, listening: bool) {
        let _ = wait_for("the proxy", EFFECT_TIMEOUT, || {
            Seen::when(self.shared.listening.load(Ordering::SeqCst) == listening, (), "not yet")
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.cancel();
    }
}

async fn listen(port: u16, shared: Arc<Shared>) {
    let mut rules = shared.rules.subscribe();
    let ended = shared.ended.clone();
    let work = async {
        loop {
            // Closed while it refuses: a listener that does not accept would let clients connect.
            while rules.borrow_and_update().refuse {
                if rules.changed().await.is_err() {
                    return;
                }
            }
            let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await else {
                tokio::time::sleep(LISTEN_AGAIN_AFTER).await;
                continue;
            };
            shared.listening.store(true, Ordering::SeqCst);
            accept(&listener, &mut rules, &shared).await;
            drop(listener);
            shared.listening.store(false, Ordering::SeqCst);
        }
    };
    tokio::select! {
        () = work => {}
        () = ended.cancelled() => {}
    }
}

/// Until new connections are to be refused.
async fn accept(listener: &TcpListener, rules: &mut watch::Receiver<Rules>, shared: &Arc<Shared>) {
    loop {
        tokio::select! {
            biased;
            changed = rules.changed() => {
                if changed.is_err() || rules.borrow_and_update().refuse {
                    return;
                }
            }
            accepted = listener.accept() => {
                if let Ok((client, _)) = accepted {
                    take(client, shared);
                }
            }
        }
    }
}

fn take(client: TcpStream, shared: &Arc<Shared>) {
    let mut number = 0;
    let mut refused = false;
    shared.rules.send_if_modified(|rules| {
        number = rules.next;
        rules.next += 1;
        refused = rules.refuse;
        false
    });
    if refused {
        return;
    }
    shared.counters.connections.fetch_add(1, Ordering::SeqCst);
    shared.counters.open.fetch_add(1, Ordering::SeqCst);
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let connection = Connection::new(number, &shared);
        tokio::select! {
            () = connection.carry(client) => {}
            () = shared.ended.cancelled() => {}
        }
        shared.counters.open.fetch_sub(1, Ordering::SeqCst);
    });
}

#[cfg(test)]
mod tests;
