//! The pure core: words, formats, rules. Nothing here reads a clock, a file, a process or the environment.

pub mod artifact;
pub mod escape;
pub mod id;
pub mod listing;
pub mod object;
pub mod path;
pub mod policy;
pub mod url;
