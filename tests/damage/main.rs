//! Damaged files: every bit flipped, every length, and what still works then.
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod every;
mod fixture;
mod index;
mod read;
mod torture;
mod verify;
