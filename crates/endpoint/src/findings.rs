//! What `inspect` finds, collected.

use crate::{Finding, Severity};

/// Findings of one inspection. Their remedies speak of the connected user by a word of the server's that stands for whoever runs them, which is somebody else: here
/// the user's own name takes its place.
#[derive(Debug, Default)]
pub struct Findings {
    /// In the order in which they were found.
    pub list: Vec<Finding>,
    word: &'static str,
    user: String,
}

impl Findings {
    /// None yet. `word` stands for `user` in remedies.
    pub fn new(word: &'static str, user: String) -> Findings {
        Findings { list: Vec::new(), word, user }
    }

    /// One more.
    pub fn add(&mut self, mut finding: Finding) {
        if !self.word.is_empty() {
            finding.remedy = finding.remedy.map(|remedy| remedy.replace(self.word, &self.user));
        }
        self.list.push(finding);
    }

    /// One that keeps the job from running.
    pub fn error(
        &mut self,
        code: &'static str,
        subject: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(Finding::new(Severity::Error, code, subject, message).remedy(remedy));
    }

    /// One that should be known.
    pub fn warning(
        &mut self,
        code: &'static str,
        subject: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(Finding::new(Severity::Warning, code, subject, message).remedy(remedy));
    }
}
