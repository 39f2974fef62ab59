//! From the object that a checkpoint pickles to the tensors inside it.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use tch::Tensor;

use super::{
    error::FormatError,
    note::LoadNote,
    state_dict::StateDict,
    storage::{StoragePool, StorageSource},
    tensor::{is_tensor, rebuild},
    value::{Node, Tree, Value, shorten},
};

/// Keys under which training scripts put the tensors. The first one present is taken.
const WRAPPERS: [&str; 11] = [
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net",
    "network",
    "module",
    "weights",
    "state_dict_ema",
    "model_ema",
    "ema",
];

const MAX_WRAPPINGS: usize = 8;
const MAX_TENSORS: usize = 100_000;
const MAX_NAME: usize = 4_096;
const MAX_NOTES: usize = 100;
const MAX_MODULE_VISITS: usize = 1_000_000;
const MAX_MODULE_DEPTH: usize = 100;
const MAX_MODULE_ATTRIBUTES: usize = 1_000;

/// Collects the tensors below `root`, and gives back where their bytes came from.
pub(super) fn collect<'a, S: StorageSource<'a>>(
    file: &Path,
    tree: &Tree<'a>,
    root: Node,
    pool: StoragePool<S>,
) -> Result<(StateDict, S), FormatError> {
    let mut collector = Collector {
        file,
        tree,
        pool,
        tensors: Vec::new(),
        places: HashMap::new(),
        metadata: BTreeMap::new(),
        notes: Vec::new(),
        left_out: 0,
        holders: HashMap::new(),
    };
    collector.run(root)?;
    let Collector {
        pool,
        tensors,
        metadata,
        mut notes,
        left_out,
        ..
    } = collector;
    if left_out > 0 {
        notes.push(LoadNote::MoreLeftOut { entries: left_out });
    }
    Ok((StateDict::new(tensors, metadata, notes), pool.into_source()))
}

struct Collector<'t, 'a, S> {
    file: &'t Path,
    tree: &'t Tree<'a>,
    pool: StoragePool<S>,
    tensors: Vec<(String, Tensor)>,
    /// Where a name stands in `tensors`: Python keeps the last value of a repeated key.
    places: HashMap<String, usize>,
    metadata: BTreeMap<String, String>,
    notes: Vec<LoadNote>,
    left_out: usize,
    /// Answers of `holds_tensors`: a hostile file repeats a big dictionary many times.
    holders: HashMap<Node, bool>,
}

impl<'a, S: StorageSource<'a>> Collector<'_, 'a, S> {
    fn run(&mut self, root: Node) -> Result<(), FormatError> {
        let mut here = root;
        for _ in 0..MAX_WRAPPINGS {
            if let Some(layout) = Layout::of(self.tree, here) {
                return self.read_module(here, layout);
            }
            let Some(key) = self.wrapper(here) else { break };
            let Some(inside) = self.tree.entry(here, key) else {
                break;
            };
            self.note_the_rest(here, key);
            self.notes.push(LoadNote::Entered { key: shorten(key) });
            here = inside;
        }
        self.read_dictionary(here)?;
        if self.tensors.is_empty() {
            return Err(FormatError::NoTensors {
                file: self.file.to_owned(),
                held: self.describe(root),
            });
        }
        Ok(())
    }

