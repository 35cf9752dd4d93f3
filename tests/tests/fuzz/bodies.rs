//! Every body, with random bytes and with mutated seeds. `TILLWAY_FUZZ_CASES` is the number of
//! cases of each (default 300, for CI); `PROPTEST_RNG_SEED` is proptest's own.

use crate::seeds;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tillway_tests::fuzz::mutate::Change;
use tillway_tests::fuzz::{self, BODIES};

const CASES_VARIABLE: &str = "TILLWAY_FUZZ_CASES";
const CASES: u32 = 300;

/// Changes of one input: many of them leave nothing valid.
const MAX_CHANGES: usize = 6;

fn cases() -> u32 {
    std::env::var(CASES_VARIABLE).ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES)
}

fn changes() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (any::<u32>(), any::<u8>()).prop_map(|(at, bit)| Change::Flip(at, bit)),
        4 => (any::<u32>(), any::<u8>()).prop_map(|(at, value)| Change::Set(at, value)),
        1 => any::<u32>().prop_map(Change::Cut),
        2 => (any::<u32>(), 1..200_u16).prop_map(|(at, count)| Change::Remove(at, count)),
        2 => (any::<u32>(), 1..60_u16, 1..100_u8).prop_map(|(at, count, times)| Change::Repeat(at, count, times)),
        2 => (any::<u32>(), any::<u32>(), 1..300_u16).prop_map(|(from, to, count)| Change::Splice(from, to, count)),
        2 => (any::<u32>(), any::<u8>()).prop_map(|(at, which)| Change::Number(at, which)),
        2 => any::<u32>().prop_map(Change::Digits),
        1 => (any::<u32>(), any::<u8>()).prop_map(|(at, which)| Change::Nest(at, which)),
        2 => (any::<u32>(), proptest::collection::vec(any::<u8>(), 0..16)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
    ]
}

fn inputs(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let random = proptest::collection::vec(any::<u8>(), 0..600);
    let mutated = (proptest::sample::select(seeds), proptest::collection::vec(changes(), 0..=MAX_CHANGES));
    let mutated = mutated.prop_map(|(mut bytes, changes)| {
        for change in &changes {
            change.apply(&mut bytes);
        }
        bytes
    });
    prop_oneof![1 => random, 4 => mutated]
}

/// An input in full where it is small, for a regression test.
fn run(body: &str) {
    let (_, function) = BODIES.into_iter().find(|(name, _)| *name == body).unwrap();
    let config = Config { cases: cases(), failure_persistence: None, max_shrink_iters: 2_000, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let outcome = runner.run(&inputs(seeds::of(body)), |bytes| {
        function(&bytes);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{body}: {error}");
    }
}

#[test]
fn every_seed_is_taken_as_it_is() {
    for (name, body) in BODIES {
        for seed in seeds::of(name) {
            body(&seed);
        }
    }
}

#[test]
fn every_body_is_run() {
    assert_eq!(BODIES.len(), 14, "a new body needs its line below");
}

macro_rules! bodies {
    ($($test:ident: $body:ident),* $(,)?) => {
        $(#[test]
        fn $test() {
            let _: fn(&[u8]) = fuzz::$body;
            run(stringify!($body));
        })*
    };
}

bodies! {
    no_text_of_a_back_office_breaks_the_reader: aif,
    no_rest_body_breaks_the_reader: aif_json,
    no_command_breaks_a_till: amqp_command,
    no_report_breaks_the_server: amqp_report,
    no_document_of_a_pos_breaks_the_unloader: documents_db,
    no_frame_breaks_the_sales_service: grpc_frames,
    no_logging_conf_breaks_the_agent: logging_conf,
    no_package_breaks_the_loader: package,
    no_message_breaks_the_loader: package_messages,
    no_file_of_the_queue_breaks_its_reader: queue_file,
    no_row_breaks_its_decoder: row_decode,
    no_cash_ini_breaks_the_agent: settings_ini,
    no_settings_break_the_server: settings_toml,
    no_segment_breaks_the_spool: spool_segment,
}
