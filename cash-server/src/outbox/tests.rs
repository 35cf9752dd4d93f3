//! Mails over data of every sort, in both languages.

use super::mail::{self, AlertLine, AlertsMail, Letter, ReportMail};
use super::*;
use crate::report::{AttentionSort, Line, Report, Topic};
use crate::settings::{MailSecurity, MailServer};
use crate::store::outbox::AlertSort;
use crate::words::Language;
use jiff::Timestamp;
use tillway_service::actor::Grant;
use tillway_service::people::{Mailing, User};
use uuid::Uuid;

fn now() -> Timestamp {
    "2026-12-01T06:00:00Z".parse().unwrap()
}

fn renderer() -> Renderer {
    Renderer::new(&TEMPLATES, words::of, |_, _| {}).unwrap()
}

fn line(sort: AlertSort, stage: &'static str, size: u64) -> AlertLine {
    AlertLine {
        sort: sort.as_str(),
        stage,
        object: "7".to_owned(),
        node: "_shop_7_00ab34ef".parse().unwrap(),
        place: "<b>shop 7".to_owned(),
        since: now(),
        at: now(),
        size,
        detail: if size > 1 { "<b>why\nX".to_owned() } else { String::new() },
        address: "/loads/7".to_owned(),
    }
}

fn report(keys: &[&str]) -> Report {
    let lines = vec![
        Line { place: "<b>7/1".to_owned(), since: Some(now()), detail: "<b>why".to_owned(), task: None },
        Line { place: String::new(), since: None, detail: String::new(), task: Some("outbox") },
    ];
    let topic = |key: &&str| Topic {
        key: (*key).to_owned(),
        is_grave: true,
        count: 2,
        lines: lines.clone(),
        more: 3,
        address: "/findings?kind=x".to_owned(),
    };
    Report {
        at: now(),
        place: "<b>shop 7".to_owned(),
        tills: 4,
        current: 3,
        behind: 1,
        silent: 0,
        parked: 0,
        topics: keys.iter().map(topic).collect(),
    }
}

fn letter_of(report: &Report, language: Language, is_trial: bool) -> Letter {
    let (server, page) = ("<b>centre", "https://cash.example.org:18090");
    mail::report(&renderer(), language, &ReportMail { server, page, now: now(), is_trial, report }).unwrap()
}

#[test]
fn a_report_says_each_kind_in_its_reader_s_language_and_leads_to_the_page() {
    let mut keys: Vec<&str> = AttentionSort::ALL.iter().map(|sort| sort.word()).collect();
    keys.extend(["slow", "shift-late"]);
    let report = report(&keys);
    for (language, title, subject) in [
        (Language::English, "Silent for a day or longer", "<b>centre, <b>shop 7: 41 things need a look"),
        (Language::Russian, "Молчат сутки или дольше", "<b>centre, <b>shop 7: 41 замечание"),
    ] {
        let letter = letter_of(&report, language, false);
        assert_eq!(letter.subject, subject);
        for told in [&letter.text, &letter.html.replace("&#x2f;", "/")] {
            assert!(told.contains(title) && told.contains("https://cash.example.org:18090/findings?kind=x"), "{told}");
        }
        assert!(letter.text.contains("<b>why") && !letter.text.contains("&lt;"), "plain text: {}", letter.text);
        assert!(letter.html.contains("&lt;b&gt;why") && !letter.html.contains("<b>why"), "{}", letter.html);
    }
    let fine = letter_of(&self::report(&[]), Language::English, true);
    assert_eq!(fine.subject, "Trial: <b>centre, <b>shop 7: nothing needs a look");
    assert!(fine.text.contains("This is a trial") && fine.text.contains("Nothing needs a look"), "{}", fine.text);
}

#[test]
fn each_stage_of_each_alert_has_its_sentence_in_both_languages() {
    let renderer = renderer();
    for language in Language::ALL {
        let mut seen = std::collections::BTreeSet::new();
        for sort in AlertSort::ALL {
            for stage in ["start", "growth", "end"] {
                for size in [1, 2, 5] {
                    let told = mail::sentence(&renderer, language, &line(sort, stage, size)).unwrap();
                    assert!(told.contains("<b>shop 7"), "{told}");
                    seen.insert((sort, stage, told));
                }
            }
        }
        assert!(seen.len() > 15, "{seen:?}");
    }
    let told = mail::sentence(&renderer, Language::Russian, &line(AlertSort::SilentShop, "start", 3)).unwrap();
    assert!(told.starts_with("Молчит <b>shop 7, все 3 кассы"), "{told}");
}

#[test]
fn many_alerts_are_one_mail_and_one_is_its_own_subject() {
    let renderer = renderer();
    let letter = |lines: &[AlertLine]| {
        let (server, page) = ("centre", "https://cash.example.org");
        mail::alerts(&renderer, Language::English, &AlertsMail { server, page, now: now(), lines }).unwrap()
    };
    let one = letter(&[line(AlertSort::HeldLoad, "start", 2)]);
    assert_eq!(one.subject, "centre: A load for <b>shop 7 waits for a yes or a no: <b>why X", "in one line");
    let two = letter(&[line(AlertSort::HeldLoad, "start", 1), line(AlertSort::SilentShop, "end", 1)]);
    assert_eq!(two.subject, "centre: 2 messages");
    assert!(
        two.text.contains("Heard of again") && two.text.contains("https://cash.example.org/loads/7"),
        "{}",
        two.text
    );
    assert!(two.html.contains("&lt;b&gt;shop 7") && !two.html.contains("<b>shop"), "{}", two.html);
}

#[test]
fn no_name_brings_a_header_of_its_own() {
    let server = MailServer {
        host: "localhost".to_owned(),
        port: 25,
        security: MailSecurity::Plain,
        login: None,
        password_file: None,
        authority: None,
        from: "tillway@example.org".parse().unwrap(),
    };
    let user = User {
        no: 1,
        login: "anna".parse().unwrap(),
        name: "Анна\r\nBcc: eve@evil.org".to_owned(),
        grant: Grant { role: "viewer".to_owned(), place: None },
        password: None,
        must_change: false,
        disabled: false,
        link: None,
        mailing: Mailing { address: Some("anna@example.org".parse().unwrap()), ..Mailing::default() },
        made_at: now(),
        last_login: None,
    };
    let mut letter = letter_of(&report(&[]), Language::Russian, false);
    letter.subject = "a\r\nBcc: eve@evil.org".to_owned();
    let made = mail::message(&server, "shop\nBcc: eve@evil.org", &user, letter, Uuid::from_u128(7)).unwrap();
    let text = String::from_utf8(made.formatted()).unwrap();
    let head = text.split("\r\n\r\n").next().unwrap();
    assert!(!head.lines().any(|line| line.to_lowercase().starts_with("bcc")), "{head}");
    assert!(head.contains("Auto-Submitted: auto-generated"), "{head}");
    assert!(head.contains("Message-ID: <00000000-0000-0000-0000-000000000007@example.org>"), "{head}");
    assert_eq!(made.envelope().to().len(), 1);
}
