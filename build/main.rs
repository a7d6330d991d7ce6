//! Puts `static/` into the binary: the style sheet, the script and the pictures,
//! each under a name with a hash of its content, as it is, and compressed with
//! brotli and gzip. Names with a hash let browsers keep the files for good. A mistake in a
//! source ends the build and names its file and line.

mod scripts;
mod styles;

use std::ffi::OsStr;
use std::fmt::Display;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io};

use sha2::{Digest as _, Sha256};

/// What went wrong, with the file and the line, for whoever reads the output of cargo.
type Result<T> = std::result::Result<T, String>;

fn main() -> ExitCode {
    for path in ["askama.toml", "migrations", "static"] {
        println!("cargo::rerun-if-changed={path}");
    }
    match write_assets() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            println!("cargo::error={message}");
            ExitCode::FAILURE
        }
    }
}

fn write_assets() -> Result<()> {
    let folder = Path::new("static");
    let mut files = vec![
        ("app.css".to_owned(), styles::join(&folder.join("css"))?.into_bytes()),
        ("app.js".to_owned(), scripts::join(&folder.join("js"))?.into_bytes()),
    ];
    for path in list_files(folder, "svg")? {
        files.push((file_name(&path).to_owned(), fs::read(&path).map_err(at(&path))?));
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let (mut addresses, mut embedded) = (String::new(), String::new());
    for (plain, bytes) in files {
        let hash: String = Sha256::digest(&bytes).iter().take(5).map(|byte| format!("{byte:02x}")).collect();
        let (stem, kind) = plain.rsplit_once('.').unwrap_or((&plain, ""));
        let name = format!("{stem}.{hash}.{kind}");
        addresses += &format!("(\"{plain}\", \"/assets/{name}\"),");
        let packed = [
            ("", bytes.clone()),
            (".br", brotli(&bytes).map_err(at(&out))?),
            (".gz", gzip(&bytes).map_err(at(&out))?),
        ];
        for (ending, content) in packed {
            let written = out.join(format!("{name}{ending}"));
            fs::write(&written, content).map_err(at(&written))?;
            embedded += &format!("(\"{name}{ending}\", include_bytes!(r\"{}\")),", written.display());
        }
    }
    let code = format!(
        "static ADDRESSES: &[(&str, &str)] = &[{addresses}];\nstatic FILES: &[(&str, &[u8])] = &[{embedded}];\n"
    );
    fs::write(out.join("assets.rs"), code).map_err(at(&out))
}

/// The files of a folder with one ending, by name.
fn list_files(folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(at(folder))?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()
        .map_err(at(folder))?;
    paths.retain(|path| path.extension() == Some(OsStr::new(ending)));
    paths.sort();
    Ok(paths)
}

/// The sources of a folder that its first file names, in its order. Each file
/// of the folder must be named once: one that is not named would be missing.
fn read_sources(first: &Path, names: &[String]) -> Result<Vec<(PathBuf, String)>> {
    let folder = first.parent().unwrap_or(first);
    let ending = first.extension().and_then(OsStr::to_str).unwrap_or_default();
    for path in list_files(folder, ending)? {
        let times = names.iter().filter(|name| *name == file_name(&path)).count();
        if path != first && times != 1 {
            return Err(format!("{}: names {} {times} times", first.display(), file_name(&path)));
        }
    }
    let read = |name: &String| {
        let path = folder.join(name);
        let source = fs::read_to_string(&path).map_err(at(&path))?;
        Ok((path, source))
    };
    names.iter().map(read).collect()
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(OsStr::to_str).unwrap_or_default()
}

/// Names the path that an error is about.
fn at<E: Display>(path: &Path) -> impl Fn(E) -> String {
    move |error| format!("{}: {error}", path.display())
}

fn brotli(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut packed = Vec::new();
    let params = brotli::enc::BrotliEncoderParams { quality: 11, ..Default::default() };
    brotli::BrotliCompress(&mut &bytes[..], &mut packed, &params)?;
    Ok(packed)
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(bytes)?;
    packed.finish()
}
