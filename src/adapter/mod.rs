//! One outside thing each: git, GitHub, the zip format, the clock.

pub mod clock;
pub mod git;
pub mod github;
pub mod zip;
