//! Everything that is refused, everything that is accepted, and the exact bytes that are written.

mod builder;
mod content;
mod forms;
mod structure;
