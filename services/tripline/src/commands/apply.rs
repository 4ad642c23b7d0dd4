//! `tripline apply`: creates or replaces what a file describes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;
use serde_json::value::RawValue;

use super::{Session, input};
use crate::failure::Failure;
use crate::output::{Format, cell, write_json};

/// Create or replace functions, sources and triggers from a file of JSON documents.
///
/// A document names what it describes in `kind` (function, source or trigger) and `name`; the other fields are those of
/// the API. Of a source, whose own kind the API calls `kind` as well, that is given as `type`, such as minio. The
/// file holds one document after the other, or an array of them; functions are made first and triggers last.
#[derive(Debug, clap::Args)]
pub(crate) struct ApplyArgs {
    /// The file; - for standard input.
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
}

/// Most documents of one file.
const DOCUMENTS_MAX: usize = 10_000;

/// What a document describes, in the order in which they are made: each refers to earlier ones only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Function,
    Source,
    Trigger,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Function => "function",
            Self::Source => "source",
            Self::Trigger => "trigger",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Function => "functions",
            Self::Source => "sources",
            Self::Trigger => "triggers",
        }
    }
}

/// The fields of a document, each as it was written: a pattern's numbers and repeated keys must not change on the way.
type Fields = BTreeMap<String, Box<RawValue>>;

#[derive(Debug)]
struct Document {
    kind: Kind,
    name: String,
    body: Fields,
}

/// Stops at the first document that is refused; what was applied before stays.
pub(crate) async fn run(session: &mut Session<'_>, args: &ApplyArgs) -> Result<(), Failure> {
    for document in documents(&input::read(&args.file)?)? {
        apply(session, &document).await?;
    }
    Ok(())
}

async fn apply(session: &mut Session<'_>, document: &Document) -> Result<(), Failure> {
    let Document { kind, name, body } = document;
    let put = session.client.put(&[kind.path(), name], body).await;
    let (created, stored) = put.map_err(|failure| in_document(failure, document))?;
    if session.format == Format::Json {
        return Ok(write_json(session.out, &stored)?);
    }
    let done = if created { "created" } else { "updated" };
    write!(session.out, "{}/{name} {done}", kind.name())?;
    if stored["applied"] == Value::Bool(false) {
        write!(session.out, ", not in force yet")?;
    }
    writeln!(session.out)?;
    if stored["signing_secret"].is_string() {
        let secret = cell(&stored, "/signing_secret");
        writeln!(session.out, "  signing secret, shown only now: {secret}")?;
    }
    Ok(())
}

/// Says which document it was.
fn in_document(failure: Failure, document: &Document) -> Failure {
    match failure {
        Failure::Refused(mut problem) => {
            let what = if problem.detail.is_empty() { &problem.title } else { &problem.detail };
            problem.detail = format!("{}/{}: {what}", document.kind.name(), document.name);
            Failure::Refused(problem)
        }
        other => other,
    }
}

/// All documents of a file, in the order in which they must be made. Nothing is sent while one of them is wrong.
fn documents(text: &[u8]) -> Result<Vec<Document>, Failure> {
    let not_json = |error| Failure::Failed(format!("the file is not JSON: {error}"));
    let mut values = Vec::new();
    for value in serde_json::Deserializer::from_slice(text).into_iter::<Box<RawValue>>() {
        let value = value.map_err(not_json)?;
        if value.get().starts_with('[') {
            values.extend(serde_json::from_str::<Vec<_>>(value.get()).map_err(not_json)?);
        } else {
            values.push(value);
        }
        if values.len() > DOCUMENTS_MAX {
            let why = format!("the file holds more than {DOCUMENTS_MAX} documents");
            return Err(Failure::Failed(why));
        }
    }
    if values.is_empty() {
        return Err(Failure::Failed("the file holds no document".to_owned()));
    }
    let numbered = values.iter().zip(1..);
    let documents: Result<Vec<_>, _> =
        numbered.map(|(value, number)| document(value, number)).collect();
    let mut documents = documents?;
    documents.sort_by_key(|document| document.kind);
    Ok(documents)
}

fn document(value: &RawValue, number: usize) -> Result<Document, Failure> {
    let wrong = |why: &str| Failure::Failed(format!("document {number}: {why}"));
    let Ok(mut body) = serde_json::from_str::<Fields>(value.get()) else {
        return Err(wrong("a document is a JSON object"));
    };
    let kind = match take_text(&mut body, "kind").as_deref() {
        Some("function") => Kind::Function,
        Some("source") => Kind::Source,
        Some("trigger") => Kind::Trigger,
        Some(_) | None => return Err(wrong("'kind' must be function, source or trigger")),
    };
    let name = take_text(&mut body, "name").filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| wrong("'name' is required"))?;
    if kind == Kind::Source {
        let adapter = body.remove("type");
        let missing = "'type' must say what kind of source, such as minio";
        body.insert("kind".to_owned(), adapter.ok_or_else(|| wrong(missing))?);
    }
    Ok(Document { kind, name, body })
}

fn take_text(fields: &mut Fields, name: &str) -> Option<String> {
    serde_json::from_str(fields.remove(name)?.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::{Kind, documents};

    #[test]
    fn documents_are_made_in_the_order_in_which_they_refer_to_each_other() {
        let text = r#"{"kind": "trigger", "name": "t", "source": "s", "function": "f",
              "pattern": {"x": [9007199254740993.10], "x": [1]}}
            [{"kind": "source", "name": "s", "type": "minio", "settings": {}},
             {"kind": "function", "name": "f", "target": {"kind": "http"}}]"#;
        let documents = documents(text.as_bytes()).unwrap();
        let told: Vec<_> = documents
            .iter()
            .map(|d| (d.kind, &*d.name, serde_json::to_string(&d.body).unwrap()))
            .collect();
        assert_eq!(
            told,
            [
                (Kind::Function, "f", r#"{"target":{"kind": "http"}}"#.to_owned()),
                (Kind::Source, "s", r#"{"kind":"minio","settings":{}}"#.to_owned()),
                (
                    Kind::Trigger,
                    "t",
                    r#"{"function":"f","pattern":{"x": [9007199254740993.10], "x": [1]},"source":"s"}"#
                        .to_owned()
                ),
            ]
        );
    }

    #[test]
    fn a_wrong_document_is_told_by_its_number() {
        for (text, why) in [
            ("", "the file holds no document"),
            ("{", "the file is not JSON"),
            ("1", "document 1: a document is a JSON object"),
            (r#"{"kind":"function","name":"f"} {"kind":"bus"}"#, "document 2: 'kind' must be"),
            (r#"{"kind":"trigger","name":""}"#, "document 1: 'name' is required"),
            (r#"{"kind":"source","name":"s"}"#, "document 1: 'type' must say"),
        ] {
            let told = documents(text.as_bytes()).unwrap_err().to_string();
            assert!(told.starts_with(why), "{told}");
        }
    }
}
