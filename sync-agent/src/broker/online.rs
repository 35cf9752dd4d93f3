//! What `check --online` looks at: whether the broker and the server that `cash.ini` names are
//! there and let this till in. It changes nothing anywhere, and tells all faults at once.

use super::session::{CONNECT, SessionError, check_queue, connect};
use crate::error::chain;
use crate::settings::Settings;
use crate::settings::probe::{CLOCK, Problem};
use crate::settings::reader::in_url;
use jiff::Timestamp;
use lapin::options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Connection};
use std::time::Duration;
use tillway_proto::{ControlQueue, DictionaryQueue, PeerId};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Longest wait for each answer: a person waits for the whole.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// How long a till's queues may take to be there: the server makes those of a new till at its next
/// pass, which is within `exchange.reconcile_period_s`, 10 s by default.
const QUEUES_TIME: Duration = Duration::from_secs(15);

/// How often it is looked for them.
const QUEUES_PERIOD: Duration = Duration::from_millis(500);

/// A clock that is further off than this is told: prices that begin at a time begin so much too
/// early or late.
const MAX_CLOCK_OFFSET_S: i64 = 60;

/// A routing key of no queue: the broker checks the right to write, and then drops the message.
const NO_QUEUE: &str = "tillway.check.nobody";

fn problem(key: &'static str, what: impl Into<String>) -> Problem {
    Problem::new(key, what)
}

/// Every fault of what the settings name.
pub(crate) async fn problems(settings: &Settings) -> Vec<Problem> {
    crate::install_crypto();
    let (mut found, server) = tokio::join!(broker(settings), of_server(settings));
    found.extend(server);
    found
}

/// Those of the server alone: what a running agent tells at its start. Its link to the broker
/// tells its own ([`explained`]): a second login of each till would be a burden where a whole
/// chain is switched on in the morning.
pub(crate) async fn of_server(settings: &Settings) -> Vec<Problem> {
    crate::install_crypto();
    let (server, packages, sales) = tokio::join!(
        server(settings),
        reaches("dicturlhostcs", "the server's packages", &settings.packages.host, settings.packages.port),
        reaches("grpchostcs", "the sales-loader", &settings.sales.host, settings.sales.port),
    );
    server.into_iter().chain(packages).chain(sales).collect()
}

async fn broker(settings: &Settings) -> Vec<Problem> {
    let broker = &settings.broker;
    let peer = PeerId::from(settings.till.clone());
    // The server makes login and queues of a new till within some seconds.
    let deadline = Instant::now() + QUEUES_TIME;
    let connected = loop {
        let connected = tokio::time::timeout(ANSWER_TIME, connect(&peer, broker, &settings.trust)).await;
        match &connected {
            Ok(Err(SessionError::Broker { .. })) if !broker.needs_file() && Instant::now() < deadline => {
                tokio::time::sleep(QUEUES_PERIOD).await;
            }
            _ => break connected,
        }
    };
    let opened = match connected {
        Ok(Ok(connected)) => Ok(connected),
        // The look at files tells it.
        Ok(Err(SessionError::Password(_))) => return Vec::new(),
        Ok(Err(error)) => Err(no_session(settings, &error)),
        Err(_) => Err(problem("dept.broker.ip", format!("no answer from {}:{}", broker.host, broker.port))),
    };
    let (connection, exchange) = match opened {
        Ok(connected) => connected,
        Err(problem) => return vec![problem],
    };
    let mut found = Vec::new();
    let queues = [DictionaryQueue::of(&peer).to_string(), ControlQueue::of(&peer).to_string()];
    for queue in queues {
        let looked = loop {
            match tokio::time::timeout(ANSWER_TIME, check_queue(&connection, &queue)).await {
                Ok(Err(SessionError::QueueMissing { .. })) if Instant::now() < deadline => {
                    tokio::time::sleep(QUEUES_PERIOD).await;
                }
                looked => break looked,
            }
        };
        match looked {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                let is_missing = matches!(error, SessionError::QueueMissing { .. });
                found.push(explained(settings, &error).unwrap_or_else(|| problem("dept.broker.ip", chain(&error))));
                if is_missing {
                    // The server makes both together.
                    break;
                }
            }
            Err(_) => found.push(problem("dept.broker.ip", format!("no answer about queue {queue}"))),
        }
        match tokio::time::timeout(ANSWER_TIME, may_read(&connection, &queue)).await {
            Ok(Err(error)) if is_refused(&error) => {
                let what = format!("user {} may not read queue {queue}: {error}", broker.user);
                found.push(problem("dept.broker.user", what));
            }
            // Whatever else it may be, the look at the queue has told it.
            _ => {}
        }
    }
    match tokio::time::timeout(ANSWER_TIME, may_report(&connection, exchange)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => found.push(problem(
            "dept.broker.user",
            format!("user {} may not write to the exchange {exchange}, where reports go: {error}", broker.user),
        )),
        Err(_) => {
            found.push(problem("dept.broker.ip", "no answer to a message: is the broker short of memory or disk?"));
        }
    }
    let _ = tokio::time::timeout(ANSWER_TIME, connection.close(200, "checked".into())).await;
    found
}

