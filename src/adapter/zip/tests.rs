//! Everything that is refused, everything that is accepted, and the exact bytes that are written.

#![allow(clippy::disallowed_methods, reason = "tests make the folders and files that they read")]

mod builder;
mod content;
mod forms;
mod structure;
