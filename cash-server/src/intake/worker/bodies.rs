//! Bodies that were taken over REST, and refused loads that are tried again.

use super::{Wait, Worker, again};
use crate::intake::aside::FILE_ENDING;
use crate::intake::deliver::{self, Attempt, Delivery};
use crate::intake::load::Form;
use crate::intake::source;
use crate::store::StoreError;
use crate::store::intake::{LoadRecord, LoadSource};
use std::error::Error;
use std::io;
use std::path::Path;

impl Worker {
    pub(super) fn body(&mut self, record: &LoadRecord) -> Result<(), StoreError> {
        let LoadSource::Rest { body, .. } = &record.source else { return Ok(()) };
        let path = self.intake.settings.bodies.join(body);
        let network = self.intake.network()?;
        let Some(node) = network.node(&record.node) else {
            deliver::give_up(&self.intake, record.id, &format!("{} is no longer in the network", record.node), None)?;
            self.remove_body(&path);
            return Ok(());
        };
        if source::identify(&path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return deliver::close_vanished(&self.intake, record.id);
        }
        let earlier = self.body_waits.remove(&record.id);
        let tries = earlier.as_ref().map_or(0, |wait| wait.tries);
        let form = if body.ends_with(FILE_ENDING) { Form::File } else { Form::Array };
        let (load, at) = (record.id, record.queued_at);
        let delivery = Delivery { load, node: record.node.clone(), layer: node.no, path, form, at };
        match deliver::attempt(&self.intake, &delivery, record.bytes, &self.shutdown)? {
            Attempt::Stopped => {}
            Attempt::Ended(report) => {
                deliver::settle(&self.intake, &delivery, &report, None)?;
                self.remove_body(&delivery.path);
                fail::fail_point!("intake::body_removed");
            }
            Attempt::NoRoom(reason) => {
                if !earlier.is_some_and(|wait| wait.no_room) {
                    tracing::error!(load = record.id.0, reason, "a load waits for room on the disk");
                    self.intake.journal.requeue(record.id, &reason, true)?;
                }
                self.body_waits.insert(record.id, Wait { no_room: true, tries, ..self.until_room() });
            }
            Attempt::Again { reason, limit, .. } if tries + 1 >= limit => {
                let kept = deliver::put_aside(&self.intake, &delivery, &reason);
                fail::fail_point!("intake::put_aside");
                deliver::give_up(&self.intake, record.id, &reason, kept.as_deref())?;
                self.remove_body(&delivery.path);
            }
            Attempt::Again { .. } => {
                self.body_waits.insert(record.id, again(tries));
            }
        }
        Ok(())
    }

    fn remove_body(&self, path: &Path) {
        match fs_err::remove_file(path) {
            // Where the disk took no copy, the file itself was put aside.
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(error = &error as &dyn Error, "failed to remove a loaded body; the next start does");
            }
            _ => {}
        }
        self.intake.callbacks.notify_one();
    }
}
