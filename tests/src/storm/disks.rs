//! What happens to disks in a storm: files break or go, old images come back, room runs out.

use super::breaking::files_below;
use super::{Storm, StormError};
use crate::bench::TillPart;
use crate::faults::seed::Seed;
use fs_err as fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Bytes that are left on a disk without room: less than any daemon keeps in reserve.
const TIGHT_BYTES: &str = "1000000";

/// How long a disk is without room, in milliseconds: also longer than back-offs.
const TIGHT_MS: std::ops::RangeInclusive<u64> = 500..=12_000;

impl Storm {
    /// Takes the room from the server's disk or a till's for a while.
    pub(super) fn take_room(&mut self, till: usize) -> Result<(), StormError> {
        let file = if self.seed.below(2) == 0 { self.room_of_server() } else { self.room_of_till(till) };
        fs::write(&file, TIGHT_BYTES).map_err(StormError::File)?;
        let until = Instant::now() + Duration::from_millis(self.seed.within(TIGHT_MS));
        self.tight.push((file, until));
        self.counts.tight += 1;
        Ok(())
    }

    /// Disks that were without room for long enough have their own again.
    pub(super) fn tend_rooms(&mut self) -> Result<(), StormError> {
        let now = Instant::now();
        let (over, tight): (Vec<_>, _) =
            std::mem::take(&mut self.tight).into_iter().partition(|(_, until)| *until <= now);
        self.tight = tight;
        remove_all(&over)
    }

    /// All disks have their own room again.
    pub(super) fn give_room_back(&mut self) -> Result<(), StormError> {
        remove_all(&std::mem::take(&mut self.tight))
    }

    /// What daemons are told of the room on disks: what stands in a file, where there is one.
    pub(super) fn rooms(&self) -> String {
        let server = self.bench.server.data();
        let tills = self.tills.iter().enumerate();
        let tills = tills.map(|(number, till)| (till.till.folder().to_owned(), self.room_of_till(number)));
        let rooms = tills.chain([(server, self.room_of_server())]);
        rooms.map(|(disk, file)| format!("{}:@{}", disk.display(), file.display())).collect::<Vec<_>>().join(",")
    }

    fn room_of_server(&self) -> PathBuf {
        self.bench.folder().join("room-server")
    }

    fn room_of_till(&self, till: usize) -> PathBuf {
        self.bench.folder().join(format!("room-till-{till}"))
    }

    /// Cuts a file of a till's queue or a download short, or turns a bit in it around; the agent
    /// may be at work on it.
    pub(super) fn break_file(&mut self, till: usize) -> Result<(), StormError> {
        let folder = self.tills[till].till.folder();
        let mut files = files_below(&folder.join("queues"));
        files.extend(files_below(&folder.join("data/downloads")));
        let Some(file) = self.seed.choose(&files).cloned() else { return Ok(()) };
        match damage(&file, &mut self.seed) {
            Ok(()) => self.counts.broken_files += 1,
            // The agent was faster and it is gone.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(StormError::File(error)),
        }
        Ok(())
    }

    /// Removes all queues of a till while its agent is off.
    pub(super) fn remove_queue(&mut self, till: usize) -> Result<(), StormError> {
        self.kill_agent(till);
        let queues = self.tills[till].till.folder().join("queues");
        crate::faults::files::remove(&queues).map_err(StormError::File)?;
        self.forget_ledger(till)?;
        self.counts.broken_files += 1;
        Ok(())
    }

    pub(super) fn take_image(&mut self, till: usize) -> Result<(), StormError> {
        self.kill_agent(till);
        self.tills[till].take_image()
    }

    pub(super) fn put_image_back(&mut self, till: usize) -> Result<(), StormError> {
        let parts: &[TillPart] = match self.seed.below(4) {
            0 => &[TillPart::Dictionary],
            1 => &[TillPart::State, TillPart::Queues],
            2 => &[TillPart::Documents],
            _ => &TillPart::ALL,
        };
        self.kill_agent(till);
        if self.tills[till].put_image_back(parts)? {
            self.forget_ledger(till)?;
            self.counts.images += 1;
        }
        Ok(())
    }

    /// The till's files are others now: what was noted of them is void.
    fn forget_ledger(&self, till: usize) -> Result<(), StormError> {
        crate::faults::files::remove(&self.ledger_of_till(till)).map_err(StormError::File)
    }
}

fn remove_all(rooms: &[(PathBuf, Instant)]) -> Result<(), StormError> {
    rooms.iter().try_for_each(|(file, _)| crate::faults::files::remove(file)).map_err(StormError::File)
}

fn damage(file: &Path, seed: &mut Seed) -> io::Result<()> {
    let length = fs::metadata(file)?.len();
    let at = seed.below(length);
    if seed.happens(50) {
        return fs::OpenOptions::new().write(true).open(file)?.set_len(at);
    }
    let mut bytes = fs::read(file)?;
    if let Some(byte) = usize::try_from(at).ok().and_then(|at| bytes.get_mut(at)) {
        *byte ^= 1 << seed.below(8);
    }
    // In place: a bit turns around on the disk, no other file comes.
    let mut open = fs::OpenOptions::new().write(true).open(file)?;
    io::Write::write_all(&mut open, &bytes)
}
