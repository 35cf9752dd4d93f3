//! Random stories with power cuts between any two steps of the disk: what was told holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use tempfile::TempDir;
use tillway_file_queue::disk::power::ForgetfulDisk;
use tillway_file_queue::{Claim, Limits, NewMessage, Queue, QueueError, State};
use uuid::Uuid;

use crate::kit::{Kit, bodies};

/// No limit is in the way: this is about power cuts.
fn limits() -> Limits {
    Limits { max_tries: 1_000, reserve_bytes: 0, ..Limits::default() }
}

#[derive(Debug, Clone)]
enum Step {
    Put(u8),
    /// Claims the first free batch, holds it.
    Next,
    Ack,
    Release,
    PutBack,
    SetAside,
    Requeue,
    /// The process is killed and starts anew.
    Restart,
    /// The power goes at once.
    Cut(u64),
    /// The disk is dead from this step of it on, then the power is cut.
    Die {
        after: u64,
        seed: u64,
    },
    FailSync(u64),
    Full(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..4_u8).prop_map(Step::Put),
        4 => Just(Step::Next),
        2 => Just(Step::Ack),
        1 => Just(Step::Release),
        1 => Just(Step::PutBack),
        1 => Just(Step::SetAside),
        1 => Just(Step::Requeue),
        1 => Just(Step::Restart),
        2 => any::<u64>().prop_map(Step::Cut),
        4 => (0..25_u64, any::<u64>()).prop_map(|(after, seed)| Step::Die { after, seed }),
        1 => (0..5_u64).prop_map(Step::FailSync),
        1 => (0..3_000_u64).prop_map(Step::Full),
    ]
}

/// What the world was told of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// The commit did not return `Ok`.
    MayBeThere,
    There,
    /// An acknowledgement did not return `Ok`.
    MayBeGone,
    Gone,
}

struct World {
    kit: Kit,
    _ledger: TempDir,
    disk: Arc<ForgetfulDisk>,
    queue: Option<Queue>,
    claims: Vec<Claim>,
    told: BTreeMap<Uuid, (Told, u8)>,
    doom: Option<u64>,
}

impl World {
    fn new() -> Self {
        let (kit, ledger) = (Kit::new(), tempfile::tempdir().unwrap());
        let disk = Arc::new(ForgetfulDisk::new(ledger.path()).unwrap());
        let mut world =
            Self { kit, _ledger: ledger, disk, queue: None, claims: Vec::new(), told: BTreeMap::new(), doom: None };
        world.start();
        world
    }

    fn start(&mut self) {
        let queue = self.kit.queue_on(self.disk.clone(), limits()).unwrap();
        let verified = queue.verify().unwrap();
        assert!(verified.broken.is_empty(), "{verified:?}");
        let mut times: BTreeMap<Uuid, u32> = BTreeMap::new();
        for entry in queue.entries().unwrap() {
            let id = entry.batch.unwrap();
            *times.entry(id).or_default() += 1;
            assert_eq!(entry.messages, u32::from(self.told[&id].1));
        }
        for (id, (told, _)) in &self.told {
            let times = times.remove(id).unwrap_or(0);
            match told {
                Told::There => assert_eq!(times, 1, "Q1: {id} was committed"),
                Told::Gone => assert_eq!(times, 0, "Q2: {id} was acknowledged"),
                Told::MayBeThere | Told::MayBeGone => assert!(times <= 1, "{id} is there {times} times"),
            }
        }
        assert!(times.is_empty(), "came from nowhere: {times:?}");
        for folder in ["staging", "gone"] {
            assert!(self.kit.under(folder).is_empty(), "leftovers in {folder}");
        }
        self.queue = Some(queue);
    }

    fn cut(&mut self, seed: u64) {
        self.doom = None;
        // What a dying process does to the disk no longer matters: it is dead.
        self.disk.die_after(0);
        self.claims.clear();
        self.queue = None;
        self.disk.cut_power(seed).unwrap();
        self.start();
    }

