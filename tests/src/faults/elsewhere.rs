//! Another machine, as far as addresses tell: a network namespace at the other end of a virtual
//! cable. Only root can lay one.

use crate::guard;
use crate::wait::{Seen, wait_for};
use std::io;
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A namespace is there within milliseconds.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// A machine that is not this one, with an address for each end. It is gone when dropped.
#[derive(Debug)]
pub struct Elsewhere {
    /// Under which this machine is reached from there.
    pub here: Ipv4Addr,
    /// The network device at this end of the cable.
    pub device: String,
    keeper: Child,
}

impl Elsewhere {
    /// None where it cannot be had: not root, or without the programs.
    pub fn new() -> io::Result<Option<Self>> {
        // Its own namespace lives as long as this process, which does nothing.
        let spawned = Command::new("unshare")
            .args(["--net", "sleep", "3600"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(keeper) = spawned else { return Ok(None) };
        guard::started(keeper.id());
        let number = std::process::id() & 0x3fff;
        let octet = |number: u32| u8::try_from(number & 0xff).unwrap_or_default();
        let address = |last: u32| Ipv4Addr::new(10, 213, octet(number >> 6), octet((number & 63) * 4 + last));
        let (ours, other) = (format!("tw{number}a"), format!("tw{number}b"));
        let mut made = Self { here: address(1), device: ours.clone(), keeper };
        let own = fs_err::read_link("/proc/self/ns/net")?;
        let theirs = format!("/proc/{}/ns/net", made.keeper.id());
        let apart = wait_for("a network of its own", READY_WITHIN, || match made.keeper.try_wait() {
            Ok(None) => {
                let is_apart = fs_err::read_link(&theirs).is_ok_and(|there| there != own);
                Seen::when(is_apart, true, "not yet")
            }
            _ => Seen::Ready(false),
        });
        if !apart.map_err(io::Error::other)? {
            return Ok(None);
        }
        let keeper = made.keeper.id().to_string();
        let (here, there) = (format!("{}/30", address(1)), format!("{}/30", address(2)));
        let laid =
            run(Command::new("ip")
                .args(["link", "add", &ours, "type", "veth", "peer", "name", &other, "netns", &keeper]))
                && run(Command::new("ip").args(["addr", "add", &here, "dev", &ours]))
                && run(Command::new("ip").args(["link", "set", &ours, "up"]))
                && run(made.command("ip").args(["addr", "add", &there, "dev", &other]))
                && run(made.command("ip").args(["link", "set", &other, "up"]));
        Ok(laid.then_some(made))
    }

    /// A program that runs there.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.keeper.id().to_string(), "--net", program]);
        command
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        guard::ending(self.keeper.id());
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

fn run(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
