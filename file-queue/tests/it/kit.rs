//! Queues in temporary folders, and disks that fail on purpose.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tillway_file_queue::disk::{Disk, RealDisk};
use tillway_file_queue::{Claim, Limits, NewMessage, Queue, QueueName, Sequence};

pub(crate) struct Kit {
    pub(crate) root: TempDir,
}

impl Kit {
    pub(crate) fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn queue(&self) -> Queue {
        self.queue_with(Limits::default())
    }

    /// Without syncs: most facts do not need them, and they cost most of the time.
    pub(crate) fn queue_with(&self, limits: Limits) -> Queue {
        self.queue_on(Arc::new(Fake::default()), limits).unwrap()
    }

    pub(crate) fn queue_on(
        &self,
        disk: Arc<dyn Disk>,
        limits: Limits,
    ) -> Result<Queue, tillway_file_queue::QueueError> {
        Queue::open_on(disk, self.root.path(), &name(), limits)
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.root.path().join("dicts")
    }

    /// The folders in one of the queue's folders, in order.
    pub(crate) fn under(&self, folder: &str) -> Vec<PathBuf> {
        paths_in(&self.folder().join(folder))
    }
}

pub(crate) fn name() -> QueueName {
    "dicts".parse().unwrap()
}

pub(crate) fn paths_in(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

pub(crate) fn put(queue: &Queue, bodies: &[&str]) -> Sequence {
    try_put(queue, bodies).unwrap()
}

pub(crate) fn try_put(queue: &Queue, bodies: &[&str]) -> Result<Sequence, tillway_file_queue::QueueError> {
    let mut batch = queue.begin_batch()?;
    batch.set_attribute("from", "test");
    for body in bodies {
        batch.put(NewMessage::new("text/plain").attribute("length", body.len().to_string()), body.as_bytes())?;
    }
    Ok(batch.commit()?.sequence)
}

pub(crate) fn bodies(claim: &Claim) -> Vec<String> {
    claim.messages().map(|message| String::from_utf8(message.unwrap().body).unwrap()).collect()
}

/// Takes and acknowledges everything there is: sequences and bodies.
pub(crate) fn drain(queue: &Queue) -> Vec<(Sequence, Vec<String>)> {
    let mut drained = Vec::new();
    while let Some(claim) = queue.next().unwrap() {
        drained.push((claim.sequence(), bodies(&claim)));
        claim.ack().unwrap();
    }
    drained
}

/// One change of the disk, as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    CreateDir(PathBuf),
    CreateFile(PathBuf),
    Write(PathBuf),
    SyncFile(PathBuf),
    SyncDir(PathBuf),
    Rename(PathBuf, PathBuf),
    RemoveFile,
    RemoveDirAll,
}

/// How a fake disk fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Fault {
    #[default]
    Never,
    /// Step N and all after it fail: to the disk, the process is dead. A write in that step is
    /// half done.
    DeadFrom(usize),
    /// Step N alone fails, as on a full disk.
    FullAt(usize),
}

/// The real disk without syncs, which notes each step and can fail at one.
#[derive(Debug, Default)]
pub(crate) struct Fake {
    pub(crate) fault: Fault,
    pub(crate) taken: AtomicUsize,
    pub(crate) steps: Mutex<Vec<Step>>,
}

impl Fake {
    pub(crate) fn failing(fault: Fault) -> Arc<Self> {
        Arc::new(Self { fault, ..Self::default() })
    }

    fn step(&self, step: Step) -> io::Result<()> {
        let at = self.taken.fetch_add(1, Ordering::SeqCst);
        self.steps.lock().unwrap().push(step);
        match self.fault {
            Fault::DeadFrom(from) if at >= from => Err(io::Error::other("dead")),
            Fault::FullAt(full) if at == full => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }
}

impl Disk for Fake {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.step(Step::CreateDir(path.into()))?;
        RealDisk.create_dir(path)
    }

    fn create_file(&self, path: &Path) -> io::Result<fs_err::File> {
        self.step(Step::CreateFile(path.into()))?;
        RealDisk.create_file(path)
    }

    fn write(&self, file: &mut fs_err::File, bytes: &[u8]) -> io::Result<()> {
        self.step(Step::Write(file.path().into())).inspect_err(|_| {
            RealDisk.write(file, &bytes[..bytes.len() / 2]).unwrap();
        })?;
        RealDisk.write(file, bytes)
    }

    fn sync_file(&self, file: &fs_err::File) -> io::Result<()> {
        self.step(Step::SyncFile(file.path().into()))
    }

    fn write_at(&self, file: &mut fs_err::File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.step(Step::Write(file.path().into()))?;
        RealDisk.write_at(file, offset, bytes)
    }

    fn cut(&self, file: &fs_err::File, length: u64) -> io::Result<()> {
        self.step(Step::Write(file.path().into()))?;
        RealDisk.cut(file, length)
    }

    fn sync_data(&self, file: &fs_err::File) -> io::Result<()> {
        self.sync_file(file)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.step(Step::SyncDir(path.into()))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(Step::Rename(from.into(), to.into()))?;
        RealDisk.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.step(Step::RemoveFile)?;
        RealDisk.remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.step(Step::RemoveDirAll)?;
        RealDisk.remove_dir_all(path)
    }
}
