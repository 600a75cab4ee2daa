//! The integration tests: the real binary, real git, real servers on 127.0.0.1, and nothing else.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods
)]

mod branches;
mod cli;
mod drift;
mod everyday;
mod evidence;
mod gates;
mod memory;
mod order;
mod package;
mod progress;
mod races;
mod spine;
mod support;
mod topologies;
