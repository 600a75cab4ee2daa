//! One outside thing each: git, the zip format, folders, the clock.

pub mod clock;
pub mod folder;
pub mod git;
pub mod zip;
