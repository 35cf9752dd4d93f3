//! Reads the names of goods for [`GoodsIndex`], by and by and apart from loads: a few hundred
//! objects at a time, with pauses three times as long, so that it takes at most a quarter of a
//! core. What a load changed is a range of the log; what is too much for that, or not known there,
//! is read whole.

use super::kinds;
use crate::dictionary::entry::{KindId, ObjectKey};
use crate::dictionary::{DictionaryError, DictionaryService, View};
use crate::network::LayerNo;
use crate::store::StoreError;
use crate::store::dictionary::DictionarySnapshot;
use crate::store::goods::{GoodsIndex, NameOf};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tillway_exchangers::goods::{BarcodeRow, ItemRow};
use tillway_exchangers::row::KEY_SEPARATOR;
use tillway_proto::Revision;
use tillway_service::background::{Kept, Next, Run, Task, Work};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// How often it is looked for what changed. Nobody waits for it: barcodes and codes are found
/// without.
const PERIOD: Duration = Duration::from_secs(20);

/// Objects that are read and written at once: some ten milliseconds.
const STEP: u32 = 500;

/// So many times as long as a step the next one waits.
const PAUSE: u32 = 3;

/// Changes of a layer up to which they are read one by one. A whole layer takes no more than some
/// of these for each of its goods.
const MAX_CHANGES: usize = 20_000;

/// The task that reads names.
pub fn task(dictionary: DictionaryService, index: Arc<dyn GoodsIndex>) -> Task {
    let reading = Reading { dictionary, index, kept: Kept::default() };
    Task::new("goods-names", PERIOD, reading).first_after(PERIOD)
}

struct Reading {
    dictionary: DictionaryService,
    index: Arc<dyn GoodsIndex>,
    kept: Kept<Indexer>,
}

impl Work for Reading {
    fn run<'a>(&'a mut self, stop: &'a CancellationToken) -> Run<'a> {
        Box::pin(async move {
            while !stop.is_cancelled() {
                let (dictionary, index) = (self.dictionary.clone(), Arc::clone(&self.index));
                let began = Instant::now();
                let step = self.kept.off_thread(|| Indexer::new(dictionary, index), Indexer::step);
                if !step.await? {
                    break;
                }
                tokio::select! {
                    () = sleep(began.elapsed() * PAUSE) => {}
                    () = stop.cancelled() => {}
                }
            }
            Ok(Next::AtPeriod)
        })
    }
}

/// Brings the index up to date, step by step.
pub struct Indexer {
    dictionary: DictionaryService,
    index: Arc<dyn GoodsIndex>,
    under_way: Option<UnderWay>,
}

/// A layer that is read.
struct UnderWay {
    layer: LayerNo,
    /// Up to which revision it is read at its end.
    to: Revision,
    left: Left,
}

/// What of a layer is not read yet.
enum Left {
    /// Of each of these kinds all objects behind a key, the last kind first.
    Whole(Vec<KindId>, Option<String>),
    /// These objects.
    Changed(Vec<ObjectKey>),
}

impl Indexer {
    /// Over its parts.
    pub fn new(dictionary: DictionaryService, index: Arc<dyn GoodsIndex>) -> Self {
        Self { dictionary, index, under_way: None }
    }

    /// One step. Whether there is more to do.
    pub fn step(&mut self) -> Result<bool, DictionaryError> {
        let (snapshot, view) = self.dictionary.moment()?;
        let under_way = match self.under_way.take() {
            Some(under_way) => Some(under_way),
            None => self.begin(snapshot.as_ref(), &view)?,
        };
        let Some(mut under_way) = under_way else { return Ok(false) };
        let layer = under_way.layer;
        let names = match &mut under_way.left {
            Left::Changed(keys) => {
                let next = keys.split_off(keys.len().saturating_sub(STEP as usize));
                names_of(snapshot.as_ref(), layer, &next)
            }
            Left::Whole(kinds, after) => self.next_page(snapshot.as_ref(), layer, kinds, after),
        };
        let names = names.map_err(DictionaryError::Store)?;
        let is_done = match &under_way.left {
            Left::Changed(keys) => keys.is_empty(),
            Left::Whole(kinds, _) => kinds.is_empty(),
        };
        let read_to = is_done.then_some(under_way.to);
        self.index.put(layer, &names, read_to).map_err(DictionaryError::Store)?;
        if is_done && is_gone(&view, layer) {
            self.index.forget(layer).map_err(DictionaryError::Store)?;
        }
        self.under_way = (!is_done).then_some(under_way);
        Ok(true)
    }

