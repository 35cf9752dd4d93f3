//! Every crash point in the source: the daemon is ended there, started again, and everything is as if nothing had been.

use std::time::Instant;
use tillway_tests::storm::points::{Point, crash_points};
use tillway_tests::storm::sweep::{Occasion, Reached, Sweep, Who, who};

/// Points that are passed on an occasion of their own.
const OCCASIONS: [(&str, Occasion); 9] = [
    ("installation::recorded", Occasion::NewInstallation),
    ("installation::decided", Occasion::NewInstallation),
    ("state::instance_made", Occasion::NewInstallation),
    ("state::set_aside", Occasion::BrokenState),
    ("dictionary::set_aside", Occasion::BrokenDictionary),
    ("settings::rewritten", Occasion::OldAddresses),
    ("package::forgotten", Occasion::OldPackages),
    ("package::removed", Occasion::OldPackages),
    ("package::digests_kept", Occasion::OldPackages),
];

/// Points that no daemon passes on these occasions, each with the reason.
const ELSEWHERE: [(&str, &str); 22] = [
    ("aside::appended", "somebody puts a batch of sales back that lies aside"),
    ("aside::removed", "somebody settles a batch of sales that lies aside"),
    ("aside::kept", "a batch of sales is damaged on the server's disk"),
    ("aside::reason_written", "a batch of sales is damaged on the server's disk"),
    ("loader::set_aside", "a batch of sales is damaged on the server's disk"),
    ("spool::recovered", "the spool has a torn tail"),
    ("spool::answering", "a place to hold an answer back, between two others that are swept"),
    ("sales::position_moved", "only without the protection that the storm switches off"),
    ("dictionary_load::data_without_cursor", "only without the protection that the storm switches off"),
    ("unload::noted_too_early", "only without the protection that the storm switches off"),
    ("handover::answered", "the back office takes no files of sales here"),
    ("handover::file_written", "the back office takes no files of sales here"),
    ("handover::noted", "the back office takes no files of sales here"),
    ("intake::given_up", "a file that the server's own faults keep from being loaded, all tries long"),
    ("intake::put_aside", "a file that the server's own faults keep from being loaded, all tries long"),
    ("intake::poison", "a fault of the reader itself, made by the intake's tests"),
    ("load::works", "a place to break a package's work, made use of by the agent's tests"),
    ("commands::works", "a place to break a command's work, made use of by the agent's tests"),
    ("look_back::taken_back", "the server lost sales that a till counts as sent"),
    ("aside::message_kept", "a message breaks its consumer, all tries long"),
    ("aside::packages_settled", "somebody settles what lies aside on a till"),
    ("aside::sales_settled", "somebody settles what lies aside on a till"),
];

/// Sweeps a part of a daemon's points: every `of`-th, beginning at `part`, so that some run side by side.
fn sweep(daemon: Who, part: usize, of: usize) {
    let points = crash_points().unwrap();
    let of_daemon: Vec<Point> = points
        .into_iter()
        .filter(|point| who(point) == daemon && !ELSEWHERE.iter().any(|(name, _)| *name == point.name))
        .skip(part)
        .step_by(of)
        .collect();
    let mut sweep = Sweep::start().unwrap();
    let mut wrong = Vec::new();
    let mut told = Vec::new();
    for point in &of_daemon {
        let started = Instant::now();
        let occasion = OCCASIONS.iter().find(|(name, _)| *name == point.name).map_or(Occasion::None, |(_, how)| *how);
        match sweep.pass(point, occasion).unwrap() {
            Reached::Ended => {}
            Reached::Never => wrong.push(format!("{} ({}) is never passed", point.name, point.file.display())),
            Reached::Otherwise(end) => {
                wrong.push(format!("{}: the daemon ended otherwise: {}\n{}", point.name, end.status, end.log));
            }
        }
        let ended = started.elapsed();
        let back = Instant::now();
        if let Err(error) = sweep.right_again() {
            panic!("after {}: {error}; kept in {}; before: {wrong:#?}", point.name, sweep.folder().display());
        }
        told.push(format!("{}: ended after {ended:?}, right again after {:?}", point.name, back.elapsed()));
    }
    let findings = sweep.end().unwrap();
    assert!(wrong.is_empty() && findings.is_empty(), "{wrong:#?}\n{findings:#?}\n{}", told.join("\n"));
}

#[test]
fn a_server_that_ends_at_any_crash_point_goes_on_as_if_nothing_had_been_1() {
    sweep(Who::Server, 0, 2);
}

#[test]
fn a_server_that_ends_at_any_crash_point_goes_on_as_if_nothing_had_been_2() {
    sweep(Who::Server, 1, 2);
}

#[test]
fn an_agent_that_ends_at_any_crash_point_goes_on_as_if_nothing_had_been() {
    sweep(Who::Agent, 0, 1);
}

#[test]
fn every_crash_point_has_one_name_and_every_exception_is_there() {
    let points = crash_points().unwrap();
    assert!(points.len() > 40, "{}", points.len());
    let named = OCCASIONS.iter().map(|(name, _)| *name).chain(ELSEWHERE.iter().map(|(name, _)| *name));
    for name in named {
        assert!(points.iter().any(|point| point.name == name), "{name} is no crash point any more");
    }
}
