//! Command line of arraylog.
mod ndjson;
