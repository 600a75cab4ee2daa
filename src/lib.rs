//! passgate promotes GitOps configuration from one environment repository to the next so that nothing skips a gate.
//!
//! Imports go downward only, and a test holds every file to it:
//!
//! | module | may use |
//! |---|---|
//! | [`domain`] | std, serde, thiserror and pure helpers |
//! | [`port`] | domain |
//! | [`app`] | port, domain |
//! | [`adapter`] | port, domain; never another adapter, but for `adapter::http` and `adapter::child`, which those that ask a server or start a program share |
//! | [`host`] | port, domain |
//! | [`cli`] | app, host, port, domain |
//! | `main` | all |

pub mod adapter;
pub mod app;
pub mod cli;
pub mod domain;
pub mod host;
pub mod port;
