//! From the document of a transform to the transform, or to everything that is wrong with it.

use std::collections::BTreeMap;

use tripline_kernel::{Fault, pointer_token};

use crate::error::Error;
use crate::json::{Json, Kind};
use crate::limits::{
    NAME_CHARS_MAX, PATHS_MAX, PROGRAM_BYTES_MAX, TEMPLATE_CHARS_MAX, TRANSFORM_BYTES_MAX,
};
use crate::path::{Path, Paths};
use crate::program::{Language, Program};
use crate::template::{Names, Template};
use crate::transform::{Kind as TransformKind, Transform};

/// Most faults that are listed; a document with more is not being mended by hand.
pub(crate) const FAULTS_MAX: usize = 64;
/// How much of an unknown name is shown, and the longest that is compared with those that are known.
const SHOWN_CHARS_MAX: usize = 64;
const INPUT_PATHS: &str = "input_paths";
const TEMPLATE: &str = "template";
const CONSTANT: &str = "constant";
const PART: &str = "part";
/// As EventBridge calls a part.
const INPUT_PATH: &str = "input_path";
const FIELDS: [&str; 7] = [
    INPUT_PATHS,
    TEMPLATE,
    CONSTANT,
    PART,
    INPUT_PATH,
    Language::Jsonata.name(),
    Language::Jq.name(),
];

impl Transform {
    /// Reads a transform from its JSON text. A program is only measured here: it is for whoever runs programs to read it.
    ///
    /// # Errors
    /// Every fault of the document, each with a JSON Pointer into it.
    pub fn parse(json: &str) -> Result<Self, Error> {
        let mut reader = Reader { faults: Vec::new() };
        let transform = reader.root(json);
        reader.faults.truncate(FAULTS_MAX);
        match transform {
            Some(transform) if reader.faults.is_empty() => Ok(transform),
            Some(_) | None => Err(Error::new(reader.faults)),
        }
    }
}

struct Reader {
    faults: Vec<Fault>,
}

impl Reader {
    fn root(&mut self, text: &str) -> Option<Transform> {
        if text.len() > TRANSFORM_BYTES_MAX {
            let detail = format!("a transform has at most {TRANSFORM_BYTES_MAX} bytes");
            return self.fault("", "too-large", detail);
        }
        let root = match Json::check(text.as_bytes()) {
            Ok(root) => root,
            Err(error) => return self.fault("", "malformed-json", format!("not JSON: {error}")),
        };
        if root.kind() != Kind::Object {
            return self.fault("", "wrong-type", "a transform is a JSON object");
        }
        let mut fields = BTreeMap::new();
        for (key, value) in root.members() {
            let name = key.string().unwrap_or_else(|| key.between_quotes().to_owned());
            match FIELDS.into_iter().find(|field| *field == name) {
                None => {
                    let detail = unknown("field", &name, &FIELDS);
                    self.fault::<()>(&pointer_token(&name), "unknown-field", detail);
                }
                Some(field) => {
                    if fields.insert(field, value).is_some() {
                        let detail = format!("'{field}' stands twice");
                        self.fault::<()>(field, "duplicate-field", detail);
                    }
                }
            }
        }
        self.kind(&fields)
    }

    fn kind(&mut self, fields: &BTreeMap<&'static str, Json<'_>>) -> Option<Transform> {
        let mut kinds: Vec<_> = fields.keys().filter(|name| **name != INPUT_PATHS).collect();
        if let (Some(_), []) = (fields.get(INPUT_PATHS), &kinds[..]) {
            kinds.push(&TEMPLATE);
        }
        let [kind] = kinds[..] else {
            let detail = match kinds[..] {
                [] => "a transform is one of 'template', 'constant', 'part', 'jsonata' and 'jq'"
                    .to_owned(),
                _ => format!("a transform is of one kind, and this of several: {kinds:?}"),
            };
            return self.fault("", "one-kind", detail);
        };
        if *kind != TEMPLATE && fields.contains_key(INPUT_PATHS) {
            self.fault::<()>(INPUT_PATHS, "unknown-field", "'input_paths' belongs to a 'template'");
        }
        let kind = match (*kind, fields.get(kind)) {
            (TEMPLATE, template) => {
                let names = self.names(fields.get(INPUT_PATHS).copied());
                TransformKind::Template(self.template(template.copied(), names)?)
            }
            (CONSTANT, Some(value)) => TransformKind::Constant(value.compacted().into()),
            (part @ (PART | INPUT_PATH), Some(value)) => {
                let path = self.path(part, *value)?;
                let mut paths = Paths::default();
                paths.add(&path);
                TransformKind::Part(paths)
            }
            (language, Some(source)) => TransformKind::Program(self.program(language, *source)?),
            (_, None) => return None,
        };
        Some(Transform { kind })
    }

