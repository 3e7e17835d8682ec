//! What the schema cannot say: names, URLs, sizes, and whether the parts fit together.

use super::fault::{Fault, nearest};
use super::file::{Endpoint, EndpointDetails, Journal};
use super::tree::{Node, Value as Found};
use super::{Config, Path, beside, directory, jobs, units};
use crate::registry;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path as FilePath, PathBuf};
use tidelock_endpoint::{EndpointConfig, TlsMode, TlsOptions};
use tidelock_journal::JournalOptions;

/// Collects faults with their places.
pub struct Judge<'a> {
    /// The document.
    pub tree: &'a Node,
    /// What was found so far.
    pub faults: &'a mut Vec<Fault>,
}

impl Judge<'_> {
    /// A fault at `path`.
    pub fn fault(&mut self, code: &'static str, path: &Path, message: impl Into<String>) -> &mut Fault {
        let fault = Fault::new(code, self.tree.nearest(path).place, message).at(path);
        self.faults.push(fault);
        let last = self.faults.len() - 1;
        &mut self.faults[last]
    }

    /// A fault at `path`, with what is allowed.
    pub fn refuse(
        &mut self,
        code: &'static str,
        path: &Path,
        message: impl Into<String>,
        allowed: impl Into<String>,
    ) {
        self.fault(code, path, message).allowed = Some(allowed.into());
    }

    /// How the value at `path` may be shown: as it stands there, unless it holds a variable.
    pub fn shown(&self, path: &Path) -> String {
        super::reader::shown(&self.tree.nearest(path).value)
    }

    /// Nothing was found at `path` or below.
    pub fn is_sound(&self, path: &Path) -> bool {
        !self.faults.iter().any(|f| f.path.steps().starts_with(path.steps()))
    }

    /// What the reader took, as a type; it was read by this type's schema. Of a faulty value there may be too little for it.
    pub fn take<T: DeserializeOwned>(&mut self, value: Value, path: &Path) -> Option<T> {
        match serde_json::from_value(value) {
            Ok(taken) => Some(taken),
            Err(_) if !self.is_sound(path) => None,
            Err(_) => {
                self.fault("TL-CFG-TYPE", path, "this has another shape than it may have");
                None
            }
        }
    }
}

/// Builds the configuration from the sound part of the document.
pub fn config(read: Map<String, Value>, tree: Node, path: &FilePath, faults: &mut Vec<Fault>) -> Config {
    let directory = directory(path);
    let mut judge = Judge { tree: &tree, faults };
    let state = read
        .get("state")
        .and_then(Value::as_str)
        .map_or_else(|| PathBuf::from("./tidelock-state"), PathBuf::from);
    let journal = journal(&read, &mut judge);
    let endpoints = endpoints(&read, &directory, &mut judge);
    let jobs = jobs::jobs(&read, &mut judge);
    Config { path: path.to_owned(), state: beside(&directory, &state), journal, endpoints, jobs, tree }
}

fn journal(read: &Map<String, Value>, judge: &mut Judge<'_>) -> JournalOptions {
    let mut options = JournalOptions::default();
    let at = Path::of(&["journal"]);
    let Some(journal) = read.get("journal").and_then(|v| judge.take::<Journal>(v.clone(), &at)) else {
        return options;
    };
    if let Some(text) = &journal.max_size {
        let at = at.key("max_size");
        match units::size(text).filter(|bytes| *bytes >= 1 << 20) {
            Some(bytes) => options.max_bytes = bytes,
            None => {
                let found = judge.shown(&at);
                judge.refuse(
                    "TL-CFG-VALUE",
                    &at,
                    format!("found {found}"),
                    "a size from 1MiB on, such as 512MiB or 16GiB",
                );
            }
        }
    }
    if let Some(text) = &journal.max_age {
        let at = at.key("max_age");
        match units::age(text).filter(|age| !age.is_zero()) {
            Some(age) => options.max_age = age,
            None => {
                let found = judge.shown(&at);
                judge.refuse("TL-CFG-VALUE", &at, format!("found {found}"), "an age such as 90m, 12h or 7d");
            }
        }
    }
    options
}

