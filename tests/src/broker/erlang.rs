//! Faults that a node makes only when it is told from inside: alarms, channels that end with an
//! error.
//!
//! `erl_call` comes with the Erlang that the broker needs, and answers in milliseconds;
//! `rabbitmqctl` would start a machine of its own for seconds.

use super::{Broker, BrokerError};
use crate::wait::{Seen, wait_for};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Its name. The same for all: each node has a name service of its own.
pub(super) const NODE: &str = "tillway@localhost";

/// Where distributions put the releases of Erlang.
const ERLANG_FOLDERS: [&str; 2] = ["/usr/lib/erlang", "/usr/lib64/erlang"];

/// An alarm reaches all connections within a second.
const ALARM_TIMEOUT: Duration = Duration::from_secs(30);

impl Broker {
    /// Raises the alarm of the disk: publishers are blocked, consumers go on.
    pub fn raise_alarm(&self) -> Result<(), BrokerError> {
        self.evaluate("rabbit_disk_monitor:set_disk_free_limit(1000000000000000)")?;
        self.wait_for_alarm(true)
    }

    /// Ends the alarm.
    pub fn end_alarm(&self) -> Result<(), BrokerError> {
        self.evaluate("rabbit_disk_monitor:set_disk_free_limit(50000000)")?;
        self.wait_for_alarm(false)
    }

    fn wait_for_alarm(&self, raised: bool) -> Result<(), BrokerError> {
        wait_for("the broker's alarm", ALARM_TIMEOUT, || match self.evaluate("rabbit_alarm:get_alarms()") {
            Ok(alarms) => Seen::when(alarms.contains("resource_limit") == raised, Ok(()), alarms),
            Err(error) => Seen::Ready(Err(error)),
        })
        .unwrap_or_else(|error| Err(BrokerError::Erlang { call: "the alarm".to_owned(), answer: error.to_string() }))
    }

    /// Ends all channels of all clients, as after an error inside the broker; connections live on.
    pub fn break_channels(&self) -> Result<(), BrokerError> {
        self.evaluate("[exit(Channel, broken_by_test) || Channel <- rabbit_channel:list()], ok").map(drop)
    }

    /// Evaluates Erlang inside the node and gives what comes of it.
    pub fn evaluate(&self, expressions: &str) -> Result<String, BrokerError> {
        let failed = |answer: String| BrokerError::Erlang { call: expressions.to_owned(), answer };
        let program = erl_call().ok_or_else(|| failed("erl_call is not installed".to_owned()))?;
        let mut call = Command::new(program)
            .args(["-c", &self.cookie, "-n", NODE, "-e"])
            .env("ERL_EPMD_PORT", self.epmd_port.to_string())
            .env("HOME", &self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        if let Some(mut input) = call.stdin.take() {
            let written = std::io::Write::write_all(&mut input, format!("{expressions}.\n").as_bytes());
            written.map_err(|error| failed(error.to_string()))?;
        }
        let output = call.wait_with_output().map_err(|error| failed(error.to_string()))?;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        if output.status.success() && said.starts_with("{ok") { Ok(said) } else { Err(failed(said)) }
    }

    /// Evaluates what comes to a number.
    pub fn count(&self, expression: &str) -> Result<u64, BrokerError> {
        let said = self.evaluate(expression)?;
        let digits: String = said.chars().filter(char::is_ascii_digit).collect();
        digits.parse().map_err(|_| BrokerError::Erlang { call: expression.to_owned(), answer: said })
    }
}

/// In the newest of the run-time systems that are installed.
fn erl_call() -> Option<PathBuf> {
    let folders = ERLANG_FOLDERS.iter().filter_map(|folder| fs_err::read_dir(folder).ok()).flatten();
    let systems = folders.filter_map(Result::ok).map(|entry| entry.path().join("bin/erl_call"));
    systems.filter(|path| path.exists()).max()
}
