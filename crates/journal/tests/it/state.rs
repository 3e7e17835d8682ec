use rusqlite::Connection;
use tidelock_journal::{
    Conflict, JobStatus, JournalError, StateError, StateLock, StateOptions, StateStore, TablePlan,
};

fn conflict(n: i64, job: &str) -> Conflict {
    Conflict {
        id: 0,
        time: n,
        job: job.to_owned(),
        table: "orders".to_owned(),
        key: format!("[{n}]"),
        rule: "last_update_wins by updated_at".to_owned(),
        winner: "shop".to_owned(),
        incoming: Some(r#"{"id":1}"#.to_owned()),
        current: None,
    }
}

#[test]
fn plans_runs_and_statuses_are_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    let state = StateStore::open(&path, StateOptions::default()).unwrap();
    state.save_plan("j", "b", "[1]").unwrap();
    state.save_plan("j", "a", "[2]").unwrap();
    state.save_plan("j", "b", "[3]").unwrap();
    let first = state.begin_run("j", 10).unwrap();
    state.end_run(first, 20, "done").unwrap();
    let second = state.begin_run("k", 30).unwrap();
    assert!(state.end_run(99, 1, "nothing").is_err(), "a run that never began");
    state.save_job_status("j", "{}", 1).unwrap();
    state.save_job_status("j", r#"{"lag":0}"#, 2).unwrap();
    drop(state);
    let state = StateStore::open(&path, StateOptions::default()).unwrap();
    let beside = StateStore::open_to_read(&path).unwrap();
    for state in [&state, &beside] {
        assert_eq!(state.plan("j", "b").unwrap().as_deref(), Some("[3]"));
        assert_eq!(state.plan("j", "c").unwrap(), None);
        let plan = |table: &str, chunks: &str| TablePlan { table: table.into(), chunks: chunks.into() };
        assert_eq!(state.plans("j").unwrap(), [plan("a", "[2]"), plan("b", "[3]")]);
        let runs = state.runs(None, 10).unwrap();
        assert_eq!(runs.iter().map(|r| r.id).collect::<Vec<_>>(), [second, first]);
        assert_eq!(runs[1].outcome.as_deref(), Some("done"));
        assert_eq!(state.runs(Some("k"), 10).unwrap()[0].ended, None);
        let status = JobStatus { job: "j".into(), status: r#"{"lag":0}"#.into(), updated: 2 };
        assert_eq!(state.job_status("j").unwrap().as_ref(), Some(&status));
        assert_eq!(state.job_statuses().unwrap(), [status]);
    }
    assert!(beside.save_plan("j", "z", "").is_err(), "it only reads");
    state.forget_plans("j").unwrap();
    assert!(state.plans("j").unwrap().is_empty() && state.job_status("j").unwrap().is_some());
    assert_eq!(state.runs(None, 10).unwrap().len(), 2);
}

#[test]
fn the_conflict_log_keeps_the_newest() {
    let directory = tempfile::tempdir().unwrap();
    let state =
        StateStore::open(&directory.path().join("state.db"), StateOptions { conflicts: 100 }).unwrap();
    for part in 0..30 {
        let jobs = ["j", "k"];
        let conflicts: Vec<_> = (0..10).map(|n| conflict(part * 10 + n, jobs[n as usize % 2])).collect();
        state.add_conflicts(&conflicts).unwrap();
    }
    assert_eq!(state.conflicts(None, None, 1000).unwrap().len(), 100);
    assert_eq!(state.conflicts(Some("j"), None, 1000).unwrap().len(), 50);
    let newest = state.conflicts(None, None, 3).unwrap();
    assert_eq!(newest.iter().map(|c| c.time).collect::<Vec<_>>(), [299, 298, 297]);
    let page = state.conflicts(Some("j"), Some(newest[1].id), 2).unwrap();
    assert_eq!(page.iter().map(|c| c.time).collect::<Vec<_>>(), [296, 294]);
    assert_eq!(state.conflict(page[0].id).unwrap(), Some(Conflict { id: page[0].id, ..conflict(296, "j") }));
    assert_eq!(state.conflict(1).unwrap(), None);
}

#[test]
fn another_version_and_another_file_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    drop(StateStore::open(&path, StateOptions::default()).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 7).unwrap();
    let refused = StateStore::open(&path, StateOptions::default()).unwrap_err();
    assert!(matches!(refused, StateError::Version { found: 7, .. }), "{refused}");
    let other = directory.path().join("shop.db");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE shop (id)").unwrap();
    assert!(StateStore::open(&other, StateOptions::default()).is_err());
    assert!(StateStore::open_to_read(&directory.path().join("none.db")).is_err());
}

#[test]
fn one_process_holds_the_state_directory() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state");
    let lock = StateLock::acquire(&path).unwrap();
    let refused = StateLock::acquire(&path).unwrap_err();
    assert!(matches!(refused, JournalError::Locked { .. }), "{refused}");
    assert!(refused.to_string().contains(&format!("by process {}", std::process::id())), "{refused}");
    drop(lock);
    StateLock::acquire(&path).unwrap();
}
