//! Room on the till's disk: a download or a load that would leave too little of it is not begun.
//!
//! The POS must always be able to write its receipts, and it has no say in what the agent does
//! with the disk they share. Before anything is refused, the agent gives up what it keeps for
//! people only ([`Room::leftovers`]): as much as is needed, and nothing where all of it would not
//! do.

use crate::package_queue::PackageQueue;
use crate::settings::LiveSettings;
use crate::sink::Sink;
use fs_err as fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tillway_exchangers::till::dictionary::load_bytes;
use tillway_file_queue::space::free_bytes;
use tillway_file_queue::{Entry, State as BatchState};
use tillway_proto::PackageLink;

/// Left free for `documents.db` whatever is downloaded or loaded: 20,000 receipts of 3 kB, weeks
/// of a busy till.
pub(crate) const POS_RESERVE_BYTES: u64 = 64 << 20;

/// Left free beside a small change: a day of receipts. Prices go on where a disk runs full, and
/// many of them fit into what is kept free of the large ones.
pub(crate) const SMALL_RESERVE_BYTES: u64 = 8 << 20;

/// A package of so many bytes is a small change: some 10,000 rows.
const SMALL_PACKAGE_BYTES: u64 = 1 << 20;

/// There is too little.
#[derive(Debug, thiserror::Error)]
#[error(
    "no room on the disk of {}: {free} bytes are free, needed are {needed} and {reserve} that stay for the POS's receipts",
    path.display()
)]
pub(crate) struct NoRoom {
    path: PathBuf,
    free: u64,
    needed: u64,
    reserve: u64,
}

/// What stays free beside a package of so many bytes.
fn reserve(package_bytes: u64) -> u64 {
    if package_bytes <= SMALL_PACKAGE_BYTES { SMALL_RESERVE_BYTES } else { POS_RESERVE_BYTES }
}

/// Makes room for packages.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    pub(crate) settings: LiveSettings,
    pub(crate) queue: PackageQueue,
    pub(crate) sink: Arc<dyn Sink>,
}

impl Room {
    /// Room for all that is to come of a link, so that what cannot be loaded is not downloaded
    /// first.
    pub(crate) fn for_link(&self, link: &PackageLink) -> Result<(), NoRoom> {
        // As it comes, and once more in the file queue.
        let files = link.bytes.saturating_mul(2);
        let settings = self.settings.current();
        self.make(&settings.paths.data, files, link.bytes)?;
        self.make(&settings.load.queue_root, files, link.bytes)?;
        let load = load_bytes(link.bytes, link.objects);
        self.make(self.sink.path(), load.saturating_add(files), link.bytes)
    }

    /// Room in the file queue.
    pub(crate) fn to_queue(&self, link: &PackageLink) -> Result<(), NoRoom> {
        self.make(&self.settings.current().load.queue_root, link.bytes, link.bytes)
    }

    /// Before the first row: a load that fills the disk is rolled back, and until then no receipt
    /// can be written.
    pub(crate) fn to_load(&self, link: &PackageLink) -> Result<(), NoRoom> {
        self.make(self.sink.path(), load_bytes(link.bytes, link.objects), link.bytes)
    }

    /// Whether `needed` bytes may be written below `path` for a package of `package_bytes`. Gives
    /// up leftovers where that helps.
    fn make(&self, path: &Path, needed: u64, package_bytes: u64) -> Result<(), NoRoom> {
        let Err(refused) = check(path, needed, package_bytes) else { return Ok(()) };
        self.give_up(self.leftovers(path), || check(path, needed, package_bytes), refused)
    }

    /// What may be given up on the disk of `path`, the least dear first: damaged databases,
    /// archives but the newest, packages that lie aside but the newest.
    fn leftovers(&self, path: &Path) -> Vec<Leftover> {
        let settings = self.settings.current();
        let device = path.ancestors().find_map(|there| fs::metadata(there).ok()).map(|metadata| metadata.dev());
        let file = |path: PathBuf| {
            let metadata = fs::symlink_metadata(&path).ok()?;
            // A second name of a file frees nothing, which shows when it is gone.
            (metadata.is_file() && Some(metadata.dev()) == device)
                .then_some(Leftover::File { path, bytes: metadata.len() })
        };
        let mut files = self.sink.leftovers();
        files.extend(crate::state::damaged_files(&settings.paths.data));
        files.extend(crate::backup::older_archives(&settings.backup));
        let mut leftovers: Vec<_> = files.into_iter().filter_map(file).collect();
        let queue_device = fs::metadata(&settings.load.queue_root).ok().map(|metadata| metadata.dev());
        if queue_device == device {
            let aside = self.queue.files().entries().unwrap_or_default();
            let mut aside: Vec<_> = aside.into_iter().filter(|entry| entry.state == BatchState::Aside).collect();
            aside.sort_by_key(|entry| entry.aside_since);
            aside.pop();
            leftovers.extend(aside.into_iter().map(Leftover::Batch));
        }
        leftovers
    }

