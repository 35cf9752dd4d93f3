//! The mark at a virtual host: the database whose servers work there.
//!
//! Two servers of different databases would take each other's reports from the one queue, and
//! remove the queues of each other's peers. So the first one marks the virtual host, and another
//! one names it and keeps out. Servers of one database share the mark.
//!
//! The mark is a queue that nobody publishes to, [`OWNER_QUEUE`]: declaring it is the one thing
//! that a broker does atomically for us. It makes the mark, agrees with it, or refuses and says
//! what stands there. The text stands in its dead-letter routing key, the only argument that is
//! free text and that a broker compares. That key alone decides, so the queue has to have it from
//! its first moment and keeps it for ever.
//!
//! What stands there is asked with a declaration that no broker carries out, so a question leaves
//! nothing behind. No server ever deletes the queue: between its look and its deletion another
//! could have made its mark. A person who deletes it gives the virtual host free.

use super::{BrokerError, answered, arguments, declare_queue};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Connection, ErrorKind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tillway_proto::queue::OWNER_QUEUE;
use uuid::Uuid;

/// Longest mark, in bytes: a broker's refusal has room for 255, with the names of queue, argument
/// and virtual host.
const MAX_MARK_BYTES: usize = 60;

/// Hex digits of the database's identity in the mark: 64 bits, so that no two of one company are
/// the same.
const IDENTITY_DIGITS: usize = 16;

/// What a server asks with to learn what stands there: no server's mark, and short, so that the
/// answer has room for that.
const QUESTION: &str = "who?";

/// No way that a queue may overflow. A broker compares it after the mark, and makes no queue with
/// it.
const IMPOSSIBLE_OVERFLOW: &str = "?";

/// How often the mark is made where somebody gives it free meanwhile.
const MAX_TRIES: usize = 3;

/// The argument that is the mark.
const MARK_ARGUMENT: &str = "x-dead-letter-routing-key";

/// Before what stands there, in the refusal of RabbitMQ.
const STANDS_THERE: &str = "but current is ";

/// Whose server this is.
#[derive(Debug)]
pub struct Owner {
    identity: String,
    mark: String,
    /// The mark of this database that stands there, as it was found: another server of it may have
    /// another name.
    found: Mutex<Option<String>>,
}

impl Owner {
    /// A server of this database; `name` and `host` are for people.
    pub fn new(database: Uuid, name: &str, host: &str) -> Self {
        let identity: String = database.simple().to_string().chars().take(IDENTITY_DIGITS).collect();
        let plain = |c: &char| c.is_alphanumeric() || "-_. ".contains(*c);
        let text = format!("{name} on {host}").chars().filter(plain).collect::<String>();
        let mut mark = format!("{identity} {text}");
        while mark.len() > MAX_MARK_BYTES {
            mark.pop();
        }
        Self { identity, mark, found: Mutex::default() }
    }

    /// 16 hex digits of the database's identity.
    pub(super) fn identity(&self) -> &str {
        &self.identity
    }

    /// Marks the virtual host, or finds the mark of this database there; an error that names the
    /// other server, where it has the mark of another one.
    pub(super) async fn claim(&self, connection: &Connection, vhost: &str) -> Result<(), BrokerError> {
        let mut stands_there = String::new();
        for _ in 0..MAX_TRIES {
            let found = self.found().clone();
            if declare(connection, marked(found.as_ref().unwrap_or(&self.mark))).await?.is_none() {
                return Ok(());
            }
            *self.found() = None;
            // Another server of this database may have another name. The refusal has room for one
            // long mark, not for two.
            let refusal = declare(connection, question()).await?.unwrap_or_default();
            read_mark(&refusal).clone_into(&mut stands_there);
            // Else somebody gave it free in between.
            if is_of_the_mark(&refusal) {
                break;
            }
        }
        if stands_there.starts_with(&self.identity) {
            *self.found() = Some(stands_there);
            return Ok(());
        }
        let (own, vhost) = (self.mark.clone(), vhost.to_owned());
        Err(BrokerError::OtherServer { other: stands_there, own, vhost, queue: OWNER_QUEUE })
    }
}

