//! What an event holds at the wanted paths, gathered in one pass.

use crate::error::EventError;
use crate::limits::EVENT_ARRAYS_MAX;
use crate::paths::{FieldId, Node};
use crate::scalar::Scalar;
use crate::scan::{Malformed, Scanner, Start};

/// The scope of values that stand in no array of objects.
pub(crate) const ROOT: usize = 0;

/// The values at the wanted paths, and the arrays they stand in.
#[derive(Debug)]
pub(crate) struct Observed<'e> {
    /// Sorted by field.
    pub(crate) values: Vec<Occurrence<'e>>,
    /// One for each element of an array that is an object or an array, and a first one for the event. They are numbered
    /// as they begin, so that those inside any one of them follow it.
    pub(crate) scopes: Vec<Scope>,
    pub(crate) arrays: Vec<Array>,
}

/// One value at a wanted path.
#[derive(Debug)]
pub(crate) struct Occurrence<'e> {
    pub(crate) field: FieldId,
    /// The innermost array element around it.
    pub(crate) scope: usize,
    pub(crate) value: Scalar<'e>,
}

/// An array element that is an object or an array.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope {
    /// The array it is an element of; of no meaning for [`ROOT`].
    pub(crate) array: usize,
    /// The first scope that is not inside this one.
    pub(crate) end: usize,
}

/// An array on a wanted path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Array {
    /// The scope it stands in.
    pub(crate) parent: usize,
    /// The first scope in it.
    pub(crate) first: usize,
    /// The first scope after it.
    pub(crate) end: usize,
}

impl<'e> Observed<'e> {
    pub(crate) fn read(event: &'e [u8], wanted: &Node) -> Result<Self, EventError> {
        let text =
            std::str::from_utf8(event).map_err(|e| EventError::Malformed(e.valid_up_to()))?;
        let observed = Self {
            values: Vec::with_capacity(16),
            scopes: vec![Scope { array: usize::MAX, end: 1 }],
            arrays: Vec::new(),
        };
        let mut reader = Reader { scanner: Scanner::new(text), observed };
        reader.event(wanted)?;
        let mut observed = reader.observed;
        observed.scopes[ROOT].end = observed.scopes.len();
        observed.values.sort_unstable_by_key(|occurrence| occurrence.field);
        Ok(observed)
    }

    /// The values of one field.
    pub(crate) fn of(&self, field: FieldId) -> &[Occurrence<'e>] {
        let start = self.values.partition_point(|occurrence| occurrence.field < field);
        let len = self.values[start..].partition_point(|occurrence| occurrence.field == field);
        &self.values[start..start + len]
    }
}

struct Reader<'e> {
    scanner: Scanner<'e>,
    observed: Observed<'e>,
}

impl Reader<'_> {
    fn event(&mut self, wanted: &Node) -> Result<(), EventError> {
        let malformed = |Malformed(at)| EventError::Malformed(at);
        match self.scanner.value().map_err(malformed)? {
            Start::Object => self.object(wanted, ROOT, 0).map_err(malformed)?,
            Start::Array | Start::Scalar(_) => return Err(EventError::NotAnObject),
        }
        self.scanner.end().map_err(malformed)
    }

    /// Recursion is as deep as the wanted paths are long, and as the arrays around a value are many.
    fn object(&mut self, node: &Node, scope: usize, arrays: usize) -> Result<(), Malformed> {
        let mut first = true;
        while let Some(key) = self.scanner.key(first)? {
            first = false;
            match node.descend(&key) {
                Some(child) => self.value(child, scope, arrays)?,
                None => self.scanner.skip()?,
            }
        }
        Ok(())
    }

    fn value(&mut self, node: &Node, scope: usize, arrays: usize) -> Result<(), Malformed> {
        match self.scanner.value()? {
            Start::Object => self.object(node, scope, arrays),
            Start::Array => self.array(node, scope, arrays + 1),
            Start::Scalar(value) => {
                if let Some(field) = node.field() {
                    self.observed.values.push(Occurrence { field, scope, value });
                }
                Ok(())
            }
        }
    }

    fn array(&mut self, node: &Node, parent: usize, arrays: usize) -> Result<(), Malformed> {
        let array = self.observed.arrays.len();
        let next = self.observed.scopes.len();
        self.observed.arrays.push(Array { parent, first: next, end: next });
        let mut first = true;
        while self.scanner.element(first)? {
            first = false;
            if arrays > EVENT_ARRAYS_MAX {
                self.scanner.skip()?;
            } else if self.scanner.at_container() {
                let scope = self.observed.scopes.len();
                self.observed.scopes.push(Scope { array, end: scope });
                self.value(node, scope, arrays)?;
                self.observed.scopes[scope].end = self.observed.scopes.len();
            } else {
                self.value(node, parent, arrays)?;
            }
        }
        self.observed.arrays[array].end = self.observed.scopes.len();
        Ok(())
    }
}
