//! What an event holds at the wanted paths, gathered in one pass that skips all else.
//!
//! The pass finds its way by quotes and brackets; it does not check that the text is JSON where nothing is wanted. See
//! [`crate::scan::check`] for texts that nobody has checked before.

use crate::blocks::{self, Quoted};
use crate::bytes;
use crate::decimal;
use crate::error::EventError;
use crate::limits::{EVENT_ARRAYS_MAX, EVENT_BYTES_MAX};
use crate::paths::{FieldId, Paths, Place};
use crate::scalar::Scalar;
use crate::scan;

/// The scope of values that stand in no array of objects.
pub(crate) const ROOT: u32 = 0;

/// The values at the wanted paths, and the arrays they stand in. Its memory serves one event after the other.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    /// By field, and then in the event's order.
    pub(crate) values: Vec<Value>,
    /// One for each element of an array that is an object or an array, and a first one for the event. They are numbered
    /// as they begin, so that those inside any one of them follow it.
    pub(crate) scopes: Vec<Scope>,
    pub(crate) arrays: Vec<Array>,
    /// Texts that are not in the event as they are: without escapes, and numbers in canonical form.
    made: Vec<u8>,
}

/// One value at a wanted path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value {
    pub(crate) field: FieldId,
    /// The innermost array element around it.
    pub(crate) scope: u32,
    /// Where it begins in the event.
    at: u32,
    /// Where its text is: in the event or in what was made of it.
    start: u32,
    end: u32,
    made: bool,
    pub(crate) kind: Kind,
}

/// A value by itself, and the scope it stands in.
#[derive(Debug)]
pub(crate) struct Occurrence<'e> {
    pub(crate) scope: u32,
    pub(crate) value: Scalar<'e>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Number,
    /// A number that no pattern can hold.
    Immeasurable,
    True,
    False,
    Null,
}

/// An array element that is an object or an array.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope {
    /// The array it is an element of; of no meaning for [`ROOT`].
    pub(crate) array: u32,
    /// The first scope that is not inside this one.
    pub(crate) end: u32,
}

/// An array on a wanted path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Array {
    /// The scope it stands in.
    pub(crate) parent: u32,
    /// The first scope in it.
    pub(crate) first: u32,
    /// The first scope after it.
    pub(crate) end: u32,
}

impl Observed {
    /// Reads an event, in place of the one before.
    pub(crate) fn read(&mut self, event: &[u8], paths: &Paths) -> Result<(), EventError> {
        self.values.clear();
        self.scopes.clear();
        self.arrays.clear();
        self.made.clear();
        self.scopes.push(Scope { array: u32::MAX, end: 1 });
        if event.len() > EVENT_BYTES_MAX {
            return Err(EventError::TooLarge);
        }
        let mut reader = Reader { event, at: 0, paths, observed: self };
        let read = reader.event();
        let at = reader.at;
        match read {
            Ok(()) => {}
            Err(Fault::Malformed) => return Err(EventError::Malformed(at)),
            Err(Fault::NotAnObject) => return Err(EventError::NotAnObject),
        }
        self.scopes[0].end = count(&self.scopes);
        self.values
            .sort_unstable_by_key(|value| u64::from(value.field) << 32 | u64::from(value.at));
        Ok(())
    }

    /// Whether a value stands in an element of an array that is an object or an array.
    pub(crate) fn has_scopes(&self) -> bool {
        self.scopes.len() > 1
    }

    /// The text of a value, or the canonical form of a number.
    #[inline]
    pub(crate) fn bytes<'v>(&'v self, value: &Value, event: &'v [u8]) -> &'v [u8] {
        let from = if value.made { &self.made } else { event };
        &from[value.start as usize..value.end as usize]
    }

    /// Whether two values are of one field, and equal.
    #[inline]
    pub(crate) fn is_same(&self, value: &Value, other: &Value, event: &[u8]) -> bool {
        value.field == other.field
            && value.kind == other.kind
            && bytes::same(self.bytes(value, event), self.bytes(other, event))
    }

