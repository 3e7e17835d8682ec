//! Running the binary in a directory of its own.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tidelock_testkit::spawn_guarded;

/// No command of a test takes longer.
const PATIENCE: Duration = Duration::from_secs(300);

/// A directory to run in, and what is run there.
pub struct Place(tempfile::TempDir);

impl Place {
    /// An empty one.
    pub fn new() -> Place {
        Place(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap())
    }

    /// With this `tidelock.yaml`.
    pub fn with_config(text: &str) -> Place {
        let place = Place::new();
        place.write("tidelock.yaml", text);
        place
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A command that runs in it, without anything of the caller's that changes what is printed.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidelock"));
        command.args(arguments).current_dir(self.0.path()).env_remove("RUST_LOG");
        command
    }

    /// Runs the binary. It does not outlive this process, and panics when it does not end within some minutes.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let mut child = spawn_guarded(&self.command(arguments), Stdio::piped()).unwrap();
        let (out, err) = (read(child.stdout.take().unwrap()), read(child.stderr.take().unwrap()));
        let began = Instant::now();
        let status = loop {
            match child.try_wait().unwrap() {
                Some(status) => break status,
                None if began.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(5)),
                None => {
                    child.kill().unwrap();
                    let (out, err) = (out.join().unwrap(), err.join().unwrap());
                    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
                    panic!("{arguments:?} does not end after {PATIENCE:?}: {}{}", text(&out), text(&err));
                }
            }
        };
        Ran::of(Output { status, stdout: out.join().unwrap(), stderr: err.join().unwrap() }, self.0.path())
    }
}

fn read(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

/// What came of a run.
#[derive(Debug)]
pub struct Ran {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// The place's own path is shown as `DIR`.
    pub fn of(output: Output, place: &Path) -> Ran {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&*place.to_string_lossy(), "DIR");
        let code = output.status.code().unwrap_or(-1);
        Ran { code, out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// As a transcript for a snapshot.
    pub fn transcript(&self) -> String {
        let Ran { code, out, err } = self;
        format!("exit code {code}\n--- stdout\n{out}--- stderr\n{err}")
    }

    /// The lines of JSON on standard output.
    pub fn json(&self) -> Vec<serde_json::Value> {
        self.out.lines().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}"))).collect()
    }

    /// Panics unless the run ended well.
    pub fn done(self) -> Ran {
        assert_eq!(self.code, 0, "{}", self.transcript());
        self
    }

    /// Panics unless the run ended with what a user has to mend, and told it by this code.
    pub fn refused(self, code: &str) -> Ran {
        assert!(self.code == 1 && self.err.contains(code), "{code} is expected: {}", self.transcript());
        self
    }
}

/// The SQLite file `name` of a place, made where it is absent.
pub fn open(place: &Place, name: &str) -> rusqlite::Connection {
    let connection = rusqlite::Connection::open(place.path(&format!("{name}.db"))).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    connection
}

/// Runs statements in such a file.
pub fn sql(place: &Place, name: &str, script: &str) {
    open(place, name).execute_batch(script).unwrap();
}
