#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tillway_tests::fuzz::logging_conf(bytes));
