//! The commands of the documentation: its fenced blocks for a shell.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// The languages that say that a block is for a shell.
const SHELLS: [&str; 4] = ["sh", "console", "bash", "shell"];
/// What marks a block that no test can run.
const NO_RUN: &str = "no-run";

/// One fenced block.
#[derive(Debug)]
pub(crate) struct Block {
    /// From the repository's root.
    pub(crate) file: String,
    /// The line that opens it, from 1.
    pub(crate) line: usize,
    pub(crate) marked_no_run: bool,
    pub(crate) text: String,
}

impl Block {
    /// Its first command.
    pub(crate) fn begin(&self) -> &str {
        let mut lines = self.text.lines().map(str::trim);
        lines.find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default()
    }

    /// Whether it is the block of this file whose first command begins so.
    pub(crate) fn is(&self, (file, begin): (&str, &str)) -> bool {
        self.file == file && self.begin().starts_with(begin)
    }
}

/// All blocks for a shell, in the order in which a reader meets them.
pub(crate) fn blocks() -> anyhow::Result<Vec<Block>> {
    let root = root();
    let mut files = vec![root.join("README.md"), root.join("ARCHITECTURE.md")];
    files.extend(pages(&root.join("docs"))?);
    let mut blocks = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let name = file.strip_prefix(&root)?.display().to_string();
        blocks.extend(of_page(&name, &text)?);
    }
    Ok(blocks)
}

/// The block of this file whose first command begins so.
pub(crate) fn block(file: &str, begin: &str) -> anyhow::Result<Block> {
    let found = blocks()?.into_iter().find(|block| block.is((file, begin)));
    found.with_context(|| format!("{file} has no block that begins with '{begin}'"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("two levels below").to_owned()
}

fn pages(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(pages(&path)?);
        } else if path.extension().is_some_and(|ending| ending == "md") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn of_page(file: &str, page: &str) -> anyhow::Result<Vec<Block>> {
    let mut blocks = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let Some(info) = line.trim_start().strip_prefix("```") else { continue };
        let body = lines.by_ref().map(|(_, line)| line);
        let mut closed = false;
        let body: Vec<_> = body
            .take_while(|line| {
                closed = line.trim_start().starts_with("```");
                !closed
            })
            .collect();
        anyhow::ensure!(closed, "{file}:{}: the block does not end", at + 1);
        let mut words = info.split_whitespace();
        if words.next().is_some_and(|language| SHELLS.contains(&language)) {
            blocks.push(Block {
                file: file.to_owned(),
                line: at + 1,
                marked_no_run: words.any(|word| word == NO_RUN),
                text: body.join("\n") + "\n",
            });
        }
    }
    Ok(blocks)
}
