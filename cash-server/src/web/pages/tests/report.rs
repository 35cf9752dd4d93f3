//! The report over data of every sort.

use super::super::report::ReportPage;
use super::{TASKS, now, of_frame};
use crate::report::{AttentionSort, Line, Report, Topic};
use crate::store::sales::FindingKind;
use serde_json::Value;

fn topic(key: String, is_grave: bool) -> Topic {
    let line = |place: &str, detail: &str, task| Line {
        place: place.to_owned(),
        since: task,
        detail: detail.to_owned(),
        task: (key == "background").then_some(TASKS[0]),
    };
    let lines = vec![line("<b>7/1", "<b>why", Some(now())), line("", "", None)];
    Topic { is_grave, count: 1_234, lines, more: 2, address: format!("/findings?kind={key}"), key }
}

pub(super) fn report() -> Report {
    let mut topics: Vec<Topic> = AttentionSort::ALL.map(|sort| topic(sort.word().to_owned(), sort.is_grave())).into();
    topics.extend(FindingKind::ALL.map(|kind| topic(format!("finding-{}", kind.as_str()), true)));
    topics.extend(["slow", "shift-late"].map(|key| topic(key.to_owned(), false)));
    Report { at: now(), place: "<b>chain".to_owned(), tills: 40, current: 30, behind: 5, silent: 3, parked: 2, topics }
}

pub(super) fn pages() -> Vec<(&'static str, Value)> {
    let page = |report: Report, sends_mail, address: Option<&str>, is_sent| {
        let address = address.map(str::to_owned);
        of_frame("report", ReportPage { report, sends_mail, address, is_sent })
    };
    let fine = Report { topics: Vec::new(), ..report() };
    vec![
        ("report.html", page(report(), true, Some("<b>anna@example.org"), true)),
        ("report.html", page(fine.clone(), true, None, false)),
        ("report.html", page(fine, false, None, false)),
    ]
}