/// Which key it hangs on that a session came to nothing, where it hangs on one.
pub(super) fn explained(settings: &Settings, error: &SessionError) -> Option<Problem> {
    match error {
        SessionError::Password(_)
        | SessionError::Authority(_)
        | SessionError::NoAuthority
        | SessionError::ConnectTime { .. }
        | SessionError::Broker { action: CONNECT, .. } => Some(no_session(settings, error)),
        SessionError::QueueMissing { queue } => Some(problem(
            "cash.code",
            format!("queue {queue} is not there: the server does not know this till, or was not yet at this broker"),
        )),
        SessionError::Broker { action, source } if is_refused(source) => {
            let what = format!("the broker does not let user {} {action}: {source}", settings.broker.user);
            Some(problem("dept.broker.user", what))
        }
        _ => None,
    }
}

/// Which key it hangs on that no session came about.
fn no_session(settings: &Settings, error: &SessionError) -> Problem {
    let broker = &settings.broker;
    let said = chain(error);
    match error {
        SessionError::Password(_) => return problem("dept.broker.passwordfile", said),
        SessionError::Authority(_) => return problem("dept.broker.cacertpath", said),
        SessionError::NoAuthority => return problem("dept.broker.tls", said),
        _ => {}
    }
    let says = |word: &str| said.contains(word) || said.contains(&word.replace('_', "-"));
    if says("ACCESS_REFUSED") && !broker.needs_file() {
        let what = format!(
            "the broker refuses the till's own login {}, whose password is derived from cash.secret (ACCESS_REFUSED): the till is \
             parked or has another secret than the server's newest, or the server makes no logins; where all tills share one, \
             set dept.broker.user and put its password into {}",
            broker.user,
            broker.password_file.display()
        );
        return problem("cash.secret", what);
    }
    if says("ACCESS_REFUSED") {
        let what = format!(
            "the broker refuses user {} with the password in the first line of {} (ACCESS_REFUSED): put the password there that \
             the broker has for this user",
            broker.user,
            broker.password_file.display()
        );
        return problem("dept.broker.passwordfile", what);
    }
    if says("NOT_ALLOWED") || says("NOT_FOUND") {
        let what = format!("user {} does not get into virtual host {}: {said}", broker.user, broker.vhost);
        return problem("dept.broker.vhost", what);
    }
    problem("dept.broker.ip", format!("no broker at {}:{}: {said}", broker.host, broker.port))
}

async fn may_report(connection: &Connection, exchange: &str) -> Result<(), lapin::Error> {
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let options = BasicPublishOptions::default();
    channel.basic_publish(exchange.into(), NO_QUEUE.into(), options, b"", BasicProperties::default()).await?.await?;
    Ok(())
}

/// Tries the right to read: a message that waits is looked at, and goes back with the channel.
async fn may_read(connection: &Connection, queue: &str) -> Result<(), lapin::Error> {
    let channel = connection.create_channel().await?;
    channel.basic_get(queue.into(), BasicGetOptions::default()).await?;
    channel.close(200, "checked".into()).await
}

