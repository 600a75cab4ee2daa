//! One outside thing each: git, the zip format, the clock.

pub mod clock;
pub mod git;
pub mod zip;
