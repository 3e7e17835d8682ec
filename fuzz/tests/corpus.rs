//! What is kept runs through its target: seeds of real octets, and what once broke something.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use tidelock_fuzz::{Counting, TARGETS, named};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What lies in a folder, in order; nothing where there is none.
fn inside(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut all: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
    all.sort();
    all
}

#[test]
fn every_input_that_is_kept_is_read_without_harm() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for target in TARGETS {
        let seeds = inside(&root.join("corpus").join(target.name));
        assert!(!seeds.is_empty(), "{} has nothing to begin with", target.name);
        for file in seeds.into_iter().chain(inside(&root.join("found").join(target.name))) {
            eprintln!("{}", file.display());
            target.run(&fs::read(&file).unwrap());
        }
    }
}

#[test]
fn every_folder_is_that_of_a_target() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in inside(&root.join("corpus")).into_iter().chain(inside(&root.join("found"))) {
        let name = folder.file_name().unwrap().to_str().unwrap();
        assert!(named(name).is_some(), "{} is no target's", folder.display());
    }
}
