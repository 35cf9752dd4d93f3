//! Mails: worded for their reader, and handed to the mail server.

use super::error::OutboxError;
use super::hook::first_line;
use crate::report::Report;
use crate::settings::{MailSecurity, MailServer};
use crate::store::outbox::{Alert, AlertSort, Stage};
use crate::words::{Language, Words};
use fs_err as fs;
use jiff::Timestamp;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use serde::Serialize;
use std::fmt::Display;
use std::net::IpAddr;
use std::time::Duration;
use tillway_proto::NodeId;
use tillway_service::page::{Renderer, Template};
use tillway_service::people::User;
use uuid::Uuid;

/// Longest wait for one answer of the mail server, and for a whole mail.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
const MAIL_TIMEOUT: Duration = Duration::from_mins(1);

/// Longest subject in characters.
const MAX_SUBJECT_CHARS: usize = 150;

/// What an alert is told in: in a mail's HTML it is escaped, in plain text it is not.
const ALERT_WORDS: &str = include_str!("templates/alert_words.txt");

/// The templates of mails, and of what webhooks are told.
pub(crate) const TEMPLATES: [Template; 7] = [
    ("report_mail.html", include_str!("templates/report_mail.html")),
    ("report_mail.txt", include_str!("templates/report_mail.txt")),
    ("alerts_mail.html", include_str!("templates/alerts_mail.html")),
    ("alerts_mail.txt", include_str!("templates/alerts_mail.txt")),
    ("alert_line.txt", include_str!("templates/alert_line.txt")),
    ("alert_words.html", ALERT_WORDS),
    ("alert_words.txt", ALERT_WORDS),
];

/// The text of a mail.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: String,
}

/// What a mail with a report shows.
#[derive(Debug, Serialize)]
pub(super) struct ReportMail<'a> {
    pub(super) server: &'a str,
    /// Where people open the page, without a path.
    pub(super) page: &'a str,
    pub(super) now: Timestamp,
    pub(super) is_trial: bool,
    pub(super) report: &'a Report,
}

/// What a mail about alerts shows.
#[derive(Debug, Serialize)]
pub(super) struct AlertsMail<'a> {
    pub(super) server: &'a str,
    pub(super) page: &'a str,
    pub(super) now: Timestamp,
    pub(super) lines: &'a [AlertLine],
}

/// One alert, worded but for its sentence.
#[derive(Debug, Serialize)]
pub(super) struct AlertLine {
    pub(super) sort: &'static str,
    pub(super) stage: &'static str,
    pub(super) object: String,
    pub(super) node: NodeId,
    /// The shop or till, in words.
    pub(super) place: String,
    pub(super) since: Timestamp,
    pub(super) at: Timestamp,
    pub(super) size: u64,
    pub(super) detail: String,
    /// The path of the page where it is mended.
    pub(super) address: String,
}

impl AlertLine {
    /// `place`: of its node, in the same words; `folder`: what the page calls the node.
    pub(super) fn of(
        stage: Stage,
        at: Timestamp,
        alert: &Alert,
        place: String,
        folder: Option<String>,
        words: &Words,
    ) -> Self {
        let Alert { sort, object, node, since, size, detail } = alert;
        let folder = folder.unwrap_or_default();
        Self {
            sort: sort.as_str(),
            stage: match stage {
                Stage::Start => "start",
                Stage::Growth => "growth",
                Stage::End => "end",
            },
            object: object.clone(),
            node: node.clone(),
            place,
            since: *since,
            at,
            size: *size,
            detail: detail.as_ref().map(|reason| words.reason(reason)).unwrap_or_default(),
            address: match sort {
                AlertSort::HeldLoad => format!("/loads/{object}"),
                AlertSort::SilentShop => format!("/tills?shop={folder}&state=silent"),
                AlertSort::ShiftDiffers => "/findings?kind=finding-shift-differs".to_owned(),
            },
        }
    }
}

/// The report as a mail.
pub(super) fn report(renderer: &Renderer, language: Language, mail: &ReportMail<'_>) -> Result<Letter, OutboxError> {
    let words = renderer.words(language);
    let values = [
        ("server", mail.server.into()),
        ("place", mail.report.place.as_str().into()),
        ("n", mail.report.topics.len().into()),
    ];
    let subject = if mail.is_trial {
        words.text("mail-trial-subject", values)
    } else {
        words.text("mail-report-subject", values)
    };
    letter(renderer, language, &subject, ["report_mail.txt", "report_mail.html"], mail)
}

/// What happened as a mail.
pub(super) fn alerts(renderer: &Renderer, language: Language, mail: &AlertsMail<'_>) -> Result<Letter, OutboxError> {
    let subject = match mail.lines {
        [only] => format!("{}: {}", mail.server, sentence(renderer, language, only)?),
        all => {
            let values = [("server", mail.server.into()), ("n", all.len().into())];
            renderer.words(language).text("mail-alerts-subject", values)
        }
    };
    letter(renderer, language, &subject, ["alerts_mail.txt", "alerts_mail.html"], mail)
}

