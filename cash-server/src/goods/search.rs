//! Finding goods by what somebody types: a barcode, a code or its beginning, words of a name.

use super::{kinds, rows};
use crate::dictionary::View;
use crate::dictionary::entry::ObjectKey;
use crate::network::LayerNo;
use crate::store::StoreError;
use crate::store::dictionary::DictionarySnapshot;
use crate::store::goods::{GoodsIndex, Named, folded_words, has_words};
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// Goods whose words fit that are looked at in one question, since they may all be of layers that
/// the caller does not see: a list that ends sooner goes on behind them.
const MAX_LOOKED_AT: usize = 10_000;

/// Goods whose words fit that are read at once, at most.
const MAX_AT_ONCE: usize = 2_000;

/// Longest text that is looked for; nobody types more.
pub const MAX_TEXT: usize = 200;

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sought<'a> {
    /// What somebody typed; nothing: all goods.
    pub text: &'a str,
    /// Where a list goes on.
    pub after: Option<Position>,
    /// Most goods of one answer.
    pub limit: usize,
}

/// Where a list goes on: first come codes, in their order, then names, as the index has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// Behind this code.
    Code(String),
    /// Behind this number of the index.
    Words(i64),
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "code:{code}"),
            Self::Words(number) => write!(f, "words:{number}"),
        }
    }
}

impl FromStr for Position {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.split_once(':') {
            Some(("code", code)) => Ok(Self::Code(code.to_owned())),
            Some(("words", number)) => number.parse().map(Self::Words).map_err(|_| ()),
            _ => Err(()),
        }
    }
}

/// A good that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// Code of the item.
    pub code: String,
    /// The uppermost layer that was seen to have it.
    pub layer: LayerNo,
}

/// Goods that were found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// In their order.
    pub hits: Vec<Hit>,
    /// Where the list goes on; none: that is all.
    pub next: Option<Position>,
    /// Whether the names of some layer are not read to their newest state yet, so that words may
    /// not find all.
    pub is_behind: bool,
}

/// Where goods are looked for.
pub struct Shelves<'a> {
    /// One moment of the dictionary.
    pub snapshot: &'a dyn DictionarySnapshot,
    /// What of it fits in memory.
    pub view: &'a View,
    /// The layers that are looked into, upper ones before those below them.
    pub layers: &'a [LayerNo],
    /// Names by their words.
    pub index: &'a dyn GoodsIndex,
    /// Which dictionary it is.
    pub dictionary: Uuid,
}