    /// The key below which the tensors are, where they are not here already.
    fn wrapper(&mut self, here: Node) -> Option<&'a str> {
        let tree = self.tree;
        for key in WRAPPERS {
            if tree
                .entry(here, key)
                .is_some_and(|inside| self.holds_tensors(inside))
            {
                return Some(key);
            }
        }
        let entries = tree.entries(here)?;
        if entries.iter().any(|&(_, value)| is_tensor(tree, value)) {
            return None;
        }
        let mut holders = entries
            .iter()
            .filter(|&&(_, value)| self.holds_tensors(value));
        match (holders.next(), holders.next()) {
            (Some((key, _)), None) => tree.text(*key),
            _ => None,
        }
    }

    /// Whether tensors stand in this dictionary or in a wrapping entry of it.
    fn holds_tensors(&mut self, node: Node) -> bool {
        if let Some(&known) = self.holders.get(&node) {
            return known;
        }
        let tree = self.tree;
        let holds = |node: Node| {
            let entries = tree.entries(node).unwrap_or_default();
            is_module(tree, node) || entries.iter().any(|entry| is_tensor(tree, entry.1))
        };
        let answer = holds(node)
            || WRAPPERS
                .into_iter()
                .any(|key| tree.entry(node, key).is_some_and(holds));
        self.holders.insert(node, answer);
        answer
    }

    fn note_the_rest(&mut self, here: Node, entered: &str) {
        for &(key, value) in self.tree.entries(here).unwrap_or_default() {
            match self.tree.text(key) {
                Some(key) if key == entered => {}
                Some(key) if self.holds_tensors(value) => {
                    self.note(LoadNote::AlsoHeld { key: shorten(key) });
                }
                _ => self.leave_out(key, value),
            }
        }
    }

    fn read_dictionary(&mut self, here: Node) -> Result<(), FormatError> {
        let tree = self.tree;
        for &(key, value) in tree.entries(here).unwrap_or_default() {
            match tree.text(key) {
                Some(name) if is_tensor(tree, value) => self.read_tensor(name, value)?,
                _ => self.leave_out(key, value),
            }
        }
        Ok(())
    }

    /// `torch.save(module)` or TorchScript: walks the modules inside each other.
    fn read_module(&mut self, root: Node, layout: Layout) -> Result<(), FormatError> {
        let tree = self.tree;
        let class = match tree
            .object(root)
            .and_then(|object| tree.global(object.class))
        {
            Some((module, name)) => format!("{}.{}", shorten(module), shorten(name)),
            None => "module".to_owned(),
        };
        self.notes.push(match layout {
            Layout::Module => LoadNote::ModuleRead { class },
            Layout::Script => LoadNote::ScriptRead { class },
        });
        let mut open = vec![(String::new(), 0, root)];
        let mut visits = 0;
        while let Some((prefix, depth, module)) = open.pop() {
            visits += 1;
            if visits > MAX_MODULE_VISITS {
                return Err(self.too_many("modules", MAX_MODULE_VISITS));
            }
            if depth > MAX_MODULE_DEPTH {
                return Err(self.too_many("levels of modules", MAX_MODULE_DEPTH));
            }
            for &kind in layout.tensors() {
                let part = module_part(tree, module, kind);
                visits += part.len();
                for &(key, value) in part {
                    if let (Some(name), true) = (tree.text(key), is_tensor(tree, value)) {
                        self.read_tensor(&format!("{prefix}{}", self.bounded(name)?), value)?;
                    }
                }
            }
            // Reversed, as the last one pushed is visited first.
            for &(key, child) in module_part(tree, module, layout.modules()).iter().rev() {
                if let (Some(name), true) = (tree.text(key), layout.describes(tree, child)) {
                    let prefix = self
                        .bounded(&format!("{prefix}{}.", self.bounded(name)?))?
                        .to_owned();
                    open.push((prefix, depth + 1, child));
                }
            }
            if open.len() > MAX_TENSORS {
                return Err(self.too_many("modules", MAX_TENSORS));
            }
        }
        Ok(())
    }

    fn read_tensor(&mut self, name: &str, node: Node) -> Result<(), FormatError> {
        let name = self.bounded(name)?;
        if self.tensors.len() >= MAX_TENSORS {
            return Err(self.too_many("tensors", MAX_TENSORS));
        }
        let tensor =
            rebuild(self.tree, node, &mut self.pool).map_err(|fault| FormatError::Entry {
                file: self.file.to_owned(),
                entry: shorten(name),
                fault,
            })?;
        match self
            .places
            .get(name)
            .and_then(|&place| self.tensors.get_mut(place))
        {
            Some(held) => held.1 = tensor,
            None => {
                self.places.insert(name.to_owned(), self.tensors.len());
                self.tensors.push((name.to_owned(), tensor));
            }
        }
        Ok(())
    }

    fn leave_out(&mut self, key: Node, value: Node) {
        let name = match self.tree.value(key) {
            Value::Text(text) => shorten(text),
            Value::Integer(number) => number.to_string(),
            _ => self.tree.describe(key),
        };
        let plain = match self.tree.value(value) {
            Value::Bool(truth) => Some(truth.to_string()),
            Value::Integer(number) => Some(number.to_string()),
            Value::Float(number) => Some(number.to_string()),
            Value::Text(text) => Some(shorten(text)),
            _ => None,
        };
        if let Some(plain) = plain
            && self.metadata.len() < MAX_NOTES
        {
            self.metadata.entry(name.clone()).or_insert(plain);
        }
        self.note(LoadNote::NotATensor {
            name,
            what: self.tree.describe(value),
        });
    }

    fn note(&mut self, note: LoadNote) {
        if self.notes.len() < MAX_NOTES {
            self.notes.push(note);
        } else {
            self.left_out += 1;
        }
    }

    fn describe(&self, root: Node) -> String {
        let keys: Vec<_> = self
            .tree
            .entries(root)
            .unwrap_or_default()
            .iter()
            .take(8)
            .collect();
        let names: Vec<_> = keys
            .iter()
            .filter_map(|(key, _)| self.tree.text(*key))
            .map(shorten)
            .collect();
        let what = self.tree.describe(root);
        if names.is_empty() {
            what
        } else {
            format!("{what} with {}", names.join(", "))
        }
    }

    fn bounded<'n>(&self, name: &'n str) -> Result<&'n str, FormatError> {
        if name.len() > MAX_NAME {
            return Err(self.too_many("bytes in a name", MAX_NAME));
        }
        Ok(name)
    }

    fn too_many(&self, what: &'static str, limit: usize) -> FormatError {
        FormatError::TooMany {
            file: self.file.to_owned(),
            what,
            limit,
        }
    }
}

