//! What a pickle describes, as inert data: nothing in it is ever called.

/// A value of a [`Tree`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Node(u32);

/// One Python value. Texts and bytes stay in the file's memory.
#[derive(Debug)]
pub(super) enum Value<'a> {
    None,
    Bool(bool),
    Integer(i64),
    /// Little-endian two's complement, longer than 8 bytes.
    BigInteger(&'a [u8]),
    Float(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    Tuple(Vec<Node>),
    List(Vec<Node>),
    Set(Vec<Node>),
    Dictionary(Vec<(Node, Node)>),
    /// A name that the pickle asks to import. It is kept as a name.
    Global {
        module: &'a str,
        name: &'a str,
    },
    /// A reference to something stored outside the pickle: here, tensor storages.
    Persistent(Node),
    Object(Box<Object>),
}

/// A call that the pickle asks for, kept as a description of that call.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) class: Node,
    pub(super) arguments: Node,
    pub(super) state: Option<Node>,
    /// What a subclass of `dict` was filled with.
    pub(super) entries: Vec<(Node, Node)>,
}

/// All values of one pickle, side by side. Containers hold places in this list,
/// so shared values cost nothing, cycles leak nothing, and no nesting, however
/// deep, makes dropping recurse.
#[derive(Debug, Default)]
pub(super) struct Tree<'a> {
    slots: Vec<Slot<'a>>,
}

#[derive(Debug)]
struct Slot<'a> {
    value: Value<'a>,
    depth: u32,
}

impl<'a> Tree<'a> {
    /// `None` once the tree has as many values as a [`Node`] can number.
    pub(super) fn push(&mut self, value: Value<'a>) -> Option<Node> {
        let depth = match &value {
            Value::Tuple(items) | Value::List(items) | Value::Set(items) => {
                1 + items
                    .iter()
                    .map(|&item| self.depth(item))
                    .max()
                    .unwrap_or(0)
            }
            Value::Dictionary(entries) => {
                1 + entries
                    .iter()
                    .map(|&(_, value)| self.depth(value))
                    .max()
                    .unwrap_or(0)
            }
            Value::Persistent(inner) => 1 + self.depth(*inner),
            Value::Object(object) => 1 + self.depth(object.arguments).max(self.depth(object.class)),
            _ => 0,
        };
        let node = Node(u32::try_from(self.slots.len()).ok()?);
        self.slots.push(Slot { value, depth });
        Some(node)
    }

    /// Nodes come from [`Tree::push`] of the same tree only, and nothing is ever
    /// removed: the place exists.
    pub(super) fn value(&self, node: Node) -> &Value<'a> {
        &self.slots[node.0 as usize].value
    }

    pub(super) fn value_mut(&mut self, node: Node) -> &mut Value<'a> {
        &mut self.slots[node.0 as usize].value
    }

    /// How deeply containers are nested below and including this value.
    pub(super) fn depth(&self, node: Node) -> u32 {
        self.slots[node.0 as usize].depth
    }

    /// Records that `child` was put into the container `parent`.
    pub(super) fn deepen(&mut self, parent: Node, child: Node) {
        let depth = self.depth(child).saturating_add(1);
        let slot = &mut self.slots[parent.0 as usize];
        slot.depth = slot.depth.max(depth);
    }

    /// All references to things stored outside the pickle.
    pub(super) fn persistent(&self) -> impl Iterator<Item = Node> {
        (0..).zip(&self.slots).filter_map(|(place, slot)| {
            matches!(slot.value, Value::Persistent(_)).then_some(Node(place))
        })
    }

    pub(super) fn text(&self, node: Node) -> Option<&'a str> {
        match self.value(node) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn integer(&self, node: Node) -> Option<i64> {
        match self.value(node) {
            Value::Integer(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn global(&self, node: Node) -> Option<(&'a str, &'a str)> {
        match self.value(node) {
            Value::Global { module, name } => Some((module, name)),
            _ => None,
        }
    }

    pub(super) fn object(&self, node: Node) -> Option<&Object> {
        match self.value(node) {
            Value::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The members of a tuple, a list or a `torch.Size`.
    pub(super) fn items(&self, node: Node) -> Option<&[Node]> {
        match self.value(node) {
            Value::Tuple(items) | Value::List(items) => Some(items),
            Value::Object(object) if self.global(object.class) == Some(("torch", "Size")) => {
                match self.value(object.arguments) {
                    Value::Tuple(arguments) => match self.value(*arguments.first()?) {
                        Value::Tuple(items) | Value::List(items) => Some(items),
                        _ => None,
                    },
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// The entries of a dictionary, or of an object that was filled like one.
    pub(super) fn entries(&self, node: Node) -> Option<&[(Node, Node)]> {
        match self.value(node) {
            Value::Dictionary(entries) => Some(entries),
            Value::Object(object) if !object.entries.is_empty() => Some(&object.entries),
            _ => None,
        }
    }

    /// The value under a text key; the last one, as in Python, where keys repeat.
    pub(super) fn entry(&self, node: Node, key: &str) -> Option<Node> {
        let entries = self.entries(node)?;
        entries
            .iter()
            .rev()
            .find(|(name, _)| self.text(*name) == Some(key))
            .map(|entry| entry.1)
    }

    /// What stands here, in a few words.
    pub(super) fn describe(&self, node: Node) -> String {
        match self.value(node) {
            Value::None => "None".to_owned(),
            Value::Bool(truth) => format!("the truth value {truth}"),
            Value::Integer(number) => format!("the integer {number}"),
            Value::BigInteger(bytes) => format!("an integer of {} bytes", bytes.len()),
            Value::Float(number) => format!("the number {number}"),
            Value::Text(text) => format!("the text {:?}", shorten(text)),
            Value::Bytes(bytes) => format!("{} bytes", bytes.len()),
            Value::Tuple(items) => format!("a tuple of {}", items.len()),
            Value::List(items) => format!("a list of {}", items.len()),
            Value::Set(items) => format!("a set of {}", items.len()),
            Value::Dictionary(entries) => format!("a dictionary of {}", entries.len()),
            Value::Global { module, name } => {
                format!("the name {}.{}", shorten(module), shorten(name))
            }
            Value::Persistent(_) => "a bare storage".to_owned(),
            Value::Object(object) => match self.value(object.class) {
                Value::Global { module, name } => {
                    format!("an object of {}.{}", shorten(module), shorten(name))
                }
                _ => "an object of a class made at run time".to_owned(),
            },
        }
    }
}

/// At most 80 characters of a text from a file.
pub(super) fn shorten(text: &str) -> String {
    const LIMIT: usize = 80;
    match text.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
