//! `tidelock run`, or another command, as a process of its own, and what it tells while it runs.

use crate::support::Place;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tidelock_testkit::spawn_guarded;

/// For ending when asked to.
const PATIENCE: Duration = Duration::from_secs(60);

/// One running `tidelock run --json`. Ends with the value, at the latest.
pub struct Service {
    child: Child,
    told: Arc<Mutex<Vec<Value>>>,
    threads: Vec<JoinHandle<()>>,
    complaint: Arc<Mutex<String>>,
}

impl Service {
    /// Starts it in a place that has a configuration.
    pub fn start(place: &Place) -> Service {
        Service::begin(place, &["run", "--json"])
    }

    /// Starts another command that tells what it does in lines of JSON.
    pub fn begin(place: &Place, arguments: &[&str]) -> Service {
        let mut child = spawn_guarded(&place.command(arguments), Stdio::piped()).unwrap();
        let (told, complaint) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(String::new())));
        let (out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (lines, words) = (told.clone(), complaint.clone());
        let threads = vec![
            std::thread::spawn(move || {
                for line in BufReader::new(out).lines().map_while(Result::ok) {
                    // The last line of one that is killed may be half a line.
                    if let Ok(event) = serde_json::from_str(&line) {
                        lines.lock().unwrap().push(event);
                    }
                }
            }),
            std::thread::spawn(move || {
                let mut text = String::new();
                // What is not text is shown by nobody.
                let _ = err.read_to_string(&mut text);
                *words.lock().unwrap() = text;
            }),
        ];
        Service { child, told, threads, complaint }
    }

    /// Whether any line so far satisfies `which`.
    pub fn told(&self, which: impl Fn(&Value) -> bool) -> bool {
        self.told.lock().unwrap().iter().any(which)
    }

    /// What `look` sees in the first line so far that satisfies `which`.
    pub fn find<T>(&self, which: impl Fn(&Value) -> bool, look: impl Fn(&Value) -> Option<T>) -> Option<T> {
        self.told.lock().unwrap().iter().find(|e| which(e)).and_then(look)
    }

    /// How many lines so far satisfy `which`.
    pub fn count(&self, which: impl Fn(&Value) -> bool) -> usize {
        self.told.lock().unwrap().iter().filter(|e| which(e)).count()
    }

    /// The sum of `what` over the lines so far that satisfy `which`.
    pub fn sum(&self, what: &str, which: impl Fn(&Value) -> bool) -> u64 {
        self.told.lock().unwrap().iter().filter(|e| which(e)).filter_map(|e| e[what].as_u64()).sum()
    }

    /// Waits until `until` holds. Panics with all it said when it ends before, or after `limit`.
    pub async fn wait(&mut self, what: &str, limit: Duration, until: impl AsyncFn(&Service) -> bool) {
        let began = Instant::now();
        while !until(self).await {
            assert!(began.elapsed() < limit, "waited {limit:?} for {what}; {}", self.last_words());
            self.must_run(what);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Panics unless it still runs: it never stops by itself.
    pub fn must_run(&mut self, doing: &str) {
        if let Some(status) = self.child.try_wait().unwrap() {
            self.join();
            panic!("{doing}: tidelock ended by itself with {status}; {}", self.last_words());
        }
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.must_run("about to be killed");
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.join();
    }

    /// Ctrl-C; it has to end cleanly.
    pub fn stop(mut self) {
        self.must_run("about to be stopped");
        let asked = std::process::Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        assert!(asked.unwrap().success());
        let status = self.status(PATIENCE);
        self.join();
        assert_eq!(status.code(), Some(0), "{}", self.last_words());
    }

    /// Waits until it ends by itself: its exit code, and what it complained of. Panics after `limit`.
    pub fn ended(mut self, limit: Duration) -> (i32, String) {
        let status = self.status(limit);
        self.join();
        let told = self.told.lock().unwrap().iter().map(|e| format!("{e}\n")).collect::<String>();
        (status.code().unwrap_or(-1), told + &self.complaint.lock().unwrap())
    }

    /// Waits for its end.
    fn status(&mut self, limit: Duration) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < limit, "it does not end in {limit:?}; {}", self.last_words());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn join(&mut self) {
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }

    fn last_words(&self) -> String {
        let told = self.told.lock().unwrap();
        let telling = |event: &&Value| event["event"] != "rows" && event["event"] != "applied";
        let last: Vec<String> = told.iter().filter(telling).rev().take(12).map(Value::to_string).collect();
        let last = last.into_iter().rev().collect::<Vec<_>>().join("\n  ");
        let amounts = told.len();
        format!(
            "it told {amounts} things, the last:\n  {last}\nand complained: {}",
            self.complaint.lock().unwrap()
        )
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A line that tells a phase.
pub fn phase(name: &str) -> impl Fn(&Value) -> bool {
    move |event| event["event"] == "phase" && event["phase"] == name
}

/// A line that tells that a part gave up.
pub fn failed(event: &Value) -> bool {
    event["event"] == "failed"
        || (event["event"] == "capture" && !event["error"].is_null() && event["milliseconds"].is_null())
}
