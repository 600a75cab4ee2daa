//! Tests that drive the binary.