/// One alert as a sentence.
pub(super) fn sentence(renderer: &Renderer, language: Language, line: &AlertLine) -> Result<String, OutboxError> {
    #[derive(Serialize)]
    struct Shown<'a> {
        line: &'a AlertLine,
    }
    let told = renderer.render("alert_line.txt", language, &Shown { line });
    Ok(told.map_err(|error| OutboxError::not_made(&error))?.trim().to_owned())
}

fn letter(
    renderer: &Renderer,
    language: Language,
    subject: &str,
    [text, html]: [&'static str; 2],
    shown: &impl Serialize,
) -> Result<Letter, OutboxError> {
    let render = |name| renderer.render(name, language, shown).map_err(|error| OutboxError::not_made(&error));
    Ok(Letter { subject: one_line(subject), text: render(text)?, html: render(html)? })
}

/// A subject is one line, whatever names are in it.
fn one_line(text: &str) -> String {
    let mut line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_SUBJECT_CHARS).collect();
    if text.chars().count() > MAX_SUBJECT_CHARS {
        line.push('…');
    }
    line
}

/// The mail as it goes out. A repeat has the same id.
pub(super) fn message(
    server: &MailServer,
    from_name: &str,
    to: &User,
    letter: Letter,
    id: Uuid,
) -> Result<Message, OutboxError> {
    let odd = |error: &dyn Display| OutboxError::MailNotMade { detail: error.to_string() };
    let mailbox = |name: &str, address: &str| -> Result<Mailbox, OutboxError> {
        let name = Some(one_line(name)).filter(|name| !name.trim().is_empty());
        Ok(Mailbox::new(name, address.parse().map_err(|error: lettre::address::AddressError| odd(&error))?))
    };
    let address = to.mailing.address.as_ref().ok_or_else(|| odd(&"nobody's address"))?;
    let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
    let built = Message::builder()
        .from(mailbox(from_name, server.from.as_str())?)
        .to(mailbox(&to.name, address.as_str())?)
        .subject(letter.subject)
        .date_now()
        .message_id(Some(format!("<{id}@{}>", server.from.host())))
        // No answer from a machine that is away on holiday.
        .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
        .multipart(MultiPart::alternative_plain_html(letter.text, letter.html));
    built.map_err(|error| odd(&error))
}

/// What this machine calls itself before a mail server.
fn called(name: &str) -> ClientId {
    match name.parse() {
        Ok(IpAddr::V4(ip)) => ClientId::Ipv4(ip),
        Ok(IpAddr::V6(ip)) => ClientId::Ipv6(ip),
        Err(_) if name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.')) => {
            ClientId::Domain(name.to_owned())
        }
        Err(_) => ClientId::default(),
    }
}

/// The mail server, as it is spoken with.
pub(super) struct Post {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    host: String,
}

impl Post {
    /// Blocking: reads the files that the settings name. `own_name`: what this machine says that
    /// it is called.
    pub(super) fn new(server: &MailServer, own_name: &str) -> Result<Self, OutboxError> {
        let failed = |source| OutboxError::MailNotSent { server: server.host.clone(), source };
        let mut tls = TlsParameters::builder(server.host.trim_matches(['[', ']']).to_owned());
        if let Some(path) = &server.authority {
            let read = |source| OutboxError::SendingFileUnread { path: path.clone(), source };
            tls = tls.add_root_certificate(Certificate::from_pem(&fs::read(path).map_err(read)?).map_err(failed)?);
        }
        let tls = || tls.clone().build().map_err(failed);
        let tls = match server.security {
            MailSecurity::Tls => Tls::Wrapper(tls()?),
            MailSecurity::StartTls => Tls::Required(tls()?),
            MailSecurity::Plain => Tls::None,
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(server.host.clone())
            .port(server.port)
            .tls(tls)
            .hello_name(called(own_name))
            .timeout(Some(ANSWER_TIMEOUT));
        if let (Some(login), Some(file)) = (&server.login, &server.password_file) {
            builder = builder.credentials(Credentials::new(login.clone(), first_line(file)?));
        }
        Ok(Self { transport: builder.build(), host: server.host.clone() })
    }

    pub(super) async fn send(&self, message: Message) -> Result<(), OutboxError> {
        let server = || self.host.clone();
        match tokio::time::timeout(MAIL_TIMEOUT, self.transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(source)) => Err(OutboxError::MailNotSent { server: server(), source }),
            Err(_) => Err(OutboxError::MailTooSlow { server: server(), seconds: MAIL_TIMEOUT.as_secs() }),
        }
    }
}
