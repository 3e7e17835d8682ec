//! Errors as they are shown: what happened, its code, what to do.

use super::Colours;
use crate::config::{Fault, Faults};
use serde::Serialize;
use std::error::Error;
use std::fmt;
use tidelock_endpoint::EndpointError;
use tidelock_sync::SyncError;

/// The command was used wrongly: exit code 2.
#[derive(Debug)]
pub struct Usage {
    /// Stable and searchable.
    pub code: &'static str,
    /// What was found.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Usage {
    /// What the parser of the command line found.
    pub fn of(error: &clap::Error) -> Usage {
        let text = error.render().to_string();
        let (message, rest) = text.split_once("\n\n").unwrap_or((&text, ""));
        let message = message.trim().trim_start_matches("error: ").to_owned();
        let tip = rest.lines().find_map(|l| l.trim().strip_prefix("tip: "));
        let hint = tip.unwrap_or("`tidelock --help` tells what there is").to_owned();
        Usage { code: "TL-CLI-USAGE", message, hint: Some(hint) }
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Usage {}

/// An error, ready to be shown.
#[derive(Debug, Default, Serialize)]
pub struct Failure {
    /// Stable and searchable, where the error has one.
    pub code: Option<String>,
    /// What was being done and what was found.
    pub message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// One line each, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
    /// What caused it, the nearest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// The mistakes of a configuration.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
    /// What the process ends with.
    #[serde(skip)]
    pub exit: u8,
}

impl Failure {
    /// Reads an error's chain.
    pub fn of(error: &anyhow::Error) -> Failure {
        let mut failure = Failure { exit: 1, ..Failure::default() };
        let mut context = Vec::new();
        for cause in error.chain() {
            if failure.read(cause) {
                failure.causes = causes(cause, &failure.message);
                break;
            }
            context.push(cause.to_string());
        }
        if failure.message.is_empty() {
            failure.message = context.first().cloned().unwrap_or_default();
            failure.causes = context.into_iter().skip(1).collect();
        } else if !context.is_empty() {
            failure.message = format!("{}: {}", context.join(": "), failure.message);
        }
        failure.find_code();
        failure
    }

    /// Takes in an error that says more than its text; false where it is none of those.
    fn read(&mut self, error: &(dyn Error + 'static)) -> bool {
        if let Some(faults) = error.downcast_ref::<Faults>() {
            (self.message, self.faults, self.exit) = (faults.to_string(), faults.faults.clone(), 2);
            self.code = Some("TL-CFG".to_owned());
        } else if let Some(usage) = error.downcast_ref::<Usage>() {
            (self.message, self.hint, self.exit) = (usage.message.clone(), usage.hint.clone(), 2);
            self.code = Some(usage.code.to_owned());
        } else if let Some(endpoint) = error.downcast_ref::<EndpointError>() {
            self.endpoint(endpoint, "");
        } else if let Some(sync) = error.downcast_ref::<SyncError>() {
            match sync {
                SyncError::Endpoint { endpoint, source } => self.endpoint(source, &format!("{endpoint}: ")),
                SyncError::Stopped { code, message } => {
                    (self.message, self.code) = (message.clone(), Some((*code).to_owned()));
                }
                SyncError::Refused { job, findings } => {
                    self.message = format!("{job} cannot start");
                    self.code = Some("TL-SYNC-REFUSED".to_owned());
                    self.findings = findings.clone();
                }
                other => self.message = other.to_string(),
            }
        } else {
            return false;
        }
        true
    }

    fn endpoint(&mut self, error: &EndpointError, before: &str) {
        self.message = format!("{before}{}", error.message);
        self.code = Some(error.code.to_owned());
        self.hint = error.hint.clone();
    }

    /// Many errors carry their code in their text, as `(TL-…)`.
    fn find_code(&mut self) {
        if self.code.is_none()
            && let Some((before, rest)) = self.message.split_once(" (TL-")
            && let Some((code, behind)) = rest.split_once(')')
        {
            self.code = Some(format!("TL-{code}"));
            self.message = format!("{before}{behind}");
        }
    }

    /// For people: `error: …`, then what belongs to it, indented.
    pub fn text(&self, colours: Colours) -> String {
        let mut text = format!("{} {}", colours.red("error:"), self.message);
        if let (Some(code), true) = (&self.code, self.faults.is_empty()) {
            text += &colours.dim(&format!(" ({code})"));
        }
        for finding in &self.findings {
            text += &format!("\n  - {finding}");
        }
        for cause in &self.causes {
            text += &format!("\n  caused by: {cause}");
        }
        if let Some(hint) = &self.hint {
            text += &format!("\n  {} {hint}", colours.bold("hint:"));
        }
        text
    }

    /// For machines.
    pub fn json(&self) -> String {
        let brief = match self.faults.is_empty() {
            true => self.message.clone(),
            false => self.message.lines().next().unwrap_or_default().to_owned(),
        };
        let mut error = serde_json::to_value(self).unwrap_or_default();
        error["message"] = brief.into();
        serde_json::json!({ "error": error }).to_string()
    }
}

/// The errors below one, without those whose text is already told.
fn causes(error: &(dyn Error + 'static), told: &str) -> Vec<String> {
    let skip = matches!(error.downcast_ref::<SyncError>(), Some(SyncError::Endpoint { .. }));
    let mut next = error.source();
    if skip {
        next = next.and_then(Error::source);
    }
    let mut causes: Vec<String> = Vec::new();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !told.contains(&text) && causes.last() != Some(&text) {
            causes.push(text);
        }
        next = cause.source();
    }
    causes
}
