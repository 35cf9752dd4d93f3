//! Carries out what records order, in a load that is under way.

use super::entry::{Entry, KindId, Upsert};
use crate::store::StoreError;
use crate::store::dictionary::{LoadTxn, TakenBack};
use tillway_exchangers::records::{Command, Expansion, RecordHash, Spares};

/// Carries out what one record of a back office orders. `line`: where it stands; `record`: by
/// which it is known again.
pub fn carry_out(
    load: &mut dyn LoadTxn,
    command: Command,
    line: u64,
    record: Option<RecordHash>,
) -> Result<(), StoreError> {
    match command {
        Command::Clear { kinds, .. } => kinds.iter().try_for_each(|kind| load.clear((*kind).into())),
        Command::Delete { kind, keys, .. } => load.delete(kind.into(), &keys, line).map(|_| ()),
        Command::Upsert(expansion) => {
            let upsert = upsert_of(expansion, record);
            load.upsert(&upsert)?;
            for (kind, keys) in &upsert.spared {
                if let Some(keys) = keys {
                    load.keep(*kind, keys)?;
                }
            }
            Ok(())
        }
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