    fn give_up(
        &self,
        leftovers: Vec<Leftover>,
        mut check: impl FnMut() -> Result<(), NoRoom>,
        mut refused: NoRoom,
    ) -> Result<(), NoRoom> {
        let all = leftovers.iter().fold(refused.free, |sum, leftover| sum.saturating_add(leftover.bytes()));
        if !leaves_enough(all, refused.needed, refused.reserve) {
            return Err(refused);
        }
        for leftover in leftovers {
            tracing::warn!(?leftover, %refused, "given up to make room");
            let given_up = match &leftover {
                Leftover::File { path, .. } => fs::remove_file(path).map_err(|error| error.to_string()),
                Leftover::Batch(entry) => self.queue.files().drop_batch(&entry.id).map_err(|error| error.to_string()),
            };
            if let Err(error) = given_up {
                tracing::warn!(error, "a leftover was not removed");
            }
            match check() {
                Ok(()) => return Ok(()),
                Err(still) => refused = still,
            }
        }
        Err(refused)
    }
}

/// Whether `needed` bytes may be written below `path`. A disk that cannot be asked has room until
/// a write fails.
fn check(path: &Path, needed: u64, package_bytes: u64) -> Result<(), NoRoom> {
    let free = free_bytes(path).unwrap_or_else(|error| {
        tracing::debug!(%error, "the free room is not known");
        u64::MAX
    });
    let reserve = reserve(package_bytes);
    if leaves_enough(free, needed, reserve) {
        return Ok(());
    }
    Err(NoRoom { path: path.to_owned(), free, needed, reserve })
}

fn leaves_enough(free: u64, needed: u64, reserve: u64) -> bool {
    free >= needed.saturating_add(reserve)
}

/// What the agent keeps for people only.
#[derive(Debug)]
enum Leftover {
    File { path: PathBuf, bytes: u64 },
    Batch(Entry),
}

impl Leftover {
    fn bytes(&self) -> u64 {
        match self {
            Self::File { bytes, .. } => *bytes,
            Self::Batch(entry) => entry.bytes,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::tests::TestTill;
    use tillway_file_queue::NewMessage;

    pub(crate) fn no_room(free: u64, needed: u64) -> NoRoom {
        NoRoom { path: PathBuf::from("/till"), free, needed, reserve: 0 }
    }

    #[test]
    fn what_the_pos_needs_is_never_touched_and_a_small_change_needs_little() {
        let large = reserve(SMALL_PACKAGE_BYTES + 1);
        assert_eq!((large, reserve(5000)), (POS_RESERVE_BYTES, SMALL_RESERVE_BYTES));
        assert!(leaves_enough(large + 10, 10, large));
        assert!(!leaves_enough(large + 9, 10, large));
        assert!(leaves_enough(large, 10, reserve(5000)), "prices go on where a snapshot does not");
        assert!(!leaves_enough(SMALL_RESERVE_BYTES - 1, 0, reserve(5000)));
        assert!(!leaves_enough(large, u64::MAX, large));
        assert!(leaves_enough(u64::MAX, u64::MAX, large), "a disk that cannot be asked");
    }

    #[test]
    fn a_refusal_names_the_place_and_the_bytes() {
        let refused = check(Path::new("/tmp"), u64::MAX - POS_RESERVE_BYTES, u64::MAX).unwrap_err().to_string();
        assert!(refused.contains("/tmp") && refused.contains("receipts"), "{refused}");
    }

    #[tokio::test]
    async fn what_is_kept_for_people_goes_before_a_package_is_refused_and_only_as_much_as_helps() {
        let till = TestTill::new();
        let room = &till.commands().intake.enqueue.room;
        let settings = room.settings.current();
        let broken = room.sink.leftovers().remove(0);
        let damaged = settings.paths.data.join("sync.db.damaged-1");
        let archives: Vec<_> = (1..4)
            .map(|day| settings.backup.folder.join(format!("2026-01-0{day}_10-00-00.000_sales_1.jsonl.zst")))
            .collect();
        for path in [&broken, &damaged].into_iter().chain(&archives) {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, vec![0; 100]).unwrap();
        }
        for _ in 0..2 {
            room.queue.files().put(NewMessage::new("test"), b"x").unwrap();
            room.queue.files().next().unwrap().unwrap().set_aside("a test").unwrap();
        }
        let of_disk = || room.leftovers(room.sink.path());
        assert_eq!(of_disk().len(), 5, "the newest archive and the newest batch stay: {:?}", of_disk());

        let in_vain = room.give_up(of_disk(), || Err(no_room(0, 1 << 30)), no_room(0, 1 << 30));
        assert!(in_vain.is_err() && broken.exists(), "nothing is lost where all of it would not do");
        let mut looks = 0;
        let helps = room.give_up(
            of_disk(),
            || {
                looks += 1;
                if looks == 3 { Ok(()) } else { Err(no_room(0, 300)) }
            },
            no_room(0, 300),
        );
        assert!(helps.is_ok());
        let left: Vec<_> = [&broken, &damaged].into_iter().chain(&archives).map(|path| path.exists()).collect();
        assert_eq!(left, [false, false, false, true, true]);
        let _ = room.give_up(of_disk(), || Err(no_room(0, 100)), no_room(0, 100));
        assert_eq!(room.queue.files().aside_depth().unwrap().batches, 1);
    }
}
