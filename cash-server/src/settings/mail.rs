//! `[mail]`: the server that takes mails, and as whom they are written. `[report]`: when.

use super::source::Source;
use jiff::civil::Time;
use reqwest::Url;
use std::net::IpAddr;
use std::path::PathBuf;
use tillway_service::people::MailAddress;

/// Most mails to one person within an hour that a setting takes.
const MAX_MAILS: u64 = 1_000;

/// Mails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailSettings {
    /// Who takes them; none: no mails are sent.
    pub server: Option<MailServer>,
    /// Where people open the page; none: as the other settings have it.
    pub page: Option<Url>,
    /// Most mails to one person within an hour.
    pub per_hour: u32,
    /// When the report of a day is sent, by the clock of this machine.
    pub report_at: Time,
}

/// A server that takes mails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailServer {
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How it is spoken with.
    pub security: MailSecurity,
    /// Who logs in there; none: nobody does.
    pub login: Option<String>,
    /// The file with the password in its first line.
    pub password_file: Option<PathBuf>,
    /// The authority that signed its certificate, PEM; none: those that this machine trusts.
    pub authority: Option<PathBuf>,
    /// Who writes.
    pub from: MailAddress,
}

/// How a mail server is spoken with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailSecurity {
    /// TLS from the beginning.
    Tls,
    /// TLS after the first words; without it nothing is sent.
    StartTls,
    /// None: a server of this machine.
    Plain,
}

impl MailSettings {
    pub(super) fn read(source: &Source) -> Self {
        Self {
            server: server(source),
            page: page(source),
            per_hour: u32::try_from(source.number("mail.per_hour", 1..=MAX_MAILS)).unwrap_or(1),
            report_at: time(source, "report.at"),
        }
    }
}

/// `06:00`, in the text of a key.
pub(super) fn time(source: &Source, key: &str) -> Time {
    time_of(&source.name(key)).unwrap_or_else(|| {
        source.refuse(key, "a time of day as \"06:00\"");
        Time::midnight()
    })
}

/// `06:00`.
pub(super) fn time_of(text: &str) -> Option<Time> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let is_two = |digits: &str| digits.len() == 2 && digits.chars().all(|c| c.is_ascii_digit());
    let two = |digits: &str| digits.parse::<i8>().ok().filter(|_| is_two(digits));
    Time::new(two(hours)?, two(minutes)?, 0, 0).ok()
}

fn server(source: &Source) -> Option<MailServer> {
    let text = source.text("mail.server");
    // All of them are read, so that a fault is told though nobody uses it yet.
    let login = Some(source.text("mail.login").trim().to_owned()).filter(|login| !login.is_empty());
    let (password_file, authority) = (source.path("mail.password_file"), source.path("mail.authority"));
    let from = source.text("mail.from");
    if text.trim().is_empty() {
        return None;
    }
    let Some((security, host, port)) = address(text.trim()) else {
        source.refuse(
            "mail.server",
            "an address as \"smtps://mail.example.org\", \"smtp+starttls://mail.example.org:587\", or \"smtp://localhost\" \
             for a server of this very machine",
        );
        return None;
    };
    if login.is_some() != password_file.is_some() {
        source.refuse("mail.password_file", "a file with the password, since mail.login is set; or neither");
    }
    let Ok(from) = from.parse() else {
        source.refuse("mail.from", "an address as \"tillway@example.org\", since mail.server is set");
        return None;
    };
    Some(MailServer { host, port, security, login, password_file, authority, from })
}

/// How, where, and on which port.
fn address(text: &str) -> Option<(MailSecurity, String, u16)> {
    let url = Url::parse(text).ok()?;
    let (security, port) = match url.scheme() {
        "smtps" => (MailSecurity::Tls, 465),
        "smtp+starttls" => (MailSecurity::StartTls, 587),
        "smtp" => (MailSecurity::Plain, 25),
        _ => return None,
    };
    let host = url.host_str().filter(|host| !host.is_empty())?.to_owned();
    let is_bare = url.username().is_empty() && url.password().is_none() && matches!(url.path(), "" | "/");
    let is_bare = is_bare && url.query().is_none() && url.fragment().is_none();
    let is_here = || {
        let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        host.eq_ignore_ascii_case("localhost") || ip.is_ok_and(|ip| ip.is_loopback())
    };
    let is_safe = security != MailSecurity::Plain || is_here();
    (is_bare && is_safe).then(|| (security, host.clone(), url.port().unwrap_or(port)))
}

fn page(source: &Source) -> Option<Url> {
    let text = source.text("mail.page");
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    let is_page = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none();
    let url = Url::parse(text).ok().filter(is_page);
    if url.is_none() {
        source.refuse("mail.page", "an address as \"https://cash.example.org:18090\"");
    }
    url
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::*;
    use std::path::Path;

    fn read(text: &str) -> Result<MailSettings, Vec<String>> {
        let faults = |faults: Vec<super::super::Fault>| faults.into_iter().map(|fault| fault.key).collect();
        Settings::read(text, Path::new("/etc/tillway"), []).map(|settings| settings.mail).map_err(faults)
    }

    #[test]
    fn no_mail_is_sent_as_long_as_no_server_is_named() {
        let none = read("[mail]\nfrom = \"tillway@example.org\"\n").unwrap();
        assert_eq!((none.server, none.page, none.report_at), (None, None, Time::constant(6, 0, 0, 0)));
    }

    #[test]
    fn a_server_is_spoken_with_over_tls_unless_it_is_of_this_machine() {
        let server = |address: &str| {
            let text = format!("[mail]\nserver = \"{address}\"\nfrom = \"tillway@example.org\"\n");
            read(&text).map(|mail| mail.server.map(|server| (server.security, server.host, server.port)))
        };
        let expected = |security, host: &str, port| Ok(Some((security, host.to_owned(), port)));
        assert_eq!(server("smtps://mail.example.org"), expected(MailSecurity::Tls, "mail.example.org", 465));
        assert_eq!(server("smtp+starttls://10.0.0.7:25"), expected(MailSecurity::StartTls, "10.0.0.7", 25));
        assert_eq!(server("smtp://localhost"), expected(MailSecurity::Plain, "localhost", 25));
        assert_eq!(server("smtp://127.0.0.1:2525/"), expected(MailSecurity::Plain, "127.0.0.1", 2525));
        for odd in
            ["smtp://mail.example.org", "mail.example.org", "smtps://", "smtps://u:p@mail.example.org", "smtps://a/b"]
        {
            assert_eq!(server(odd), Err(vec!["mail.server".to_owned()]), "{odd}");
        }
    }

    #[test]
    fn what_a_server_needs_is_told() {
        let with = |more: &str| read(&format!("[mail]\nserver = \"smtps://mail.example.org\"\n{more}"));
        assert_eq!(with("").unwrap_err(), ["mail.from"]);
        assert_eq!(with("from = \"a@b\\nBcc: c@d\"\n").unwrap_err(), ["mail.from"]);
        assert_eq!(with("from = \"a@b.org\"\nlogin = \"a\"\n").unwrap_err(), ["mail.password_file"]);
        assert!(with("from = \"a@b.org\"\nlogin = \"a\"\npassword_file = \"mail.password\"\n").is_ok());
        assert_eq!(with("from = \"a@b.org\"\npage = \"cash\"\n").unwrap_err(), ["mail.page"]);
        for odd in ["6", "24:00", "06:60", "6:00", "+6:00", "noon"] {
            assert_eq!(read(&format!("[report]\nat = \"{odd}\"\n")).unwrap_err(), ["report.at"], "{odd}");
        }
    }
}
