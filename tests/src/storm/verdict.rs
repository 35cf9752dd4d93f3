//! After the storm: all faults end, everything must come to rest by itself, and then the truth is
//! compared.

use super::breaking::files_below;
use super::model::Judgement;
use super::{Storm, StormError, look, office, sales_db};
use crate::bench::BenchError;
use crate::wait::{Seen as Looked, wait_for};
use reqwest::Method;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

/// The longest back-off of the product is five minutes; then it must have come to rest.
const CALM: Duration = Duration::from_mins(8);

/// Where a protection is off, what is lost stays lost: no need to wait that long to see it.
const CALM_WITHOUT: Duration = Duration::from_mins(2);

/// Between two looks whether it has: each asks for everything.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Troubles named where it does not come to rest.
const TOLD_AT_MOST: usize = 12;

/// Resident memory of an unoptimised server, in KiB.
const SERVER_MEMORY_KIB: u64 = 512 << 10;

/// Resident memory of an unoptimised agent, in KiB.
const AGENT_MEMORY_KIB: u64 = 256 << 10;

/// What is left in the spool and in a till's queues at rest.
const AT_REST_BYTES: u64 = 32 << 20;

/// Page of a list of the server's REST.
const PAGE: u64 = 1_000;

impl Storm {
    /// Ends all faults, waits for calm, and compares.
    pub(super) fn judge_calm(&mut self, tell: &mut impl FnMut(&str)) -> Result<(), StormError> {
        tell("the storm is over: waiting for calm");
        self.end_faults()?;
        for till in 0..self.tills.len() {
            self.close_shift(till)?;
        }
        self.unpark_all();
        self.put_the_hostile_till_out()?;
        if self.options.quiet {
            self.hand_over_the_last()?;
        } else {
            self.lose_the_last_links()?;
        }
        let patience = if self.options.without.is_some() { CALM_WITHOUT } else { CALM };
        let calm = wait_for("calm", patience, || {
            std::thread::sleep(LOOK_EVERY);
            match self.troubles() {
                Ok(troubles) if troubles.is_empty() => Looked::Ready(()),
                Ok(troubles) => {
                    let told: Vec<String> =
                        troubles.iter().take(TOLD_AT_MOST).map(|(which, text)| format!("{which}: {text}")).collect();
                    Looked::NotYet(told.join("; "))
                }
                Err(error) => Looked::NotYet(format!("{error:?}")),
            }
        });
        if calm.is_err() {
            for (invariant, text) in self.troubles()?.into_iter().take(TOLD_AT_MOST) {
                self.found(invariant, format!("no calm after {} s: {text}", patience.as_secs()));
            }
        }
        self.note_figures();
        self.check_bounds();
        Ok(())
    }

    /// The hostile till ends, is shut out as a stolen one, and is removed from the network: the
    /// deliveries to it end with it.
    fn put_the_hostile_till_out(&mut self) -> Result<(), StormError> {
        let Some(mut hostile) = self.hostile.take() else { return Ok(()) };
        hostile.end();
        self.counts.hostile = hostile.deeds.counts();
        for (what, count) in hostile.deeds.came_out() {
            self.found("trust", format!("{count} {what} of {} came out", hostile.till));
        }
        let api = self.bench.server.api().map_err(StormError::Bench)?;
        let shut_out = api.post(&format!("/api/v1/tills/{}/stolen", hostile.till), &json!({}));
        let removed = |_| api.json(&Method::DELETE, &format!("/api/v1/nodes/{}", hostile.till), None);
        shut_out.and_then(removed).map(drop).map_err(|error| StormError::Bench(BenchError::Api(error)))
    }

