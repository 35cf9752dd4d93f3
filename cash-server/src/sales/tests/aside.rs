//! Batches that cannot be loaded go aside by themselves, are listed, put back and dropped.

use crate::store::audit::AuditLog;
use crate::words::in_english;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use tillway_service::audit::AuditFilter;
use tillway_service::audit::{AuditLine, AuditRecord};

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use tillway_file_queue::disk::RealDisk;
use tillway_proto::TillId;
use tillway_proto::receipt::ShiftKey;
use tillway_proto::sales::v1;

use super::{any_shift, arrival, batch, open_store, sale, till};
use crate::sales::aside::{AsideError, SalesAside};
use crate::sales::loader::{ENDED_STARTS, Loader, LoaderError, POISON_TRIES};
use crate::sales::spool::{Held, Position, Spool, SpoolLimits};
use crate::store::StoreError;
use crate::store::sales::{
    Finding, FindingFilter, FindingKind, FoundReceipts, Incoming, KeptReceipt, KeptRefused, Loaded, NewFinding, Page,
    ReceiptFilter, ReceiptId, ReceiptPage, ReceiptView, SalesStore, ShiftDetails, ShiftFilter, ShiftView, StreamNote,
    TillSales, TotalsBy, TotalsFilter, TotalsRow,
};
use crate::store::sqlite::sales::SqliteSales;

/// Panics while a receipt of this number is loaded; 0 for never.
#[derive(Debug)]
struct Poisoned {
    store: Arc<SqliteSales>,
    number: AtomicU32,
    /// It does not panic: nothing comes after it, as where the process ended.
    ends_all: Option<Sender<()>>,
}

impl AuditLog for Poisoned {
    fn audit(&self, filter: &AuditFilter) -> Result<Vec<AuditRecord>, StoreError> {
        self.store.audit(filter)
    }

    fn note(&self, line: &AuditLine) -> Result<(), StoreError> {
        self.store.note(line)
    }

    fn prune_audit(&self, persons: bool, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.store.prune_audit(persons, before, limit)
    }
}

impl SalesStore for Poisoned {
    fn position(&self) -> Result<Position, StoreError> {
        self.store.position()
    }

    fn load(
        &self,
        from: Position,
        through: Position,
        incoming: &[Incoming],
        now: Timestamp,
    ) -> Result<Loaded, StoreError> {
        let poison = u64::from(self.number.load(Ordering::SeqCst));
        let mut receipts = incoming.iter().flat_map(|arrival| &arrival.receipts);
        if receipts.any(|receipt| receipt.key.number.0 == poison) {
            if let Some(ended) = &self.ends_all {
                ended.send(()).unwrap();
                loop {
                    std::thread::park();
                }
            }
            panic!("cannot be, says a defect");
        }
        self.store.load(from, through, incoming, now)
    }

    fn held(&self, till: &TillId, shift: ShiftKey) -> Result<Held, StoreError> {
        self.store.held(till, shift)
    }

    fn note_streams(&self, streams: &[StreamNote]) -> Result<Vec<Option<String>>, StoreError> {
        self.store.note_streams(streams)
    }

    fn add_finding(&self, finding: &NewFinding) -> Result<(), StoreError> {
        self.store.add_finding(finding)
    }

    fn close_finding(
        &self,
        kind: FindingKind,
        till: Option<&TillId>,
        subject: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.store.close_finding(kind, till, subject, now)
    }

    fn recheck_waiting(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.store.recheck_waiting(now)
    }

    fn refused(&self, till: &TillId, document: Option<i64>, limit: u32) -> Result<Vec<KeptRefused>, StoreError> {
        self.store.refused(till, document, limit)
    }

    fn shifts(&self, filter: &ShiftFilter, page: Page) -> Result<Vec<ShiftView>, StoreError> {
        self.store.shifts(filter, page)
    }

    fn totals(&self, filter: &TotalsFilter, by: TotalsBy) -> Result<Vec<TotalsRow>, StoreError> {
        self.store.totals(filter, by)
    }

    fn receipts(&self, till: &TillId, shift: ShiftKey, page: Page) -> Result<Vec<ReceiptView>, StoreError> {
        self.store.receipts(till, shift, page)
    }

    fn find_receipts(&self, filter: &ReceiptFilter, page: ReceiptPage) -> Result<FoundReceipts, StoreError> {
        self.store.find_receipts(filter, page)
    }
    fn receipt(&self, id: &ReceiptId) -> Result<Option<KeptReceipt>, StoreError> {
        self.store.receipt(id)
    }
    fn documents(&self, till: &TillId, shift: ShiftKey, page: Page) -> Result<Vec<v1::Document>, StoreError> {
        self.store.documents(till, shift, page)
    }