    /// The first layer that is not read to its newest state.
    fn begin(&self, snapshot: &dyn DictionarySnapshot, view: &View) -> Result<Option<UnderWay>, DictionaryError> {
        let identity = self.dictionary.store().identity().map_err(DictionaryError::Store)?;
        let read_to = self.index.read_to(identity).map_err(DictionaryError::Store)?;
        let whole = || Left::Whole(vec![kinds().barcode.into(), kinds().item.into()], None);
        let gone = read_to.keys().find(|layer| is_gone(view, **layer));
        if let Some(layer) = gone {
            return Ok(Some(UnderWay { layer: *layer, to: view.head, left: whole() }));
        }
        let mut layers: Vec<(LayerNo, Revision)> = view.layers.iter().map(|(no, span)| (*no, span.last)).collect();
        layers.sort_unstable();
        for (layer, last) in layers {
            let read = read_to.get(&layer).copied().filter(|read| is_known(view, *read));
            if read.is_some_and(|read| read >= last) || is_gone(view, layer) {
                continue;
            }
            let left = match read {
                Some(read) => changed(snapshot, layer, read).map_err(DictionaryError::Store)?.map(Left::Changed),
                None => None,
            };
            return Ok(Some(UnderWay { layer, to: view.head, left: left.unwrap_or_else(whole) }));
        }
        Ok(None)
    }

    /// What is to be written of the next objects of a layer that is read whole: names that are
    /// there, and those that are known and there no more.
    fn next_page(
        &self,
        snapshot: &dyn DictionarySnapshot,
        layer: LayerNo,
        left: &mut Vec<KindId>,
        after: &mut Option<String>,
    ) -> Result<Vec<NameOf>, StoreError> {
        let Some(kind) = left.last().copied() else { return Ok(Vec::new()) };
        // Of a node that is gone nobody sees anything any more.
        let is_gone = snapshot.network()?.by_no(layer).is_none_or(|node| node.removed_at.is_some());
        let page = if is_gone { Vec::new() } else { snapshot.page(layer, kind, after.as_deref(), STEP, true)? };
        let is_last = page.len() < STEP as usize;
        let last = page.last().filter(|_| !is_last).map(|entry| entry.key.clone());
        let known = self.index.names(layer, kind, after.as_deref(), last.as_deref())?;
        let mut names: BTreeMap<String, NameOf> =
            known.into_iter().map(|(key, name)| (key, NameOf { name: None, ..name })).collect();
        for entry in page {
            let name = name_of(kind, &entry.key, Some(&entry.body));
            // Most barcodes have no name, and had none.
            if name.name.is_some() || names.contains_key(&entry.key) {
                names.insert(entry.key, name);
            }
        }
        *after = last;
        if is_last {
            left.pop();
        }
        Ok(names.into_values().collect())
    }
}

/// Whether the log has all that changed since.
fn is_known(view: &View, revision: Revision) -> bool {
    revision >= view.log_start && revision <= view.head && !view.is_lost(revision)
}

fn is_gone(view: &View, layer: LayerNo) -> bool {
    view.network.by_no(layer).is_none_or(|node| node.removed_at.is_some())
}

/// The goods and barcodes of a layer that changed since a revision; none where they are too many.
fn changed(
    snapshot: &dyn DictionarySnapshot,
    layer: LayerNo,
    read: Revision,
) -> Result<Option<Vec<ObjectKey>>, StoreError> {
    let mut keys = snapshot.changed_since(layer, read, MAX_CHANGES + 1)?;
    if keys.len() > MAX_CHANGES {
        return Ok(None);
    }
    keys.retain(|key| [kinds().item.into(), kinds().barcode.into()].contains(&key.kind));
    keys.sort_unstable();
    keys.dedup();
    Ok(Some(keys))
}

fn names_of(snapshot: &dyn DictionarySnapshot, layer: LayerNo, keys: &[ObjectKey]) -> Result<Vec<NameOf>, StoreError> {
    let bodies = snapshot.bodies(layer, &keys.iter().collect::<Vec<_>>())?;
    Ok(keys.iter().zip(bodies).map(|(key, body)| name_of(key.kind, &key.key, body.as_deref())).collect())
}

/// What an object calls its good. One whose body does not read has no name.
fn name_of(kind: KindId, key: &str, body: Option<&[u8]>) -> NameOf {
    let is_item = kind == kinds().item.into();
    let name = body.and_then(|body| {
        let name = if is_item {
            ItemRow::decode(body).map(|row| row.name)
        } else {
            BarcodeRow::decode(body).map(|row| row.name)
        };
        name.ok().flatten()
    });
    let code = if is_item { key } else { key.split(KEY_SEPARATOR).nth(1).unwrap_or(key) };
    NameOf { kind, key: key.to_owned(), code: code.to_owned(), name: name.filter(|name| !name.is_empty()) }
}
