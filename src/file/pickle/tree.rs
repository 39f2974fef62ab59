//! What a pickle describes, as inert data: nothing in it is ever called.

use crate::shortened;

/// A value of a [`Tree`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Node(u32);

/// One Python value. Texts and bytes stay in the file's memory.
#[derive(Debug)]
pub enum Value<'a> {
    /// `None`.
    None,
    /// A truth value.
    Bool(bool),
    /// A number of at most 64 bits.
    Integer(i64),
    /// Little-endian two's complement, longer than 8 bytes.
    BigInteger(&'a [u8]),
    /// A floating-point number.
    Float(f64),
    /// A text, or bytes of Python 2 that are UTF-8.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A tuple.
    Tuple(Vec<Node>),
    /// A list.
    List(Vec<Node>),
    /// A set.
    Set(Vec<Node>),
    /// A dictionary, in the order of the pickle; keys may repeat.
    Dictionary(Vec<(Node, Node)>),
    /// A name that the pickle asks to import. It is kept as a name.
    Global {
        /// Its module.
        module: &'a str,
        /// Its name in it.
        name: &'a str,
    },
    /// A reference to something stored outside the pickle: here, tensor storages.
    Persistent(Node),
    /// The result of a call.
    Object(Box<Object>),
}

/// A call that the pickle asks for, kept as a description of that call.
#[derive(Debug)]
pub struct Object {
    /// What is called.
    pub class: Node,
    /// The tuple of its arguments.
    pub arguments: Node,
    /// What the result is then set to.
    pub state: Option<Node>,
    /// What a subclass of `dict` was filled with.
    pub entries: Vec<(Node, Node)>,
}

/// All values of one pickle, side by side. Containers hold places in this list,
/// so shared values cost nothing, cycles leak nothing, and no nesting, however
/// deep, makes dropping recurse.
#[derive(Debug, Default)]
pub struct Tree<'a> {
    slots: Vec<Slot<'a>>,
}

#[derive(Debug)]
struct Slot<'a> {
    value: Value<'a>,
    /// Where the instruction stands that made it, in bytes.
    offset: usize,
    depth: u32,
}

impl<'a> Tree<'a> {
    /// `None` once the tree has as many values as a [`Node`] can number.
    pub(super) fn push(&mut self, value: Value<'a>, offset: usize) -> Option<Node> {
        let depth = match &value {
            Value::Tuple(items) | Value::List(items) | Value::Set(items) => {
                1 + self.deepest(items.iter().copied())
            }
            Value::Dictionary(entries) => 1 + self.deepest(entries.iter().map(|entry| entry.1)),
            Value::Persistent(inner) => 1 + self.depth(*inner),
            Value::Object(object) => 1 + self.depth(object.arguments).max(self.depth(object.class)),
            _ => 0,
        };
        let node = Node(u32::try_from(self.slots.len()).ok()?);
        self.slots.push(Slot {
            value,
            offset,
            depth,
        });
        Some(node)
    }

    /// Nodes come from the same tree only, and nothing is ever
    /// removed: the place exists.
    pub fn value(&self, node: Node) -> &Value<'a> {
        &self.slots[node.0 as usize].value
    }

    pub(super) fn value_mut(&mut self, node: Node) -> &mut Value<'a> {
        &mut self.slots[node.0 as usize].value
    }

    /// Where the instruction that made this value stands, in bytes from the pickle's start.
    pub fn offset(&self, node: Node) -> usize {
        self.slots[node.0 as usize].offset
    }

    /// How deeply containers are nested below and including this value.
    pub(super) fn depth(&self, node: Node) -> u32 {
        self.slots[node.0 as usize].depth
    }

    fn deepest(&self, nodes: impl Iterator<Item = Node>) -> u32 {
        nodes.fold(0, |deepest, node| deepest.max(self.depth(node)))
    }

    /// Records that `child` was put into the container `parent`.
    pub(super) fn deepen(&mut self, parent: Node, child: Node) {
        let depth = self.depth(child).saturating_add(1);
        let slot = &mut self.slots[parent.0 as usize];
        slot.depth = slot.depth.max(depth);
    }

    /// All values, in the order in which the pickle makes them.
    pub fn values(&self) -> impl Iterator<Item = (Node, &Value<'a>)> {
        let values = self.slots.iter().map(|slot| &slot.value);
        (0..).map(Node).zip(values)
    }

    /// The content of a text.
    pub fn text(&self, node: Node) -> Option<&'a str> {
        match self.value(node) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The content of bytes or a text: Python 2 does not tell one from the other.
    pub fn bytes(&self, node: Node) -> Option<&'a [u8]> {
        match self.value(node) {
            Value::Text(text) => Some(text.as_bytes()),
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// A number of at most 64 bits.
    pub fn integer(&self, node: Node) -> Option<i64> {
        match self.value(node) {
            Value::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// Module and name of something imported.
    pub fn global(&self, node: Node) -> Option<(&'a str, &'a str)> {
        match self.value(node) {
            Value::Global { module, name } => Some((module, name)),
            _ => None,
        }
    }

    /// A call.
    pub fn object(&self, node: Node) -> Option<&Object> {
        match self.value(node) {
            Value::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The members of a tuple, a list or a `torch.Size`.
    pub fn items(&self, node: Node) -> Option<&[Node]> {
        match self.value(node) {
            Value::Tuple(items) | Value::List(items) => Some(items),
            Value::Object(object) if self.global(object.class) == Some(("torch", "Size")) => {
                let Value::Tuple(arguments) = self.value(object.arguments) else {
                    return None;
                };
                match self.value(*arguments.first()?) {
                    Value::Tuple(items) | Value::List(items) => Some(items),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// The entries of a dictionary, or of an object that was filled like one.
    pub fn entries(&self, node: Node) -> Option<&[(Node, Node)]> {
        match self.value(node) {
            Value::Dictionary(entries) => Some(entries),
            Value::Object(object) if !object.entries.is_empty() => Some(&object.entries),
            _ => None,
        }
    }

    /// The value under a text key; the last one, as in Python, where keys repeat.
    pub fn entry(&self, node: Node, key: &str) -> Option<Node> {
        let mut entries = self.entries(node)?.iter().rev();
        let found = entries.find(|(name, _)| self.text(*name) == Some(key));
        found.map(|entry| entry.1)
    }

    /// What stands here, in a few words.
    pub fn describe(&self, node: Node) -> String {
        match self.value(node) {
            Value::None => "None".to_owned(),
            Value::Bool(truth) => format!("the truth value {truth}"),
            Value::Integer(number) => format!("the integer {number}"),
            Value::BigInteger(bytes) => format!("an integer of {} bytes", bytes.len()),
            Value::Float(number) => format!("the number {number}"),
            Value::Text(text) => format!("the text {:?}", shortened(text)),
            Value::Bytes(bytes) => format!("{} bytes", bytes.len()),
            Value::Tuple(items) => format!("a tuple of {}", items.len()),
            Value::List(items) => format!("a list of {}", items.len()),
            Value::Set(items) => format!("a set of {}", items.len()),
            Value::Dictionary(entries) => format!("a dictionary of {}", entries.len()),
            Value::Global { module, name } => {
                format!("the name {}.{}", shortened(module), shortened(name))
            }
            Value::Persistent(_) => "a bare storage".to_owned(),
            Value::Object(object) => match self.value(object.class) {
                Value::Global { module, name } => {
                    format!("an object of {}.{}", shortened(module), shortened(name))
                }
                _ => "an object of a class made at run time".to_owned(),
            },
        }
    }
}
