//! What goes with a message beside its body, as AMQP has it.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use tillway_proto::MessageHead;
use tillway_proto::message_code::{CODE_HEADER, PEER_HEADER};

/// `delivery-mode` of a persistent message: it survives a restart of the broker.
const PERSISTENT: u8 = 2;

/// The properties of a message of ours.
pub(super) fn properties(head: &MessageHead) -> BasicProperties {
    let mut headers = FieldTable::default();
    for (name, value) in [(PEER_HEADER, &head.peer), (CODE_HEADER, &head.code)] {
        if let Some(value) = value {
            headers.insert(name.into(), AMQPValue::LongString(value.as_str().into()));
        }
    }
    BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type("application/json".into())
        .with_type(head.kind.as_str().into())
        .with_message_id(head.id.as_str().into())
        .with_headers(headers)
}

/// What came with a message, whoever wrote it.
pub(super) fn head_of(properties: &BasicProperties) -> MessageHead {
    let header = |name: &str| {
        let value = properties.headers().as_ref()?.inner().get(name)?;
        match value {
            AMQPValue::LongString(text) => Some(String::from_utf8_lossy(text.as_bytes()).into_owned()),
            AMQPValue::ShortString(text) => Some(text.to_string()),
            // It is there, and says nothing.
            _ => Some(String::new()),
        }
    };
    let text = |value: &Option<ShortString>| value.as_ref().map(ToString::to_string).unwrap_or_default();
    MessageHead {
        kind: text(properties.kind()),
        id: text(properties.message_id()),
        peer: header(PEER_HEADER),
        code: header(CODE_HEADER),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_reads_back() {
        let some = |text: &str| Some(text.to_owned());
        let head =
            MessageHead { kind: "contact".into(), id: "7".into(), peer: some("_cash_1_00ab34ef"), code: some("1.ab") };
        assert_eq!(head_of(&properties(&head)), head);
        assert_eq!(head_of(&BasicProperties::default()), MessageHead::default());
    }
}
