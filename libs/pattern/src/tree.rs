//! The patterns as a tree of conditions: a way from the root down meets them one after the other, so that what many
//! patterns begin with is asked once, and what lies below an unmet condition is not asked at all.
//!
//! A node stands for the conditions on the way to it. The way to a child is found by a term that the event fulfils, not by
//! trying the children: their number does not matter.

use crate::conditions::{ConditionId, Conditions, Found};
use crate::paths::FieldId;
use crate::rows::Rows;
use crate::table::{Hashing, Table};
use crate::terms::TermId;

pub(crate) type NodeId = u32;

/// Most children that are found without their table.
const FEW: usize = 3;
/// No pattern ends here, or there is no child.
pub(crate) const NONE: u32 = u32::MAX;

/// Stands in a junction for children that are asked whatever the event holds.
const ALWAYS: TermId = TermId::MAX;

#[derive(Clone, Debug)]
pub(crate) struct Tree {
    nodes: Rows<Node>,
    /// Children by parent and condition.
    children: Table,
    junctions: Rows<Junction>,
    /// Junctions by node and term.
    by_term: Table,
    hashing: Hashing,
}

/// One line of the processor's cache: nodes are what an event's way down waits for.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Node {
    parent: NodeId,
    condition: ConditionId,
    /// The first of the patterns that end here, or [`NONE`].
    end: u32,
    /// Children, and patterns that end here.
    uses: u32,
    /// Junctions at this node.
    junctions: u32,
    /// Children that a term leads to by itself.
    by_one_term: u32,
    /// Some of these children; where they are all, their table is not needed. Of a leaf, the conditions behind its own.
    few: [(ConditionId, NodeId); FEW],
    /// How many conditions that are: such a node has no children.
    behind: u8,
    /// A bit for each field of a child's condition.
    fields: u64,
    asks_always: bool,
}

/// The children of a node whose conditions one term can meet, but is not all that there is to them.
#[derive(Clone, Debug, Default)]
struct Junction {
    node: NodeId,
    term: TermId,
    children: Vec<NodeId>,
}

impl Default for Node {
    fn default() -> Self {
        Self {
            parent: Tree::ROOT,
            condition: ConditionId::default(),
            end: NONE,
            uses: 0,
            junctions: 0,
            by_one_term: 0,
            few: [(ConditionId::default(), NONE); FEW],
            behind: 0,
            fields: 0,
            asks_always: false,
        }
    }
}

impl Default for Tree {
    fn default() -> Self {
        let mut nodes = Rows::default();
        nodes.insert(Node { uses: 1, ..Node::default() });
        Self {
            nodes,
            children: Table::default(),
            junctions: Rows::default(),
            by_term: Table::default(),
            hashing: Hashing::default(),
        }
    }
}

impl Tree {
    /// Where every way begins.
    pub(crate) const ROOT: NodeId = 0;

    /// The node at which all these conditions are met, and no more is asked. It holds them; the ones that are held already
    /// are given back. `moved` is told where patterns end from now on that ended at a node which is a leaf no longer.
    pub(crate) fn enter(
        &mut self,
        mut rest: &[ConditionId],
        conditions: &mut Conditions,
        mut moved: impl FnMut(u32, NodeId),
    ) -> NodeId {
        let mut node = Self::ROOT;
        while let Some((&first, others)) = rest.split_first() {
            match self.find(node, first) {
                None => (node, rest) = self.grow(node, first, others, conditions),
                Some(child) if self.behind(child).eq(others.iter().copied()) => {
                    rest.iter().for_each(|&id| conditions.release(id));
                    return child;
                }
                Some(child) => {
                    conditions.release(first);
                    if self.nodes[child].behind > 0 {
                        let leaf = self.unfold(child, conditions);
                        moved(self.nodes[leaf].end, leaf);
                    }
                    (node, rest) = (child, others);
                }
            }
        }
        node
    }

