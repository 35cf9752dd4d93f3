//! The queue against a naive model: any story of puts, claims and their ends, with reopening in
//! between.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tillway_file_queue::{Claim, Limits, Queue, Sequence};

use crate::kit::{Kit, bodies, try_put};

const LIMITS: Limits = Limits {
    max_bytes: u64::MAX,
    max_batches: 5,
    max_message_bytes: 1000,
    max_batch_messages: 3,
    reserve_bytes: 0,
    max_tries: 2,
    max_aside_batches: 3,
    max_aside_bytes: u64::MAX,
    lock_wait: std::time::Duration::from_secs(5),
};

#[derive(Debug, Clone)]
enum Step {
    Put(Vec<String>),
    /// Begun, written, not committed.
    GiveUp(Vec<String>),
    Next,
    Ack(prop::sample::Index),
    Release(prop::sample::Index),
    Forget(prop::sample::Index),
    PutBack(prop::sample::Index),
    SetAside(prop::sample::Index),
    Requeue(prop::sample::Index),
    Drop(prop::sample::Index),
    DropAside,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let batch = || prop::collection::vec("[a-z]{0,8}", 0..4);
    let index = any::<prop::sample::Index>;
    prop_oneof![
        4 => batch().prop_map(Step::Put),
        1 => batch().prop_map(Step::GiveUp),
        5 => Just(Step::Next),
        2 => index().prop_map(Step::Ack),
        2 => index().prop_map(Step::Release),
        1 => index().prop_map(Step::Forget),
        1 => index().prop_map(Step::PutBack),
        1 => index().prop_map(Step::SetAside),
        1 => index().prop_map(Step::Requeue),
        1 => index().prop_map(Step::Drop),
        1 => Just(Step::DropAside),
        1 => Just(Step::Reopen),
    ]
}

#[derive(Debug, Clone)]
struct Batch {
    bodies: Vec<String>,
    tries: u32,
    claimed: bool,
}

#[derive(Debug, Default)]
struct Model {
    ready: BTreeMap<Sequence, Batch>,
    aside: BTreeMap<Sequence, Batch>,
}

impl Model {
    fn set_aside(&mut self, sequence: Sequence) {
        let batch = self.ready.remove(&sequence).unwrap();
        self.aside.insert(sequence, batch);
        while self.aside.len() > LIMITS.max_aside_batches {
            let oldest = *self.aside.keys().find(|kept| **kept != sequence).unwrap();
            self.aside.remove(&oldest);
        }
    }

    fn end_try(&mut self, sequence: Sequence) {
        let batch = self.ready.get_mut(&sequence).unwrap();
        batch.claimed = false;
        if batch.tries >= LIMITS.max_tries {
            self.set_aside(sequence);
        }
    }
}

fn take(claims: &mut Vec<Claim>, index: prop::sample::Index) -> Option<Claim> {
    (!claims.is_empty()).then(|| claims.remove(index.index(claims.len())))
}

fn apply(kit: &Kit, queue: &mut Queue, model: &mut Model, claims: &mut Vec<Claim>, step: Step) {
    let refused = |batch: &[String]| batch.len() > 3 || model.ready.len() >= 5;
    match step {
        Step::Put(batch) => {
            let put = try_put(queue, &batch.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(put.is_err(), refused(&batch), "{put:?}");
            if let Ok(sequence) = put {
                model.ready.insert(sequence, Batch { bodies: batch, tries: 0, claimed: false });
            }
        }
        Step::GiveUp(batch) => {
            let Ok(mut writer) = queue.begin_batch() else { return };
            for body in batch.iter().take(3) {
                writer.put(tillway_file_queue::NewMessage::new("text/plain"), body.as_bytes()).unwrap();
            }
        }
        Step::Next => {
            let claim = queue.next().unwrap();
            let expected = model.ready.iter_mut().find(|(_, batch)| !batch.claimed);
            assert_eq!(claim.as_ref().map(Claim::sequence), expected.as_ref().map(|(sequence, _)| **sequence));
            let (Some(claim), Some((_, batch))) = (claim, expected) else { return };
            batch.tries += 1;
            batch.claimed = true;
            assert_eq!((bodies(&claim), claim.tries()), (batch.bodies.clone(), batch.tries));
            claims.push(claim);
        }
        Step::Ack(index) => {
            let Some(claim) = take(claims, index) else { return };
            model.ready.remove(&claim.sequence());
            claim.ack().unwrap();
        }
        Step::Release(index) => {
            let Some(claim) = take(claims, index) else { return };
            model.end_try(claim.sequence());
            claim.release("again").unwrap();
        }
        Step::Forget(index) => {
            let Some(claim) = take(claims, index) else { return };
            model.end_try(claim.sequence());
            drop(claim);
        }
        Step::PutBack(index) => {
            let Some(claim) = take(claims, index) else { return };
            let batch = model.ready.get_mut(&claim.sequence()).unwrap();
            batch.claimed = false;
            batch.tries -= 1;
            claim.put_back().unwrap();
        }
        Step::SetAside(index) => {
            let Some(claim) = take(claims, index) else { return };
            model.set_aside(claim.sequence());
            claim.set_aside("no good").unwrap();
        }
        Step::Requeue(index) => {
            let kept: Vec<_> = model.aside.keys().copied().collect();
            let Some(&sequence) = (!kept.is_empty()).then(|| index.get(&kept)) else { return };
            let full = refused(&[]);
            assert_eq!(queue.requeue(&sequence.to_string()).is_err(), full);
            if !full {
                let batch = model.aside.remove(&sequence).unwrap();
                model.ready.insert(sequence, Batch { tries: 0, claimed: false, ..batch });
            }
        }
        Step::Drop(index) => {
            let ready: Vec<_> = model.ready.iter().map(|(sequence, batch)| (*sequence, batch.claimed)).collect();
            let Some(&(sequence, claimed)) = (!ready.is_empty()).then(|| index.get(&ready)) else { return };
            assert_eq!(queue.drop_batch(&sequence.to_string()).is_err(), claimed);
            if !claimed {
                model.ready.remove(&sequence);
            }
        }
        Step::DropAside => {
            assert_eq!(queue.drop_aside().unwrap(), model.aside.len() as u64);
            model.aside.clear();
        }
        Step::Reopen => *queue = kit.queue_with(LIMITS),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn queue_does_what_the_model_does(steps in prop::collection::vec(step(), 1..60)) {
        let kit = Kit::new();
        let (mut queue, mut model, mut claims) = (kit.queue_with(LIMITS), Model::default(), Vec::new());
        for step in steps {
            apply(&kit, &mut queue, &mut model, &mut claims, step);
            let (depth, aside) = (queue.depth().unwrap(), queue.aside_depth().unwrap());
            let messages: usize = model.ready.values().map(|batch| batch.bodies.len()).sum();
            assert_eq!((depth.batches, depth.messages), (model.ready.len() as u64, messages as u64));
            assert_eq!(aside.batches, model.aside.len() as u64);
        }
        drop(claims);
        assert!(queue.verify().unwrap().broken.is_empty());
        assert!(kit.under("staging").is_empty() && kit.under("gone").is_empty());
    }
}
