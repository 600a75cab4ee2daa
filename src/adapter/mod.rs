//! The outside world, one thing per module.

pub mod zip;
