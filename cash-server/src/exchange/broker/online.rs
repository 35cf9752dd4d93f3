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
        Err(BrokerError::Password(_)) => return Vec::new(),
        Err(error) => return vec![no_session(settings, &error)],
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

/// Which setting it hangs on that no session came about.
fn no_session(settings: &BrokerSettings, error: &BrokerError) -> Problem {
    let BrokerSettings { host, port, vhost, user, password_file, .. } = settings;
    let said = match error {
        BrokerError::Client { source, .. } => error_chain(source),
        error => error_chain(error),
    };
    if matches!(error, BrokerError::Password(_)) {
        return (&["broker.password_file"], said);
    }
    let says = |word: &str| said.contains(word) || said.contains(&word.replace('_', "-"));
    if says("ACCESS_REFUSED") {
        let Some(file) = password_file else {
            let what = format!("the broker refuses user {user} without a password: name a file that has it");
            return (&["broker.password_file", "broker.user"], what);
        };
        let what = format!(
            "the broker refuses user {user} with the password in the first line of {} (ACCESS_REFUSED): mend one of the two; \
             `rabbitmqctl change_password {user} …` sets that of the broker",
            file.display()
        );
        return (&["broker.password_file"], what);
    }
    if says("NOT_ALLOWED") || says("NOT_FOUND") {
        return (
            &["broker.vhost", "broker.user"],
            format!("user {user} does not get into virtual host {vhost}: {said}"),
        );
    }
    (&["broker.host", "broker.port"], format!("no broker at {host}:{port}: {said}"))
}

/// The same for the log of a server that runs, which tries again: with the key, without its line.
pub(super) fn reason(settings: &BrokerSettings, error: &BrokerError) -> String {
    let (keys, what) = no_session(settings, error);
    format!("{}: {what}", keys.first().copied().unwrap_or_default())
}
