//! What people and programs do on purpose during a storm: load, sell, close shifts, order.

use super::model::Fate;
use super::office::Delivery;
use super::{Power, Storm, StormError, load_name};
use crate::bench::{ApiError, BenchError};
use crate::wait::{Seen as Looked, wait_for};
use serde_json::json;
use std::thread;
use std::time::{Duration, Instant};
use tillway_proto::{ControlQueue, DictionaryQueue, TillId};

/// The last load is announced to all tills within this, also beside other tests.
const ANNOUNCED: Duration = Duration::from_mins(1);

/// A link is published this long after the server says that it is on its way, at most.
const LOSING: Duration = Duration::from_secs(2);

/// Between two times that queues are emptied.
const LOSE_EVERY: Duration = Duration::from_millis(200);

impl Storm {
    /// Hands a load over, by folder or REST.
    pub(super) fn hand_over(&mut self, delivery: &Delivery) -> Result<(), StormError> {
        let number = self.next_load;
        self.next_load += 1;
        let name = load_name(number);
        self.model.deliver(&name, delivery.layer, &delivery.records, delivery.fate);
        let layer = self.layers[delivery.layer].clone();
        if !delivery.by_rest {
            let file = delivery.file();
            // It means whatever it deletes.
            let written =
                self.bench.server.deliver_approved(&layer, &name, |out| out.write_all(file.as_bytes()).map(|()| 1));
            written.map_err(StormError::Bench)?;
            self.model.arrived(&name);
            return Ok(());
        }
        // A frozen server would hold the storm up.
        if !self.answers() {
            return Ok(());
        }
        let mut query = vec![("shopcode", layer.as_str()), ("dictionaryid", name.as_str()), ("approve", "true")];
        query.extend(self.status_server.as_deref().map(|address| ("addressstatusserver", address)));
        match self.bench.server.load_over_rest_with(&query, delivery.body()) {
            Ok(answer) if answer["success"] == true => self.model.arrived(&name),
            // No answer: it may be there. A refusal because of a full disk or a busy server: it is
            // not, nor must it be.
            Ok(_) | Err(BenchError::Api(ApiError::Http { .. } | ApiError::Refused { .. } | ApiError::Shape { .. })) => {
            }
            Err(error) => return Err(StormError::Bench(error)),
        }
        Ok(())
    }

    /// One last load that every till must get.
    pub(super) fn hand_over_the_last(&mut self) -> Result<(), StormError> {
        let records = super::office::last_prices(self.next_load);
        self.hand_over(&Delivery { layer: 0, records, fate: Fate::CarriedOut, by_rest: false })
    }

    pub(super) fn ring(&mut self, till: usize) -> Result<(), StormError> {
        if self.tills[till].ring(&mut self.seed)? {
            self.counts.rung += 1;
        }
        Ok(())
    }

    pub(super) fn close_shift(&mut self, till: usize) -> Result<(), StormError> {
        if self.tills[till].close_shift()? {
            self.counts.shifts += 1;
        }
        Ok(())
    }

    /// Orders something of the server for a till; it may be lost with the server's connection.
    pub(super) fn order(&mut self, till: usize, what: &str) {
        if !self.answers() {
            return;
        }
        let path = format!("/api/v1/tills/{}/{what}", self.tills[till].till.id);
        if self.bench.server.api().is_ok_and(|api| api.post(&path, &json!({})).is_ok()) {
            self.counts.orders += 1;
        }
    }

    /// Parks a till, or takes it back.
    pub(super) fn park(&mut self, till: usize) {
        if !self.answers() {
            return;
        }
        let parked = !self.parked.contains(&till);
        if self.set_parked(till, parked) {
            self.counts.orders += 1;
        }
    }

    /// True where the server took it.
    pub(super) fn set_parked(&mut self, till: usize, parked: bool) -> bool {
        let path = format!("/api/v1/nodes/{}", self.tills[till].till.id);
        let body = json!({ "parked": parked });
        let done =
            self.bench.server.api().is_ok_and(|api| api.json(&reqwest::Method::PATCH, &path, Some(&body)).is_ok());
        // Where no answer came it may be parked.
        if parked {
            self.parked.insert(till);
        } else if done {
            self.parked.remove(&till);
        }
        done
    }

    /// What waits for a till in the broker is lost: links to packages, and orders.
    pub(super) fn lose_queues(&mut self, till: usize) {
        let Ok(id) = self.tills[till].till.id.parse::<TillId>() else { return };
        for queue in
            [DictionaryQueue::of(&id.clone().into()).to_string(), ControlQueue::of(&id.clone().into()).to_string()]
        {
            // Where the broker does not answer now, nothing is lost.
            self.counts.lost_queues += u64::from(self.bench.vhost().purge(&queue).is_ok());
        }
    }

    /// Every till is off while the last load is announced, and the broker loses the links: only
    /// deadlines help then.
    pub(super) fn lose_the_last_links(&mut self) -> Result<(), StormError> {
        for till in &mut self.tills {
            till.till.kill_agent();
        }
        self.hand_over_the_last()?;
        // Where it is not announced in time nothing is lost, and the calm shows whether all is
        // well.
        let _ = wait_for("the last load to be announced", ANNOUNCED, || {
            if let Err(error) = self.revive() {
                return Looked::NotYet(format!("{error:?}"));
            }
            self.unpark_all();
            self.learn();
            let head = self.model.head();
            let announced = self.model.leftovers().is_empty()
                && self.tills.iter().all(|till| {
                    let path = format!("/api/v1/tills/{}", till.till.id);
                    let seen = self.bench.server.api().ok().and_then(|api| api.read(&path).ok());
                    // One that had left a link unanswered keeps that one.
                    let is_told = |next: &serde_json::Value| next == "on-its-way" || next == "no-answer";
                    seen.is_some_and(|seen| seen["target"] == head && is_told(&seen["next"]))
                });
            Looked::when(announced, (), format!("revision {head}"))
        });
        let since = Instant::now();
        while since.elapsed() < LOSING {
            (0..self.tills.len()).for_each(|till| self.lose_queues(till));
            thread::sleep(LOSE_EVERY);
        }
        (0..self.tills.len()).try_for_each(|till| self.start_agent(till, false))
    }

    /// Takes all parked tills back.
    pub(super) fn unpark_all(&mut self) {
        for till in self.parked.clone() {
            self.set_parked(till, false);
        }
    }

    /// Whether the server is meant to answer.
    fn answers(&self) -> bool {
        matches!(self.server_state, Power::On { .. })
    }
}
