//! The program: parse, run, exit code.

use std::process::ExitCode;

/// Most of what a request costs besides system calls is allocating; this one
/// does it for less than the system's (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tessera::cli::run(std::env::args_os())
}
