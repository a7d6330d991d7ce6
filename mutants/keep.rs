//! Which mutant is chosen, and which were met. Copied into the instrumented
//! sources only.
#![allow(missing_docs, clippy::all, clippy::pedantic)]

use std::io::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

const MOST: usize = 4096;
static MET: [AtomicBool; MOST] = [const { AtomicBool::new(false) }; MOST];

/// Whether a condition stays as it is written.
pub fn keep(number: usize) -> bool {
    static CHOSEN: OnceLock<Option<usize>> = OnceLock::new();
    let chosen = CHOSEN.get_or_init(|| std::env::var("TESSERA_MUTANT").ok()?.parse().ok());
    if *chosen == Some(number) {
        return false;
    }
    if !MET[number].swap(true, Ordering::Relaxed)
        && let Ok(path) = std::env::var("TESSERA_MUTANTS_MET")
        && let Ok(mut file) = std::fs::OpenOptions::new().create(true).append(true).open(path)
    {
        let _ = file.write_all(format!("{number}\n").as_bytes());
    }
    true
}
