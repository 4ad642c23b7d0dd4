//! Showing answers: as tables for people, as JSON for programs.

use std::borrow::Cow;
use std::io::{self, Write};

use serde_json::Value;

/// How answers are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Tables.
    #[default]
    Table,
    /// JSON, as the server answers it.
    Json,
}

/// Widest cell of a table, in characters. Longer ones are cut.
const CELL_CHARS_MAX: usize = 80;
/// Between two columns.
const GAP: &str = "  ";

/// Writes JSON, indented.
pub(crate) fn write_json(out: &mut dyn Write, value: &Value) -> io::Result<()> {
    writeln!(out, "{value:#}")
}

/// Writes rows under their headers, each column as wide as it must be.
pub(crate) fn write_table<const N: usize>(
    out: &mut dyn Write,
    headers: [&str; N],
    rows: &[[String; N]],
) -> io::Result<()> {
    let rows: Vec<[String; N]> =
        rows.iter().map(|row| row.each_ref().map(|cell| shorten(&plain(cell)))).collect();
    let mut widths = headers.map(str::len);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    write_row(out, &headers, &widths)?;
    rows.iter().try_for_each(|row| write_row(out, row, &widths))
}

fn write_row(out: &mut dyn Write, cells: &[impl AsRef<str>], widths: &[usize]) -> io::Result<()> {
    let padded = cells.iter().zip(widths).map(|(cell, &width)| format!("{:width$}", cell.as_ref()));
    writeln!(out, "{}", padded.collect::<Vec<_>>().join(GAP).trim_end())
}

/// Writes the fields of a document, one a line.
pub(crate) fn write_fields(out: &mut dyn Write, document: &Value) -> io::Result<()> {
    let Value::Object(fields) = document else { return write_json(out, document) };
    let width = fields.keys().map(|name| name.chars().count()).max().unwrap_or(0);
    let mut fields: Vec<_> = fields.iter().collect();
    fields.sort_unstable_by_key(|(name, _)| *name);
    for (name, value) in fields {
        writeln!(out, "{:width$}{GAP}{}", plain(name), plain(&text(value)))?;
    }
    Ok(())
}

/// A value as it stands in a table: texts bare, nothing as a hyphen, all else as JSON.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// The value at a JSON Pointer, as it stands in a table.
pub(crate) fn cell(document: &Value, pointer: &str) -> String {
    document.pointer(pointer).map_or_else(|| "-".to_owned(), text)
}

/// The text without control characters, with which events could command the terminal.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if text.contains(char::is_control) {
        text.replace(char::is_control, "\u{fffd}").into()
    } else {
        text.into()
    }
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= CELL_CHARS_MAX {
        return text.to_owned();
    }
    let kept: String = text.chars().take(CELL_CHARS_MAX - 1).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{CELL_CHARS_MAX, write_fields, write_table};

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut out = Vec::new();
        let rows = [["é".to_owned(), "b".to_owned()], ["a\u{1b}[31m".to_owned(), "x".repeat(200)]];
        write_table(&mut out, ["NAME", "WHAT"], &rows).unwrap();
        let cut = "x".repeat(CELL_CHARS_MAX - 1);
        let expected = format!("NAME    WHAT\né       b\na\u{fffd}[31m  {cut}…\n");
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn fields_are_listed_in_the_order_of_their_names() {
        let mut out = Vec::new();
        write_fields(&mut out, &json!({"x": null, "target": {"kind": "http"}, "name": "a"}))
            .unwrap();
        let expected = "name    a\ntarget  {\"kind\":\"http\"}\nx       -\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