    #[inline]
    pub(crate) fn scalar<'v>(&'v self, value: &Value, event: &'v [u8]) -> Scalar<'v> {
        match value.kind {
            Kind::Text => Scalar::Text(String::from_utf8_lossy(self.bytes(value, event))),
            Kind::Number => Scalar::Number(self.bytes(value, event).into()),
            Kind::Immeasurable => Scalar::Immeasurable,
            Kind::True => Scalar::Bool(true),
            Kind::False => Scalar::Bool(false),
            Kind::Null => Scalar::Null,
        }
    }

    /// The values of one field, in the event's order.
    #[inline]
    pub(crate) fn values_of(&self, field: FieldId) -> &[Value] {
        let from = self.values.partition_point(|value| value.field < field);
        let of_field = self.values[from..].partition_point(|value| value.field == field);
        &self.values[from..from + of_field]
    }

    /// The same, each by itself.
    pub(crate) fn of<'v>(
        &'v self,
        field: FieldId,
        event: &'v [u8],
    ) -> impl Iterator<Item = Occurrence<'v>> {
        let values = self.values_of(field).iter();
        values.map(|value| Occurrence { scope: value.scope, value: self.scalar(value, event) })
    }
}

/// There are fewer of anything in an event than it has bytes, and what is made of it is not longer than [`EVENT_BYTES_MAX`]
/// times a small number: all of these are counted in 32 bits.
fn position(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn count<T>(all: &[T]) -> u32 {
    position(all.len())
}

enum Fault {
    Malformed,
    NotAnObject,
}

struct Reader<'r, 'e> {
    event: &'e [u8],
    at: usize,
    paths: &'r Paths,
    observed: &'r mut Observed,
}

/// Where a value stands.
#[derive(Clone, Copy)]
struct Around {
    scope: u32,
    /// How many arrays are around it.
    arrays: usize,
    /// It stands at a key that is empty: what is no object, or in one, is at no path.
    is_nameless: bool,
}

type Result<T, E = Fault> = std::result::Result<T, E>;

impl<'e> Reader<'_, 'e> {
    fn event(&mut self) -> Result<()> {
        match self.peek()? {
            b'{' => self.object(Paths::ROOT, Around { scope: ROOT, arrays: 0, is_nameless: false }),
            _ => Err(Fault::NotAnObject),
        }
    }

    /// Reads an object that begins here. Recursion is as deep as the wanted paths are long, and as the arrays around a
    /// value are many.
    fn object(&mut self, place: Place, around: Around) -> Result<()> {
        self.at += 1;
        if self.peek()? == b'}' {
            self.at += 1;
            return Ok(());
        }
        loop {
            if self.peek()? != b'"' {
                return Err(Fault::Malformed);
            }
            let start = self.at;
            let child = self.key(place)?;
            // As in event-ruler, no path but the empty one ends with a key that is empty.
            let is_nameless = self.at - start == 2 && place != Paths::ROOT;
            if self.peek()? != b':' {
                return Err(Fault::Malformed);
            }
            self.at += 1;
            match child {
                Some(child) => self.value(child, Around { is_nameless, ..around })?,
                None => self.skip()?,
            }
            if !self.another(b'}')? {
                return Ok(());
            }
        }
    }

    /// Passes over what parts a member or element from the next; false behind the last one.
    #[inline(always)]
    fn another(&mut self, closer: u8) -> Result<bool> {
        let next = self.peek()?;
        if next != b',' && next != closer {
            return Err(Fault::Malformed);
        }
        self.at += 1;
        Ok(next == b',')
    }

    /// Reads a key; the place that it leads to, if a wanted path does.
    #[inline(always)]
    fn key(&mut self, place: Place) -> Result<Option<Place>> {
        let start = self.at + 1;
        let quoted = self.string()?;
        let key = &self.event[start..quoted.end()];
        if !quoted.is_escaped() {
            return Ok(self.paths.descend(place, key, quoted.has_stop()));
        }
        let mut unescaped = Vec::new();
        scan::unescape(key, &mut unescaped).map_err(|_| Fault::Malformed)?;
        Ok(self.paths.descend(place, &unescaped, true))
    }

    fn value(&mut self, place: Place, around: Around) -> Result<()> {
        match self.peek()? {
            b'{' if self.paths.leads_on(place) => self.object(place, around),
            b'{' => self.skip(),
            b'[' => self.array(place, Around { arrays: around.arrays + 1, ..around }),
            _ => match self.paths.field(place) {
                Some(field) if !around.is_nameless => self.scalar(field, around.scope),
                _ => self.skip(),
            },
        }
    }

    fn array(&mut self, place: Place, around: Around) -> Result<()> {
        self.at += 1;
        let array = count(&self.observed.arrays);
        let next = count(&self.observed.scopes);
        self.observed.arrays.push(Array { parent: around.scope, first: next, end: next });
        if self.peek()? == b']' {
            self.at += 1;
            return Ok(());
        }
        loop {
            if around.arrays > EVENT_ARRAYS_MAX {
                self.skip()?;
            } else if matches!(self.peek()?, b'{' | b'[') {
                let scope = count(&self.observed.scopes);
                self.observed.scopes.push(Scope { array, end: scope });
                self.value(place, Around { scope, ..around })?;
                self.observed.scopes[scope as usize].end = count(&self.observed.scopes);
            } else {
                self.value(place, around)?;
            }
            if !self.another(b']')? {
                break;
            }
        }
        self.observed.arrays[array as usize].end = count(&self.observed.scopes);
        Ok(())
    }

    fn scalar(&mut self, field: FieldId, scope: u32) -> Result<()> {
        let at = self.at;
        let (kind, text, escaped) = if self.event[at] == b'"' {
            let quoted = self.string()?;
            (Kind::Text, at + 1..quoted.end(), quoted.is_escaped())
        } else {
            let token = self.token()?;
            let kind = match token {
                b"true" => Kind::True,
                b"false" => Kind::False,
                b"null" => Kind::Null,
                _ => Kind::Number,
            };
            (kind, at..self.at, false)
        };
        let made = &mut self.observed.made;
        let (from, raw) = (made.len(), &self.event[text.clone()]);
        let made_of = match kind {
            Kind::Number if !decimal::canonical_into(raw, made) => None,
            Kind::Text if escaped => {
                scan::unescape(raw, made).map_err(|_| Fault::Malformed)?;
                Some(from..made.len())
            }
            Kind::Number => Some(from..made.len()),
            _ => Some(text),
        };
        let is_made = kind == Kind::Number || escaped;
        let (kind, text) = made_of.map_or((Kind::Immeasurable, 0..0), |text| (kind, text));
        self.observed.values.push(Value {
            field,
            scope,
            at: position(at),
            start: position(text.start),
            end: position(text.end),
            made: is_made,
            kind,
        });
        Ok(())
    }

    fn skip(&mut self) -> Result<()> {
        match self.peek()? {
            b'"' => self.string().map(|_| ()),
            b'{' | b'[' => {
                self.at = blocks::container(self.event, self.at).ok_or(Fault::Malformed)?;
                Ok(())
            }
            _ => self.token().map(|_| ()),
        }
    }

    /// A number or a literal.
    fn token(&mut self) -> Result<&'e [u8]> {
        let (event, start) = (self.event, self.at);
        let end = blocks::token(event, start).filter(|&end| end > start).ok_or(Fault::Malformed)?;
        self.at = end;
        Ok(&event[start..end])
    }

    /// Reads a string that begins here.
    #[inline(always)]
    fn string(&mut self) -> Result<Quoted> {
        let Some(quoted) = blocks::string(self.event, self.at + 1) else {
            return Err(Fault::Malformed);
        };
        self.at = quoted.end() + 1;
        Ok(quoted)
    }

    /// The next byte that is not white space; it is not passed over.
    #[inline(always)]
    fn peek(&mut self) -> Result<u8> {
        loop {
            match self.event.get(self.at) {
                Some(b' ' | b'\n' | b'\t' | b'\r') => self.at += 1,
                Some(&byte) => return Ok(byte),
                None => return Err(Fault::Malformed),
            }
        }
    }
}
