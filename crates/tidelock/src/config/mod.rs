//! The configuration: `tidelock.yaml`, read and judged before anything is touched.
//!
//! ```text
//!   text ─▶ tree (places) ─▶ variables ─▶ reader (by the schema of `file`) ─▶ build (what the schema cannot say) ─▶ Config
//! ```
//!
//! Every step adds to one list of faults and goes on as far as there is anything left to say; nobody mends a file one mistake at a time.

mod build;
mod fault;
mod file;
mod jobs;
mod path;
mod policy;
mod reader;
mod rules;
mod schema;
mod selection;
mod tree;
mod units;
mod variables;

pub use fault::{Fault, Faults, masked, nearest};
pub use path::{Path, Step};
pub use schema::published as published_schema;

use crate::ui::Usage;
use std::collections::BTreeMap;
use std::path::{Component, Path as FilePath, PathBuf};
use tidelock_endpoint::EndpointConfig;
use tidelock_journal::JournalOptions;
use tidelock_sync::job::Job;
use tree::Node;
use variables::Variables;

/// A configuration without a fault, as far as that can be told without opening an endpoint.
#[derive(Debug)]
pub struct Config {
    /// The file.
    pub path: PathBuf,
    /// The state's directory.
    pub state: PathBuf,
    /// Limits of every journal.
    pub journal: JournalOptions,
    /// The endpoints by name.
    pub endpoints: BTreeMap<String, EndpointConfig>,
    /// The jobs in the order of the file.
    pub jobs: Vec<Job>,
    tree: Node,
}

impl Config {
    /// Reads the file; all mistakes in one go.
    pub fn load(path: &FilePath) -> anyhow::Result<Config> {
        let wrong = |message: String, hint: &str| {
            let message = format!("{}: {message}", shown(path));
            Usage { code: "TL-CFG-READ", message, hint: Some(hint.to_owned()) }
        };
        let text = std::fs::read_to_string(path).map_err(|error| {
            let hint = "name another with --config FILE, or let `tidelock init FROM_URL TO_URL` write one";
            wrong(format!("the configuration cannot be read: {error}"), hint)
        })?;
        let variables = Variables::beside(&directory(path))
            .map_err(|message| wrong(message, "each line is NAME=value, NAME='value' or # a comment"))?;
        Ok(Config::parse(&text, path, &variables)?)
    }

    /// A text as a configuration in the working directory, with these variables only.
    #[cfg(test)]
    pub fn from_text(text: &str, variables: &[(&str, &str)]) -> Result<Config, Faults> {
        Config::parse(text, FilePath::new("tidelock.yaml"), &Variables::fixed(variables))
    }

    fn parse(text: &str, path: &FilePath, variables: &Variables) -> Result<Config, Faults> {
        let mut faults = Vec::new();
        let config = Config::collect(text, path, variables, &mut faults);
        match config {
            Some(config) if faults.is_empty() => Ok(config),
            _ => Err(sorted(path, faults)),
        }
    }

    fn collect(
        text: &str,
        path: &FilePath,
        variables: &Variables,
        faults: &mut Vec<Fault>,
    ) -> Option<Config> {
        let Some(mut tree) = tree::parse(text, faults) else {
            if faults.is_empty() {
                let place = fault::Place { line: 1, column: 1 };
                faults.push(
                    Fault::new("TL-CFG-EMPTY", place, "the file is empty")
                        .allowed("`endpoints` and `jobs`; `tidelock init FROM_URL TO_URL` writes them"),
                );
            }
            return None;
        };
        variables.replace(&mut tree, &Path::default(), faults);
        let schema = schema::annotated();
        let read = reader::Reader::new(&schema, faults).document(&tree);
        Some(build::config(read, tree, path, faults))
    }

    /// A fault at a key of this file, found by somebody who knows more than the file.
    pub fn fault(&self, code: &'static str, path: &Path, message: impl Into<String>) -> Fault {
        Fault::new(code, self.tree.nearest(path).place, message).at(path)
    }

    /// Those faults as the file's.
    pub fn refuse(&self, faults: Vec<Fault>) -> Result<(), Faults> {
        if faults.is_empty() { Ok(()) } else { Err(sorted(&self.path, faults)) }
    }
}

fn sorted(path: &FilePath, mut faults: Vec<Fault>) -> Faults {
    faults.sort_by_key(|f| f.place);
    Faults { file: path.to_owned(), faults }
}

/// The file as it is named in messages.
pub fn shown(path: &FilePath) -> String {
    path.strip_prefix("./").unwrap_or(path).display().to_string()
}

/// Where the file lies; what it names is relative to that.
pub fn directory(path: &FilePath) -> PathBuf {
    path.parent().map(|parent| beside(parent, FilePath::new(""))).unwrap_or_default()
}

/// A path as seen from the working directory, when it is given as seen from `directory`; without `.` on the way.
fn beside(directory: &FilePath, path: &FilePath) -> PathBuf {
    directory.join(path).components().filter(|c| *c != Component::CurDir).collect()
}

#[cfg(test)]
mod tests;