fn endpoints(
    read: &Map<String, Value>,
    directory: &FilePath,
    judge: &mut Judge<'_>,
) -> BTreeMap<String, EndpointConfig> {
    let mut all = BTreeMap::new();
    let root = Path::of(&["endpoints"]);
    if judge.tree.get("endpoints").is_some_and(|n| matches!(&n.value, Found::Mapping(m) if m.is_empty())) {
        judge.refuse("TL-CFG-MISSING", &root, "there is no endpoint", "at least one");
    }
    for (name, value) in read.get("endpoints").and_then(Value::as_object).into_iter().flatten() {
        let at = root.key(name);
        name_rule(name, &at, judge);
        let Some(endpoint) = judge.take::<Endpoint>(value.clone(), &at) else { continue };
        let (details, url_at) = match endpoint {
            Endpoint::Url(url) => (EndpointDetails { url, tls: None, ca: None }, at.clone()),
            Endpoint::Detailed(details) => (details, at.key("url")),
        };
        if let Some(config) = endpoint_config(name, details, &at, &url_at, directory, judge) {
            all.insert(name.clone(), config);
        }
    }
    all
}

fn endpoint_config(
    name: &str,
    details: EndpointDetails,
    at: &Path,
    url_at: &Path,
    directory: &FilePath,
    judge: &mut Judge<'_>,
) -> Option<EndpointConfig> {
    let engine = match registry::engine_of(&details.url) {
        Ok(engine) => engine,
        Err(unknown) => {
            let code = if unknown.later { "TL-CFG-LATER" } else { "TL-CFG-SCHEME" };
            let fault = judge.fault(code, url_at, unknown.message);
            fault.suggestion = unknown.suggestion;
            fault.allowed = Some(registry::SCHEMES_IN_WORDS.to_owned());
            return None;
        }
    };
    if !engine.network {
        for (key, given) in
            [("tls", details.tls.is_some_and(|m| m != TlsMode::Disable)), ("ca", details.ca.is_some())]
        {
            if given {
                let message =
                    format!("`{key}` is given, but {name} is a file: there is no connection to protect");
                judge.refuse("TL-CFG-CONFLICT", &at.key(key), message, "leave it out");
            }
        }
    }
    if details.ca.is_some() && matches!(details.tls, Some(TlsMode::Disable)) {
        judge.refuse(
            "TL-CFG-CONFLICT",
            &at.key("ca"),
            "`ca` is given, but `tls` is disable",
            "tls: verify-ca or verify-full, or no `ca`",
        );
    }
    let tls = TlsOptions {
        mode: details.tls.unwrap_or_default(),
        ca: details.ca.map(|ca| beside(directory, FilePath::new(&ca))),
    };
    let url = if engine.network { details.url } else { registry::file_url(&details.url, directory) };
    Some(EndpointConfig { name: name.to_owned(), url, tls })
}

/// Names: 2–50 letters, digits, `-`, `_`.
pub fn name_rule(name: &str, at: &Path, judge: &mut Judge<'_>) {
    let length = name.chars().count();
    let sound = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if !sound || !(2..=50).contains(&length) {
        let shown = super::masked(name);
        judge.refuse("TL-CFG-NAME", at, format!("`{shown}` is no name"), "2–50 letters, digits, `-`, `_`");
    }
}

/// Refuses a name that is no endpoint of the file; faulty ones count as there.
pub fn known_endpoint(name: &str, at: &Path, judge: &mut Judge<'_>) {
    let names: Vec<&str> = judge
        .tree
        .get("endpoints")
        .map(Node::entries)
        .unwrap_or_default()
        .iter()
        .map(|(k, _)| k.name.as_str())
        .collect();
    if names.contains(&name) {
        return;
    }
    let found = judge.shown(at);
    let suggestion = nearest(name, names.iter().copied()).map(super::masked);
    let names: Vec<String> = names.into_iter().map(super::masked).collect();
    let allowed = format!("the names of `endpoints`: {}", names.join(", "));
    let fault = judge.fault("TL-CFG-NO-ENDPOINT", at, format!("there is no endpoint {found}"));
    fault.suggestion = suggestion;
    fault.allowed = Some(allowed);
}
