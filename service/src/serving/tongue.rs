//! One port, two tongues: whether a client speaks TLS, and whether it may do without.
//!
//! TLS is always taken. Plain is taken from this machine, where nobody else hears it, and from
//! others only where the operator opened the port for them. The first byte tells which it is: a
//! TLS connection begins with a record of the handshake, and nothing that is spoken plainly here
//! begins with that byte.

use std::io;
use std::net::IpAddr;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

/// What the first record of TLS begins with.
const HANDSHAKE: u8 = 0x16;

/// Who may speak without TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plain {
    /// Whoever connects.
    Everybody,
    /// Whoever connects from this machine.
    ThisMachine,
    /// Nobody.
    Nobody,
}

impl Plain {
    /// For a port that is opened by name, or is not.
    pub fn opened(is_open: bool) -> Self {
        if is_open { Self::Everybody } else { Self::ThisMachine }
    }

    /// `here`: the address at which the client reached us. One that is the client's own is an
    /// address of this machine; the system lets no other machine use it.
    fn takes(self, client: IpAddr, here: IpAddr) -> bool {
        let client = client.to_canonical();
        match self {
            Self::Everybody => true,
            Self::ThisMachine => client.is_loopback() || client == here.to_canonical(),
            Self::Nobody => false,
        }
    }
}

/// The tongues of a port.
#[derive(Clone)]
pub struct Tongues {
    tls: Option<TlsAcceptor>,
    plain: Plain,
}

/// What a client begins with.
pub enum Heard {
    /// A handshake, which this goes on with.
    Tls(TlsAcceptor),
    /// Something else, and it may.
    Plain,
    /// Something else, and it may not.
    Refused,
}

impl Tongues {
    /// Plain for everybody, and nothing else: a port that does not leave the machine.
    pub fn plain() -> Self {
        Self { tls: None, plain: Plain::Everybody }
    }

    /// TLS for everybody, and plain for some.
    pub fn tls(acceptor: TlsAcceptor, plain: Plain) -> Self {
        Self { tls: Some(acceptor), plain }
    }

    /// Waits for the first byte of a client, and leaves it where it is.
    pub async fn hear(&self, stream: &TcpStream) -> io::Result<Heard> {
        let Some(acceptor) = &self.tls else { return Ok(Heard::Plain) };
        let mut first = [0];
        if stream.peek(&mut first).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if first == [HANDSHAKE] {
            return Ok(Heard::Tls(acceptor.clone()));
        }
        let is_taken = self.plain.takes(stream.peer_addr()?.ip(), stream.local_addr()?.ip());
        Ok(if is_taken { Heard::Plain } else { Heard::Refused })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_who_comes_from_loopback_or_from_the_address_that_it_reaches() {
        let takes = |client: &str, here: &str| Plain::ThisMachine.takes(client.parse().unwrap(), here.parse().unwrap());
        assert!(takes("127.0.0.9", "127.0.0.1") && takes("::1", "::1") && takes("::ffff:127.0.0.1", "::1"));
        assert!(takes("10.0.0.5", "10.0.0.5") && takes("::ffff:10.0.0.5", "10.0.0.5"));
        assert!(!takes("10.0.0.6", "10.0.0.5") && !takes("fe80::1", "::1"));
        assert!(!Plain::Nobody.takes(IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 1])));
    }
}