    /// Everything that is not as it must be at rest.
    fn troubles(&mut self) -> Result<Vec<(&'static str, String)>, StormError> {
        let mut troubles = Vec::new();
        self.revive()?;
        self.unpark_all();
        if !self.learn() {
            troubles.push(("I7", "the cash server does not answer".to_owned()));
            return Ok(troubles);
        }
        troubles.extend(self.model.leftovers().into_iter().map(|text| ("I8", text)));
        let unjudged =
            self.to_judge.iter().map(|(till, revision, _)| format!("till {till} showed revision {revision}"));
        troubles.extend(unjudged.map(|text| ("I3", format!("{text}, which is of no load"))));
        self.troubles_of_dictionaries(&mut troubles)?;
        self.troubles_of_sales(&mut troubles)?;
        self.troubles_of_states(&mut troubles)?;
        Ok(troubles)
    }

    /// Every till has the newest state, recounted now.
    fn troubles_of_dictionaries(&self, troubles: &mut Vec<(&'static str, String)>) -> Result<(), StormError> {
        let head = self.model.head();
        for (number, till) in self.tills.iter().enumerate() {
            let path = till.till.dictionaries();
            let failed = |source| StormError::Sql { path: path.clone(), source };
            let mut connection = look::open(&path).map_err(failed)?;
            let looked = look::look(&mut connection, &office::sentinels(), |_| true).map_err(failed)?;
            let Some((cursor, state)) = looked.and_then(|look| Some((look.cursor, look.state?))) else {
                troubles.push(("I3", format!("till {number} has no dictionary")));
                continue;
            };
            if cursor != head {
                troubles.push(("I3", format!("till {number} is at revision {cursor}, the newest is {head}")));
            } else if let Judgement::Wrong(text) = self.model.judge(number, cursor, &state) {
                troubles.push(("I3", format!("till {number} at the newest revision {cursor}: {text}")));
            }
        }
        Ok(())
    }

    /// What can be said of sales at any time: nothing is there twice, nothing has another sum,
    /// nothing was never rung.
    pub(super) fn check_sales(&mut self) {
        let Ok(found) = sales_db::receipts(&self.bench.server.data()) else { return };
        let mut wrong = Vec::new();
        for ((id, uuid), sums) in found {
            let till = self.tills.iter().find(|till| till.till.id == id);
            let rung = till.and_then(|till| till.rung.get(&uuid));
            match (rung, sums.as_slice()) {
                (Some(rung), [sum]) if rung.sum == *sum => {}
                (Some(rung), [sum]) => wrong.push(("I1", format!("receipt {uuid} of {id} is {sum}, not {}", rung.sum))),
                (Some(_), more) => wrong.push(("I2", format!("receipt {uuid} of {id} is there {} times", more.len()))),
                (None, _) => wrong.push(("I2", format!("receipt {uuid} of {id} was never rung"))),
            }
        }
        wrong.into_iter().take(TOLD_AT_MOST).for_each(|(invariant, text)| self.found(invariant, text));
    }

    /// Every receipt exactly once, with its sum; every shift checked.
    fn troubles_of_sales(&mut self, troubles: &mut Vec<(&'static str, String)>) -> Result<(), StormError> {
        let mut found = sales_db::receipts(&self.bench.server.data())?;
        let mut gone = 0;
        for (number, till) in self.tills.iter().enumerate() {
            for (uuid, rung) in &till.rung {
                let sums = found.remove(&(till.till.id.clone(), *uuid)).unwrap_or_default();
                gone += u64::from(sums.is_empty() && rung.may_be_gone);
                match sums.as_slice() {
                    [] if rung.may_be_gone => {}
                    [] => troubles.push(("I1", format!("till {number}: receipt {uuid} of {} is not there", rung.sum))),
                    [sum] if *sum == rung.sum => {}
                    [sum] => troubles.push(("I1", format!("till {number}: receipt {uuid} is {sum}, not {}", rung.sum))),
                    more => {
                        troubles.push(("I2", format!("till {number}: receipt {uuid} is there {} times", more.len())));
                    }
                }
            }
        }
        self.counts.may_be_gone = gone;
        troubles.extend(found.keys().map(|(till, uuid)| ("I2", format!("receipt {uuid} of {till} was never rung"))));
        for (number, till) in self.tills.iter().enumerate() {
            let shifts = self.list(&format!("/api/v1/shifts?till={}&limit={PAGE}", till.till.id))?;
            for closed in till.closed.difference(&till.injured) {
                let shift = shifts.iter().find(|shift| shift["number"] == *closed);
                let verdict = shift.and_then(|shift| shift["outcome"]["verdict"].as_str()).unwrap_or("none");
                if verdict != "ok" {
                    let outcome = shift.map_or(String::new(), |shift| shift["outcome"].to_string());
                    let text = format!("till {number}: the check of shift {closed} says `{verdict}` {outcome}");
                    troubles.push((if verdict == "differs" { "I1" } else { "I8" }, text));
                }
            }
        }
        Ok(())
    }

    /// Nothing is under way: tills, deliveries, commands.
    fn troubles_of_states(&self, troubles: &mut Vec<(&'static str, String)>) -> Result<(), StormError> {
        for (number, till) in self.tills.iter().enumerate() {
            let path = format!("/api/v1/tills/{}", till.till.id);
            let seen = self.bench.server.api().and_then(|api| api.read(&path).map_err(BenchError::Api));
            let seen = seen.map_err(StormError::Bench)?;
            if seen["next"] != "up-to-date" || seen["cursor"] != seen["target"] || seen["unsent_documents"] != 0 {
                troubles.push(("I8", format!("the server's view of till {number}: {seen}")));
            }
        }
        let under_way =
            |value: &Value, ended: &[&str]| !value["state"].as_str().is_some_and(|state| ended.contains(&state));
        let deliveries = self.list(&format!("/api/v1/deliveries?limit={PAGE}"))?;
        let ended = ["applied", "rejected", "expired", "superseded"];
        for delivery in deliveries.iter().filter(|delivery| under_way(delivery, &ended)) {
            troubles.push(("I8", format!("a delivery is under way: {delivery}")));
        }
        let commands = self.list(&format!("/api/v1/commands?limit={PAGE}"))?;
        let ended = ["done", "failed", "refused", "expired"];
        for command in commands.iter().filter(|command| under_way(command, &ended)) {
            troubles.push(("I8", format!("a command is under way: {command}")));
        }
        Ok(())
    }

    fn list(&self, path: &str) -> Result<Vec<Value>, StormError> {
        let answer = self.bench.server.api().and_then(|api| api.read(path).map_err(BenchError::Api));
        Ok(answer.map_err(StormError::Bench)?.as_array().cloned().unwrap_or_default())
    }

    /// Brings the figures up to date.
    pub(super) fn note_figures(&mut self) {
        self.note_memory();
        if let Some(hostile) = &self.hostile {
            self.counts.hostile = hostile.deeds.counts();
        }
        self.counts.loaded = sales_db::count(&self.bench.server.data());
        let looks: Vec<_> = self.tills.iter().map(|till| till.observer.hold().looks).collect();
        self.counts.looks = looks.iter().map(|looks| looks.looks).sum();
        self.counts.longest_look = looks.iter().map(|looks| looks.longest).max().unwrap_or_default();
    }

    /// Memory and disk stay within bounds.
    fn check_bounds(&mut self) {
        let (server, agent) = self.counts.memory_kib;
        let mut over = String::new();
        if server > SERVER_MEMORY_KIB || agent > AGENT_MEMORY_KIB {
            let _ = write!(over, "memory: server {server} KiB, agent {agent} KiB; ");
        }
        let mut at_rest = vec![self.bench.server.data().join("spool")];
        at_rest.extend(self.tills.iter().map(|till| till.till.folder().join("queues")));
        for folder in at_rest {
            let bytes = size_of(&folder);
            if bytes > AT_REST_BYTES {
                let _ = write!(over, "{}: {bytes} bytes; ", folder.display());
            }
        }
        if !over.is_empty() {
            self.found("I6", over);
        }
    }
}

/// Bytes of all files in a folder and below.
fn size_of(folder: &Path) -> u64 {
    files_below(folder).iter().filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
}
