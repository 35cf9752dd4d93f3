//! Sends what was written down: mails person by person, webhooks side by side.

use super::error::HOOK_REFUSED;
use super::hook::{self, Hook, Told, first_line};
use super::mail::{self, AlertLine, AlertsMail, Post, ReportMail};
use super::plan::{Mail, Pace, Plan, plan, quiet_until};
use super::{Outbox, OutboxError};
use crate::app::{Act, Acting, AppError};
use crate::report::{gather, place, report};
use crate::store::StoreError;
use crate::store::outbox::{Alert, Content, Outcome, Outgoing, Receiver, Stage};
use crate::words::{self, Language, Reason};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp, Zoned};
use lettre::Message;
use reqwest::Client;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tillway_service::background::{Next, Run, Work, off_thread};
use tillway_service::people::User;
use tokio_util::sync::CancellationToken;

/// What did not arrive for so long is given up.
const GIVEN_UP_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// Mails to one person are counted within it.
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Most that is looked at in one run, the oldest of all.
const MAX_LOOKED_AT: u32 = 20_000;

/// The wait after the first failure; it doubles up to the last.
const FIRST_WAIT: SignedDuration = SignedDuration::from_secs(15);
const LAST_WAIT: SignedDuration = SignedDuration::from_mins(15);

/// After so many mails in a row that the server does not take, the rest is tried in another turn.
const REFUSED_IN_A_ROW: u32 = 3;

/// How long what has ended stays, to be counted and shown; and how much goes at once.
const KEPT: SignedDuration = SignedDuration::from_hours(24 * 30);
const PRUNED_AT_ONCE: u32 = 1_000;

pub(super) struct Sender {
    outbox: Arc<Outbox>,
    client: Option<Client>,
}

/// What waits, with who gets it.
struct Waiting {
    mails: Vec<(User, Vec<Outgoing>, Vec<Timestamp>)>,
    hooks: BTreeMap<String, Vec<Outgoing>>,
}

/// What a run has found out.
#[derive(Default)]
struct Turn {
    wake: Option<Timestamp>,
    failed: Option<OutboxError>,
}

impl Turn {
    fn wait(&mut self, until: Option<Timestamp>) {
        self.wake = [self.wake, until].into_iter().flatten().min();
    }
}

impl Sender {
    pub(super) fn new(outbox: Arc<Outbox>) -> Self {
        Self { outbox, client: None }
    }

    async fn turn(&mut self, stop: &CancellationToken) -> Result<Next, OutboxError> {
        let (outbox, now) = (Arc::clone(&self.outbox), Timestamp::now());
        let Waiting { mails, hooks } = off_thread(move || outbox.gather(now)).await?;
        let mut turn = Turn::default();
        if !hooks.is_empty() {
            let numbers = hooks.values().flatten().map(|row| row.no).collect();
            // What ails webhooks delays no mail.
            if let Err(error) = self.call_all(hooks, &mut turn).await {
                turn.wait(Some(self.outbox.note_failed(numbers, &error, 0).await?));
                turn.failed = Some(error);
            }
        }
        if !mails.is_empty() {
            self.mail_all(mails, stop, &mut turn).await?;
        }
        if let Some(error) = turn.failed {
            return Err(error);
        }
        let until = turn.wake.map(|wake| wake.duration_since(Timestamp::now()).max(SignedDuration::from_secs(1)));
        Ok(until.map_or(Next::AtPeriod, |wait| Next::In(wait.unsigned_abs().min(super::SEND_EVERY))))
    }

