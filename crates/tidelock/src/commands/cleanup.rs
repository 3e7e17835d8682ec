use super::Outcome;
use crate::app::App;
use crate::cli::{CleanupArgs, Global};
use crate::ui::{Ui, report};
use anyhow::Result;

/// `cleanup`: shows, and with `--yes` removes, what tidelock put into the databases.
pub async fn run(global: &Global, args: &CleanupArgs, ui: Ui) -> Result<Outcome> {
    let app = App::open(global, ui)?;
    app.known_job(args.job.as_deref())?;
    let found = app.engine.cleanup(args.job.as_deref(), args.yes).await?;
    let items: Vec<_> = found
        .iter()
        .map(|(endpoint, c)| {
            serde_json::json!({ "endpoint": endpoint, "kind": c.kind, "name": c.name, "statement": c.statement })
        })
        .collect();
    ui.result(&serde_json::json!({ "removed": args.yes, "found": items }), |_, colours| {
        report::cleanup(&found, args.job.as_deref(), args.yes, colours)
    })?;
    Ok(Outcome::Done)
}
