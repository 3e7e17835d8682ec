//! As many labels as a column can have: an ENUM counts in two octets from its 256th on, and a SET has 64 bits.

use crate::matrix::sample::{Class, Edge, Hazard, Sample};
use std::sync::LazyLock;

static MANY: LazyLock<[Sample; 2]> = LazyLock::new(|| {
    const ENUM: &[Edge] = &[
        Edge("'l1'", Hazard::Plain),
        Edge("'l255'", Hazard::Plain),
        Edge("'l256'", Hazard::Plain),
        Edge("'l300'", Hazard::Plain),
    ];
    const SET: &[Edge] = &[
        Edge("18446744073709551615", Hazard::Plain),
        Edge("'l64'", Hazard::Plain),
        Edge("'l1,l63'", Hazard::Plain),
        Edge("''", Hazard::Plain),
    ];
    [
        Sample { native: declared("enum", 300), class: Class::Text, values: ENUM },
        Sample { native: declared("set", 64), class: Class::Text, values: SET },
    ]
});

pub fn many() -> &'static [Sample] {
    &*MANY
}

/// `enum('l1','l2',…)`, kept as long as the tests run.
fn declared(kind: &str, most: usize) -> &'static str {
    let labels: Vec<String> = (1..=most).map(|n| format!("'l{n}'")).collect();
    format!("{kind}({})", labels.join(",")).leak()
}
