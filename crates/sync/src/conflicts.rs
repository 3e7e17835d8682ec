use crate::Result;
use crate::apply::Decided;
use crate::context::{FlowContext, now_micros};
use crate::observe::Event;
use tidelock_journal::{Conflict, StateStore};

/// Writes conflicts into the log and tells whoever watches.
pub fn record(context: &FlowContext, log: &StateStore, decided: &[Decided]) -> Result<()> {
    let flow = &context.flow;
    let entries: Vec<Conflict> = decided
        .iter()
        .map(|d| Conflict {
            id: 0,
            time: now_micros(),
            job: flow.job.clone(),
            table: d.table.clone(),
            key: d.key.clone(),
            rule: format!("{}: {}", d.conflict.as_str(), d.rule.as_str()),
            winner: flow.target.clone(),
            incoming: d.incoming.clone(),
            current: d.current.clone(),
        })
        .collect();
    if entries.is_empty() {
        return Ok(());
    }
    log.add_conflicts(&entries)?;
    for d in decided {
        context.observer.event(&Event::Conflict {
            job: flow.job.clone(),
            table: d.table.clone(),
            key: d.key.clone(),
            conflict: d.conflict.as_str().to_owned(),
            rule: d.rule.as_str().to_owned(),
            winner: flow.target.clone(),
        });
    }
    Ok(())
}
