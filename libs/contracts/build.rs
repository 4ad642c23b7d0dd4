//! Compiles `proto/` without needing `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Asked for when it runs: a build directory may be used by more than one checkout.
    let proto = format!("{}/../../proto", std::env::var("CARGO_MANIFEST_DIR")?);
    println!("cargo:rerun-if-changed={proto}");
    let files = ["registry", "auth", "invoker", "monitor"]
        .map(|name| format!("{proto}/tripline/{name}.proto"));
    let descriptors = protox::compile(files, [&proto])?;
    tonic_prost_build::configure().bytes(".").compile_fds(descriptors)?;
    Ok(())
}
