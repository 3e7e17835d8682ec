use super::Outcome;
use crate::app::App;
use crate::cli::Global;
use crate::ui::{Ui, report};
use anyhow::Result;

/// `status`: what the jobs were doing when it was last written down.
pub fn run(global: &Global, ui: Ui) -> Result<Outcome> {
    let app = App::open(global, ui)?;
    let status = app.engine.status()?;
    let names: Vec<String> = app.engine.jobs.iter().map(|j| j.name.clone()).collect();
    ui.result(&status, |status, colours| report::status(status, &names, colours))?;
    Ok(Outcome::Done)
}
