//! The system's clock.

use crate::port::Clock;

/// Asks the operating system for the time.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    fn now(&self) -> i64 {
        jiff::Timestamp::now().as_second()
    }
}
