//! Carries out what records order, in a load that is under way.

use super::entry::{Delete, Entry, KindId, Upsert};
use crate::store::StoreError;
use crate::store::dictionary::{LoadTxn, TakenBack};
use tillway_exchangers::records::{Command, Expansion, RecordHash, Spares};

/// What records order and what is not carried out yet, in the order of the records: a run of
/// upserts, or one of deletions. The store gets a run at once.
///
/// Whoever asks the load anything else, or orders it by itself, calls [`Self::carry_out`] first.
/// It bounds the memory, too: to be called after each batch of records.
#[derive(Debug, Default)]
pub struct Orders {
    upserts: Vec<Upsert>,
    deletions: Vec<Delete>,
}

impl Orders {
    /// What one record of a back office orders. `line`: where it stands; `record`: by which it is
    /// known again.
    pub fn add(
        &mut self,
        load: &mut dyn LoadTxn,
        command: Command,
        line: u64,
        record: Option<RecordHash>,
    ) -> Result<(), StoreError> {
        match command {
            Command::Clear { kinds, .. } => {
                self.carry_out(load)?;
                kinds.iter().try_for_each(|kind| load.clear((*kind).into()))
            }
            Command::Delete { kind, keys, .. } => {
                if !self.upserts.is_empty() {
                    self.carry_out(load)?;
                }
                self.deletions.push(Delete { kind: kind.into(), keys, line });
                Ok(())
            }
            Command::Upsert(expansion) => {
                if !self.deletions.is_empty() {
                    self.carry_out(load)?;
                }
                let upsert = upsert_of(expansion, record);
                let spares = upsert.spared.iter().any(|(_, keys)| keys.is_some());
                self.upserts.push(upsert);
                if spares { self.spare(load) } else { Ok(()) }
            }
        }
    }

    /// Carries all of it out.
    pub fn carry_out(&mut self, load: &mut dyn LoadTxn) -> Result<(), StoreError> {
        if !self.upserts.is_empty() {
            load.upsert_all(&self.upserts)?;
            self.upserts.clear();
        }
        if !self.deletions.is_empty() {
            load.delete_all(&self.deletions)?;
            self.deletions.clear();
        }
        Ok(())
    }

    /// Carries all of it out, and keeps the rows that the last upsert spares by their keys.
    fn spare(&mut self, load: &mut dyn LoadTxn) -> Result<(), StoreError> {
        let spared = self.upserts.last().map(|last| last.spared.clone()).unwrap_or_default();
        self.carry_out(load)?;
        for (kind, keys) in spared {
            if let Some(keys) = keys {
                load.keep(kind, &keys)?;
            }
        }
        Ok(())
    }
}

/// Spares what a record that was set aside may have been meant to add: what a clearing or a
/// deletion would take away stays.
pub fn spare(load: &mut dyn LoadTxn, spares: &Spares) -> Result<TakenBack, StoreError> {
    match spares {
        Spares::Nothing => Ok(TakenBack::default()),
        Spares::Objects(kind, keys) => load.keep((*kind).into(), keys),
        Spares::Kind(kind) => {
            let kinds: Vec<KindId> = kind.brings().into_iter().map(KindId::from).collect();
            Ok(load.take_back(Some(&kinds)))
        }
        Spares::Anything => Ok(load.take_back(None)),
    }
}

fn upsert_of(expansion: Expansion, record: Option<RecordHash>) -> Upsert {
    Upsert {
        main: expansion.main.into(),
        owned: expansion.owned.into_iter().map(Entry::from).collect(),
        replaces: expansion.replaces.into_iter().map(KindId::from).collect(),
        spared: expansion.spared.into_iter().map(|(kind, keys)| (kind.into(), keys)).collect(),
        record: record.filter(|_| expansion.lasting),
    }
}
