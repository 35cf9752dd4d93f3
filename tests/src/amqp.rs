//! What goes with a message beside its body, as AMQP has it: for whoever plays a till or a server.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use tillway_proto::MessageHead;
use tillway_proto::message_code::{CODE_HEADER, PEER_HEADER};

/// `delivery-mode` of a persistent message: it survives a restart of the broker.
const PERSISTENT: u8 = 2;

/// The properties of a message of ours.
pub fn properties(head: &MessageHead) -> BasicProperties {
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
