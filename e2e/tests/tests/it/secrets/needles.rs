//! Finding secrets in whatever a system writes, also when they were encoded on the way.

use std::fmt::Write as _;

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};

/// How much is shown around a secret that was found, before and after.
const SHOWN_BYTES: usize = 60;

/// A secret, and the places that may show it: those whose names begin so.
pub(super) struct Secret {
    name: String,
    bytes: Vec<u8>,
    shown_by: &'static [&'static str],
}

impl Secret {
    /// One that nothing may show.
    pub(super) fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), bytes: bytes.into(), shown_by: &[] }
    }

    /// One that these places may show.
    pub(super) fn shown_by(name: &str, text: &str, shown_by: &'static [&'static str]) -> Self {
        Self { shown_by, ..Self::new(name, text) }
    }

    /// All that it may have become.
    fn forms(&self) -> Vec<(&'static str, Vec<u8>)> {
        let bytes = &self.bytes;
        let mut forms = vec![
            ("as it is", bytes.clone()),
            ("in hex", HEXLOWER.encode(bytes).into()),
            ("in hex", HEXUPPER.encode(bytes).into()),
            ("percent-encoded", each(bytes, |byte| format!("%{byte:02x}"), "")),
            ("percent-encoded", each(bytes, |byte| format!("%{byte:02X}"), "")),
            ("as numbers", each(bytes, |byte| byte.to_string(), ",")),
            ("as numbers", each(bytes, |byte| byte.to_string(), ", ")),
        ];
        // Whatever stands before it moves it inside the groups of three bytes that become four letters.
        for before in 0..3 {
            let moved = [&vec![0; before], bytes.as_slice()].concat();
            let (whole, begin) = (moved.len() / 3 * 4, [0, 2, 3][before]);
            for encoding in [BASE64_NOPAD, BASE64URL_NOPAD] {
                let letters = encoding.encode(&moved).into_bytes();
                forms.push(("in base64", letters[begin..whole].to_vec()));
            }
        }
        forms
    }
}

fn each(bytes: &[u8], form: impl Fn(u8) -> String, between: &str) -> Vec<u8> {
    bytes.iter().map(|byte| form(*byte)).collect::<Vec<_>>().join(between).into()
}

/// Something that was written, and where.
pub(super) struct Place {
    pub(super) name: String,
    pub(super) content: Vec<u8>,
}

impl Place {
    pub(super) fn new(name: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), content: content.into() }
    }

    /// Whether a text stands there as it is.
    pub(super) fn holds(&self, text: &str) -> bool {
        self.content.windows(text.len()).any(|part| part == text.as_bytes())
    }
}

/// Every secret in every form, by its first two bytes, so that places are read once.
pub(super) struct Finder<'s> {
    needles: Vec<(&'s Secret, &'static str, Vec<u8>)>,
    by_start: Vec<Vec<usize>>,
}

impl<'s> Finder<'s> {
    pub(super) fn new(secrets: &'s [Secret]) -> Self {
        let mut needles = Vec::new();
        let mut by_start = vec![Vec::new(); 1 << 16];
        for secret in secrets {
            assert!(secret.bytes.len() >= 12, "{} could be there by chance", secret.name);
            for (form, needle) in secret.forms() {
                by_start[start(&needle)].push(needles.len());
                needles.push((secret, form, needle));
            }
        }
        Self { needles, by_start }
    }

    /// What is found in a place that must not show it, in words.
    pub(super) fn leaks(&self, place: &Place) -> Vec<String> {
        let mut leaks = Vec::new();
        for at in 0..place.content.len().saturating_sub(1) {
            let rest = &place.content[at..];
            for &needle in &self.by_start[start(rest)] {
                let (secret, form, needle) = &self.needles[needle];
                let shown = secret.shown_by.iter().any(|name| place.name.starts_with(name));
                if !shown && rest.starts_with(needle) {
                    leaks.push(told(secret, form, place, at));
                }
            }
        }
        leaks
    }
}

fn start(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

fn told(secret: &Secret, form: &str, place: &Place, at: usize) -> String {
    let end = place.content.len().min(at + 2 * SHOWN_BYTES);
    let around = &place.content[at.saturating_sub(SHOWN_BYTES)..end];
    let mut told = String::new();
    let around = String::from_utf8_lossy(around);
    write!(told, "{} {form} in {}: …{around}…", secret.name, place.name).expect("a text grows");
    told
}

#[test]
fn a_secret_is_found_in_every_form_wherever_it_stands() {
    let secrets = [Secret::new("it", "Kanarie/7Qx+zW")];
    let finder = Finder::new(&secrets);
    let percent = |text: &str| each(text.as_bytes(), |byte| format!("%{byte:02X}"), "");
    for before in ["", "x", "xy", "xyz"] {
        let whole = format!("{before}Kanarie/7Qx+zW!");
        for content in [
            whole.clone().into_bytes(),
            HEXLOWER.encode(whole.as_bytes()).into(),
            BASE64_NOPAD.encode(whole.as_bytes()).into(),
            BASE64URL_NOPAD.encode(whole.as_bytes()).into(),
            percent(&whole),
            format!("{:?}", whole.as_bytes()).into(),
        ] {
            let found = finder.leaks(&Place::new("here", content.clone()));
            assert!(!found.is_empty(), "{}", String::from_utf8_lossy(&content));
        }
    }
    assert!(finder.leaks(&Place::new("here", "Kanarie/7Qx")).is_empty(), "half of it is not it");
}