    /// Webhooks side by side, so that a dead one delays nobody else.
    async fn call_all(&mut self, hooks: BTreeMap<String, Vec<Outgoing>>, turn: &mut Turn) -> Result<(), OutboxError> {
        let client = match &self.client {
            Some(client) => client.clone(),
            None => self.client.insert(hook::client(&self.outbox.parts.alerts)?).clone(),
        };
        let file = self.outbox.parts.alerts.secret_file.clone();
        let secret = off_thread(move || file.map(|file| first_line(&file)).transpose()).await?;
        let calls = hooks.into_iter().filter_map(|(key, rows)| {
            let hook = self.outbox.hooks.iter().find(|hook| hook.key == key)?;
            Some(self.outbox.call_in_turn(hook, rows, &client, secret.as_deref()))
        });
        for called in join_all(calls).await {
            let one = called?;
            turn.wait(one.wake);
            turn.failed = turn.failed.take().or(one.failed);
        }
        Ok(())
    }

    async fn mail_all(
        &self,
        mails: Vec<(User, Vec<Outgoing>, Vec<Timestamp>)>,
        stop: &CancellationToken,
        turn: &mut Turn,
    ) -> Result<(), OutboxError> {
        let outbox = Arc::clone(&self.outbox);
        let Some(server) = outbox.parts.mail.server.clone() else { return Ok(()) };
        let (host, quiet) = (outbox.parts.host.clone(), quiet_until(&Zoned::now(), outbox.parts.alerts.quiet));
        let post = off_thread(move || Post::new(&server, &host)).await;
        let (mut refused, mut ready) = (0, Vec::new());
        for (user, rows, sent) in &mails {
            let pace = Pace { sent, per_hour: outbox.parts.mail.per_hour, quiet_until: quiet };
            let Plan { mails, dropped, wake } = plan(&rows.iter().collect::<Vec<_>>(), pace, Timestamp::now());
            turn.wait(wake);
            outbox.note_ended(dropped, Outcome::Dropped).await?;
            ready.extend(mails.into_iter().map(|mail| (user, mail)));
        }
        for at in 0..ready.len() {
            if stop.is_cancelled() {
                break;
            }
            let (user, mail) = &ready[at];
            let made = outbox.make(user, mail).await;
            let sent = match (&post, made) {
                (Ok(post), Ok(Some(message))) => post.send(message).await.map(|()| Outcome::Sent),
                (Ok(_), Ok(None)) => Ok(Outcome::Dropped),
                (_, Err(error)) => Err(error),
                (Err(_), _) => break,
            };
            match sent {
                Ok(outcome) => {
                    fail::fail_point!("outbox::sent");
                    refused = 0;
                    outbox.note_ended(mail.numbers(), outcome).await?;
                }
                Err(error) => {
                    refused += u32::from(error.is_of_one());
                    let is_all = !error.is_of_one();
                    // The others would wait for the same server in vain. After some that were
                    // refused in a row they stay due, and come first in the next turn.
                    let others = if is_all { &ready[at..] } else { &ready[at..=at] };
                    let numbers = others.iter().flat_map(|(_, mail)| mail.numbers()).collect();
                    let tries = rows_of(mail).first().map_or(0, |row| row.tries);
                    turn.wait(Some(outbox.note_failed(numbers, &error, tries).await?));
                    turn.failed = Some(error);
                    if is_all || refused >= REFUSED_IN_A_ROW {
                        break;
                    }
                }
            }
        }
        if let Err(error) = post
            && let Some((_, mail)) = ready.first()
        {
            let numbers = ready.iter().flat_map(|(_, mail)| mail.numbers()).collect();
            let tries = rows_of(mail).first().map_or(0, |row| row.tries);
            turn.wait(Some(outbox.note_failed(numbers, &error, tries).await?));
            turn.failed = Some(error);
        }
        Ok(())
    }
}

impl Work for Sender {
    fn run<'a>(&'a mut self, stop: &'a CancellationToken) -> Run<'a> {
        Box::pin(async move { Ok(self.turn(stop).await?) })
    }
}

