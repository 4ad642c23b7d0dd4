//! The reference of a program's configuration: a file with every key, what it means, and its default.
//!
//! It is made from the code alone: words and examples from the fields, what is required from what `validate` finds wrong
//! with the defaults, and the defaults from what loads when only the required keys are given. (That is not the same as
//! `Config::default()`: a table that is given in part has the defaults of its own type.) A test in each program compares the file
//! with what the code says, so they cannot differ; `cargo xtask config` writes it anew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde_json::Value;
use tripline_runtime::config::{self, Leaf};
use tripline_runtime::host;

/// The variable that makes [`check`] write what it would compare.
const WRITE: &str = "TRIPLINE_WRITE_REFERENCE";
/// The longest line of prose.
const COLUMNS_MAX: usize = 116;

/// Compares `deploy/config/SERVICE.toml` with what the code says, and loads it as a service would. For tests.
///
/// # Errors
/// What to do about the difference.
pub fn check<C: host::Config + JsonSchema + Default>(service: &str) -> Result<(), String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/config");
    let file: PathBuf = file.join(format!("{service}.toml"));
    let (wanted, shown) = (text::<C>(service)?, file.display());
    #[allow(clippy::disallowed_methods, reason = "tests are configured by the environment alone")]
    if std::env::var(WRITE).is_ok() {
        std::fs::write(&file, &wanted).map_err(|error| format!("{shown}: {error}"))?;
    }
    if std::fs::read_to_string(&file).ok().as_deref() != Some(&wanted) {
        return Err(format!("{shown} differs from the code: run `cargo xtask config`"));
    }
    let loaded = config::load_from::<C>(Some(&file), [], &[]).map_err(|error| error.to_string())?;
    if loaded.warnings.is_empty() { Ok(()) } else { Err(loaded.warnings.join("; ")) }
}

/// The reference as a TOML file that can be used once what is required is filled in.
///
/// # Errors
/// When what is required has no example, or one that cannot be used.
pub fn text<C: host::Config + JsonSchema + Default>(service: &str) -> Result<String, String> {
    let schema = schemars::schema_for!(C).to_value();
    let required = C::default().validate().into_iter().map(|fault| fault.pointer).collect();
    let mut page = Page { out: head(service), schema: &schema, required };
    let given: Vec<_> = page.required.iter().filter_map(|pointer| page.example(pointer)).collect();
    let loaded = config::load_from::<C>(None, [], &given).map_err(|error| error.to_string())?;
    page.table(&[], &config::leaves(&loaded.config));
    Ok(page.out)
}

fn head(service: &str) -> String {
    format!(
        "# The configuration of {service}: every key, with its default unless it is required or commented out.\n\
         # Made from the code by `cargo xtask config`; do not edit.\n\
         #\n\
         # Each key can come from the environment: TRIPLINE_ and its path in capitals, with __ between the parts, such as\n\
         # TRIPLINE_ADMIN__ADDR. That wins over the file, and a flag such as `--set admin.addr=0.0.0.0:9100` over both.\n\
         # In place of a key that takes a text, KEY_file names a file that holds it: a secret stays out of this file.\n"
    )
}

struct Page<'a> {
    out: String,
    schema: &'a Value,
    /// Pointers of the keys without which the defaults are no configuration.
    required: BTreeSet<String>,
}