fn is_refused(error: &lapin::Error) -> bool {
    error.to_string().replace('-', "_").contains("ACCESS_REFUSED")
}

async fn reaches(key: &'static str, what: &'static str, host: &str, port: u16) -> Option<Problem> {
    match tokio::time::timeout(ANSWER_TIME, TcpStream::connect((host, port))).await {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(problem(key, format!("{what} at {host}:{port} cannot be reached: {error}"))),
        Err(_) => Some(problem(key, format!("{what} at {host}:{port} does not answer"))),
    }
}

/// REST, where the token is tried; and the clock, by the date of the answer, whatever it is.
async fn server(settings: &Settings) -> Vec<Problem> {
    let (host, port) = (&settings.sales.rest_host, settings.sales.rest_port);
    let scheme = settings.trust.scheme(host);
    let address = format!("{scheme}://{}:{port}/api/v1/tills/{}/token", in_url(host), settings.till);
    let asked = async {
        let client = settings.trust.client()?.timeout(ANSWER_TIME).no_proxy().build()?;
        let request = client.get(&address);
        match &settings.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
        .send()
        .await
    };
    let mut found = Vec::new();
    match asked.await {
        Ok(answer) => {
            let date = answer.headers().get("date").and_then(|date| date.to_str().ok());
            let theirs = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
            let status = answer.status().as_u16();
            let said = answer.text().await.unwrap_or_default();
            found.extend(token(settings, status, &said));
            found.extend(theirs.and_then(|theirs| clock(Timestamp::now(), theirs.timestamp())));
        }
        Err(error) => {
            found.push(problem("httphostcs", format!("the server's REST does not answer: {}", chain(&error))));
            found.extend(token(settings, 0, ""));
        }
    }
    found
}

/// What REST's answer says of the token; status 0 where there is none. A server of an older
/// version has no such question, and asks for the administrator; one that refuses the token names
/// the till.
fn token(settings: &Settings, status: u16, said: &str) -> Option<Problem> {
    let advice = format!(
        "make a new one on the server with `cash-server till settings {} --new-secret` and put it into cash.secret",
        settings.till
    );
    let key = if settings.secret.is_some() { "cash.secret" } else { "cash.token" };
    match (settings.token.is_some(), status) {
        (false, _) => Some(problem("cash.secret", format!("it is not set, so the server takes no sales: {advice}"))),
        (true, 401) if said.contains(settings.till.as_str()) => {
            let what = format!("the server refuses it as that of {}, and takes no sales: {advice}", settings.till);
            Some(problem(key, what))
        }
        // A server of before knows no secrets, and has nothing to say of it.
        (true, 200..300) if settings.secret.is_none() => Some(problem(
            "cash.secret",
            format!(
                "it is not set, so messages have no codes, and whoever writes to the broker can order this till about: {advice}, in place of cash.token"
            ),
        )),
        (true, 500..) => Some(problem("httphostcs", format!("the server's REST answers HTTP {status}: see its log"))),
        _ => None,
    }
}

fn clock(ours: Timestamp, theirs: Timestamp) -> Option<Problem> {
    let offset = ours.as_second() - theirs.as_second();
    let word = if offset > 0 { "ahead of" } else { "behind" };
    let what = format!("this till's clock is {} s {word} the server's: set it", offset.abs());
    (offset.abs() > MAX_CLOCK_OFFSET_S).then(|| problem(CLOCK, what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::ini::Ini;

    #[test]
    fn a_clock_is_told_from_a_minute_on_with_its_direction() {
        let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).unwrap();
        assert_eq!(clock(at(0), at(60)), None);
        let told = |problem: Option<Problem>| problem.unwrap().placed(&Ini::parse(b""));
        assert!(told(clock(at(0), at(61))).contains("61 s behind"));
        assert!(told(clock(at(300), at(0))).starts_with("clock: this till's clock is 300 s ahead of"));
    }
}
