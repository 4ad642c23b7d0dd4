//! Compiles `proto/` without needing `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let proto = concat!(env!("CARGO_MANIFEST_DIR"), "/../../proto");
    println!("cargo:rerun-if-changed={proto}");
    let files = ["registry", "auth", "invoker", "monitor"]
        .map(|name| format!("{proto}/tripline/{name}.proto"));
    let descriptors = protox::compile(files, [proto])?;
    tonic_prost_build::configure().bytes(".").compile_fds(descriptors)?;
    Ok(())
}
