//! One target under libFuzzer, named by `TIDELOCK_FUZZ`. Built and called by `cargo x fuzz`; libFuzzer brings `main` and its own flags.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;
use tidelock_fuzz::{Counting, Target, named};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static TARGET: OnceLock<&'static Target> = OnceLock::new();

fuzz_target!(
    init: {
        let name = std::env::var("TIDELOCK_FUZZ").unwrap_or_default();
        let target = named(&name).expect("`cargo x fuzz` names the target in TIDELOCK_FUZZ");
        let _ = TARGET.set(target);
    },
    |data: &[u8]| {
        if let Some(target) = TARGET.get() {
            target.run(data);
        }
    }
);
