//! The fuzzer of cursors: libFuzzer, with what `ledger::fuzz` holds against each input.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ledger::fuzz::cursor(input));