impl Outbox {
    /// What waits and may still arrive; what cannot has ended.
    fn gather(&self, now: Timestamp) -> Result<Waiting, OutboxError> {
        let store = &self.parts.store;
        let before = now.checked_sub(KEPT).unwrap_or(Timestamp::MIN);
        store.prune(before, PRUNED_AT_ONCE)?;
        let (mut by_user, mut hooks) =
            (BTreeMap::<i64, Vec<Outgoing>>::new(), BTreeMap::<String, Vec<Outgoing>>::new());
        let (mut late, mut nobodys) = (Vec::new(), Vec::new());
        for row in store.waiting(MAX_LOOKED_AT)? {
            if now.duration_since(row.made_at) >= GIVEN_UP_AFTER {
                late.push(row.no);
                continue;
            }
            match &row.receiver {
                Receiver::User(no) => by_user.entry(*no).or_default().push(row),
                Receiver::Hook(key) if self.hooks.iter().any(|hook| hook.key == *key) => {
                    hooks.entry(key.clone()).or_default().push(row);
                }
                Receiver::Hook(_) => nobodys.push(row.no),
            }
        }
        if !late.is_empty() {
            tracing::warn!(count = late.len(), "gave up mails and calls of webhooks that did not arrive for a day");
            store.note_ended(&late, Outcome::GivenUp, now)?;
        }
        let mut mails = Vec::new();
        if !by_user.is_empty() {
            let users = self.own().users()?.into_iter().map(|(user, _)| (user.no, user));
            let mut users: HashMap<i64, User> = users.collect();
            let since = now.checked_sub(HOUR).unwrap_or(Timestamp::MIN);
            for (no, rows) in by_user {
                match users.remove(&no).filter(|user| !user.disabled && user.mailing.address.is_some()) {
                    Some(user) => mails.push((user, rows, store.mails_since(no, since)?)),
                    None => nobodys.extend(rows.iter().map(|row| row.no)),
                }
            }
        }
        if !nobodys.is_empty() {
            store.note_ended(&nobodys, Outcome::Dropped, now)?;
        }
        Ok(Waiting { mails, hooks })
    }

    async fn note_ended(self: &Arc<Self>, numbers: Vec<i64>, outcome: Outcome) -> Result<(), StoreError> {
        if numbers.is_empty() {
            return Ok(());
        }
        let this = Arc::clone(self);
        off_thread(move || this.parts.store.note_ended(&numbers, outcome, Timestamp::now())).await
    }

    /// When these are tried again.
    async fn note_failed(
        self: &Arc<Self>,
        numbers: Vec<i64>,
        error: &OutboxError,
        tries: u32,
    ) -> Result<Timestamp, StoreError> {
        let due_at = Timestamp::now().saturating_add(wait_after(tries)).unwrap_or(Timestamp::MAX);
        let (this, why) = (Arc::clone(self), Reason::of(error));
        off_thread(move || this.parts.store.note_failed(&numbers, &why, due_at)).await?;
        Ok(due_at)
    }

    /// What waits for one webhook, in its order. One that cannot be reached is not tried again for
    /// the rest; what it refuses delays only itself.
    async fn call_in_turn(
        self: &Arc<Self>,
        hook: &Hook,
        rows: Vec<Outgoing>,
        client: &Client,
        secret: Option<&str>,
    ) -> Result<Turn, OutboxError> {
        let mut turn = Turn::default();
        for (at, row) in rows.iter().enumerate() {
            if row.due_at > Timestamp::now() {
                turn.wait(Some(row.due_at));
                if row.error.as_ref().is_some_and(|error| error.kind() == HOOK_REFUSED) {
                    continue;
                }
                break;
            }
            let Content::Alert { stage, at: noticed, alert } = row.content.clone() else {
                self.note_ended(vec![row.no], Outcome::Dropped).await?;
                continue;
            };
            let this = Arc::clone(self);
            let line = off_thread(move || line(&this.own(), stage, noticed, &alert, Language::English)).await?;
            let words = mail::sentence(&self.renderer, Language::English, &line)?;
            let link = format!("{}{}", self.parts.page, line.address);
            let told = Told::of(&line, row.id, &self.parts.server, words, link);
            match hook.call(client, secret, &told).await {
                Ok(()) => {
                    fail::fail_point!("outbox::called");
                    self.note_ended(vec![row.no], Outcome::Sent).await?;
                }
                Err(error) => {
                    let is_of_one = error.is_of_one();
                    let others = if is_of_one { &rows[at..=at] } else { &rows[at..] };
                    let numbers = others.iter().map(|row| row.no).collect();
                    turn.wait(Some(self.note_failed(numbers, &error, row.tries).await?));
                    turn.failed = Some(error);
                    if !is_of_one {
                        break;
                    }
                }
            }
        }
        Ok(turn)
    }

