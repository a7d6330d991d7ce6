//! Puts `static/` into the binary: each file under a name with a hash of its
//! content, as it is, and compressed with brotli and gzip.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use sha2::{Digest as _, Sha256};

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=static");
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=askama.toml");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let mut files: Vec<PathBuf> =
        fs::read_dir("static")?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|kind| kind == "css" || kind == "js" || kind == "svg"));
    files.sort();
    let (mut addresses, mut embedded) = (String::new(), String::new());
    for path in files {
        let (Some(stem), Some(kind)) = (text(path.file_stem()), text(path.extension())) else { continue };
        let bytes = fs::read(&path)?;
        let hash: String = Sha256::digest(&bytes).iter().take(5).map(|byte| format!("{byte:02x}")).collect();
        let name = format!("{stem}.{hash}.{kind}");
        addresses += &format!("(\"{stem}.{kind}\", \"/assets/{name}\"),");
        for (ending, content) in [("", bytes.clone()), (".br", brotli(&bytes)?), (".gz", gzip(&bytes)?)] {
            let written = out.join(format!("{name}{ending}"));
            fs::write(&written, content)?;
            embedded += &format!("(\"{name}{ending}\", include_bytes!(r\"{}\")),", written.display());
        }
    }
    let code = format!(
        "static ADDRESSES: &[(&str, &str)] = &[{addresses}];\nstatic FILES: &[(&str, &[u8])] = &[{embedded}];\n"
    );
    fs::write(Path::new(&out).join("assets.rs"), code)
}

fn text(part: Option<&std::ffi::OsStr>) -> Option<String> {
    part.and_then(|part| part.to_str()).map(str::to_owned)
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
