//! Settling what lies aside: dropped, or tried again.

use super::{Commands, From};
use crate::aside::{folder, message_files, settle_packages, settle_sales};
use crate::error::blocking;
use crate::tell::Teller;
use crate::unload::{Trigger, UnloadRequest};
use fs_err as fs;
use std::error::Error;
use std::io;
use std::path::Path;
use tillway_proto::command::AsideAction;
use tillway_proto::report::{AsideName, AsideSort};

/// What an order did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Settled {
    /// Units tried again or dropped.
    pub(crate) done: u64,
    /// Units that were not there.
    pub(crate) passed_over: u64,
    /// Parts that could not be settled; the log tells why.
    pub(crate) failed: u64,
}

impl Settled {
    fn add(&mut self, teller: &Teller, done: Result<u64, &dyn Error>) {
        match done {
            Ok(count) => self.done += count,
            Err(error) => {
                self.failed += 1;
                teller.failed("something that lies aside could not be settled", error);
            }
        }
    }
}

impl Commands {
    /// Drops these units, or tries them again: then all that lies aside, where none is named. What
    /// fails is logged, and the rest is settled all the same. Ends with a contact, which tells
    /// what is left.
    pub(crate) async fn settle(&self, action: AsideAction, units: Vec<AsideName>) -> Settled {
        let all = units.is_empty();
        let of = |sort| -> Option<Vec<String>> {
            (!all).then(|| units.iter().filter(|unit| unit.sort == sort).map(|unit| unit.name.clone()).collect())
        };
        let [packages, documents, shifts, messages] =
            [AsideSort::Package, AsideSort::Document, AsideSort::Shift, AsideSort::Message].map(of);
        let mut outcome = Settled::default();
        let (queue, state) = (self.queue.clone(), self.state.clone());
        let work = blocking(move || {
            let packages = settle_packages(queue.files(), action, packages.as_deref());
            fail::fail_point!("aside::packages_settled");
            let sales = settle_sales(&state, action, documents.as_deref(), shifts.as_deref());
            fail::fail_point!("aside::sales_settled");
            (packages, sales)
        });
        match work.await {
            Ok((packages, sales)) => {
                outcome.add(&self.teller, packages.as_ref().copied().map_err(|error| error as _));
                outcome.add(&self.teller, sales.as_ref().copied().map_err(|error| error as _));
                if action == AsideAction::Retry && packages.is_ok_and(|count| count > 0) {
                    self.queue.poke();
                }
                if action == AsideAction::Retry && sales.is_ok_and(|count| count > 0) {
                    // A full queue of requests holds one that unloads the same.
                    let _ = self.unloads.try_send(UnloadRequest::missing(Trigger::Retry));
                }
            }
            Err(error) => outcome.add(&self.teller, Err(&error)),
        }
        match message_files(&folder(&self.settings.current().paths.data)) {
            Ok(files) => {
                for file in files {
                    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                    if messages.as_ref().is_none_or(|named| named.contains(&name)) {
                        let settled = self.settle_message(action, &file).await;
                        outcome.add(&self.teller, settled.as_ref().map(|()| 1).map_err(|error| error as _));
                    }
                }
            }
            Err(error) => outcome.add(&self.teller, Err(&error)),
        }
        outcome.passed_over = (units.len() as u64).saturating_sub(outcome.done);
        tracing::info!(?action, units = units.len(), ?outcome, "what lay aside was settled");
        self.teller.contact_soon();
        outcome
    }

    async fn settle_message(&self, action: AsideAction, file: &Path) -> io::Result<()> {
        let message = fs::read(file)?;
        // Before the work: one that ends the agent, or takes what lies aside, does not find itself
        // there again.
        fs::remove_file(file)?;
        if action == AsideAction::Retry {
            // What is still not understood lies aside again, under a new name. In a box, since an
            // order may bring an order.
            Box::pin(self.take(From::Aside, &message)).await;
        }
        Ok(())
    }
}
