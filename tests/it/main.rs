//! The integration tests: the real binary, real git, real servers on 127.0.0.1, and nothing else.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods
)]

mod argo;
mod audit;
mod azure;
mod branches;
mod charts;
mod check;
mod cli;
mod decoys;
mod described;
mod drift;
mod everyday;
mod evidence;
mod faults;
mod gates;
mod hidden;
mod host;
mod images;
mod init;
mod kustomize;
mod launcher;
mod memory;
mod merges;
mod operations;
mod order;
mod package;
mod pipeline;
mod progress;
mod pulls;
mod races;
mod ran;
mod references;
mod registry;
mod renames;
mod render;
mod rollback;
mod runs;
mod sources;
mod spine;
mod ssh;
mod statuses;
mod support;
mod tell;
mod topologies;
