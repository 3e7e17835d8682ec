use super::Outcome;
use crate::app::App;
use crate::cli::Global;
use crate::ui::{Ui, report};
use anyhow::Result;

/// `plan`: the statements that a run would execute, touching nothing.
pub async fn run(global: &Global, job: Option<&str>, ui: Ui) -> Result<Outcome> {
    let app = App::open(global, ui)?;
    app.known_job(job)?;
    let planned = app.engine.plan(job).await?;
    ui.result(&serde_json::json!({ "planned": planned }), |_, colours| report::plan(&planned, colours))?;
    Ok(Outcome::Done)
}
