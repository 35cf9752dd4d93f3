//! A sink without rows, in memory: it follows packages by their ranges alone, and fails as a test
//! wants it to.

use super::{Applied, Fault, Held, OtherHands, Sink, SinkError};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use tillway_exchangers::package::PackageSource;
use tillway_exchangers::till::dictionary::{Loaded, PackageStep, on_package};
use tillway_proto::Revision;

#[derive(Debug, Default)]
pub(crate) struct MemorySink(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    held: Held,
    fails: Option<Fault>,
}

impl MemorySink {
    /// It holds this revision from now on.
    pub(crate) fn reach(&self, cursor: Revision) {
        self.0.lock().unwrap().held = Held { cursor, ..Held::default() };
    }

    /// Whatever is asked of it fails like this from now on, or does not.
    pub(crate) fn fail(&self, fault: Option<Fault>) {
        self.0.lock().unwrap().fails = fault;
    }
}

fn failed(fault: &Fault) -> SinkError {
    SinkError::new(fault.clone(), "a test")
}

impl Inner {
    fn ready(&mut self) -> Result<&mut Held, SinkError> {
        self.fails.as_ref().map_or(Ok(&mut self.held), |fault| Err(failed(fault)))
    }
}

impl Sink for MemorySink {
    fn look(&self) -> Result<Held, SinkError> {
        self.0.lock().unwrap().ready().cloned()
    }

    fn apply(&self, package: &mut dyn PackageSource, replaces: Option<Revision>) -> Result<Applied, SinkError> {
        let mut inner = self.0.lock().unwrap();
        let held = inner.ready()?;
        let (from, header) = (held.cursor, package.header());
        let has_it = held.package.as_ref() == Some(package.name());
        match on_package(from, header, has_it, replaces) {
            PackageStep::Skip => return Ok(Applied::Skipped { cursor: from }),
            PackageStep::Gap => return Err(failed(&Fault::Gap)),
            PackageStep::Apply => {}
        }
        let (to, proof) = (header.to, header.proof);
        *held = Held { cursor: to, proof, package: Some(package.name().clone()), ..Held::default() };
        Ok(Applied::Done(Loaded { from, to, upserts: 0, deletes: 0, rows: 0, unknown_kinds: Vec::new() }))
    }

    fn verify(&self) -> Result<Vec<String>, SinkError> {
        self.0.lock().unwrap().ready().map(|_| Vec::new())
    }

    fn other_hands(&self) -> OtherHands {
        OtherHands::None
    }

    fn take_restart_due(&self) -> bool {
        false
    }

    fn path(&self) -> &Path {
        Path::new("/")
    }

    fn leftovers(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    fn log_bytes(&self) -> u64 {
        0
    }

    fn look_at_log(&self) {}
}