/// How a pickled module keeps its tensors and the modules inside it.
#[derive(Clone, Copy, PartialEq)]
enum Layout {
    /// In the dictionaries of a `torch.nn.Module`.
    Module,
    /// As attributes of its own: TorchScript.
    Script,
}

impl Layout {
    fn of(tree: &Tree<'_>, node: Node) -> Option<Self> {
        [Self::Module, Self::Script]
            .into_iter()
            .find(|layout| layout.describes(tree, node))
    }

    fn describes(self, tree: &Tree<'_>, node: Node) -> bool {
        let is_script = || {
            let class = tree
                .object(node)
                .and_then(|object| tree.global(object.class));
            class.is_some_and(|(module, _)| module.starts_with("__torch__"))
                && module_state(tree, node).is_some()
        };
        match self {
            Self::Module => is_module(tree, node),
            Self::Script => is_script(),
        }
    }

    /// The parts of a module's state in which tensors stand; "" is the whole state.
    fn tensors(self) -> &'static [&'static str] {
        match self {
            Self::Module => &["_parameters", "_buffers"],
            Self::Script => &[""],
        }
    }

    /// The part of a module's state in which modules stand.
    fn modules(self) -> &'static str {
        match self {
            Self::Module => "_modules",
            Self::Script => "",
        }
    }
}

/// An object whose state has the dictionaries of a `torch.nn.Module`.
fn is_module(tree: &Tree<'_>, node: Node) -> bool {
    module_state(tree, node).is_some_and(|state| {
        ["_parameters", "_modules"]
            .iter()
            .all(|part| tree.entry(state, part).is_some())
    })
}

fn module_state(tree: &Tree<'_>, node: Node) -> Option<Node> {
    let state = tree.object(node)?.state?;
    let attributes = match tree.value(state) {
        Value::Dictionary(entries) => entries.len(),
        _ => return None,
    };
    (attributes <= MAX_MODULE_ATTRIBUTES).then_some(state)
}

fn module_part<'t>(tree: &'t Tree<'_>, module: Node, part: &str) -> &'t [(Node, Node)] {
    let state = module_state(tree, module);
    let part = match part {
        "" => state,
        part => state.and_then(|state| tree.entry(state, part)),
    };
    part.and_then(|part| tree.entries(part)).unwrap_or_default()
}
