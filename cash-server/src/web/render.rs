//! This server's templates, and the filter that they need beside those of every service.

use crate::words;
use minijinja::Environment;
use tillway_proto::Kopecks;
use tillway_service::page::{RenderError, Renderer, Template, group_digits};

/// The templates by name.
pub(crate) const TEMPLATES: [Template; 12] = [
    ("page.html", include_str!("templates/page.html")),
    ("overview.html", include_str!("templates/overview.html")),
    ("confirm.html", include_str!("templates/confirm.html")),
    ("attach.html", include_str!("templates/attach.html")),
    ("code.html", include_str!("templates/code.html")),
    ("stolen.html", include_str!("templates/stolen.html")),
    ("login.html", include_str!("templates/login.html")),
    ("first.html", include_str!("templates/first.html")),
    ("account.html", include_str!("templates/account.html")),
    ("people.html", include_str!("templates/people.html")),
    ("once.html", include_str!("templates/once.html")),
    ("sure.html", include_str!("templates/sure.html")),
];

/// Templates and words, read once: `page.html` and `overview.html` show a [`super::Overview`].
pub(super) fn renderer() -> Result<Renderer, RenderError> {
    Renderer::new(&TEMPLATES, words::of, more_filters)
}

fn more_filters(environment: &mut Environment<'_>) {
    environment.add_filter("rub", |kopecks: i64| group_digits(&Kopecks(kopecks).to_string()));
}

#[cfg(test)]
mod tests {
    use super::super::view::*;
    use super::*;
    use crate::exchange::Condition;
    use crate::store::sales::FindingKind;
    use crate::words::Language;
    use jiff::Timestamp;
    use tillway_proto::{DeliveryState, ExchangeStatus, Revision};
    use tillway_service::page::TaskView;

    /// A warning and a reject.
    fn notices(id: i64) -> Vec<NoticeView> {
        let warning = NoticeView {
            id,
            layer: "shop 367".to_owned(),
            load: 4,
            line: 8,
            verb: "addInventItem".to_owned(),
            key: "100".to_owned(),
            field: "name".to_owned(),
            value: "<b>long</b>".to_owned(),
            reason: "<b>cut".to_owned(),
            is_warning: true,
        };
        let reject = NoticeView { reason: "<b>why".to_owned(), is_warning: false, ..warning.clone() };
        vec![warning, reject]
    }

    const TASKS: [&str; 21] = [
        "backup",
        "broker-logins",
        "till-connections",
        "certificates",
        "backup-rehearsal",
        "backup-peers",
        "reconciler",
        "intake",
        "status-callbacks",
        "intake-cleaning",
        "intake-packing",
        "sales-loader",
        "sales-checks",
        "old-receipts",
        "sales-files",
        "sales-file-requests",
        "old-packages",
        "old-deliveries",
        "old-dictionary",
        "old-audit",
        "watchdog",
    ];

