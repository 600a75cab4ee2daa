//! Benchmarks of the real binary against real git; none is written yet.

fn main() {}
