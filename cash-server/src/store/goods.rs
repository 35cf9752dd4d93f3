//! Where goods are found by the words of their names.
//!
//! All of it can be made again from the dictionary: it is brought up to date by and by, layer by
//! layer ([`crate::goods::index`]), and says up to which revision it has read each of them.

use super::StoreError;
use crate::dictionary::entry::KindId;
use crate::network::LayerNo;
use std::collections::{BTreeMap, HashMap};
use tillway_proto::Revision;
use uuid::Uuid;

/// Words of one good that are kept, and those of a question that are looked at.
pub const MAX_WORDS: usize = 200;

/// The words of a text as they are compared: letters and numbers apart, of whatever case, `ё` as
/// `е`. None of them has anything but letters, or anything but numbers.
pub fn folded_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut is_number = false;
    let folded = text.chars().flat_map(char::to_lowercase).map(|c| if c == 'ё' { 'е' } else { c });
    // A blank ends the last word.
    for c in folded.chain([' ']) {
        if !word.is_empty() && (!c.is_alphanumeric() || c.is_numeric() != is_number) {
            words.push(std::mem::take(&mut word));
        }
        if c.is_alphanumeric() {
            is_number = c.is_numeric();
            word.push(c);
        }
    }
    words.truncate(MAX_WORDS);
    words
}

/// Whether a text has all these words; of the last one, the beginning of a word is enough.
pub fn has_words(text: &str, wanted: &[String]) -> bool {
    let words = folded_words(text);
    let Some((last, others)) = wanted.split_last() else { return false };
    others.iter().all(|wanted| words.contains(wanted)) && words.iter().any(|word| word.starts_with(last))
}

/// An object that gives a good a name, as a layer has it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameOf {
    /// Its kind: an item, or a barcode with a name of its own.
    pub kind: KindId,
    /// Its key.
    pub key: String,
    /// Code of the item.
    pub code: String,
    /// The name; none where the layer has no such object, or it has no name.
    pub name: Option<String>,
}

/// A good that was found by its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Grows from one to the next: where a list goes on.
    pub number: i64,
    /// Code of the item.
    pub code: String,
    /// What the layers call it.
    pub names: Vec<(LayerNo, String)>,
}

/// Finds goods by the words of their names.
pub trait GoodsIndex: Send + Sync {
    /// Up to which revision each layer was read. Whatever was read of another dictionary than this
    /// is forgotten.
    fn read_to(&self, dictionary: Uuid) -> Result<HashMap<LayerNo, Revision>, StoreError>;

    /// The names that are known of a kind in a layer, by the keys of their objects: of keys behind
    /// `after`, up to `last` and with it.
    fn names(
        &self,
        layer: LayerNo,
        kind: KindId,
        after: Option<&str>,
        last: Option<&str>,
    ) -> Result<BTreeMap<String, NameOf>, StoreError>;

    /// Keeps what a layer calls goods now, and up to which revision it was read, where that is the
    /// last of it.
    fn put(&self, layer: LayerNo, names: &[NameOf], read_to: Option<Revision>) -> Result<(), StoreError>;

    /// Forgets that a layer was read, once it has no names left: see [`GoodsIndex::put`].
    fn forget(&self, layer: LayerNo) -> Result<(), StoreError>;

    /// Goods that have all these words in the names of all layers together, of the last one the
    /// beginning: at most `limit`, those behind `after`, by their numbers.
    fn find(&self, words: &[String], after: i64, limit: u32) -> Result<Vec<Named>, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_compared_without_case_and_numbers_apart_from_units() {
        assert_eq!(folded_words("МОЛОКО «Ёлочка» 3,2% 1л"), ["молоко", "елочка", "3", "2", "1", "л"]);
        assert_eq!(folded_words("7up"), ["7", "up"]);
        assert_eq!(folded_words(" -- "), Vec::<String>::new());
        assert_eq!(folded_words(&"a ".repeat(MAX_WORDS + 1)).len(), MAX_WORDS);
    }

    #[test]
    fn the_last_word_may_be_a_beginning() {
        let has = |wanted: &str| has_words("Молоко Ёлочка 1л", &folded_words(wanted));
        assert!(has("молоко") && has("елоч") && has("елочка МОЛ") && has("1 л"));
        assert!(!has("мол елочка") && !has("кефир") && !has(""));
    }
}
