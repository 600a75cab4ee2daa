//! Where we run: which host, what it knows and what it gets; the process's environment, its signals, its terminal, and the
//! writer of everything that people read.

pub mod artifact;
pub mod command;
pub mod defaults;
pub mod detect;
pub mod environment;
pub mod interrupt;
pub mod outputs;
pub mod progress;
pub mod publish;
pub mod tokens;
pub mod writer;
