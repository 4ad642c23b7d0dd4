//! Lists, page by page, in the order of names.

use data_encoding::BASE64URL_NOPAD;
use tripline_kernel::{Name, TenantUid};

use crate::registry::Error;

/// Items of a page when the caller does not say.
const LIMIT_DEFAULT: u32 = 50;
/// Most items of a page. Who asks for more gets this many.
const LIMIT_MAX: u32 = 500;

/// Which part of a list is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) tenant: TenantUid,
    /// At most this many items.
    pub(crate) limit: u32,
    /// Only items with greater names.
    pub(crate) after: Option<Name>,
    pub(crate) by: Filters,
}

/// Which items of a list are asked for. What is left out does not filter.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filters {
    /// In microseconds since the epoch, like the next.
    pub(crate) created_after: Option<i64>,
    pub(crate) created_before: Option<i64>,
    /// Of a source, or of a function's target.
    pub(crate) kind: Option<String>,
    /// A name, like the next two.
    pub(crate) bus: Option<String>,
    pub(crate) source: Option<String>,
    pub(crate) function: Option<String>,
    pub(crate) state: Option<String>,
}

impl Asked {
    /// Reads the limit (0 stands for the default) and the cursor (empty for the start).
    pub(crate) fn parse(tenant: TenantUid, limit: u32, cursor: &str) -> Result<Self, Error> {
        let limit = if limit == 0 { LIMIT_DEFAULT } else { limit.min(LIMIT_MAX) };
        let after = if cursor.is_empty() { None } else { Some(decode(cursor)?) };
        Ok(Self { tenant, limit, after, by: Filters::default() })
    }

    /// Only what these filters let through.
    pub(crate) fn only(self, by: Filters) -> Self {
        Self { by, ..self }
    }
}

/// A part of a list.
#[derive(Debug)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// Where the next page starts; empty after the last.
    pub(crate) next_cursor: String,
}

impl<T> Page<T> {
    /// Makes a page of at most `limit` items from a query that asked for one more.
    pub(crate) fn of(mut found: Vec<T>, limit: u32, name: impl Fn(&T) -> &Name) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        if found.len() <= limit {
            return Self { items: found, next_cursor: String::new() };
        }
        found.truncate(limit);
        let next_cursor = found.last().map(|item| encode(name(item))).unwrap_or_default();
        Self { items: found, next_cursor }
    }
}

fn encode(name: &Name) -> String {
    BASE64URL_NOPAD.encode(name.as_str().as_bytes())
}

fn decode(cursor: &str) -> Result<Name, Error> {
    let bytes = BASE64URL_NOPAD.decode(cursor.as_bytes()).map_err(|_| Error::InvalidCursor)?;
    let text = String::from_utf8(bytes).map_err(|_| Error::InvalidCursor)?;
    text.parse().map_err(|_| Error::InvalidCursor)
}

#[cfg(test)]
mod tests {
    use tripline_kernel::{DEFAULT_TENANT, Name};

    use super::{Asked, LIMIT_DEFAULT, LIMIT_MAX, Page};

    #[test]
    fn limits_have_a_default_and_a_maximum() {
        let limit = |asked| Asked::parse(DEFAULT_TENANT, asked, "").unwrap().limit;
        assert_eq!([limit(0), limit(1), limit(501)], [LIMIT_DEFAULT, 1, LIMIT_MAX]);
    }

    #[test]
    fn a_cursor_leads_to_the_name_it_was_made_of_and_anything_else_is_refused() {
        let names: Vec<Name> = ["a", "b", "c"].map(|name| name.parse().unwrap()).into();
        let page = Page::of(names, 2, |name| name);
        assert_eq!(page.items.len(), 2);
        let asked = Asked::parse(DEFAULT_TENANT, 0, &page.next_cursor).unwrap();
        assert_eq!(asked.after.unwrap().as_str(), "b");
        for bad in ["!", "Zm9v/", "QQ", "AA"] {
            assert!(Asked::parse(DEFAULT_TENANT, 0, bad).is_err(), "{bad}");
        }
    }
}