    fn names(&mut self, paths: Option<Json<'_>>) -> Names {
        let mut names = Names::default();
        let Some(paths) = paths else { return names };
        if paths.kind() != Kind::Object {
            let detail = "'input_paths' is an object of names and paths";
            self.fault::<()>(INPUT_PATHS, "wrong-type", detail);
        }
        let mut known: Vec<String> = Vec::new();
        for (key, path) in paths.members() {
            let name = key.string().unwrap_or_default();
            if known.contains(&name) {
                self.fault_below::<()>(&name, "duplicate-field", format!("'{name}' stands twice"));
                continue;
            }
            if known.len() == PATHS_MAX {
                let detail = format!("a transform has at most {PATHS_MAX} input paths");
                self.fault::<()>(INPUT_PATHS, "too-many-paths", detail);
                return names;
            }
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            if !(1..=NAME_CHARS_MAX).contains(&name.len()) || !name.chars().all(plain) {
                let detail = format!(
                    "a name has 1 to {NAME_CHARS_MAX} letters, digits, '-' and '_' of ASCII"
                );
                self.fault_below::<()>(&name, "invalid-name", detail);
            }
            let path = self.path(&format!("{INPUT_PATHS}/{}", pointer_token(&name)), path);
            names.declare(&name, path.as_ref());
            known.push(name);
        }
        names
    }

    fn template(&mut self, template: Option<Json<'_>>, names: Names) -> Option<Template> {
        let Some(template) = template else {
            return self.fault(TEMPLATE, "required", "'template' is missing");
        };
        let text = self.string(TEMPLATE, template)?;
        if text.chars().count() > TEMPLATE_CHARS_MAX {
            let detail = format!("a template has at most {TEMPLATE_CHARS_MAX} characters");
            return self.fault(TEMPLATE, "too-large", detail);
        }
        let mut faults = Vec::new();
        let template = Template::read(&text, names, &mut faults);
        self.faults.extend(faults.into_iter().map(|fault| fault.under("/template")));
        template
    }

    fn path(&mut self, at: &str, value: Json<'_>) -> Option<Path> {
        let text = self.string(at, value)?;
        Path::parse(&text).map_or_else(|detail| self.fault(at, "invalid-path", detail), Some)
    }

    fn program(&mut self, language: &'static str, value: Json<'_>) -> Option<Program> {
        let source = self.string(language, value)?;
        if source.len() > PROGRAM_BYTES_MAX {
            let detail = format!("a program has at most {PROGRAM_BYTES_MAX} bytes");
            return self.fault(language, "too-large", detail);
        }
        let language =
            if language == Language::Jq.name() { Language::Jq } else { Language::Jsonata };
        Some(Program { language, source })
    }

    fn string(&mut self, at: &str, value: Json<'_>) -> Option<String> {
        let text = (value.kind() == Kind::String).then(|| value.string()).flatten();
        text.or_else(|| self.fault(at, "wrong-type", "this is a string"))
    }

    /// Notes a fault at the field of this name.
    fn fault<T>(&mut self, at: &str, code: &'static str, detail: impl Into<String>) -> Option<T> {
        let pointer = if at.is_empty() { String::new() } else { format!("/{at}") };
        self.faults.push(Fault::new(pointer, code, detail.into()));
        None
    }

    /// Notes a fault at the input path of this name.
    fn fault_below<T>(&mut self, name: &str, code: &'static str, detail: String) -> Option<T> {
        self.fault(&format!("{INPUT_PATHS}/{}", pointer_token(name)), code, detail)
    }
}

/// Says that something is not known, and what it might have been meant to be.
pub(crate) fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    let near = |known: &&&str| known.len().max(name.len()) <= SHOWN_CHARS_MAX;
    let meant = known
        .iter()
        .filter(near)
        .map(|known| (strsim::damerau_levenshtein(known, name), known))
        .filter(|(distance, known)| *distance <= known.len().div_ceil(3))
        .min();
    let shown: String = name.chars().take(SHOWN_CHARS_MAX).collect();
    match meant {
        Some((_, meant)) => format!("unknown {what} '{shown}'; did you mean '{meant}'?"),
        None => format!("unknown {what} '{shown}'"),
    }
}