    fn shift_details(&self, till: &TillId, shift: ShiftKey) -> Result<ShiftDetails, StoreError> {
        self.store.shift_details(till, shift)
    }

    fn findings(&self, filter: &FindingFilter, page: Page) -> Result<Vec<Finding>, StoreError> {
        self.store.findings(filter, page)
    }

    fn resolve_finding(&self, id: i64, now: Timestamp, line: &AuditLine) -> Result<bool, StoreError> {
        self.store.resolve_finding(id, now, line)
    }

    fn last_receipt_time(&self, till: &TillId) -> Result<Option<DateTime>, StoreError> {
        self.store.last_receipt_time(till)
    }

    fn till_states(&self) -> Result<Vec<TillSales>, StoreError> {
        self.store.till_states()
    }

    fn not_handed_over(&self, page: Page) -> Result<Vec<ShiftView>, StoreError> {
        self.store.not_handed_over(page)
    }

    fn note_handed_over(&self, till: &TillId, shift: ShiftKey, changes: i64) -> Result<(), StoreError> {
        self.store.note_handed_over(till, shift, changes)
    }

    fn newest_day(&self) -> Result<Option<Date>, StoreError> {
        self.store.newest_day()
    }

    fn prune(&self, before: Date, only_handed_over: bool, limit: u32) -> Result<u64, StoreError> {
        self.store.prune(before, only_handed_over, limit)
    }
}

struct Kit {
    folder: tempfile::TempDir,
    store: Arc<Poisoned>,
    spool: Spool,
    aside: SalesAside,
}

impl Kit {
    fn new(poison: u32) -> Self {
        Self::with(poison, None)
    }

    fn with(poison: u32, ends_all: Option<Sender<()>>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Poisoned { store: open_store(folder.path()), number: AtomicU32::new(poison), ends_all });
        let spool =
            Spool::open(&folder.path().join("spool"), Position::default(), SpoolLimits::default(), Arc::new(RealDisk))
                .unwrap();
        let aside = SalesAside::new(spool.clone(), store.clone());
        Self { folder, store, spool, aside }
    }

    async fn send(&self, number: u64) {
        let arrived = arrival(batch(vec![sale(&till(), 1, number)], vec![]));
        self.spool.append(&arrived).await.await.unwrap().unwrap();
    }

    /// Loads everything there is; how many steps failed.
    fn load(&self) -> u32 {
        let mut loader = Loader::new(self.spool.clone(), self.store.clone());
        let mut failed = 0;
        loop {
            match loader.step() {
                Ok(true) => {}
                Ok(false) => return failed,
                Err(LoaderError::Panicked { .. }) => failed += 1,
                Err(error) => panic!("{error}"),
            }
            assert!(failed < 100, "it tries for ever");
        }
    }

    /// One life of the server: false where a record ended it.
    fn lives(&self, ended: &Sender<()>, ends: &Receiver<()>) -> bool {
        let mut loader = Loader::new(self.spool.clone(), self.store.clone());
        let (done, died) = (ended.clone(), Arc::new(AtomicBool::new(true)));
        let alive = Arc::clone(&died);
        std::thread::spawn(move || {
            while loader.step().unwrap() {}
            alive.store(false, Ordering::SeqCst);
            done.send(()).unwrap();
        });
        ends.recv_timeout(Duration::from_mins(1)).unwrap();
        !died.load(Ordering::SeqCst)
    }

    fn loaded(&self) -> Vec<u64> {
        let receipts = self.store.receipts(&till(), any_shift(1), Page::default()).unwrap();
        receipts.iter().map(|receipt| receipt.number.0).collect()
    }

    fn open_findings(&self) -> usize {
        let filter = FindingFilter { open_only: true, ..FindingFilter::default() };
        self.store.findings(&filter, Page::default()).unwrap().len()
    }
}

#[tokio::test]
async fn a_batch_that_makes_the_loader_panic_goes_aside_after_some_tries_and_the_rest_is_loaded() {
    let kit = Kit::new(2);
    for number in 1..=3 {
        kit.send(number).await;
    }
    assert_eq!(kit.load(), POISON_TRIES - 1);
    assert_eq!(kit.loaded(), [1, 3]);
    let units = kit.aside.list().await.unwrap();
    assert_eq!((units.len(), units[0].documents, units[0].till.clone()), (1, 1, Some(till())));
    assert!(units[0].retryable && in_english(&units[0].reason).contains("cannot be, says a defect"), "{units:?}");
    assert_eq!(kit.open_findings(), 1);
}

