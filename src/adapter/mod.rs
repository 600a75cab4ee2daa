//! One outside thing each: git, GitHub, registries, HTTP, the zip format, folders, the clock.

pub mod clock;
pub mod folder;
pub mod git;
pub mod github;
pub mod http;
pub mod registry;
pub mod zip;