impl Page<'_> {
    /// Writes the table at `path`: first its own keys, then the tables in it, as TOML wants it.
    fn table(&mut self, path: &[String], leaves: &[Leaf]) {
        let depth = path.len();
        let (own, deeper): (Vec<_>, Vec<_>) =
            leaves.iter().cloned().partition(|leaf| leaf.path.len() == depth + 1);
        if depth > 0 {
            self.out.push('\n');
            self.prose(&words(&self.describe(path)));
            if !own.is_empty() {
                self.out.push_str(&format!("[{}]\n", path.join(".")));
            }
        }
        for leaf in own {
            self.key(&leaf);
        }
        for tables in deeper.chunk_by(|one, other| one.path[depth] == other.path[depth]) {
            self.table(&tables[0].path[..=depth], tables);
        }
    }

    fn key(&mut self, leaf: &Leaf) {
        let described = self.describe(&leaf.path);
        let required = self.required.contains(&format!("/{}", leaf.path.join("/")));
        let mark = if required { "Required. " } else { "" };
        if leaf.path.len() == 1 {
            self.out.push('\n');
        }
        self.prose(&format!("{mark}{}{}", words(&described), choices(&described)));
        let example = described["examples"][0].as_str().map(|text| format!("{text:?}"));
        let default = leaf.toml().filter(|_| !leaf.is_secret() && !required);
        let name = leaf.path.last().map_or("", String::as_str);
        let line = match (default, example) {
            (Some(value), _) => format!("{name} = {value}\n"),
            (None, Some(example)) if required => format!("{name} = {example}\n"),
            (None, example) => format!("# {name} = {}\n", example.unwrap_or("\"…\"".to_owned())),
        };
        self.out.push_str(&line);
    }

    /// The key at `pointer`, and what it may be.
    fn example(&self, pointer: &str) -> Option<(String, String)> {
        let path: Vec<_> = pointer.split('/').skip(1).map(str::to_owned).collect();
        let example = self.describe(&path)["examples"][0].as_str()?.to_owned();
        Some((path.join("."), example))
    }

    /// What the schema says of a key or table: of the field, and where that says nothing of its type.
    fn describe(&self, path: &[String]) -> Value {
        let mut node = self.schema.clone();
        for name in path {
            node = self.resolved(node)["properties"][name].clone();
        }
        self.resolved(node)
    }

    fn resolved(&self, node: Value) -> Value {
        let optional = node["anyOf"]
            .as_array()
            .and_then(|types| types.iter().find(|one| one["type"] != "null").cloned());
        let target = optional.as_ref().unwrap_or(&node)["$ref"].as_str();
        let Some(name) = target.and_then(|target| target.strip_prefix("#/$defs/")) else {
            return node;
        };
        let mut resolved = self.schema["$defs"][name].clone();
        for key in ["description", "examples"] {
            if !node[key].is_null() {
                resolved[key] = node[key].clone();
            }
        }
        resolved
    }

    fn prose(&mut self, text: &str) {
        let mut line = String::new();
        for word in text.split_whitespace() {
            if line.len() + word.len() + 1 > COLUMNS_MAX {
                self.out.push_str(&format!("#{line}\n"));
                line.clear();
            }
            line.push(' ');
            line.push_str(word);
        }
        if !line.is_empty() {
            self.out.push_str(&format!("#{line}\n"));
        }
    }
}

/// The doc comment, without the brackets of its links.
fn words(described: &Value) -> String {
    described["description"].as_str().unwrap_or_default().replace("[`", "`").replace("`]", "`")
}

/// What an enumeration can be.
fn choices(described: &Value) -> String {
    // Those with words of their own are listed one by one, the others together.
    let with_words = described["oneOf"].as_array().into_iter().flatten();
    let groups = with_words.chain([described]);
    let all: Vec<_> = groups
        .flat_map(|group| group["enum"].as_array().into_iter().flatten().chain([&group["const"]]))
        .filter_map(Value::as_str)
        .collect();
    if all.is_empty() { String::new() } else { format!(" One of: {}.", all.join(", ")) }
}

#[cfg(test)]
mod tests {
    use tripline_kernel::Fault;
    use tripline_runtime::config::Validate;

    use super::*;

    /// A sample.
    #[derive(Default, serde::Serialize, serde::Deserialize, JsonSchema)]
    #[serde(default, deny_unknown_fields)]
    struct Sample {
        /// Where things are.
        db: Db,
        /// What it is called, as in [`Sample`].
        name: Option<String>,
    }

    #[derive(serde::Serialize, serde::Deserialize, JsonSchema)]
    #[serde(default, deny_unknown_fields)]
    struct Db {
        /// Address.
        #[serde(serialize_with = "tripline_kernel::masked")]
        #[schemars(example = "sqlite://x")]
        url: String,
        /// How many.
        connections_max: u32,
        /// How it is.
        mood: Mood,
    }

    #[derive(Default, serde::Serialize, serde::Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    enum Mood {
        /// Well.
        #[default]
        Good,
        Bad,
    }

    impl Default for Db {
        fn default() -> Self {
            Self { url: String::new(), connections_max: 8, mood: Mood::Good }
        }
    }

    impl Validate for Sample {
        fn validate(&self) -> Vec<Fault> {
            let missing = || Fault::new("/db/url", "required", "it is needed");
            self.db.url.is_empty().then(missing).into_iter().collect()
        }
    }

    impl host::Config for Sample {
        fn process(&self) -> host::Process {
            unreachable!("only a server needs this")
        }
    }

    #[test]
    fn every_key_is_told_with_its_words_and_default() {
        let text = text::<Sample>("sample").unwrap();
        let body = text.strip_prefix(&head("sample")).unwrap();
        let expected = "\n# What it is called, as in `Sample`.\n# name = \"…\"\n\
            \n# Where things are.\n[db]\n\
            # Required. Address.\nurl = \"sqlite://x\"\n\
            # How many.\nconnections_max = 8\n\
            # How it is. One of: bad, good.\nmood = \"good\"\n";
        assert_eq!(body, expected);
    }
}
