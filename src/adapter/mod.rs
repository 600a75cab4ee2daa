//! One outside thing each: git, GitHub, Azure DevOps, registries, HTTP, the zip format, folders, the clock.

pub mod azure;
pub mod clock;
pub mod folder;
pub mod git;
pub mod github;
pub mod http;
pub mod registry;
pub mod zip;
