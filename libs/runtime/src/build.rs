//! What a program says of its own making.

/// Which program this is. Made by [`build_info!`](crate::build_info) in the program's own `main.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct BuildInfo {
    /// The version of the program.
    pub version: &'static str,
    /// The commit it was built from; `unknown` when the build was not told.
    pub commit: &'static str,
    /// The program, such as `auth`.
    pub service: &'static str,
}

/// The [`BuildInfo`] of the crate that this stands in, with the commit of `TRIPLINE_COMMIT` at build time.
///
/// It is a macro so that another commit compiles only the programs anew, not the libraries.
#[macro_export]
macro_rules! build_info {
    ($service:literal) => {
        $crate::BuildInfo {
            version: env!("CARGO_PKG_VERSION"),
            commit: match option_env!("TRIPLINE_COMMIT") {
                Some(commit) => commit,
                None => "unknown",
            },
            service: $service,
        }
    };
}
