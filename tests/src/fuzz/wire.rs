//! Frames of the sales stream.

use super::assert_told;
use prost::Message as _;
use tillway_cash_server::sales::receipt::{Receipt, ShiftRecord};
use tillway_proto::sales::v1;
use tillway_proto::sales::v1::peer_frame::Frame;
use tillway_proto::{ReceiptKey, TillId};

/// What a till sends and what a server sends, up to the check of every document.
#[expect(clippy::expect_used, reason = "only in tests; the id is a constant")]
pub fn grpc_frames(bytes: &[u8]) {
    if let Ok(frame) = v1::ServerFrame::decode(bytes) {
        let again = v1::ServerFrame::decode(frame.encode_to_vec().as_slice());
        assert!(again.as_ref().is_ok_and(|again| *again == frame));
    }
    let Ok(frame) = v1::PeerFrame::decode(bytes) else { return };
    let again = v1::PeerFrame::decode(frame.encode_to_vec().as_slice());
    assert!(again.as_ref().is_ok_and(|again| *again == frame));
    let Some(Frame::Batch(batch)) = frame.frame else { return };
    for document in batch.documents {
        let named = document.key.as_ref().map(|key| key.till_id.parse::<TillId>());
        let till = match named {
            Some(Ok(till)) => till,
            _ => "_cash_51_00000000".parse().expect("an id"),
        };
        let kept = document.clone();
        match Receipt::parse(&till, document) {
            Ok(receipt) => {
                assert_eq!(receipt.document, kept, "a receipt is kept as it came");
                let key = kept.key.as_ref().map(ReceiptKey::try_from);
                assert!(key.is_some_and(|key| key.is_ok_and(|key| key == receipt.key)));
            }
            Err(error) => assert_told(&error),
        }
    }
    for shift in batch.shifts {
        let till = shift.till_id.parse().unwrap_or_else(|_| "_cash_51_00000000".parse().expect("an id"));
        if let Err(error) = ShiftRecord::parse(&till, shift) {
            assert_told(&error);
        }
    }
}
