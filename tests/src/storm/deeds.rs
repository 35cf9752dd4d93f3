//! What people and programs do on purpose during a storm: load, sell, close shifts, order.

use super::model::Fate;
use super::office::Delivery;
use super::{Power, Storm, StormError, load_name};
use crate::bench::{ApiError, BenchError};
use serde_json::json;

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
            let written = self.bench.server.deliver(&layer, &name, |out| out.write_all(file.as_bytes()).map(|()| 1));
            written.map_err(StormError::Bench)?;
            self.model.arrived(&name);
            return Ok(());
        }
        // A frozen server would hold the storm up.
        if !self.answers() {
            return Ok(());
        }
        let mut query = vec![("shopcode", layer.as_str()), ("dictionaryid", name.as_str())];
        query.extend(self.status_server.as_deref().map(|address| ("addressstatusserver", address)));
        match self.bench.server.load_over_rest_with(&query, delivery.body()) {
            Ok(answer) if answer["success"] == true => self.model.arrived(&name),
            // No answer: it may be there. A refusal because of a full disk or a busy server: it is not, nor must it be.
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

    /// Whether the server is meant to answer.
    fn answers(&self) -> bool {
        matches!(self.server_state, Power::On { .. })
    }
}