    /// A mail as its reader may see it now; none where they may see nothing of it any more.
    async fn make(self: &Arc<Self>, user: &User, mail: &Mail<'_>) -> Result<Option<Message>, OutboxError> {
        let (this, user, id) = (Arc::clone(self), user.clone(), mail.id());
        let is_trial = matches!(mail, Mail::Trial(_));
        let alerts = matches!(mail, Mail::Alerts(_)).then(|| rows_of(mail).into_iter().cloned().collect::<Vec<_>>());
        off_thread(move || {
            let Some(server) = &this.parts.mail.server else { return Ok(None) };
            let letter = match alerts {
                Some(rows) => this.letter_of_alerts(&user, &rows)?,
                None => this.letter_of_report(&user, is_trial)?,
            };
            letter.map(|letter| mail::message(server, &this.parts.server, &user, letter, id)).transpose()
        })
        .await
    }

    fn letter_of_report(&self, user: &User, is_trial: bool) -> Result<Option<mail::Letter>, OutboxError> {
        let (app, language) = (self.parts.app.reading_as(user), user.mailing.language.unwrap_or_default());
        let gathered = match gather(&app, words::of(language)) {
            Err(AppError::Denied(_)) => return Ok(None),
            gathered => gathered?,
        };
        let report = report(&gathered)?;
        let (server, page, now) = (&self.parts.server, &self.parts.page, gathered.now);
        let shown = ReportMail { server, page, now, is_trial, report: &report };
        mail::report(&self.renderer, language, &shown).map(Some)
    }

    fn letter_of_alerts(&self, user: &User, rows: &[Outgoing]) -> Result<Option<mail::Letter>, OutboxError> {
        let (app, language) = (self.parts.app.reading_as(user), user.mailing.language.unwrap_or_default());
        let mut lines = Vec::new();
        for row in rows {
            if let Content::Alert { stage, at, alert } = &row.content
                && app.may(Act::Read, &alert.node)
            {
                lines.push(line(&app, *stage, *at, alert, language)?);
            }
        }
        if lines.is_empty() {
            return Ok(None);
        }
        let (server, page, now) = (&self.parts.server, &self.parts.page, Timestamp::now());
        mail::alerts(&self.renderer, language, &AlertsMail { server, page, now, lines: &lines }).map(Some)
    }
}

/// An alert with its place in words.
fn line(
    app: &Acting,
    stage: Stage,
    at: Timestamp,
    alert: &Alert,
    language: Language,
) -> Result<AlertLine, OutboxError> {
    let (network, words) = (app.network()?, words::of(language));
    let folder = network.node(&alert.node).map(|node| network.folder_name(node));
    let place = place(&network, &alert.node, words);
    Ok(AlertLine::of(stage, at, alert, place, folder, words))
}

fn rows_of<'a>(mail: &Mail<'a>) -> Vec<&'a Outgoing> {
    match mail {
        Mail::Trial(one) | Mail::Report(one) => vec![one],
        Mail::Alerts(all) => all.clone(),
    }
}

/// How long to wait after so many failures before this one.
fn wait_after(tries: u32) -> SignedDuration {
    FIRST_WAIT.saturating_mul(1 << tries.min(10)).min(LAST_WAIT)
}

/// The first wait, for the driver.
pub(super) const RETRIED_AFTER: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_quarter_of_an_hour() {
        let waits = [0, 1, 2, 6, 60].map(|tries| wait_after(tries).as_secs());
        assert_eq!(waits, [15, 30, 60, 900, 900]);
    }
}
