//! Policies that are read, and every fault with its place.
