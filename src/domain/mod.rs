//! The pure core: words, formats, rules. Nothing here reads a clock, a file, a process or the environment.

pub mod artifact;
pub mod audit;
pub mod chain;
pub mod continuity;
pub mod credentials;
pub mod escape;
pub mod gate;
pub mod graph;
pub mod id;
pub mod image;
pub mod listing;
pub mod message;
pub mod news;
pub mod notes;
pub mod object;
pub mod outcome;
pub mod path;
pub mod plan;
pub mod policy;
pub mod proposal;
pub mod record;
pub mod reference;
pub mod scaffold;
pub mod time;
pub mod url;
