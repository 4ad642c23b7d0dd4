//! Compiles `proto/` without needing `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A build script runs in its package. A path put in when it is compiled would be that of another checkout which
    // shares the build directory.
    let proto = "../../proto";
    println!("cargo:rerun-if-changed={proto}");
    let files = ["registry", "auth", "invoker", "monitor"]
        .map(|name| format!("{proto}/tripline/{name}.proto"));
    let descriptors = protox::compile(files, [proto])?;
    tonic_prost_build::configure().bytes(".").compile_fds(descriptors)?;
    Ok(())
}
