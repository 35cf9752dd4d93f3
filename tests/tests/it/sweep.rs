//! Every crash point in the source: the daemon is ended there, started again, and everything is as
//! if nothing had been.

use std::time::Instant;
use tillway_tests::storm::points::{Point, crash_points};
use tillway_tests::storm::sweep::{Occasion, Reached, Sweep, Who, who};

/// Points that are passed on an occasion of their own.
const OCCASIONS: [(&str, Occasion); 33] = [
    ("installation::recorded", Occasion::NewInstallation),
    ("installation::decided", Occasion::NewInstallation),
    ("state::instance_made", Occasion::NewInstallation),
    ("state::set_aside", Occasion::BrokenState),
    ("before_upgrade::copied", Occasion::OlderState),
    ("dictionary::set_aside", Occasion::BrokenDictionary),
    ("dictionary::replaced", Occasion::DamagedDictionary),
    ("settings::rewritten", Occasion::OldAddresses),
    ("mover::left", Occasion::OldAddresses),
    ("package::forgotten", Occasion::OldPackages),
    ("package::removed", Occasion::OldPackages),
    ("package::digests_kept", Occasion::NoDigests),
    ("reconciler::delivery_ended", Occasion::Parking),
    ("aside::reason_written", Occasion::BrokenBatch),
    ("aside::kept", Occasion::BrokenBatch),
    ("loader::set_aside", Occasion::BrokenBatch),
    ("aside::appended", Occasion::BatchAside),
    ("aside::removed", Occasion::BatchAside),
    ("spool::recovered", Occasion::TornSpool),
    ("passed::noted", Occasion::LoadedSpool),
    ("spool::segment_removed", Occasion::LoadedSpool),
    ("queue::set_aside", Occasion::BrokenQueue),
    ("queue::try_counted", Occasion::BrokenQueue),
    ("queue::claimed", Occasion::BrokenQueue),
    ("handover::file_written", Occasion::SalesForOffice),
    ("handover::noted", Occasion::SalesForOffice),
    ("handover::answered", Occasion::SalesForOffice),
    ("intake::body_put_aside", Occasion::PoisonedLoad),
    ("intake::given_up", Occasion::PoisonedLoad),
    ("look_back::taken_back", Occasion::LostSales),
    ("aside::message_kept", Occasion::Rubbish),
    ("aside::packages_settled", Occasion::SettledTill),
    ("aside::sales_settled", Occasion::SettledTill),
];

/// Points at which no daemon is ended, each with the reason.
const NO_STEPS: [(&str, &str); 9] = [
    ("spool::answering", "nothing was done there: a place to hold an answer back, between two others that are swept"),
    ("sales::position_moved", "only without the protection that the storm switches off"),
    ("dictionary_load::data_without_cursor", "only without the protection that the storm switches off"),
    ("unload::noted_too_early", "only without the protection that the storm switches off"),
    ("intake::poison", "nothing was done there: a place where the reader breaks off, made use of by other occasions"),
    ("load::works", "nothing was done there: a place where a package's work breaks off"),
    ("outbox::sent", "needs a mail server: the strangers end the server there"),
    ("outbox::called", "needs a webhook: as a mail that was sent"),
    ("commands::works", "nothing was done there: a place where a command's work breaks off"),
];

/// How often an occasion is made for a point that it did not lead to.
const MOST_OCCASIONS: usize = 3;

/// Sweeps a part of a daemon's points: every `of`-th, beginning at `part`, so that some run side
/// by side.
fn sweep(daemon: Who, part: usize, of: usize) {
    let points = crash_points().unwrap();
    let of_daemon: Vec<Point> = points
        .into_iter()
        .filter(|point| who(point) == daemon && !NO_STEPS.iter().any(|(name, _)| *name == point.name))
        .skip(part)
        .step_by(of)
        .collect();
    let mut sweep = Sweep::start().unwrap();
    let mut wrong = Vec::new();
    let mut told = Vec::new();
    for point in &of_daemon {
        let started = Instant::now();
        let occasion = OCCASIONS.iter().find(|(name, _)| *name == point.name).map_or(Occasion::None, |(_, how)| *how);
        let mut reached = sweep.pass(point, occasion).unwrap();
        // An occasion is a matter of time as well: what was made ready may have been over before
        // the daemon came to it.
        for _ in 1..MOST_OCCASIONS {
            if occasion == Occasion::None || !matches!(reached, Reached::Never) {
                break;
            }
            sweep.right_again().unwrap();
            reached = sweep.pass(point, occasion).unwrap();
        }
        match reached {
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
    let named = OCCASIONS.iter().map(|(name, _)| *name).chain(NO_STEPS.iter().map(|(name, _)| *name));
    for name in named {
        assert!(points.iter().any(|point| point.name == name), "{name} is no crash point any more");
    }
}
