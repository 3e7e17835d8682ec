//! Mistakes in a configuration: where, at which key, what was found, what is allowed, what was perhaps meant.

use super::Path;
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;

/// A place in a file; both count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

/// One mistake. Holds no secret: what came from a variable is shown as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Stable and searchable, such as `TL-CFG-UNKNOWN-KEY`.
    pub code: &'static str,
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
    /// The key it is about, such as `jobs.shop-to-crm.tables[2].name`; empty for the whole file.
    pub path: Path,
    /// What was found.
    pub message: String,
    /// What was perhaps meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
    /// What is allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed: Option<String>,
}

impl Fault {
    /// A fault of the whole file, until [`Fault::at`] says of which key.
    pub fn new(code: &'static str, place: Place, message: impl Into<String>) -> Fault {
        Fault { code, place, path: Path::default(), message: message.into(), suggestion: None, allowed: None }
    }

    /// About this key.
    pub fn at(mut self, path: &Path) -> Fault {
        self.path = path.clone();
        self
    }

    /// With what is allowed.
    pub fn allowed(mut self, allowed: impl Into<String>) -> Fault {
        self.allowed = Some(allowed.into());
        self
    }

    /// With the nearest of `choices`, where one is near enough to have been meant.
    pub fn nearest<'a>(mut self, found: &str, choices: impl IntoIterator<Item = &'a str>) -> Fault {
        self.suggestion = nearest(found, choices).map(str::to_owned);
        self
    }
}

/// All mistakes of one file, in its order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Faults {
    /// The file, as it was named.
    pub file: PathBuf,
    /// At least one.
    pub faults: Vec<Fault>,
}

impl std::error::Error for Faults {}

/// A line for the file, then a short paragraph for each fault.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = super::shown(&self.file);
        match self.faults.len() {
            1 => write!(f, "{file} has a mistake")?,
            count => write!(f, "{file} has {count} mistakes")?,
        }
        for fault in &self.faults {
            let Place { line, column } = fault.place;
            write!(f, "\n\n  {file}:{line}:{column}")?;
            if !fault.path.is_empty() {
                write!(f, "  {}", fault.path)?;
            }
            write!(f, "\n    {} ({})", fault.message, fault.code)?;
            if let Some(suggestion) = &fault.suggestion {
                write!(f, "\n    did you mean `{suggestion}`?")?;
            }
            if let Some(allowed) = &fault.allowed {
                write!(f, "\n    allowed: {allowed}")?;
            }
        }
        Ok(())
    }
}

/// The choice that is most like `found`, if any is like it at all.
pub fn nearest<'a>(found: &str, choices: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = found.to_lowercase();
    let scored = choices.into_iter().map(|c| (strsim::damerau_levenshtein(&lower, &c.to_lowercase()), c));
    let (distance, choice) = scored.min_by_key(|(distance, _)| *distance)?;
    let length = found.chars().count().max(choice.chars().count());
    (distance <= (length / 3).max(1)).then_some(choice)
}

/// A text with the password of every URL in it hidden, for text that a person wrote at a wrong place.
pub fn masked(text: &str) -> String {
    let Some(at) = text.rfind('@') else {
        // A name such as `password_resets` is none.
        let name = text.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        let secret = text.to_lowercase().contains("pass") && !name;
        return if secret { "***".to_owned() } else { text.to_owned() };
    };
    let (before, host) = text.split_at(at);
    match before.split_once("://") {
        Some((scheme, user)) => {
            let user = user.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}:***{}", host.split('?').next().unwrap_or_default())
        }
        None => format!("***{}", host.split('?').next().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_hidden_wherever_they_stand() {
        for (text, shown) in [
            ("postgres://sync:hunter2@host/db", "postgres://sync:***@host/db"),
            ("postgres://sync:hun@ter/2@host/db", "postgres://sync:***@host/db"),
            ("postgres:sync:hunter2@host/db", "***@host/db"),
            ("mysql://host/db?password=hunter2", "***"),
            ("mysql://host/db?passwd=hunter2", "***"),
            ("password_resets", "password_resets"),
            ("password hunter2", "***"),
            ("MyPassword1", "***"),
            ("mysql://a:b@host/db?x=hunter2", "mysql://a:***@host/db"),
            ("shop", "shop"),
        ] {
            assert_eq!(masked(text), shown);
        }
    }

    #[test]
    fn only_a_near_choice_is_suggested() {
        let choices = ["source", "target", "tables"];
        assert_eq!(nearest("tabels", choices), Some("tables"));
        assert_eq!(nearest("Source", choices), Some("source"));
        assert_eq!(nearest("colour", choices), None);
    }
}
