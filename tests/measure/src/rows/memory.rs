//! B8: resident memory: an idle agent, an agent before a full file queue, a server with a million
//! objects and 2,000 tills.
//!
//! All are real processes. Beside them stands a program that does nothing but what an idle agent
//! cannot do without: a runtime with as many threads, a connection to the broker that consumes, a
//! database that is open.

mod agent;
mod bare;
mod day;
mod server;

use crate::figure::{median, of_u64};
use crate::part::Part;
use crate::report::{Line, Row, Side, Target, Unit};
use crate::{Context, MeasureError, Plan, usage};
use std::thread;
use std::time::Duration;

/// The row.
pub(super) const PLAN: Plan = Plan { id: "B8", name: "memory", title: "resident memory of agent and server", run };

/// The server after a day of loads.
pub(super) const DAY: Plan = day::PLAN;

/// What runs in processes of its own.
pub(super) const PARTS: &[Part] = &[("bare-client", bare::idle)];

/// Between two looks at the memory of a process that has nothing to do, and how many looks there
/// are.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const LOOKS: usize = 6;

/// The server's.
const MOST_OF_SERVER: f64 = 200e6;

fn run(context: &Context, row: &mut Row) -> Result<(), MeasureError> {
    let agent = agent::measure(context, row)?;
    let bytes = |name: &str, side, runs: Vec<f64>| Line::of(name, side, Unit::Bytes, runs);
    let bare = median(&agent.bare);
    row.targets.push(Target::at_most("agent idle over the bare program", median(&agent.idle) / bare, 2.0));
    row.targets.push(Target::at_most(
        "agent with a full queue over agent idle",
        median(&agent.before_full_queue) / median(&agent.idle),
        1.2,
    ));
    row.lines.push(bytes("bare tokio + lapin + rusqlite", Side::Beside, agent.bare));
    row.lines.push(bytes("agent idle", Side::Ours, agent.idle));
    row.lines.push(bytes(
        "agent idle, peak since its start (it recounts its dictionary)",
        Side::Ours,
        vec![agent.peak],
    ));
    row.lines.push(bytes("agent that has just loaded a store's dictionary", Side::Ours, vec![agent.after_load]));
    row.lines.push(bytes("agent before a full queue", Side::Ours, agent.before_full_queue));
    row.lines.push(bytes("agent before a full queue, peak", Side::Ours, vec![agent.peak_before_full_queue]));
    let starts = |name: &str, took: f64| Line::of(name, Side::Ours, Unit::Seconds, vec![took]);
    row.lines.push(starts("agent's start until it consumes", agent.start_s));
    row.lines.push(starts("the same before a full queue", agent.start_before_full_queue_s));
    let server = server::measure(context, row)?;
    row.lines.push(bytes("server, resident with all tills up to date", Side::Ours, server.resident.clone()));
    row.lines.push(bytes("server, peak of the load", Side::Ours, vec![server.peak_of_load]));
    row.lines.push(bytes("server, peak of all", Side::Ours, vec![server.peak]));
    let found = median(&server.resident) / MOST_OF_SERVER;
    row.targets.push(Target::at_most("server's resident memory over 200 MB", found, 1.0));
    row.targets.push(Target::at_most("server's peak over 200 MB", server.peak / MOST_OF_SERVER, 1.0));
    Ok(())
}

/// What a process that has nothing to do holds, some times.
fn at_rest(pid: u32) -> Result<Vec<f64>, MeasureError> {
    let look = |_| {
        thread::sleep(LOOK_EVERY);
        usage::resident(pid).map(of_u64)
    };
    (0..LOOKS).map(look).collect()
}