impl Owner {
    fn found(&self) -> MutexGuard<'_, Option<String>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The queue with this mark.
fn marked(mark: &str) -> FieldTable {
    with_mark(mark, "drop-head")
}

/// Whatever stands there is another mark, and where nothing stands this makes nothing.
fn question() -> FieldTable {
    with_mark(QUESTION, IMPOSSIBLE_OVERFLOW)
}

fn with_mark(mark: &str, overflow: &str) -> FieldTable {
    let mut table = arguments(1, overflow);
    table.insert("x-dead-letter-exchange".into(), AMQPValue::LongString("".into()));
    table.insert(MARK_ARGUMENT.into(), AMQPValue::LongString(mark.into()));
    table
}

/// What the broker says against this queue; none where it is there now.
async fn declare(connection: &Connection, table: FieldTable) -> Result<Option<String>, BrokerError> {
    // A refusal closes the channel.
    let channel = answered("open a channel", connection.create_channel()).await?;
    match declare_queue(&channel, OWNER_QUEUE, table).await {
        Ok(()) => {
            answered("close a channel", channel.close(200, "marked".into())).await?;
            Ok(None)
        }
        Err(BrokerError::Client { what, source }) => match source.kind() {
            ErrorKind::ProtocolError(error) if error.get_id() == PRECONDITION_FAILED => {
                Ok(Some(error.get_message().to_string()))
            }
            _ => Err(BrokerError::Client { what, source }),
        },
        Err(error) => Err(error),
    }
}

/// The reply code of a queue that is there with other arguments.
const PRECONDITION_FAILED: u16 = 406;

/// Whether a refusal is about another mark that stands there.
fn is_of_the_mark(refusal: &str) -> bool {
    refusal.contains(MARK_ARGUMENT)
}

/// What stands there, out of a refusal; the refusal itself, where a broker puts it otherwise.
fn read_mark(refusal: &str) -> &str {
    let Some((_, rest)) = refusal.split_once(STANDS_THERE) else { return refusal };
    // Some versions quote it alone, some say `the value` before it and its type after it.
    rest.split('\'').nth(1).unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_names_database_server_and_host_in_little_room() {
        let owner = Owner::new(Uuid::from_u128(0x0123_4567_89ab_cdef << 64), "Shop 7", "cash.shop7.example");
        assert_eq!(owner.mark, "0123456789abcdef Shop 7 on cash.shop7.example");
        let long = Owner::new(Uuid::nil(), &"Магазин".repeat(50), "host'\n");
        assert!(long.mark.len() <= MAX_MARK_BYTES && long.mark.starts_with("0000000000000000 Магазин"), "{long:?}");
        assert!(!Owner::new(Uuid::nil(), "it's", "a\nhost").mark.contains(['\'', '\n']));
    }

    #[test]
    fn what_stands_there_is_read_from_the_refusal() {
        let refusal = "PRECONDITION_FAILED - inequivalent arg 'x-dead-letter-routing-key' for queue 'tillway.owner' in vhost \
                       '/': received the value '?' of type 'longstr' but current is the value '0123456789abcdef Shop' of \
                       type 'longstr'";
        assert_eq!(read_mark(refusal), "0123456789abcdef Shop");
        let shorter =
            "inequivalent arg 'x' for queue 'tillway.owner' in vhost '/': received '?' but current is 'ab Shop 7'";
        assert_eq!(read_mark(shorter), "ab Shop 7");
        assert_eq!(read_mark("said otherwise"), "said otherwise");
        assert!(is_of_the_mark(refusal));
        let nothing_there =
            "PRECONDITION_FAILED - invalid arg 'x-overflow' for queue 'tillway.owner' in vhost '/': invalid_overflow";
        assert!(!is_of_the_mark(nothing_there), "then the mark can be made");
    }
}