    fn put(queue: &Queue, told: &mut BTreeMap<Uuid, (Told, u8)>, messages: u8) -> Result<(), QueueError> {
        let mut batch = queue.begin_batch()?;
        let id = batch.id();
        for number in 0..messages {
            batch.put(NewMessage::new("text/plain"), format!("{id} {number}").as_bytes())?;
        }
        told.insert(id, (Told::MayBeThere, messages));
        batch.commit()?;
        told.insert(id, (Told::There, messages));
        Ok(())
    }

    fn take(&mut self, step: &Step) {
        let Some(queue) = self.queue.clone() else { return };
        match step {
            Step::Put(messages) => drop(Self::put(&queue, &mut self.told, *messages)),
            Step::Next => {
                if let Ok(Some(claim)) = queue.next() {
                    let (told, messages) = self.told[&claim.id()];
                    assert_ne!(told, Told::Gone);
                    let expected: Vec<_> = (0..messages).map(|number| format!("{} {number}", claim.id())).collect();
                    assert_eq!(bodies(&claim), expected);
                    assert!(self.claims.iter().all(|other| other.id() != claim.id()), "Q2: with two consumers");
                    self.claims.push(claim);
                }
            }
            Step::Ack => {
                if let Some(claim) = self.claims.pop() {
                    let entry = self.told.get_mut(&claim.id()).unwrap();
                    // Before the end is known it is not.
                    entry.0 = Told::MayBeGone;
                    if claim.ack().is_ok() {
                        entry.0 = Told::Gone;
                    }
                }
            }
            Step::Release => drop(self.claims.pop().map(|claim| claim.release("again"))),
            Step::PutBack => drop(self.claims.pop().map(Claim::put_back)),
            Step::SetAside => drop(self.claims.pop().map(|claim| claim.set_aside("no good"))),
            Step::Requeue => {
                let entries = queue.entries().unwrap_or_default();
                if let Some(entry) = entries.iter().find(|entry| entry.state == State::Aside) {
                    let _ = queue.requeue(&entry.id);
                }
            }
            Step::Restart => {
                self.doom = None;
                self.disk.revive();
                self.disk.set_room(u64::MAX);
                self.disk.fail_syncs(u64::MAX, 0);
                self.claims.clear();
                self.start();
            }
            Step::Cut(seed) => self.cut(*seed),
            Step::Die { after, seed } => {
                self.disk.die_after(*after);
                self.doom = Some(*seed);
            }
            Step::FailSync(good) => self.disk.fail_syncs(*good, 1),
            Step::Full(bytes) => self.disk.set_room(*bytes),
        }
        drop(queue);
        if let Some(seed) = self.doom
            && self.disk.is_dead()
        {
            self.cut(seed);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_was_told_holds_through_power_cuts(steps in prop::collection::vec(step(), 1..50)) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
        }
        world.cut(steps.len() as u64);
        World::put(world.queue.as_ref().unwrap(), &mut world.told, 1).unwrap();
        world.cut(0);
    }
}

#[test]
fn a_disk_that_is_nearly_full_refuses_a_batch_and_takes_it_again_when_there_is_room() {
    let (kit, ledger) = (Kit::new(), tempfile::tempdir().unwrap());
    let disk = Arc::new(ForgetfulDisk::new(ledger.path()).unwrap());
    let queue = kit.queue_on(disk.clone(), Limits { reserve_bytes: 1_000, ..Limits::default() }).unwrap();
    let put = |body: &[u8]| queue.put(NewMessage::new("text/plain"), body);
    put(b"first").unwrap();
    disk.set_free_bytes(999);
    assert!(matches!(put(b"second"), Err(QueueError::NoRoom { free: 999, reserve: 1_000, .. })));
    disk.set_free_bytes(2_000);
    assert!(matches!(put(&[b'x'; 1_500]), Err(QueueError::NoRoom { .. })), "the message itself needs room");
    // What is there is consumed all the same.
    disk.set_free_bytes(0);
    queue.next().unwrap().unwrap().ack().unwrap();
    assert!(kit.under("staging").is_empty());
    disk.set_free_bytes(u64::MAX);
    put(b"third").unwrap();
    assert_eq!(queue.depth().unwrap().batches, 1);
}
