#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| arraylog::__fuzz::dictionary(bytes));
