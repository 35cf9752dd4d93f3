//! To whom reports and alerts go by mail, and how that stands.

use super::error::AppError;
use super::rights::{Act, Place};
use super::{Acting, App};
use crate::audit::Verb;
use crate::hints::Hint;
use crate::store::outbox::{AlertSort, OutboxState};
use crate::words::Language;
use jiff::{SignedDuration, Timestamp};
use tillway_service::actor::{Actor, Caller, Face};
use tillway_service::audit::AuditLine;
use tillway_service::people::{AddressChange, Login, MailingChange, People, User};

/// What did not arrive is told for so long.
const LATELY: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How somebody wants to be written to; what is left out stays.
#[derive(Debug, Clone, Default)]
pub struct MailingWanted {
    /// Their address; empty: none.
    pub address: Option<String>,
    /// `en` or `ru`.
    pub language: Option<String>,
    /// The report of each day.
    pub report: Option<bool>,
    /// Words of [`AlertSort`].
    pub alerts: Option<Vec<String>>,
}

impl MailingWanted {
    fn change(self) -> Result<MailingChange, AppError> {
        let address = match self.address.as_deref().map(str::trim) {
            None => AddressChange::Stays,
            Some("") => AddressChange::Goes,
            Some(text) => AddressChange::Is(text.parse()?),
        };
        let language = self.language.map(|text| {
            Language::ALL.into_iter().find(|language| language.code() == text).ok_or(AppError::NoLanguage { text })
        });
        let sort = |text: String| text.parse::<AlertSort>().map_err(|()| AppError::NoAlert { text });
        let sorts =
            self.alerts.map(|words| words.into_iter().map(sort).collect::<Result<Vec<_>, AppError>>()).transpose()?;
        let alerts = sorts.map(|mut sorts| {
            sorts.sort_unstable();
            sorts.dedup();
            sorts.into_iter().map(|sort| sort.as_str().to_owned()).collect()
        });
        Ok(MailingChange { address, language: language.transpose()?, report: self.report, alerts })
    }
}

impl App {
    /// What a user sees, for what is written to them without their asking.
    pub fn reading_as(&self, user: &User) -> Acting {
        let (actor, grant) = (Actor::Login(user.login.to_string()), Some(user.grant.clone()));
        self.acting_for(Caller { actor, face: Face::Within, address: None, grant })
    }
}

impl Acting {
    /// Has the caller written to elsewhere, or of other things.
    pub fn set_own_mailing(&self, wanted: MailingWanted) -> Result<(User, String), AppError> {
        let login = People::login_of(&self.caller)?;
        self.set_mailing(&login, wanted)
    }

    /// Has another written to elsewhere, or of other things.
    pub fn set_mailing_of(&self, login: &str, wanted: MailingWanted) -> Result<(User, String), AppError> {
        self.allow(Act::ManagePeople, Place::Everywhere)?;
        self.set_mailing(&login.parse()?, wanted)
    }

    fn set_mailing(&self, login: &Login, wanted: MailingWanted) -> Result<(User, String), AppError> {
        let user = self.parts.people.set_mailing(login, &wanted.change()?, &self.caller)?;
        let place = self.place_of(&user.grant)?;
        Ok((user, place))
    }

    /// Sends the caller the report of now. False where one is on its way.
    pub fn send_own_trial(&self) -> Result<bool, AppError> {
        let login = People::login_of(&self.caller)?;
        self.send_trial(&login)
    }

    /// Sends another the report of now, as they see it. False where one is on its way.
    pub fn send_trial_to(&self, login: &str) -> Result<bool, AppError> {
        self.allow(Act::ManagePeople, Place::Everywhere)?;
        self.send_trial(&login.parse()?)
    }

    fn send_trial(&self, login: &Login) -> Result<bool, AppError> {
        let user = self.parts.people.user(login)?;
        if !self.parts.sends_mail {
            return Err(AppError::NoMailServer);
        }
        if user.mailing.address.is_none() {
            return Err(AppError::NoMailOf { login: user.login });
        }
        let line = AuditLine::new(&self.caller, Verb::ReportTrial, format_args!("user:{login}"));
        let is_new = self.parts.outbox.write_trial(user.no, Timestamp::now(), &line)?;
        self.parts.hints.give(Hint::Outbox);
        Ok(is_new)
    }

    /// Whether mails are sent at all.
    pub fn sends_mail(&self) -> bool {
        self.parts.sends_mail
    }

    /// How mails and webhooks stand.
    pub fn outbox(&self) -> Result<OutboxState, AppError> {
        self.allow(Act::LookAtServer, Place::Everywhere)?;
        let since = Timestamp::now().checked_sub(LATELY).unwrap_or(Timestamp::MIN);
        Ok(self.parts.outbox.state(since)?)
    }
}
