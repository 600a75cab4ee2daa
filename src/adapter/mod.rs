//! One outside thing each: git, GitHub, the zip format, folders, the clock.

pub mod clock;
pub mod folder;
pub mod git;
pub mod github;
pub mod zip;
