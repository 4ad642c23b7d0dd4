//! JSON as it is written: with keys that stand twice, and each number and string in its own spelling.

use crate::random::Random;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Json {
    /// A number or a literal, or any text that is to stand as it is.
    Raw(String),
    Text(String),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
}

/// How many of a hundred characters are written as escapes, and places get white space, in a text that has any.
const ODD_PERCENT: usize = 15;

impl Json {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn raw(text: impl Into<String>) -> Self {
        Self::Raw(text.into())
    }

    /// An object with one member.
    pub(crate) fn one(key: &str, value: Self) -> Self {
        Self::Object(vec![(key.to_owned(), value)])
    }

    /// The shortest text.
    pub(crate) fn write(&self) -> String {
        self.spell(&mut None)
    }

    /// A text with some white space and some needless escapes.
    pub(crate) fn write_oddly(&self, random: &mut Random) -> String {
        self.spell(&mut Some(random))
    }

    fn spell(&self, random: &mut Option<&mut Random>) -> String {
        let mut out = String::new();
        self.append(&mut out, random);
        out
    }

    fn append(&self, out: &mut String, random: &mut Option<&mut Random>) {
        space(out, random);
        match self {
            Self::Raw(raw) => out.push_str(raw),
            Self::Text(text) => append_text(text, out, random),
            Self::Array(elements) => {
                out.push('[');
                for (index, element) in elements.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { "," });
                    element.append(out, random);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (index, (key, value)) in members.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { "," });
                    append_text(key, out, random);
                    out.push(':');
                    value.append(out, random);
                }
                out.push('}');
            }
        }
        space(out, random);
    }
}

fn odd(random: &mut Option<&mut Random>) -> bool {
    random.as_mut().is_some_and(|random| random.percent(ODD_PERCENT))
}

fn space(out: &mut String, random: &mut Option<&mut Random>) {
    if odd(random)
        && let Some(random) = random
    {
        out.push(*random.pick(&[' ', '\n', '\t', '\r']));
    }
}

fn append_text(text: &str, out: &mut String, random: &mut Option<&mut Random>) {
    out.push('"');
    for character in text.chars() {
        let must = matches!(character, '"' | '\\' | '\0'..='\x1f');
        if must || odd(random) {
            escape(character, out, random);
        } else {
            out.push(character);
        }
    }
    out.push('"');
}

fn escape(character: char, out: &mut String, random: &mut Option<&mut Random>) {
    let short = match character {
        '"' | '\\' | '/' => Some(character),
        '\n' => Some('n'),
        '\t' => Some('t'),
        '\r' => Some('r'),
        '\x08' => Some('b'),
        '\x0c' => Some('f'),
        _ => None,
    };
    if let Some(short) = short
        && !odd(random)
    {
        out.extend(['\\', short]);
        return;
    }
    for unit in character.encode_utf16(&mut [0; 2]) {
        out.push_str(&if odd(random) {
            format!("\\u{unit:04X}")
        } else {
            format!("\\u{unit:04x}")
        });
    }
}

#[cfg(test)]
mod tests {
    use super::Json;
    use crate::random::Random;

    #[test]
    fn odd_spelling_changes_nothing_but_the_text() {
        let text = "é\"\\/\n\u{1}😀ab";
        let value = Json::Object(vec![
            (text.to_owned(), Json::Array(vec![Json::text(text), Json::raw("3.0e2")])),
            ("b".to_owned(), Json::raw("null")),
        ]);
        let plain: serde_json::Value = serde_json::from_str(&value.write()).unwrap();
        for seed in 0..200 {
            let odd = value.write_oddly(&mut Random::new(seed));
            assert_eq!(serde_json::from_str::<serde_json::Value>(&odd).unwrap(), plain, "{odd}");
        }
    }
}
