//! One outside thing each: git, GitHub, Azure DevOps, registries, HTTP, other programs, the zip format, folders, the clock.

pub mod azure;
mod child;
pub mod clock;
pub mod folder;
pub mod git;
pub mod github;
pub mod http;
pub mod registry;
pub mod render;
pub mod zip;
