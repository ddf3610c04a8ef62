#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| arraylog_cli::__fuzz::ndjson(bytes));
