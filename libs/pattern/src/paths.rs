//! Which paths of an event any pattern asks for.

use std::collections::HashMap;

/// Stands for one path, while any pattern asks for it.
pub(crate) type FieldId = usize;

/// One place in the tree of wanted paths.
#[derive(Clone, Debug, Default)]
pub(crate) struct Node {
    children: HashMap<Box<str>, Self>,
    field: Option<FieldId>,
}

impl Node {
    /// The place below, by a key as it stands in an event: a full stop in it parts names.
    pub(crate) fn descend(&self, key: &str) -> Option<&Self> {
        key.split('.').try_fold(self, |node, name| node.children.get(name))
    }

    /// The field whose path ends here.
    pub(crate) fn field(&self) -> Option<FieldId> {
        self.field
    }

    /// The field at the end of `path`, which becomes `fresh` if the path was not wanted before.
    pub(crate) fn want(&mut self, path: &str, fresh: FieldId) -> FieldId {
        let mut node = self;
        for name in path.split('.') {
            node = node.children.entry(name.into()).or_default();
        }
        *node.field.get_or_insert(fresh)
    }

    /// Takes a wanted path away, and what led only there.
    pub(crate) fn forget(&mut self, path: &str) {
        let (name, rest) = match path.split_once('.') {
            Some((name, rest)) => (name, Some(rest)),
            None => (path, None),
        };
        let Some(child) = self.children.get_mut(name) else { return };
        match rest {
            Some(rest) => child.forget(rest),
            None => child.field = None,
        }
        if child.field.is_none() && child.children.is_empty() {
            self.children.remove(name);
        }
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.children.is_empty()
    }
}