impl Shelves<'_> {
    /// Looks for goods.
    pub fn find(&self, sought: &Sought<'_>) -> Result<Found, StoreError> {
        let text: String = sought.text.trim().chars().take(MAX_TEXT).collect();
        // A code has no blank in it.
        let code = Some(text.as_str()).filter(|text| !text.contains(char::is_whitespace));
        let exact = match code {
            Some(code) if !code.is_empty() => self.exact(code)?,
            _ => BTreeMap::new(),
        };
        let mut hits: Vec<Hit> = Vec::new();
        if sought.after.is_none() {
            hits.extend(exact.iter().map(|(code, layer)| Hit { code: code.clone(), layer: *layer }));
        }
        // What has this very barcode is on the first page, all of it.
        let limit = sought.limit.max(hits.len());
        // One more than is asked for says whether the list goes on.
        let wanted = limit + 1;
        let after = match &sought.after {
            None => Some(None),
            Some(Position::Code(code)) => Some(Some(code.as_str())),
            Some(Position::Words(_)) => None,
        };
        if let (Some(code), Some(after)) = (code, after) {
            let found = self.beginning_with(code, after, wanted)?;
            let last = found.last().filter(|_| found.len() == wanted).map(|hit| hit.code.clone());
            hits.extend(found.into_iter().filter(|hit| !exact.contains_key(&hit.code)));
            // There may be more codes, though what was listed first is left out of these.
            if let Some(last) = last.filter(|_| hits.len() <= limit) {
                return Ok(Found { hits, next: Some(Position::Code(last)), is_behind: false });
            }
        }
        if hits.len() > limit {
            hits.truncate(limit);
            // What has this very barcode or code came first, out of the order of codes.
            let last = hits.last().map(|hit| if exact.contains_key(&hit.code) { &text } else { &hit.code });
            let next = last.cloned().map(Position::Code);
            return Ok(Found { hits, next, is_behind: false });
        }
        let words = folded_words(&text);
        if words.is_empty() {
            return Ok(Found { hits, ..Found::default() });
        }
        let is_listed = |found: &str| exact.contains_key(found) || code.is_some_and(|code| found.starts_with(code));
        let after = if let Some(Position::Words(number)) = sought.after { number } else { 0 };
        let read_to = self.index.read_to(self.dictionary)?;
        let is_behind = self.layers.iter().any(|layer| {
            let last = self.view.layers.get(layer).map(|span| span.last);
            last.is_some_and(|last| read_to.get(layer).is_none_or(|read| *read < last))
        });
        let (named, next) = self.named(&words, after, limit - hits.len(), is_listed)?;
        hits.extend(named);
        Ok(Found { hits, next, is_behind })
    }

    /// The goods that have this barcode or this code.
    fn exact(&self, text: &str) -> Result<BTreeMap<String, LayerNo>, StoreError> {
        let mut found = BTreeMap::new();
        let item = ObjectKey { kind: kinds().item.into(), key: text.to_owned() };
        for layer in self.layers {
            for code in rows::codes_of(self.snapshot, &[*layer], text, self.snapshot.head())? {
                found.entry(code).or_insert(*layer);
            }
            if self.snapshot.hash_of_many(*layer, &[&item], None)?[0].is_some() {
                found.entry(text.to_owned()).or_insert(*layer);
            }
        }
        Ok(found)
    }

    /// The first goods behind `after` whose codes begin so, by their codes.
    fn beginning_with(&self, start: &str, after: Option<&str>, limit: usize) -> Result<Vec<Hit>, StoreError> {
        let after = after.or(Some(start).filter(|start| !start.is_empty()));
        let limit_of_page = u32::try_from(limit).unwrap_or(u32::MAX);
        let mut found: BTreeMap<String, LayerNo> = BTreeMap::new();
        for layer in self.layers {
            let page = self.snapshot.page(*layer, kinds().item.into(), after, limit_of_page, false)?;
            for entry in page.into_iter().take_while(|entry| entry.key.starts_with(start)) {
                found.entry(entry.key).or_insert(*layer);
            }
            while found.len() > limit {
                found.pop_last();
            }
        }
        Ok(found.into_iter().map(|(code, layer)| Hit { code, layer }).collect())
    }

    /// The first goods behind `after` that have these words in a layer that is looked into, and
    /// where the list goes on.
    fn named(
        &self,
        words: &[String],
        after: i64,
        limit: usize,
        is_listed: impl Fn(&str) -> bool,
    ) -> Result<(Vec<Hit>, Option<Position>), StoreError> {
        let rank: BTreeMap<LayerNo, usize> = self.layers.iter().copied().zip(0..).collect();
        let (mut hits, mut after, mut looked_at) = (Vec::new(), after, 0);
        let mut asked = limit + 1;
        loop {
            let found = self.index.find(words, after, u32::try_from(asked).unwrap_or(u32::MAX))?;
            looked_at += found.len();
            let is_last = found.len() < asked;
            for good in found {
                if hits.len() >= limit || looked_at > MAX_LOOKED_AT {
                    return Ok((hits, Some(Position::Words(after))));
                }
                after = good.number;
                if let Some(layer) = seen_in(&good, words, &rank).filter(|_| !is_listed(&good.code)) {
                    hits.push(Hit { code: good.code, layer });
                }
            }
            if is_last {
                return Ok((hits, None));
            }
            // Most of them are of layers that are not looked into.
            asked = (asked * 4).min(MAX_AT_ONCE);
        }
    }
}

/// The uppermost of these layers that names the good, where the names of all of them have the
/// words.
fn seen_in(good: &Named, words: &[String], rank: &BTreeMap<LayerNo, usize>) -> Option<LayerNo> {
    let names: Vec<&(LayerNo, String)> = good.names.iter().filter(|(layer, _)| rank.contains_key(layer)).collect();
    let distinct: HashSet<&str> = names.iter().map(|(_, name)| name.as_str()).collect();
    let text = distinct.into_iter().collect::<Vec<_>>().join(" ");
    let layers = names.iter().map(|(layer, _)| *layer);
    layers.min_by_key(|layer| rank.get(layer)).filter(|_| has_words(&text, words))
}