    fn overview() -> Overview {
        let now: Timestamp = "2026-01-02T06:00:00Z".parse().unwrap();
        let till = TillView {
            id: "_cash_1_00ab34ef".to_owned(),
            code: "1".to_owned(),
            name: "<b>Till</b>".to_owned(),
            shop: "367".to_owned(),
            condition: Condition::Behind,
            cursor: Some(Revision(17)),
            target: Revision(18),
            applied_at: Some("2026-01-02T05:00:00Z".parse().unwrap()),
            last_contact: Some("2026-01-02T05:59:30Z".parse().unwrap()),
            silent_since: Some("2026-01-02T05:59:30Z".parse().unwrap()),
            rows: Some(184_662),
            delivery: Some(DeliveryState::Announced),
            waits_for: Some("the till has not downloaded it yet".to_owned()),
            clock_ahead: Some(70),
            clock_behind: None,
            sales_wait: Some("documents-locked"),
            unsent_unknown: false,
            unsent_documents: Some(3),
            agent_version: Some("0.1.0".to_owned()),
        };
        Overview {
            now,
            server: "centre".to_owned(),
            version: "0.1.0".to_owned(),
            revision: Revision(18),
            broker: BrokerView { consuming: true, since: Some(now), trouble: None, blocked: None, foreign_queue: None },
            attention: AttentionSort::ALL
                .into_iter()
                .map(|sort| Attention {
                    sort,
                    place: "367/2".to_owned(),
                    detail: "<i>detail</i>".to_owned(),
                    since: Some(now),
                    acknowledge: (sort == AttentionSort::WentBack).then(|| "_cash_2_00ab34ef".to_owned()),
                    finding: None,
                    task: (sort == AttentionSort::Background).then_some("reconciler"),
                })
                .chain(FindingKind::ALL.into_iter().map(|kind| Attention {
                    sort: AttentionSort::Finding,
                    place: "367/2".to_owned(),
                    detail: "<i>detail</i>".to_owned(),
                    since: Some(now),
                    acknowledge: None,
                    finding: Some(kind.as_str()),
                    task: None,
                }))
                .collect(),
            attention_more: 3,
            aside: ["package", "document", "shift", "message", "units", "report", "stranger", "load", "sales"]
                .into_iter()
                .map(|sort| AsideView {
                    id: "till:_cash_2_00ab34ef:package:<b>7".to_owned(),
                    sort: sort.to_owned(),
                    place: "367/2".to_owned(),
                    name: "<b>7".to_owned(),
                    at: Some(now),
                    reason: "<b>broken".to_owned(),
                    ordered: (sort == "units").then_some("drop"),
                    retryable: sort != "sales",
                    droppable: sort != "units",
                })
                .collect(),
            aside_more: 1,
            notices: notices(7),
            notices_more: 3,
            notices_up_to: 9,
            sales_trouble: None,
            form_token: "0".repeat(64),
            tills: vec![
                till.clone(),
                TillView {
                    condition: Condition::NeverHeardOf,
                    cursor: None,
                    applied_at: None,
                    last_contact: None,
                    silent_since: None,
                    rows: None,
                    delivery: None,
                    waits_for: None,
                    clock_ahead: None,
                    clock_behind: Some(7_260),
                    sales_wait: None,
                    unsent_unknown: true,
                    unsent_documents: None,
                    agent_version: None,
                    ..till
                },
            ],
            tills_total: 2,
            tills_current: 1,
            deliveries: vec![DeliveryView {
                till: "367/1".to_owned(),
                package: "00ab34ef0011".to_owned(),
                from: Revision(17),
                to: Revision(18),
                objects: 1,
                bytes: 1834,
                state: DeliveryState::Rejected,
                status: ExchangeStatus::Error,
                updated_at: now,
                reason: Some("disk full".to_owned()),
            }],
            loads: vec![LoadView {
                id: 4,
                layer: "shop 367".to_owned(),
                source: "pos1.aif".to_owned(),
                source_in_full: "/srv/inbox/pos1.aif".to_owned(),
                accepted_at: now,
                took_seconds: Some("0.120".to_owned()),
                progress: Some(ProgressView { percent: 42, records: 654_321 }),
                revision: Some(Revision(18)),
                status: ExchangeStatus::ReadyWithError,
                added: 1,
                changed: 2,
                deleted: 3,
                unchanged: 92_331,
                rejected: 1,
                warnings: 1,
                warned: notices(0),
                rejects: vec![RejectView {
                    line: 7,
                    verb: "addPrice".to_owned(),
                    reason: "price `x` is not a number".to_owned(),
                }],
                reason: None,
            }],
            shifts: vec![ShiftView {
                shop: "367".to_owned(),
                till: "1".to_owned(),
                number: 12,
                opened: "2026-01-01T08:00:00".to_owned(),
                closed: String::new(),
                till_receipts: None,
                server_receipts: 41,
                till_sum: None,
                server_sum: Kopecks(1_234_567),
                in_future: true,
                verdict: ShiftVerdict::Differs,
                detail: Some("one receipt is missing".to_owned()),
            }],
            tls: Some(TlsView { days_left: 61, open_ports: vec!["aif.plain"] }),
            backups: Some(BackupsView {
                place: "s3://backups/<b>shop".to_owned(),
                trouble: None,
                newest: Some(now),
                rehearsed: Some(now),
                fault: Some("<b>table".to_owned()),
            }),
            background: Some(
                TASKS
                    .map(|name| TaskView {
                        name,
                        running_s: (name == "intake").then_some(70),
                        last_run: (name != "intake").then_some(now),
                        next_in_s: (name != "intake").then_some(30),
                        failures: u32::from(name == "old-audit") * 3,
                        error: (name == "old-audit").then(|| "<b>no room".to_owned()),
                    })
                    .into(),
            ),
        }
    }

    #[test]
    fn every_template_renders_in_every_language_and_escapes() {
        let renderer = renderer().unwrap();
        for language in Language::ALL {
            for name in ["page.html", "overview.html"] {
                let html = renderer.render(name, language, &overview()).unwrap();
                assert!(html.contains("&lt;b&gt;Till&lt;"), "{name} {}", language.code());
                assert!(!html.contains("<b>Till"), "{name}");
                assert!(html.contains("12\u{2009}345.67"));
                assert!(html.contains("class=\"mark waiting\""), "a shift in the future is marked");
                assert!(html.contains("184\u{2009}662"));
                assert!(html.contains("42 %") && html.contains("654\u{2009}321"), "how far a load is");
                // Each of the nine but the units that nobody names: one was ordered about, and is
                // neither.
                assert_eq!(html.matches("formaction=\"/aside/confirm").count(), 8, "{name}");
                assert!(!html.contains("name=\"reason\""), "a long reason would not fit a form");
            }
        }
    }