    /// Adds a child, a leaf if it has room for all conditions. Answers with it and with the conditions for which it has not.
    fn grow<'c>(
        &mut self,
        parent: NodeId,
        condition: ConditionId,
        behind: &'c [ConditionId],
        conditions: &Conditions,
    ) -> (NodeId, &'c [ConditionId]) {
        let mut node = Node { parent, condition, ..Node::default() };
        let left = if behind.len() <= FEW { &[][..] } else { behind };
        if left.is_empty() {
            for (few, &id) in node.few.iter_mut().zip(behind) {
                few.0 = id;
                node.behind += 1;
            }
        }
        let node = self.nodes.insert(node);
        let Self { children, nodes, hashing, .. } = self;
        let hash =
            |node: NodeId| hashing.of_pair(nodes[node].parent, nodes[node].condition.number());
        children.insert(hash(node), node, hash);
        let above = &mut self.nodes[parent];
        above.uses += 1;
        above.fields |= field_bit(conditions.field(condition));
        match conditions.found(&condition) {
            Found::ByTerms([_]) => above.add(condition, node),
            Found::ByTerms(any) => any.iter().for_each(|&term| self.join(parent, term, node)),
            Found::Asking(present) => self.join(parent, present, node),
            Found::AskingAlways => {
                self.nodes[parent].asks_always = true;
                self.join(parent, ALWAYS, node);
            }
        }
        (node, left)
    }

    /// Makes room for children of a leaf: the patterns that ended there end at a leaf below, which is the answer.
    fn unfold(&mut self, leaf: NodeId, conditions: &Conditions) -> NodeId {
        let behind: Vec<_> = self.behind(leaf).collect();
        let above = &mut self.nodes[leaf];
        let (uses, end) = (above.uses, std::mem::replace(&mut above.end, NONE));
        above.uses = 0;
        above.behind = 0;
        above.few = Node::default().few;
        let (below, _) = self.grow(leaf, behind[0], &behind[1..], conditions);
        self.nodes[below].uses = uses;
        self.nodes[below].end = end;
        below
    }

    /// The conditions behind that of a leaf.
    pub(crate) fn behind(&self, node: NodeId) -> impl DoubleEndedIterator<Item = ConditionId> {
        let node = &self.nodes[node];
        node.few[..usize::from(node.behind)].iter().map(|&(id, _)| id)
    }

    /// The first of the patterns that end at a node, or [`NONE`].
    #[inline]
    pub(crate) fn end(&self, node: NodeId) -> u32 {
        self.nodes[node].end
    }

    pub(crate) fn set_end(&mut self, node: NodeId, end: u32) {
        self.nodes[node].end = end;
    }

    /// Counts a pattern that ends at this node: the first one from now on.
    pub(crate) fn begin(&mut self, node: NodeId, end: u32) {
        self.nodes[node].uses += 1;
        self.nodes[node].end = end;
    }

    /// Counts one less, and takes away all nodes that led only there.
    pub(crate) fn leave(&mut self, mut node: NodeId, conditions: &mut Conditions) {
        loop {
            self.nodes[node].uses -= 1;
            if self.nodes[node].uses > 0 {
                return;
            }
            let Node { parent, condition, .. } = self.nodes[node].clone();
            self.children.replace(self.hashing.of_pair(parent, condition.number()), node, None);
            match conditions.found(&condition) {
                Found::ByTerms([_]) => self.nodes[parent].take(node),
                Found::ByTerms(any) => any.iter().for_each(|&term| self.part(parent, term, node)),
                Found::Asking(present) => self.part(parent, present, node),
                Found::AskingAlways => self.part(parent, ALWAYS, node),
            }
            self.behind(node).for_each(|id| conditions.release(id));
            conditions.release(condition);
            self.nodes.remove(node);
            node = parent;
        }
    }

    /// The conditions on the way to a node, the last one first.
    pub(crate) fn way(&self, node: NodeId) -> impl Iterator<Item = ConditionId> {
        let above = |&node: &NodeId| Some(self.nodes[node].parent);
        std::iter::successors(Some(node), above)
            .take_while(|&node| node != Self::ROOT)
            .flat_map(|node| self.behind(node).rev().chain([self.nodes[node].condition]))
    }

    pub(crate) fn condition(&self, node: NodeId) -> ConditionId {
        self.nodes[node].condition
    }

    /// The child that a term leads to by itself.
    #[inline]
    pub(crate) fn child(&self, parent: NodeId, term: TermId) -> Option<NodeId> {
        let (condition, above) = (ConditionId::of(term), &self.nodes[parent]);
        let few = above.few.iter().filter(|(_, node)| *node != NONE);
        if few.clone().count() != above.by_one_term as usize {
            return self.find(parent, condition);
        }
        few.clone().find(|(other, _)| *other == condition).map(|&(_, node)| node)
    }

    fn find(&self, parent: NodeId, condition: ConditionId) -> Option<NodeId> {
        self.children.find(self.hashing.of_pair(parent, condition.number()), |node| {
            let node = &self.nodes[node];
            node.parent == parent && node.condition == condition
        })
    }

    /// Whether a condition of a child may be on this field. Wrong at times, if it says yes.
    #[inline]
    pub(crate) fn may_ask(&self, node: NodeId, field: FieldId) -> bool {
        self.nodes[node].fields & field_bit(field) != 0
    }

    /// The children that a term leads to, where there is more to their conditions.
    #[inline]
    pub(crate) fn joined(&self, node: NodeId, term: TermId) -> &[NodeId] {
        if self.nodes[node].junctions == 0 {
            return &[];
        }
        self.junction(node, term).map_or(&[], |junction| &self.junctions[junction].children)
    }

    /// The children that are asked whatever the event holds.
    #[inline]
    pub(crate) fn always(&self, node: NodeId) -> &[NodeId] {
        if self.nodes[node].asks_always { self.joined(node, ALWAYS) } else { &[] }
    }

    fn junction(&self, node: NodeId, term: TermId) -> Option<u32> {
        self.by_term.find(self.hashing.of_pair(node, term), |junction| {
            let junction = &self.junctions[junction];
            junction.node == node && junction.term == term
        })
    }

    fn join(&mut self, parent: NodeId, term: TermId, child: NodeId) {
        if let Some(junction) = self.junction(parent, term) {
            return self.junctions[junction].children.push(child);
        }
        self.nodes[parent].junctions += 1;
        let junction = Junction { node: parent, term, children: vec![child] };
        let junction = self.junctions.insert(junction);
        let Self { by_term, junctions, hashing, .. } = self;
        let hash =
            |junction: u32| hashing.of_pair(junctions[junction].node, junctions[junction].term);
        by_term.insert(hash(junction), junction, hash);
    }

    fn part(&mut self, parent: NodeId, term: TermId, child: NodeId) {
        let Some(junction) = self.junction(parent, term) else { return };
        let children = &mut self.junctions[junction].children;
        children.retain(|&other| other != child);
        if children.is_empty() {
            self.by_term.replace(self.hashing.of_pair(parent, term), junction, None);
            self.junctions.remove(junction);
            self.nodes[parent].junctions -= 1;
        }
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.children.is_empty() && self.by_term.is_empty() && self.nodes.len() == 1
    }
}

impl Node {
    /// Counts a child that a term leads to by itself.
    fn add(&mut self, condition: ConditionId, child: NodeId) {
        self.by_one_term += 1;
        if let Some(empty) = self.few.iter_mut().find(|(_, child)| *child == NONE) {
            *empty = (condition, child);
        }
    }

    fn take(&mut self, child: NodeId) {
        self.by_one_term -= 1;
        for few in &mut self.few {
            if few.1 == child {
                few.1 = NONE;
            }
        }
    }
}

#[inline]
fn field_bit(field: FieldId) -> u64 {
    1 << (field % 64)
}
