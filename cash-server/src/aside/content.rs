//! What a unit that was set aside holds, as far as this server has it: receipts and records of
//! shifts where they read as such, else the text, bounded.

use super::{Aside, AsideError, AsideId};
use crate::store::sales::KeptRefused;
use crate::words::Reason;
use jiff::Timestamp;
use tillway_proto::LoadId;
use tillway_proto::sales::v1;
use tokio::runtime::Handle;

/// Most documents of a unit that are shown.
pub const MAX_DOCUMENTS: usize = 50;

/// Most bytes of a text that are shown.
const MAX_TEXT_BYTES: usize = 16 * 1024;

/// What a unit holds.
#[derive(Debug, Default)]
pub struct Content {
    /// Documents of the POS.
    pub documents: Vec<AsideDocument>,
    /// Records of shifts, as texts.
    pub shifts: Vec<String>,
    /// Documents and records that are not shown.
    pub more: u64,
    /// What is no receipt, as it came; damaged bytes by a mark.
    pub text: Option<String>,
    /// Whether that is its beginning alone.
    pub is_cut: bool,
    /// The load whose file it is.
    pub load: Option<LoadId>,
}

/// A document that was set aside.
#[derive(Debug)]
pub struct AsideDocument {
    /// As it came.
    pub document: v1::Document,
    /// Why it was refused; none where its batch was set aside.
    pub reason: Option<Reason>,
    /// When it came; none where that is not known.
    pub received_at: Option<Timestamp>,
}

impl Content {
    /// Of what was refused.
    pub fn of_refused(refused: Vec<KeptRefused>) -> Self {
        let mut content = Self::default();
        for KeptRefused { refused, received_at } in refused {
            content.add_document(refused.document, Some(refused.reason), Some(received_at));
            content.add_shift(refused.shift.as_ref());
        }
        content
    }

    /// Of bytes that came in a message.
    fn of_text(bytes: &[u8]) -> Self {
        let is_cut = bytes.len() > MAX_TEXT_BYTES;
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_TEXT_BYTES)]).into_owned();
        let text = text.chars().map(|letter| if is_strange(letter) { '\u{fffd}' } else { letter }).collect();
        Self { text: Some(text), is_cut, ..Self::default() }
    }

    fn add_document(&mut self, document: Option<v1::Document>, reason: Option<Reason>, received_at: Option<Timestamp>) {
        match document {
            Some(_) if self.documents.len() >= MAX_DOCUMENTS => self.more += 1,
            Some(document) => self.documents.push(AsideDocument { document, reason, received_at }),
            None => {}
        }
    }

    fn add_shift(&mut self, shift: Option<&v1::Shift>) {
        match shift {
            Some(_) if self.shifts.len() >= MAX_DOCUMENTS => self.more += 1,
            Some(shift) => {
                let text = format!("{shift:#?}");
                let cut = text.floor_char_boundary(MAX_TEXT_BYTES);
                self.shifts.push(text[..cut].to_owned());
            }
            None => {}
        }
    }
}

/// What a terminal or a browser would take for an order, and not for a letter.
fn is_strange(letter: char) -> bool {
    letter.is_control() && !matches!(letter, '\n' | '\t')
}

impl Aside {
    /// What a unit that stands at this server holds; of one on a till, nothing.
    pub fn content(&self, id: &AsideId) -> Result<Content, AsideError> {
        let gone = || AsideError::Gone { id: id.clone() };
        match id {
            AsideId::Report(number) => {
                let report = self.exchange.broken_report(*number).map_err(AsideError::Exchange)?;
                Ok(Content::of_text(&report.ok_or_else(gone)?.body))
            }
            AsideId::Stranger(peer) => {
                let stranger = self.exchange.stranger(peer).map_err(AsideError::Exchange)?;
                Ok(Content::of_text(&stranger.ok_or_else(gone)?.body))
            }
            AsideId::Load(load) => Ok(Content { load: Some(*load), ..Content::default() }),
            AsideId::Sales(unit) => {
                let sales = self.sales.as_ref().ok_or(AsideError::SalesApart)?;
                let bytes = Handle::current().block_on(sales.bytes_of(unit)).map_err(AsideError::Sales)?;
                Ok(of_sales(&bytes))
            }
            AsideId::Files(_) | AsideId::Till(..) => Ok(Content::default()),
        }
    }
}

fn of_sales(bytes: &[u8]) -> Content {
    let Some(batch) = crate::sales::batch_of(bytes) else { return Content::of_text(bytes) };
    let mut content = Content::default();
    for document in batch.documents {
        content.add_document(Some(document), None, Some(batch.received_at));
    }
    for shift in &batch.shifts {
        content.add_shift(Some(shift));
    }
    for refused in batch.refused {
        content.add_document(refused.document, Some(refused.reason), Some(batch.received_at));
        content.add_shift(refused.shift.as_ref());
    }
    content
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_bounded_and_orders_nothing() {
        let content = Content::of_text(b"{\"a\":1}\x1b[2J\n\xff");
        assert_eq!(content.text.as_deref(), Some("{\"a\":1}\u{fffd}[2J\n\u{fffd}"));
        assert!(!content.is_cut);
        let long = Content::of_text(&vec![b'x'; MAX_TEXT_BYTES + 1]);
        assert_eq!((long.text.unwrap().len(), long.is_cut), (MAX_TEXT_BYTES, true));
        assert!(of_sales(b"no batch at all").text.is_some());
    }
}
