//! The settings of a folder that is watched.

use std::path::PathBuf;

use tripline_kernel::Fault;
use tripline_source::{Fields, Settings};
use url::Url;

/// Longest path, in bytes: what Linux takes.
const PATH_BYTES_MAX: usize = 4_095;
/// Longest suffix, in bytes: that of a file's name.
const SUFFIX_BYTES_MAX: usize = 255;

/// Settings without faults.
pub(crate) struct Watched {
    pub(crate) folder: PathBuf,
    /// The folder as a URI: the `source` of its events.
    pub(crate) uri: String,
    pub(crate) suffix: String,
}

/// Reads the settings, or names every fault in them.
pub(crate) fn read(settings: &Settings) -> Result<Watched, Vec<Fault>> {
    let mut fields = Fields::new(settings);
    let folder = folder(&mut fields);
    let suffix = fields.optional_text("suffix").unwrap_or_default().to_owned();
    if suffix.len() > SUFFIX_BYTES_MAX {
        let detail = format!("'suffix' has at most {SUFFIX_BYTES_MAX} bytes, as a file's name has");
        fields.fault("suffix", "too-long", detail);
    }
    match (folder, fields.finish()) {
        (Some((folder, uri)), faults) if faults.is_empty() => Ok(Watched { folder, uri, suffix }),
        (_, faults) => Err(faults),
    }
}

fn folder(fields: &mut Fields<'_>) -> Option<(PathBuf, String)> {
    let text = fields.text("path")?;
    if text.len() > PATH_BYTES_MAX || text.contains('\0') {
        let detail = format!("'path' has at most {PATH_BYTES_MAX} bytes, none of them zero");
        fields.fault("path", "invalid-path", detail);
        return None;
    }
    let folder = PathBuf::from(text);
    match Url::from_file_path(&folder) {
        Ok(url) => Some((folder, url.into())),
        Err(()) => {
            fields.fault("path", "invalid-path", "'path' must be absolute: begin with '/'");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::read;

    fn faults(settings: &Value) -> Vec<String> {
        let faults = read(settings.as_object().unwrap()).err().unwrap_or_default();
        faults.into_iter().map(|fault| format!("{} {}", fault.pointer, fault.code)).collect()
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let wrong = json!({"path": "in", "suffix": 1, "pattern": "*"});
        assert_eq!(
            faults(&wrong),
            ["/path invalid-path", "/suffix wrong-type", "/pattern unknown-field"]
        );
        assert_eq!(faults(&json!({})), ["/path missing-field"]);
        assert_eq!(faults(&json!({"path": "/a\u{0}"})), ["/path invalid-path"]);
    }

    #[test]
    fn the_folder_becomes_a_uri() {
        let watched = read(json!({"path": "/tmp/a b/é"}).as_object().unwrap()).ok().unwrap();
        assert_eq!(watched.uri, "file:///tmp/a%20b/%C3%A9");
    }
}
