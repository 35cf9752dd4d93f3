//! Bodies that were taken over REST, and refused loads that are tried again.

use super::{Wait, Worker, again};
use crate::intake::deliver::{self, Attempt, Delivery};
use crate::intake::source;
use crate::network::LayerNo;
use crate::store::StoreError;
use crate::store::intake::{LoadReason, LoadRecord, LoadSource};
use crate::words::Reason;
use encoding_rs::{Encoding, UTF_8};
use std::error::Error;
use std::io;
use std::path::Path;

impl Worker {
    pub(super) fn body(&mut self, record: &LoadRecord) -> Result<(), StoreError> {
        let LoadSource::Rest { body, .. } = &record.source else { return Ok(()) };
        let path = self.intake.settings.bodies.join(body);
        if source::identify(&path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return deliver::close_vanished(&self.intake, record.id);
        }
        let earlier = self.body_waits.remove(&record.id);
        let tries = earlier.as_ref().map_or(0, |wait| wait.tries);
        let formats = &self.intake.settings.formats;
        let format = formats.of_kept(body);
        let (load, at) = (record.id, record.queued_at);
        let network = self.intake.network()?;
        let layer = network.node(&record.node).map(|node| node.no);
        let delivery = Delivery {
            load,
            node: record.node.clone(),
            layer: layer.unwrap_or(LayerNo(0)),
            path,
            format,
            is_body: format.ending() == formats.body().ending(),
            encoding: self.encoding_of(record)?,
            at,
            consent: record.consent,
        };
        if layer.is_none() {
            return self.give_up_body(&delivery, &LoadReason::NodeIsGone { node: record.node.to_string() }, tries);
        }
        match deliver::attempt(&self.intake, &delivery, record.bytes, &self.shutdown)? {
            Attempt::Stopped => {}
            Attempt::Ended(mut report) => {
                let kept = deliver::settle(&self.intake, &delivery, &mut report, None)?;
                if !report.is_not_taken() || kept.is_some() {
                    self.remove_body(&delivery.path);
                }
                fail::fail_point!("intake::body_removed");
            }
            Attempt::Later { reason, cause } => {
                let (held, stalls) = earlier.map_or((None, 0), |wait| (wait.held, wait.stalls));
                self.body_waits.insert(record.id, Wait { tries, ..self.later(cause, stalls) });
                if held != Some(cause) {
                    let (reason, advice) = (Reason::from(reason), Reason::from(cause.advice()));
                    let (told, advice) = (crate::words::in_english(&reason), crate::words::in_english(&advice));
                    tracing::error!(load = record.id.0, reason = told, advice, "a load waits");
                    self.intake.journal.requeue(record.id, &reason, true)?;
                }
            }
            Attempt::Again { reason, limit, .. } if tries + 1 >= limit => {
                self.give_up_body(&delivery, &reason, tries)?;
            }
            Attempt::Again { .. } => {
                self.body_waits.insert(record.id, again(tries));
            }
        }
        Ok(())
    }

    /// A body is UTF-8 by the time that it is accepted. A file of a folder that is tried again is
    /// as its folder's files are.
    fn encoding_of(&self, record: &LoadRecord) -> Result<&'static Encoding, StoreError> {
        let mut source = record.source.clone();
        while let LoadSource::Rest { retry_of: Some(first), .. } = source {
            let Some(first) = self.intake.journal.load(first)? else { break };
            source = first.source;
        }
        Ok(match source {
            LoadSource::Folder(path) => self.intake.settings.encoding_of(&path),
            LoadSource::Rest { .. } => UTF_8,
        })
    }

    /// Only with a copy in `badDicts`: its back office was told that it is accepted. Until there
    /// is one, it stays queued.
    fn give_up_body(&mut self, delivery: &Delivery, reason: &LoadReason, tries: u32) -> Result<(), StoreError> {
        let Some(kept) = deliver::put_aside(&self.intake, delivery, reason) else {
            self.body_waits.insert(delivery.load, again(tries));
            let reason = LoadReason::NotPutAside { reason: Box::new(reason.clone()) };
            return self.intake.journal.requeue(delivery.load, &reason.into(), true);
        };
        fail::fail_point!("intake::body_put_aside");
        let name = kept.file_name().map(|name| name.to_string_lossy().into_owned());
        deliver::give_up(&self.intake, delivery.load, reason, name)?;
        self.remove_body(&delivery.path);
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