    /// What a person reads of a page: its text, and the attributes that are shown or spoken.
    fn read_by_people(html: &str) -> String {
        const SPOKEN: [&str; 4] = ["title=\"", "aria-label=\"", "placeholder=\"", "alt=\""];
        let mut text = String::new();
        let body = html.split_once("<body").map_or(html, |(_, body)| body);
        for piece in body.split('<') {
            let (tag, shown) = piece.split_once('>').unwrap_or((piece, ""));
            if !tag.starts_with("script") && !tag.starts_with("style") {
                text += shown;
            }
            for attribute in SPOKEN {
                text += tag.split_once(attribute).and_then(|(_, rest)| rest.split('"').next()).unwrap_or_default();
                text.push(' ');
            }
        }
        text
    }

    fn latin_words(text: &str) -> std::collections::BTreeSet<String> {
        let words = text.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| word.len() > 1);
        words.map(str::to_lowercase).collect()
    }

    /// What stands in the page's data, without the names of its fields.
    fn texts(data: &serde_json::Value) -> String {
        match data {
            serde_json::Value::String(text) => format!("{text} "),
            serde_json::Value::Array(items) => items.iter().map(texts).collect(),
            serde_json::Value::Object(fields) => fields.values().map(texts).collect(),
            _ => String::new(),
        }
    }

    #[test]
    fn a_russian_page_has_no_english_but_what_it_tells_of_and_names() {
        // Commands, files, keys, protocols, and the other language's name in itself.
        const NAMES: [&str; 23] = [
            "agent",
            "cash",
            "cert",
            "code",
            "db",
            "dictionaries",
            "english",
            "false",
            "gt",
            "ini",
            "key",
            "lt",
            "new",
            "ntp",
            "rabbitmq",
            "rest",
            "server",
            "settings",
            "sync",
            "tillway",
            "tls",
            "token",
            "unload",
        ];
        let shown = overview();
        let data = latin_words(&texts(&serde_json::to_value(&shown).unwrap()));
        let renderer = renderer().unwrap();
        for name in ["page.html", "overview.html"] {
            let html = renderer.render(name, Language::Russian, &shown).unwrap();
            let mut left = latin_words(&read_by_people(&html));
            left.retain(|word| !data.contains(word) && !NAMES.contains(&word.as_str()));
            assert!(left.is_empty(), "{name}: {left:?}");
            let english = renderer.render(name, Language::English, &shown).unwrap();
            let found = latin_words(&read_by_people(&english));
            assert!(found.difference(&data).count() > 50, "the page is read: {found:?}");
        }
    }

    #[test]
    fn each_finding_of_sales_has_a_heading_of_its_own_whether_or_not_it_names_a_shift() {
        let renderer = renderer().unwrap();
        let headings = |language, sort| {
            let mut shown = overview();
            shown.attention.retain(|attention| attention.finding.is_some());
            shown.attention.iter_mut().for_each(|attention| attention.sort = sort);
            let html = renderer.render("overview.html", language, &shown).unwrap();
            let parts = html.split("<strong>").skip(1).filter_map(|part| part.split_once("</strong>"));
            parts.map(|(heading, _)| heading.to_owned()).collect::<Vec<_>>()
        };
        for language in Language::ALL {
            let of_shifts = headings(language, AttentionSort::Shift);
            assert_eq!(of_shifts, headings(language, AttentionSort::Finding));
            let different: std::collections::BTreeSet<_> = of_shifts.iter().collect();
            assert_eq!(different.len(), FindingKind::ALL.len(), "{of_shifts:?}");
        }
        assert_eq!(headings(Language::English, AttentionSort::Shift)[1], "Receipt came again with other content");
    }

    #[test]
    fn every_condition_verdict_and_state_has_its_word() {
        let words = words::of(Language::English);
        for condition in Condition::ALL {
            assert!(words.has(&format!("condition-{}", condition.code())), "{condition:?}");
        }
        for verdict in ["open", "waiting", "agrees", "differs"] {
            assert!(words.has(&format!("verdict-{verdict}")));
        }
        for state in ["announced", "downloaded", "queued", "applied", "rejected", "expired", "superseded"] {
            assert!(words.has(&format!("delivery-{state}")));
        }
    }

    #[test]
    fn what_the_server_does_by_itself_is_shown_with_what_fails_and_only_to_those_who_may_see_it() {
        let renderer = renderer().unwrap();
        for (language, failed, runs, in_all) in [
            (Language::English, "failed 3 times in a row", "running for 1 min", "21 tasks"),
            (Language::Russian, "ошибка 3 раза подряд", "выполняется 1 мин", "21 задача"),
        ] {
            let html = renderer.render("overview.html", language, &overview()).unwrap();
            assert!(html.contains(failed) && html.contains(runs) && html.contains(in_all), "{html}");
            assert!(html.contains("&lt;b&gt;no room") && !html.contains("<b>no room"), "{html}");
            let nobody = Overview { background: None, ..overview() };
            assert!(!renderer.render("overview.html", language, &nobody).unwrap().contains(in_all));
        }
    }
}
