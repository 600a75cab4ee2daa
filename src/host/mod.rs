//! Where we run: the process's environment, its signals, its terminal, and the writer of everything that people read.

pub mod environment;
pub mod interrupt;
pub mod outputs;
pub mod progress;
pub mod writer;
