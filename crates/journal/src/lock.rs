use crate::JournalError;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

const NAME: &str = "tidelock.lock";

/// The exclusive right to a state directory, held until dropped (or until the process ends, however it ends).
#[derive(Debug)]
pub struct StateLock {
    _file: FileLock,
}

impl StateLock {
    /// Takes the lock of `directory` (made when it is absent), or tells which process has it. Waits a moment at most: for whoever looks whether it is held.
    pub fn acquire(directory: &Path) -> Result<StateLock, JournalError> {
        std::fs::create_dir_all(directory)
            .map_err(|e| JournalError::file("making the state directory", directory, e))?;
        let path = directory.join(NAME);
        let mut tries = 0;
        loop {
            match FileLock::acquire(&path) {
                Err(JournalError::Locked { .. }) if tries < 10 => tries += 1,
                other => return other.map(|file| StateLock { _file: file }),
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether a process has the lock of `directory` now.
    pub fn is_held(directory: &Path) -> bool {
        let Ok(file) = File::open(directory.join(NAME)) else { return false };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }
}

/// A lock file. The lock is the system's (`flock`), not the file's existence: one that was left behind does not matter.
#[derive(Debug)]
pub(crate) struct FileLock {
    file: File,
}

/// A process that is being started has copies of all open files for a moment, and with them the lock: so it is given back, not only closed.
impl Drop for FileLock {
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

impl FileLock {
    pub(crate) fn acquire(path: &Path) -> Result<FileLock, JournalError> {
        let failed = |e| JournalError::file("locking", path, e);
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(JournalError::Locked { path: path.to_owned(), by: holder(&mut file) });
            }
            Err(TryLockError::Error(e)) => return Err(failed(e)),
        }
        file.set_len(0).and_then(|()| write!(file, "{}", std::process::id())).map_err(failed)?;
        Ok(FileLock { file })
    }
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    match file.take(20).read_to_string(&mut text).ok().and_then(|_| text.trim().parse::<u32>().ok()) {
        Some(process) => format!(" by process {process}"),
        None => String::new(),
    }
}
