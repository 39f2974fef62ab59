//! The stack of the machine, with its marks.

use super::Node;

/// Values, divided by marks: nothing below the innermost mark can be reached before
/// that mark is gone.
#[derive(Default)]
pub(super) struct Stack {
    values: Vec<Node>,
    /// Heights of the stack at the open marks.
    marks: Vec<usize>,
}

impl Stack {
    pub(super) fn push(&mut self, node: Node) {
        self.values.push(node);
    }

    pub(super) fn top(&self) -> Option<Node> {
        let floor = self.marks.last().map_or(0, |&mark| mark);
        self.values.get(floor..)?.last().copied()
    }

    pub(super) fn pop(&mut self) -> Option<Node> {
        self.top()?;
        self.values.pop()
    }

    pub(super) fn mark(&mut self) {
        self.marks.push(self.values.len());
    }

    pub(super) fn open_marks(&self) -> usize {
        self.marks.len()
    }

    /// Everything above the innermost mark, and the mark.
    pub(super) fn pop_mark(&mut self) -> Option<Vec<Node>> {
        let height = self.marks.pop()?;
        Some(self.values.split_off(height.min(self.values.len())))
    }

    /// Drops a value, or the innermost mark where nothing lies above it.
    pub(super) fn discard(&mut self) -> Option<()> {
        if self.marks.last() == Some(&self.values.len()) {
            self.marks.pop();
            return Some(());
        }
        self.pop().map(drop)
    }
}
