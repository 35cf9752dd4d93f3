//! Free ports on loopback for processes that are told their port before they start.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Ports below the range from which the system takes the local ends of connections, so that none
/// of those is in the way by the time the process binds.
const LOWEST: u16 = 12_000;
/// Ports in use here: up to 32,000.
const COUNT: u16 = 20_000;

/// Ports that one process of the kit uses up in a run, roughly: test runs side by side start this
/// far apart.
const STRIDE: u32 = 97;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// No port is free: something holds thousands of them.
#[derive(Debug, thiserror::Error)]
#[error("no free port between {LOWEST} and {}", LOWEST + COUNT)]
pub struct NoFreePort;

/// A port nobody listens on now, and that this process was not given before.
pub fn free_port() -> Result<u16, NoFreePort> {
    let start = std::process::id().wrapping_mul(STRIDE);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let offset = start.wrapping_add(u32::from(step)) % u32::from(COUNT);
        let port = u16::try_from(offset).map_err(|_| NoFreePort)? + LOWEST;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(NoFreePort)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_given_twice() {
        let first = free_port().unwrap();
        assert_ne!(first, free_port().unwrap());
    }
}
