//! Compares what is so with what was told, and writes down what is to be told.

use super::alerts::{Now, TillFacts, changes, held_loads, shifts_that_differ, silent_shops};
use super::hook::Hook;
use super::{Outbox, OutboxError};
use crate::app::{Act, Acting};
use crate::hints::Hint;
use crate::network::Network;
use crate::store::outbox::{Alert, AlertChange, Content, NewOutgoing, Receiver, Stage};
use crate::store::sales::{MAX_PAGE, Page};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;
use tillway_proto::NodeId;
use tillway_service::background::Next;
use tillway_service::people::User;

impl Outbox {
    pub(super) fn watch(&self) -> Result<Next, OutboxError> {
        let (app, now) = (self.own(), Timestamp::now());
        let network = app.network()?;
        let seen = self.seen(&app, &network, now)?;
        let changes = changes(&self.parts.store.open_alerts()?, &seen);
        if changes.is_empty() {
            return Ok(Next::AtPeriod);
        }
        let users: Vec<User> = app.users()?.into_iter().map(|(user, _)| user).collect();
        let mut change = AlertChange::default();
        for (stage, alert) in changes {
            tracing::info!(sort = alert.sort.as_str(), object = alert.object, ?stage, "an alert");
            let receivers = self.by_mail(&users, &alert).chain(self.by_hook(&app, &network, &alert));
            let content = |alert: &Alert| Content::Alert { stage, at: now, alert: alert.clone() };
            let outgoing = receivers.map(|receiver| NewOutgoing { receiver, content: content(&alert) });
            change.outgoing.extend(outgoing);
            match stage {
                Stage::Start | Stage::Growth => change.put.push(alert),
                Stage::End => change.ended.push((alert.sort, alert.object)),
            }
        }
        self.parts.store.note_alerts(&change, now)?;
        self.parts.hints.give(Hint::Outbox);
        Ok(Next::AtPeriod)
    }

    fn seen(&self, app: &Acting, network: &Network, now: Timestamp) -> Result<Now, OutboxError> {
        let tills = app.tills()?;
        let facts = tills.iter().filter_map(|till| {
            Some(TillFacts {
                shop: till.status.shop.clone()?,
                parked: till.status.parked,
                known: till.status.record.contact.is_some(),
                silent_since: till.status.silent_since,
            })
        });
        let silent_after = SignedDuration::try_from(self.parts.silent_after).unwrap_or(SignedDuration::MAX);
        let silent = silent_shops(&facts.collect::<Vec<_>>(), &app.broker()?, silent_after, now);
        // A list that may be cut does not say what is over.
        let findings = app.findings(None, true, Page { offset: 0, limit: MAX_PAGE });
        let findings = findings.ok().filter(|findings| findings.len() < MAX_PAGE as usize);
        let differing = findings.map(|findings| shifts_that_differ(&findings, network));
        Ok(Now::of(held_loads(app.aside_shown()?.as_ref(), now), silent, differing))
    }

    /// People who want to be told of this, and may see where it is.
    fn by_mail<'a>(&'a self, users: &'a [User], alert: &'a Alert) -> impl Iterator<Item = Receiver> + 'a {
        let is_on = self.parts.mail.server.is_some();
        let wants = move |user: &&User| {
            is_on
                && !user.disabled
                && user.mailing.address.is_some()
                && user.mailing.alerts.iter().any(|word| word == alert.sort.as_str())
        };
        let sees = move |user: &&User| self.parts.app.reading_as(user).may(Act::Read, &alert.node);
        users.iter().filter(wants).filter(sees).map(|user| Receiver::User(user.no))
    }

    fn by_hook<'a>(
        &'a self,
        app: &'a Acting,
        network: &'a Network,
        alert: &'a Alert,
    ) -> impl Iterator<Item = Receiver> + 'a {
        let covers = move |hook: &&Hook| match app.nodes().find(&hook.node) {
            // What was removed belongs to the whole.
            Ok(NodeId::Chain(_)) => true,
            Ok(top) => network.is_below(&alert.node, &top),
            Err(error) => {
                tracing::warn!(node = hook.node, %error, "a webhook is for a node that is not there");
                false
            }
        };
        // One address in two entries is one receiver.
        let keys: BTreeSet<String> = self.hooks.iter().filter(covers).map(|hook| hook.key.clone()).collect();
        keys.into_iter().map(Receiver::Hook)
    }
}
