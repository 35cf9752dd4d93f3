//! A document as a line of the archive of what was sent: JSON for people, with the names of
//! `documents.db`.

use serde_json::{Value, json};
use tillway_proto::sales::v1;
use uuid::Uuid;

pub(super) fn line(document: &v1::Document) -> Value {
    let key = document.key.clone().unwrap_or_default();
    json!({
        "shift": key.shift,
        "shift_opened": key.shift_opened,
        "checknum": key.number,
        "uuid": Uuid::from_slice(&key.uuid).unwrap_or_default(),
        "documentid": document.document_id,
        "doctype": document.doctype,
        "cashier": document.cashier,
        "time_beg": document.time_beg,
        "time_end": document.time_end,
        "sum1": document.sum_before,
        "disc_abs": document.discount,
        "sumb": document.sum,
        "identifier": document.identifier,
        "sourceidentifier": document.source_identifier,
        "frdocnum": document.fiscal_number,
        "goodsitem": document.lines.iter().map(goods).collect::<Vec<_>>(),
        "stornogoodsitem": document.voided_lines.iter().map(goods).collect::<Vec<_>>(),
        "moneyitem": document.payments.iter().map(|payment| json!({
            "opcode": payment.opcode,
            "valcode": payment.type_code,
            "sumb": payment.sum,
        })).collect::<Vec<_>>(),
        "carditem": document.cards,
    })
}

fn goods(line: &v1::Line) -> Value {
    json!({
        "posnum": line.position,
        "code": line.item_code,
        "bcode": line.barcode,
        "opcode": line.opcode,
        "cquant": line.quantity,
        "price": line.price,
        "sumi": line.sum_before,
        "disc_abs": line.discount,
        "sumb": line.sum,
    })
}
