use serde::Serialize;

/// What becomes of a column's values at another endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum Verdict {
    /// Every value arrives as it is.
    Exact {
        /// The type that holds it there, as that engine spells it.
        native: String,
    },
    /// Some values would change; needs the user's word.
    Lossy {
        /// The type that would hold it.
        native: String,
        /// What would change.
        reason: String,
    },
    /// It cannot be held.
    Refused {
        /// Why not.
        reason: String,
    },
}
