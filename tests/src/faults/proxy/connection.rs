//! One connection over a link, from its acceptance to its end.

use super::rules::{Direction, Ending, Rules};
use super::{Counters, Shared};
use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;

/// Bytes carried at a time.
const BUFFER_BYTES: usize = 16 * 1024;

/// A slow link is one that carries a little this often.
const SLOW_STEP: Duration = Duration::from_millis(20);

pub(super) struct Connection<'a> {
    number: u64,
    shared: &'a Shared,
    /// Half open once, half open for good: a stream with a hole must not go on.
    dead: AtomicBool,
}

impl<'a> Connection<'a> {
    pub(super) fn new(number: u64, shared: &'a Shared) -> Self {
        Self { number, shared, dead: AtomicBool::new(false) }
    }

    /// Carries until both sides ended or a fault ends it.
    pub(super) async fn carry(&self, mut client: TcpStream) {
        let mut server = None;
        let fault_ended = tokio::select! {
            () = self.cut() => true,
            carried = self.both_ways(&mut client, &mut server) => carried.is_err(),
        };
        if fault_ended && self.rules().ending == Ending::Reset {
            let _ = client.set_zero_linger();
            if let Some(server) = &server {
                let _ = server.set_zero_linger();
            }
        }
    }

    /// Comes back when the connection is to be cut.
    async fn cut(&self) {
        let mut rules = self.shared.rules.subscribe();
        let cut = rules.wait_for(|rules| self.number < rules.cut_before).await.is_ok();
        if !cut {
            std::future::pending::<()>().await;
        }
    }

    async fn both_ways(&self, client: &mut TcpStream, server: &mut Option<TcpStream>) -> io::Result<()> {
        if self.is_dead() {
            // Never reached the other side.
            return self.swallow(client).await;
        }
        let target = self.shared.target.load(Ordering::SeqCst);
        let server = server.insert(TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await?);
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (mut from_client, mut to_client) = client.split();
        let (mut from_server, mut to_server) = server.split();
        tokio::try_join!(
            self.one_way(Direction::ToTarget, &mut from_client, &mut to_server),
            self.one_way(Direction::ToClient, &mut from_server, &mut to_client),
        )?;
        Ok(())
    }

    async fn one_way(
        &self,
        direction: Direction,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
    ) -> io::Result<()> {
        let mut rules = self.shared.rules.subscribe();
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut carried = 0_u64;
        loop {
            self.thawed(&mut rules).await;
            let limit = self.limit(direction, carried)?;
            let read = tokio::select! {
                read = from.read(&mut buffer[..limit]) => read,
                // The rules are others: look again.
                _ = rules.changed() => continue,
            };
            if self.is_dead() {
                self.count_swallowed(read.as_ref().copied().unwrap_or(0));
                return match read {
                    Ok(1..) => self.swallow(from).await,
                    _ => Ok(()),
                };
            }
            let read = read?;
            if read == 0 {
                return to.shutdown().await;
            }
            self.pause(self.rules().delay).await;
            self.thawed(&mut rules).await;
            if self.is_dead() {
                self.count_swallowed(read);
                return self.swallow(from).await;
            }
            to.write_all(&buffer[..read]).await?;
            carried += read as u64;
            self.counter(direction).fetch_add(read as u64, Ordering::SeqCst);
            if self.rules().bytes_per_second.is_some() {
                self.pause(self.pace(read)).await;
            }
        }
    }

    /// How much may be read at a time; an error where the connection has carried what it may.
    fn limit(&self, direction: Direction, carried: u64) -> io::Result<usize> {
        let rules = self.rules();
        let mut limit = BUFFER_BYTES;
        if let Some(per_second) = rules.bytes_per_second {
            let step = u128::from(per_second) * SLOW_STEP.as_millis() / 1000;
            limit = limit.min(usize::try_from(step).unwrap_or(limit)).max(1);
        }
        if let Some(left) = rules.left(direction, carried) {
            if left == 0 {
                return Err(io::Error::other("cut at this byte"));
            }
            limit = limit.min(usize::try_from(left).unwrap_or(limit));
        }
        Ok(limit)
    }

    /// How long so many bytes take on a slow link.
    fn pace(&self, bytes: usize) -> Duration {
        let nanos = |per_second: u64| (bytes as u64).saturating_mul(1_000_000_000) / per_second;
        self.rules().bytes_per_second.map_or(Duration::ZERO, |per_second| Duration::from_nanos(nanos(per_second)))
    }

    async fn pause(&self, time: Duration) {
        if !time.is_zero() {
            tokio::time::sleep(time).await;
        }
    }

    async fn thawed(&self, rules: &mut watch::Receiver<Rules>) {
        // An error: the proxy ends, and all connections with it.
        let _ = rules.wait_for(|rules| !rules.frozen).await;
    }

    /// Reads to the end and drops what comes. Errors are ends too.
    async fn swallow(&self, from: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
        let mut buffer = vec![0; BUFFER_BYTES];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            self.count_swallowed(read);
        }
        Ok(())
    }

    fn is_dead(&self) -> bool {
        if self.rules().is_dead(self.number) {
            self.dead.store(true, Ordering::SeqCst);
        }
        self.dead.load(Ordering::SeqCst)
    }

    fn rules(&self) -> Rules {
        self.shared.rules.borrow().clone()
    }

    fn counter(&self, direction: Direction) -> &std::sync::atomic::AtomicU64 {
        let Counters { to_target, to_client, .. } = &self.shared.counters;
        match direction {
            Direction::ToTarget => to_target,
            Direction::ToClient => to_client,
        }
    }

    fn count_swallowed(&self, bytes: usize) {
        self.shared.counters.swallowed.fetch_add(bytes as u64, Ordering::SeqCst);
    }
}
