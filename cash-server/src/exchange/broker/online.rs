//! What `check --online` asks of the broker: whether it is there, lets the server in, and lets it
//! do what it has to do. What is tried is harmless: a queue of this connection alone, which goes
//! with it, and the exchange that the server makes anyway.

use super::publishing::declare_exchange_on;
use super::{BrokerError, BrokerSettings, answered, connect};
use crate::error_chain;
use crate::settings::{Fault, Origins};
use lapin::Connection;
use lapin::options::{BasicGetOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use serde::Serialize;
use tillway_proto::queue::EXCHANGE;

/// Every fault, with the setting that it hangs on.
pub async fn faults(settings: &BrokerSettings, origins: &Origins) -> Vec<Fault> {
    problems(settings).await.into_iter().map(|(keys, what)| origins.fault(keys, what)).collect()
}

/// What is wrong, with the keys that it hangs on.
type Problem = (&'static [&'static str], String);

async fn problems(settings: &BrokerSettings) -> Vec<Problem> {
    let connection = match connect(settings, "tillway cash-server: check").await {
        Ok(connection) => connection,
        // The look at files tells it.
        Err(BrokerError::Password { .. }) => return Vec::new(),
        Err(error) => {
            let fault = NoSession::of(settings, &error);
            return vec![(fault.keys(), fault.to_string())];
        }
    };
    let mut problems = Vec::new();
    // A refusal ends its channel, so each right is tried on one of its own.
    if let Err(error) = declare_exchange_on(&connection).await {
        problems.push(right(settings, "make the exchange", &error));
    } else if let Err((what, error)) = own_queue(&connection).await {
        problems.push(right(settings, what, &error));
    }
    // Best effort: the connection is not needed any more.
    let _ = answered("close", connection.close(200, "checked".into())).await;
    problems
}

fn right(settings: &BrokerSettings, what: &str, error: &BrokerError) -> Problem {
    let BrokerSettings { user, vhost, .. } = settings;
    let needed = format!("it needs all three: rabbitmqctl set_permissions -p {vhost} {user} '.*' '.*' '.*'");
    (&["broker.user"], format!("user {user} may not {what}; {needed} ({})", error_chain(error)))
}

/// Rights to configure, to write and to read, on a queue that nobody else sees.
async fn own_queue(connection: &Connection) -> Result<(), (&'static str, BrokerError)> {
    let failed = |what| move |error| (what, error);
    let channel = answered("open a channel", connection.create_channel()).await.map_err(failed("open a channel"))?;
    let name = format!("tillway.check.{}", uuid::Uuid::new_v4().simple());
    let alone = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    answered("make a queue", channel.queue_declare(name.as_str().into(), alone, FieldTable::default()))
        .await
        .map_err(failed("make a queue"))?;
    let (queue, exchange) = (name.as_str().into(), EXCHANGE.into());
    let bound =
        channel.queue_bind(queue, exchange, name.as_str().into(), QueueBindOptions::default(), FieldTable::default());
    answered("bind a queue", bound).await.map_err(failed("write to a queue and read from the exchange"))?;
    let got = channel.basic_get(name.as_str().into(), BasicGetOptions::default());
    answered("read a queue", got).await.map(drop).map_err(failed("read a queue"))
}

/// Why no session came about.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(super) enum NoSession {
    /// The user needs a password, and none is set.
    #[error("the broker refuses user {user} without a password: name a file that has it")]
    #[serde(rename = "broker-needs-password")]
    NeedsPassword {
        /// Who.
        user: String,
    },
    /// The password is wrong.
    #[error(
        "the broker refuses user {user} with the password in the first line of {file} (ACCESS_REFUSED): mend one of the two; \
         `rabbitmqctl change_password {user} …` sets that of the broker"
    )]
    #[serde(rename = "broker-refuses-password")]
    RefusesPassword {
        /// Who.
        user: String,
        /// The file that has it.
        file: String,
    },
    /// The virtual host is not there, or not for this user.
    #[error("user {user} does not get into virtual host {vhost}: {detail}")]
    #[serde(rename = "broker-refuses-vhost")]
    RefusesVhost {
        /// Who.
        user: String,
        /// The virtual host.
        vhost: String,
        /// What the broker or the system says.
        detail: String,
    },
    /// Nobody answers there.
    #[error("no broker at {host}:{port}: {detail}")]
    #[serde(rename = "broker-not-there")]
    NotThere {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// What the broker or the system says.
        detail: String,
    },
}

impl NoSession {
    pub(super) fn of(settings: &BrokerSettings, error: &BrokerError) -> Self {
        let BrokerSettings { host, port, vhost, user, password_file, .. } = settings;
        let detail = match error {
            BrokerError::Client { source, .. } => error_chain(source),
            error => error_chain(error),
        };
        let user = user.clone();
        let says = |word: &str| detail.contains(word) || detail.contains(&word.replace('_', "-"));
        if says("ACCESS_REFUSED") {
            return match password_file {
                None => Self::NeedsPassword { user },
                Some(file) => Self::RefusesPassword { user, file: file.display().to_string() },
            };
        }
        if says("NOT_ALLOWED") || says("NOT_FOUND") {
            return Self::RefusesVhost { user, vhost: vhost.clone(), detail };
        }
        Self::NotThere { host: host.clone(), port: *port, detail }
    }

    /// With the setting that it hangs on most, as a log tells it.
    pub(super) fn with_key(&self) -> String {
        format!("{}: {self}", self.keys().first().copied().unwrap_or_default())
    }

    /// The settings that it hangs on.
    fn keys(&self) -> &'static [&'static str] {
        match self {
            Self::NeedsPassword { .. } => &["broker.password_file", "broker.user"],
            Self::RefusesPassword { .. } => &["broker.password_file"],
            Self::RefusesVhost { .. } => &["broker.vhost", "broker.user"],
            Self::NotThere { .. } => &["broker.host", "broker.port"],
        }
    }
}
