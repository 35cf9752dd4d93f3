//! The report: every kind once, in its order, with what it is about.

use super::*;
use crate::report::attention::entry;

fn about(sort: AttentionSort, place: &str, tills: usize) -> Attention {
    let tills = (0..tills).map(|n| format!("_cash_{n}_00ab34ef")).collect();
    Attention { tills, ..entry(sort, place.to_owned(), "why".to_owned()) }
}

#[test]
fn entries_of_one_kind_are_one_topic_with_all_its_lines_and_a_count() {
    let mut list = vec![about(AttentionSort::Disk, "", 0), about(AttentionSort::Silent, "7: 3 (1, 2, 3)", 3)];
    list.extend((0..60).map(|n| about(AttentionSort::SilentLong, &format!("8/{n}"), 1)));
    let told = topics(&list);
    let short: Vec<_> = told.iter().map(|one| (one.key.as_str(), one.count, one.lines.len(), one.more)).collect();
    assert_eq!(short, [("disk", 1, 1, 0), ("silent", 3, 1, 0), ("silent-long", 60, 50, 10)]);
    assert!(told[0].is_grave && !told[1].is_grave);
    assert_eq!(told[1].address, "/findings?kind=silent");
}

#[test]
fn nothing_is_no_topic_and_much_is_cut() {
    assert_eq!(topic("slow", "/tills", Vec::new()), None);
    let line = Line { place: "7/1".to_owned(), since: None, detail: String::new(), task: None };
    let told = topic("slow", "/tills", vec![line; 70]).unwrap();
    assert_eq!((told.count, told.lines.len(), told.more), (70, 50, 20));
}
