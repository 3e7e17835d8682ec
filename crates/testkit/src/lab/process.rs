//! Processes that the lab started: started so that they cannot outlive their purpose, recognised without doubt, stopped.
//!
//! A process id alone proves nothing (ids are used again), so a process is known by its id *and* the moment it started,
//! as the kernel counts it. Nothing is ever signalled that does not match both.
//!
//! A server is either *kept* (`cargo x lab up`: it goes on after the command ends, `lab down` stops it) or *guarded*: it is
//! sent a signal by the kernel when the process that started it dies, however it dies. The kernel watches the starting
//! *thread*, so guarded processes are started by one thread that lives as long as the process.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, mpsc};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

/// A process, recognisable for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub pid: u32,
    /// Clock ticks after boot at which it started.
    pub started: u64,
}

impl Identity {
    /// The identity of a living process.
    pub fn of(pid: u32) -> Option<Identity> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // pid (name) state ppid …; the name may hold anything, so count from its closing bracket. Field 20 is the number of
        // threads, 22 the start.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let (state, threads) = (fields.next()?, fields.nth(16)?);
        let started = fields.nth(1)?.parse().ok()?;
        // A zombie has ended and is only not yet collected by its parent, once its last thread is gone: until then the others
        // may still hold its port and its files.
        let ended = state == "X" || (state == "Z" && matches!(threads, "0" | "1"));
        (!ended).then_some(Identity { pid, started })
    }

    /// Whether this very process still runs.
    pub fn lives(&self) -> bool {
        Identity::of(self.pid).as_ref() == Some(self)
    }

    /// Sends a signal, if it still runs.
    pub fn signal(&self, signal: Signal) {
        if self.lives()
            && let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw)
        {
            // It may end between the look and the signal: nothing is lost then.
            let _ = kill_process(pid, signal);
        }
    }

    /// Asks it to end, waits, and kills it when it does not.
    pub fn stop(&self, politely: Signal) {
        self.signal(politely);
        if !wait_until(Duration::from_secs(20), || !self.lives()) {
            self.signal(Signal::KILL);
            wait_until(Duration::from_secs(5), || !self.lives());
        }
    }
}

/// Looks every few milliseconds until `done` or the time is over; says whether it was done.
pub(crate) fn wait_until(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    loop {
        if done() {
            return true;
        }
        if begun.elapsed() > limit {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Starts a command in a process group of its own (a Ctrl-C at the terminal is not meant for it), from the thread that
/// never ends.
pub(crate) fn spawn(mut command: Command) -> io::Result<Child> {
    type Order = (Command, mpsc::Sender<io::Result<Child>>);
    static KEEPER: OnceLock<Mutex<mpsc::Sender<Order>>> = OnceLock::new();

    command.process_group(0);
    let keeper = KEEPER.get_or_init(|| {
        let (send, orders) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, answer) in orders {
                // The asker waits for the answer, so somebody receives it.
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(send)
    });
    let (send, answer) = mpsc::channel();
    let gone = || io::Error::other("the thread that starts servers is gone");
    keeper.lock().map_err(|_| gone())?.send((command, send)).map_err(|_| gone())?;
    answer.recv().map_err(|_| gone())?
}

/// To stand between `setpriv --pdeathsig --` and the program: the kernel tells nothing of a death that came before it was asked to.
pub(crate) fn if_we_live() -> [String; 4] {
    ["/bin/sh", "-c", r#"[ "$PPID" = "$0" ] && exec "$@""#, &std::process::id().to_string()]
        .map(str::to_owned)
}

/// Starts a command whose process the kernel kills when this one ends, however it ends. Its standard output is a pipe; `command` says the rest:
/// program, arguments, folder and what it adds to or takes from the environment.
pub fn spawn_guarded(command: &Command, error: Stdio) -> io::Result<Child> {
    let mut guarded = Command::new("setpriv");
    guarded.args(["--pdeathsig=KILL", "--"]).args(if_we_live());
    guarded.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => guarded.env(name, value),
            None => guarded.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        guarded.current_dir(folder);
    }
    guarded.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(error);
    spawn(guarded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_recognised_and_stopped_and_then_gone() {
        let mut command = Command::new("sleep");
        command.arg("60");
        let mut child = spawn(command).unwrap();
        let identity = Identity::of(child.id()).unwrap();
        assert!(identity.lives());
        assert!(!Identity { started: identity.started + 1, ..identity.clone() }.lives());
        identity.stop(Signal::TERM);
        assert!(!identity.lives());
        child.wait().unwrap();
    }
}
