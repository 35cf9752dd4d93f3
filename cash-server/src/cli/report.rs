//! `report` and `user mail`: what needs a look, and who is written to of it. Asked of the running
//! server.

use super::CliError;
use super::client::{Client, escaped};
use super::table::Output;
use crate::rest::people::UserView;
use crate::rest::report::{MailChange, ReportView, TopicLine, TrialView};
use crate::settings::Settings;
use crate::words::FluentValue;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::json;
use std::fmt::Write as _;
use tillway_file_queue::plain_text::on_one_line;

/// What can be done with the report.
#[derive(Debug, Subcommand)]
pub enum ReportCommand {
    /// Send it to a user by mail now, as they see it: to see whether mails arrive.
    Trial {
        /// The login.
        login: String,
    },
}

/// How a user is written to; what is left out stays.
#[derive(Debug, Args)]
pub struct MailArgs {
    /// The login.
    pub login: String,
    /// Their address; an empty one: nothing is sent.
    #[arg(long)]
    pub address: Option<String>,
    /// In which language: en or ru.
    #[arg(long)]
    pub language: Option<String>,
    /// Whether they get the report of each day: true or false.
    #[arg(long)]
    pub report: Option<bool>,
    /// What they are told of at once, with commas between: held-load, silent-shop, shift-differs;
    /// empty: nothing.
    #[arg(long, value_delimiter = ',')]
    pub alerts: Option<Vec<String>>,
}

pub(super) fn report(
    settings: &Settings,
    command: Option<ReportCommand>,
    answer: &mut Output<'_>,
) -> Result<(), CliError> {
    let client = Client::new(settings).map_err(CliError::Client)?;
    match command {
        None => {
            let report: ReportView = client.read("/api/v1/report").map_err(CliError::Client)?;
            let told = told(&report, answer);
            answer.line(&json!(report), told.trim_end())
        }
        Some(ReportCommand::Trial { login }) => {
            let path = format!("/api/v1/users/{}/trial", escaped(&login));
            let sent: TrialView = client.post(&path, &json!({})).map_err(CliError::Client)?;
            let told = answer.words.text("cli-trial-sent", [("login", login.as_str().into())]);
            answer.line(&json!(sent), &told)
        }
    }
}

pub(super) fn mail(settings: &Settings, asked: MailArgs, answer: &mut Output<'_>) -> Result<(), CliError> {
    let client = Client::new(settings).map_err(CliError::Client)?;
    let MailArgs { login, address, language, report, alerts } = asked;
    let alerts = alerts.map(|words| words.into_iter().filter(|word| !word.is_empty()).collect());
    let path = format!("/api/v1/users/{}/mail", escaped(&login));
    let set = client.ask(Method::PATCH, &path, Some(&MailChange { address, language, report, alerts }));
    let user: UserView = set.map_err(CliError::Client)?;
    let mail = &user.mail;
    let yes = if mail.report { answer.words.text("cli-yes", []) } else { answer.words.text("cli-no", []) };
    let or_none = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    let told = [
        ("login", FluentValue::from(user.login.as_str())),
        ("address", or_none(mail.address.as_deref().unwrap_or_default()).into()),
        ("language", or_none(mail.language.as_deref().unwrap_or_default()).into()),
        ("report", yes.into()),
        ("alerts", or_none(&mail.alerts.join(", ")).into()),
    ];
    let told = answer.words.text("cli-user-mail", told);
    answer.line(&json!(user), &told)
}

fn told(report: &ReportView, answer: &Output<'_>) -> String {
    let words = answer.words;
    let number = |n: u64| FluentValue::from(n.to_string());
    let mut text = format!("{}, {}\n", report.place, report.at);
    let tills = [("total", number(report.tills)), ("current", number(report.current))];
    let others =
        [("behind", number(report.behind)), ("silent", number(report.silent)), ("parked", number(report.parked))];
    // Writing to a text does not fail.
    let _ = writeln!(text, "{} {}", words.text("report-tills", tills), words.text("report-others", others));
    for topic in &report.topics {
        let _ = write!(text, "\n{}: {}\n", topic.title, topic.count);
        for TopicLine { place, since, detail } in &topic.lines {
            let since = since.as_deref().map(|since| format!(" ({since})")).unwrap_or_default();
            let line = format!("{place} {detail}");
            let _ = writeln!(text, "  {}{since}", on_one_line(line.trim()));
        }
        if topic.more > 0 {
            let _ = writeln!(text, "  {}", words.text("and-more", [("n", number(topic.more))]));
        }
        let _ = writeln!(text, "  {}", topic.todo);
    }
    if report.topics.is_empty() {
        text += &words.text("nothing-to-look-at", []);
    }
    text
}
