//! What the compiler does not check.

use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::{arrows, performance, reliability, root};

/// Above this many lines a file is to be split.
const FILE_LINES_MAX: usize = 600;

/// Runs every check and lists every fault.
pub(crate) fn run() -> anyhow::Result<()> {
    let mut faults = arrows::faults()?;
    faults.extend(long_files()?);
    faults.extend(error_codes_without_a_page()?);
    if !faults.is_empty() {
        bail!("not tidy:\n  {}", faults.join("\n  "));
    }
    performance::run(true)?;
    reliability::run(true)
}

/// Every file below `folder` with this ending; none when there is no such folder.
pub(crate) fn files_below(folder: &Path, ending: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = Vec::from_iter(folder.exists().then(|| folder.to_owned()));
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == ending) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn sources() -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for folder in ["libs", "services", "e2e", "xtask"] {
        files.extend(files_below(&root().join(folder), "rs")?);
    }
    Ok(files)
}

fn long_files() -> anyhow::Result<Vec<String>> {
    let mut faults = Vec::new();
    for file in sources()? {
        let lines = std::fs::read_to_string(&file)?.lines().count();
        if lines > FILE_LINES_MAX {
            faults
                .push(format!("{} has {lines} lines, more than {FILE_LINES_MAX}", file.display()));
        }
    }
    Ok(faults)
}

/// Codes are the literals that end in `.into()` inside an `fn code(&self)`, one a line.
fn error_codes_without_a_page() -> anyhow::Result<Vec<String>> {
    let mut faults = Vec::new();
    // Tests make up codes of their own.
    let made_up = |file: &Path| file.iter().any(|part| part == "tests" || part == "xtask");
    for file in sources()?.into_iter().filter(|file| !made_up(file)) {
        let text = std::fs::read_to_string(&file)?;
        for body in text.split("fn code(&self) -> Cow<'static, str> {").skip(1) {
            let end = body.find("\n    }").unwrap_or(body.len());
            for code in body[..end].split('"').skip(1).step_by(2) {
                let page = root().join("docs/errors").join(format!("{code}.md"));
                if !page.exists() {
                    faults.push(format!(
                        "{}: error code {code} has no page docs/errors/{code}.md",
                        file.display()
                    ));
                }
            }
        }
    }
    Ok(faults)
}
