//! Modules inside a pickle: objects of `torch.nn.Module`, and those of TorchScript.

use std::collections::HashMap;

use pathscope_file::pickle::{Node, Tree, Value};

const MAX_ATTRIBUTES: usize = 1_000;

/// How a pickled module keeps its tensors and the modules inside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// In the dictionaries of a `torch.nn.Module`.
    Module,
    /// As attributes: TorchScript.
    Script,
}

/// Where the tensors of a module stand, and the modules inside it.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    pub tensors: Vec<Node>,
    pub modules: Vec<Node>,
}

/// What is known of the modules of one pickle: each is looked at once, however often it occurs.
#[derive(Debug, Default)]
pub(super) struct Modules {
    known: HashMap<Node, Option<(Layout, Parts)>>,
}

impl Modules {
    /// Which kind of module a value is; `None` where it is none.
    pub fn layout(&mut self, tree: &Tree<'_>, node: Node) -> Option<Layout> {
        self.known(tree, node).as_ref().map(|known| known.0)
    }

    /// The dictionaries of a module; empty where the value is not a module.
    pub fn parts(&mut self, tree: &Tree<'_>, node: Node) -> Parts {
        let known = self.known(tree, node).as_ref();
        known.map(|known| known.1.clone()).unwrap_or_default()
    }

    fn known(&mut self, tree: &Tree<'_>, node: Node) -> &Option<(Layout, Parts)> {
        self.known.entry(node).or_insert_with(|| module(tree, node))
    }
}

fn module(tree: &Tree<'_>, node: Node) -> Option<(Layout, Parts)> {
    let object = tree.object(node)?;
    let state = object.state?;
    match tree.value(state) {
        Value::Dictionary(attributes) if attributes.len() <= MAX_ATTRIBUTES => {}
        _ => return None,
    }
    let part = |name| tree.entry(state, name);
    if let (Some(parameters), Some(modules)) = (part("_parameters"), part("_modules")) {
        let parts = Parts {
            tensors: [parameters].into_iter().chain(part("_buffers")).collect(),
            modules: vec![modules],
        };
        return Some((Layout::Module, parts));
    }
    let (module, _) = tree.global(object.class)?;
    let parts = Parts {
        tensors: vec![state],
        modules: vec![state],
    };
    module
        .starts_with("__torch__")
        .then_some((Layout::Script, parts))
}
