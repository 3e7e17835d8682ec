//! Processor time that a virtual machine wanted and its host gave to others (`steal` in `/proc/stat`, see proc(5)).
//!
//! It hits whichever of the two is measured just then, so a ratio of a repetition in which much was taken says nothing.

use std::fs;

/// The processors' time up to a moment, in the kernel's ticks.
#[derive(Clone, Copy, Default)]
pub struct Stolen {
    all: u64,
    taken: u64,
}

impl Stolen {
    /// Up to now. Where the kernel does not tell, nothing was taken.
    pub fn now() -> Stolen {
        Stolen::parse(&fs::read_to_string("/proc/stat").unwrap_or_default())
    }

    fn parse(stat: &str) -> Stolen {
        let mut fields = stat.lines().next().unwrap_or_default().split_whitespace();
        // user nice system idle iowait irq softirq steal; what guests had is in user already.
        let times: Vec<u64> = match fields.next() {
            Some("cpu") => fields.take(8).map_while(|field| field.parse().ok()).collect(),
            _ => Vec::new(),
        };
        Stolen { all: times.iter().sum(), taken: times.get(7).copied().unwrap_or(0) }
    }

    /// The share of all processors' time since then that others had: 0 to 1.
    pub fn since(self) -> f64 {
        self.until(Stolen::now())
    }

    fn until(self, later: Stolen) -> f64 {
        let (all, taken) = (later.all.saturating_sub(self.all), later.taken.saturating_sub(self.taken));
        if all == 0 { 0.0 } else { taken as f64 / all as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_of_the_time_between() {
        let begun = Stolen::parse("cpu  100 0 50 800 10 0 5 35 0 0\ncpu0 1 2 3\n");
        let later = Stolen::parse("cpu  140 0 60 830 10 0 5 55 7 0\n");
        assert_eq!(begun.until(later), 0.2);
        assert_eq!(Stolen::parse("no such file").until(Stolen::default()), 0.0);
    }
}