#[tokio::test]
async fn a_batch_that_ends_the_server_goes_aside_after_some_starts_and_nothing_else_does() {
    let (ended, ends) = channel();
    let kit = Kit::with(3, Some(ended.clone()));
    for number in 1..=5 {
        kit.send(number).await;
    }
    let starts = (1..100).find(|_| kit.lives(&ended, &ends)).unwrap();
    // Once among others, then alone.
    assert_eq!(starts, ENDED_STARTS + 2);
    assert_eq!(kit.loaded(), [1, 2, 4, 5]);
    let units = kit.aside.list().await.unwrap();
    assert_eq!((units.len(), kit.open_findings()), (1, 1));
    assert!(units[0].retryable && in_english(&units[0].reason).contains("ended"), "{units:?}");
}

#[tokio::test]
async fn starts_that_load_nothing_because_the_disk_fails_set_nothing_aside() {
    let kit = Kit::new(0);
    kit.send(1).await;
    let busy = rusqlite::Connection::open(kit.folder.path().join("sales.db")).unwrap();
    for _ in 0..2 * ENDED_STARTS {
        // As where its file is not what it should be: not the record's fault.
        busy.execute_batch("ALTER TABLE receipt RENAME TO receipt_away").unwrap();
        let failed = Loader::new(kit.spool.clone(), kit.store.clone()).step();
        assert!(failed.is_err(), "{failed:?}");
        busy.execute_batch("ALTER TABLE receipt_away RENAME TO receipt").unwrap();
    }
    kit.load();
    assert_eq!((kit.loaded(), kit.open_findings()), (vec![1], 0));
}

#[tokio::test]
async fn a_batch_that_is_put_back_is_loaded_once_and_its_finding_closes() {
    let kit = Kit::new(2);
    for number in 1..=3 {
        kit.send(number).await;
    }
    kit.load();
    let unit = kit.aside.list().await.unwrap().remove(0).unit;
    kit.aside.retry(&unit, &AuditLine::any()).await.unwrap();
    kit.load();
    assert_eq!((kit.loaded(), kit.open_findings()), (vec![1, 3], 1), "it fails again and is aside again");
    let again = kit.aside.list().await.unwrap().remove(0).unit;
    assert_ne!(again, unit);
    kit.store.number.store(0, Ordering::SeqCst);
    kit.aside.retry(&again, &AuditLine::any()).await.unwrap();
    kit.load();
    assert_eq!((kit.loaded(), kit.open_findings()), (vec![1, 2, 3], 0));
    assert!(kit.aside.list().await.unwrap().is_empty());
    assert!(matches!(kit.aside.retry(&again, &AuditLine::any()).await, Err(AsideError::Unknown { .. })));
}

#[tokio::test]
async fn what_is_dropped_is_gone_with_its_finding_and_no_name_leads_out_of_the_folder() {
    let kit = Kit::new(1);
    kit.send(1).await;
    kit.load();
    for wrong in ["", "../../sales", "1-24", "00000000000000000001-0000000024.bad", "-"] {
        assert!(
            matches!(kit.aside.drop_unit(wrong, &AuditLine::any()).await, Err(AsideError::Unknown { .. })),
            "{wrong:?}"
        );
    }
    let unit = kit.aside.list().await.unwrap().remove(0).unit;
    kit.aside.drop_unit(&unit, &AuditLine::any()).await.unwrap();
    assert!(kit.aside.list().await.unwrap().is_empty());
    assert_eq!(kit.open_findings(), 0);
    let left = fs_err::read_dir(kit.folder.path().join("spool").join("aside")).unwrap().count();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn damaged_bytes_can_only_be_dropped() {
    let kit = Kit::new(0);
    kit.send(1).await;
    kit.send(2).await;
    let path = kit.folder.path().join("spool").join(format!("{:020}.spool", 1));
    let mut bytes = fs_err::read(&path).unwrap();
    bytes[60] ^= 1;
    fs_err::write(&path, bytes).unwrap();
    kit.load();
    assert_eq!(kit.loaded(), [2]);
    let unit = kit.aside.list().await.unwrap().remove(0);
    assert!(!unit.retryable);
    assert!(matches!(kit.aside.retry(&unit.unit, &AuditLine::any()).await, Err(AsideError::Damaged { .. })));
    kit.aside.drop_unit(&unit.unit, &AuditLine::any()).await.unwrap();
    assert_eq!(kit.open_findings(), 0);
}
