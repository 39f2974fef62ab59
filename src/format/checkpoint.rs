//! From the object that a checkpoint pickles to the tensors inside it.

use std::collections::{BTreeMap, HashMap};

use indexmap::IndexMap;
use pathscope_file::{
    pickle::{Node, Tree, Value},
    shortened,
};
use tch::Tensor;

use super::{
    error::{Fault, few},
    module::{Layout, Modules},
    note::LoadNote,
    state_dict::StateDict,
    stated::Stated,
    storage::{StoragePool, StorageSource},
    tensor::{is_tensor, rebuild},
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
/// Modules and their entries, each as often as it occurs.
const MAX_MODULE_VISITS: usize = 1_000_000;
const MAX_MODULE_DEPTH: usize = 100;

/// Collects the tensors below `root`, or below its entry `weights` where one is asked for, and
/// gives back where their bytes came from.
pub(super) fn collect<'a, S: StorageSource<'a>>(
    tree: &Tree<'a>,
    root: Node,
    pool: StoragePool<S>,
    weights: Option<&str>,
) -> Result<(StateDict, S), Fault> {
    let mut collector = Collector {
        tree,
        pool,
        tensors: IndexMap::new(),
        metadata: BTreeMap::new(),
        notes: Vec::new(),
        left_out: 0,
        modules: Modules::default(),
        direct_holders: HashMap::new(),
        holders: HashMap::new(),
        stated: HashMap::new(),
    };
    collector.run(root, weights)?;
    let Collector {
        pool,
        tensors,
        stated,
        metadata,
        mut notes,
        left_out,
        ..
    } = collector;
    if left_out > 0 {
        notes.push(LoadNote::MoreLeftOut(left_out));
    }
    let state = StateDict::new(tensors, metadata, notes, stated);
    Ok((state, pool.into_source()))
}

struct Collector<'t, 'a, S> {
    tree: &'t Tree<'a>,
    pool: StoragePool<S>,
    tensors: IndexMap<String, Tensor>,
    metadata: BTreeMap<String, String>,
    notes: Vec<LoadNote>,
    left_out: usize,
    modules: Modules,
    /// Answers of `holds_directly` and `holds_tensors`: a hostile file repeats a big dictionary many
    /// times.
    direct_holders: HashMap<Node, bool>,
    holders: HashMap<Node, bool>,
    /// What pickled modules state, by their place in the network.
    stated: HashMap<String, Stated>,
}

impl<'a, S: StorageSource<'a>> Collector<'_, 'a, S> {
    fn run(&mut self, root: Node, weights: Option<&str>) -> Result<(), Fault> {
        let mut here = match weights {
            Some(key) => self.chosen(root, key)?,
            None => root,
        };
        for _ in 0..MAX_WRAPPINGS {
            if let Some(layout) = self.modules.layout(self.tree, here) {
                return self.read_module(here, layout);
            }
            let Some(key) = self.wrapper(here) else { break };
            let Some(inside) = self.tree.entry(here, key) else {
                break;
            };
            self.note_the_rest(here, key);
            self.notes.push(LoadNote::Entered(shortened(key)));
            here = inside;
        }
        self.read_dictionary(here)?;
        if self.tensors.is_empty() {
            return Err(Fault::NoTensors(self.describe(root)));
        }
        Ok(())
    }

    /// The entry `key` of the outermost dictionary, which is to hold the tensors.
    fn chosen(&mut self, root: Node, key: &str) -> Result<Node, Fault> {
        let tree = self.tree;
        let inside = tree.entry(root, key);
        let Some(inside) = inside.filter(|&inside| self.holds_tensors(inside)) else {
            let holds = |&&(_, value): &&(Node, Node)| self.holds_tensors(value);
            let held = entries(tree, root).iter().filter(holds);
            let held: Vec<&str> = held.filter_map(|(key, _)| tree.text(*key)).collect();
            return Err(Fault::NoSuchWeights {
                key: shortened(key),
                held: match held.is_empty() {
                    true => "no entry".to_owned(),
                    false => few(held.iter().copied()),
                },
            });
        };
        self.note_the_rest(root, key);
        self.notes.push(LoadNote::Entered(shortened(key)));
        Ok(inside)
    }

    /// The key below which the tensors are, where they are not here already.
    fn wrapper(&mut self, here: Node) -> Option<&'a str> {
        let tree = self.tree;
        for key in WRAPPERS {
            let inside = tree.entry(here, key);
            if inside.is_some_and(|inside| self.holds_tensors(inside)) {
                return Some(key);
            }
        }
        let entries = tree.entries(here)?;
        if entries.iter().any(|&(_, value)| is_tensor(tree, value)) {
            return None;
        }
        let holds = |&&(_, value): &&(Node, Node)| self.holds_tensors(value);
        let mut holders = entries.iter().filter(holds);
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
        let answer = self.holds_directly(node)
            || WRAPPERS.into_iter().any(|key| {
                let inside = self.tree.entry(node, key);
                inside.is_some_and(|inside| self.holds_directly(inside))
            });
        self.holders.insert(node, answer);
        answer
    }

    fn holds_directly(&mut self, node: Node) -> bool {
        if let Some(&known) = self.direct_holders.get(&node) {
            return known;
        }
        let tree = self.tree;
        let answer = self.modules.layout(tree, node) == Some(Layout::Module)
            || entries(tree, node)
                .iter()
                .any(|entry| is_tensor(tree, entry.1));
        self.direct_holders.insert(node, answer);
        answer
    }

    fn note_the_rest(&mut self, here: Node, entered: &str) {
        for &(key, value) in entries(self.tree, here) {
            match self.tree.text(key) {
                Some(key) if key == entered => {}
                Some(key) if self.holds_tensors(value) => {
                    self.note(LoadNote::AlsoHeld(shortened(key)));
                }
                _ => self.leave_out(key, value),
            }
        }
    }

    fn read_dictionary(&mut self, here: Node) -> Result<(), Fault> {
        let tree = self.tree;
        for &(key, value) in entries(tree, here) {
            match tree.text(key) {
                Some(name) if is_tensor(tree, value) => self.read_tensor(name, value)?,
                _ => self.leave_out(key, value),
            }
        }
        Ok(())
    }

    /// `torch.save(module)` or TorchScript: walks the modules inside each other.
    fn read_module(&mut self, root: Node, layout: Layout) -> Result<(), Fault> {
        let tree = self.tree;
        let class = tree.object(root).map(|object| object.class);
        let class = match class.and_then(|class| tree.global(class)) {
            Some((module, name)) => format!("{}.{}", shortened(module), shortened(name)),
            None => "module".to_owned(),
        };
        self.notes.push(match layout {
            Layout::Module => LoadNote::ModuleRead(class),
            Layout::Script => LoadNote::ScriptRead(class),
        });
        let mut open = vec![(String::new(), 0, root)];
        let mut visits = 0;
        while let Some((prefix, depth, module)) = open.pop() {
            if depth > MAX_MODULE_DEPTH {
                return Err(too_many("levels of modules", MAX_MODULE_DEPTH));
            }
            if let Some(stated) = Stated::read(tree, module).filter(|_| layout == Layout::Module) {
                let place = prefix.strip_suffix('.').unwrap_or_default();
                self.stated.insert(place.to_owned(), stated);
            }
            let parts = self.modules.parts(tree, module);
            let count = |part: &[Node]| -> usize {
                part.iter().map(|&part| entries(tree, part).len()).sum()
            };
            visits += 1 + count(&parts.tensors) + count(&parts.modules);
            if visits > MAX_MODULE_VISITS {
                return Err(too_many("modules and entries of them", MAX_MODULE_VISITS));
            }
            for &(key, value) in parts.tensors.iter().flat_map(|&part| entries(tree, part)) {
                if let (Some(name), true) = (tree.text(key), is_tensor(tree, value)) {
                    self.read_tensor(&format!("{prefix}{}", bounded(name)?), value)?;
                }
            }
            // Reversed, as the last one pushed is visited first.
            let modules = parts.modules.iter().flat_map(|&part| entries(tree, part));
            for &(key, child) in modules.rev() {
                if let (Some(name), true) = (
                    tree.text(key),
                    self.modules.layout(tree, child) == Some(layout),
                ) {
                    let prefix = bounded(&format!("{prefix}{}.", bounded(name)?))?.to_owned();
                    open.push((prefix, depth + 1, child));
                }
            }
            if open.len() > MAX_TENSORS {
                return Err(too_many("modules", MAX_TENSORS));
            }
        }
        Ok(())
    }

    fn read_tensor(&mut self, name: &str, node: Node) -> Result<(), Fault> {
        let name = bounded(name)?;
        if self.tensors.len() >= MAX_TENSORS {
            return Err(too_many("tensors", MAX_TENSORS));
        }
        let tensor = rebuild(self.tree, node, &mut self.pool);
        let tensor = tensor.map_err(|fault| fault.of(name))?;
        // As in Python, a repeated key keeps its first place and has its last value.
        self.tensors.insert(name.to_owned(), tensor);
        Ok(())
    }

    fn leave_out(&mut self, key: Node, value: Node) {
        let name = match self.tree.value(key) {
            Value::Text(text) => shortened(text),
            Value::Integer(number) => number.to_string(),
            _ => self.tree.describe(key),
        };
        let plain = match self.tree.value(value) {
            Value::Bool(truth) => Some(truth.to_string()),
            Value::Integer(number) => Some(number.to_string()),
            Value::Float(number) => Some(number.to_string()),
            Value::Text(text) => Some(shortened(text)),
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
        let entries = entries(self.tree, root);
        let named = |(key, value): &(Node, Node)| {
            let name = shortened(self.tree.text(*key)?);
            Some(match self.tree.value(*value) {
                Value::List(_) | Value::Tuple(_) => {
                    format!("{name} ({})", self.tree.describe(*value))
                }
                _ => name,
            })
        };
        let names: Vec<String> = entries.iter().take(8).filter_map(named).collect();
        let is_integer = |(key, _): &(Node, Node)| self.tree.integer(*key).is_some();
        let what = self.tree.describe(root);
        if !names.is_empty() {
            format!("{what} with {}", names.join(", "))
        } else if entries.first().is_some_and(is_integer) {
            format!("{what} whose keys are integers")
        } else {
            what
        }
    }
}

fn entries<'t>(tree: &'t Tree<'_>, node: Node) -> &'t [(Node, Node)] {
    tree.entries(node).unwrap_or_default()
}

fn bounded(name: &str) -> Result<&str, Fault> {
    if name.len() > MAX_NAME {
        return Err(too_many("bytes in a name", MAX_NAME));
    }
    Ok(name)
}

fn too_many(what: &'static str, limit: usize) -> Fault {
    Fault::TooMany { what, limit }
}
