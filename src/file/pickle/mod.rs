//! An unpickler that never executes anything.
//!
//! A pickle is a program for a small stack machine (Python's `pickletools`
//! documents every instruction). This one runs that program into a [`Tree`] of
//! inert values: importing gives a name, calling gives the description of a call.
//! Understood are the instructions of protocols 2 to 5 that `torch.save` and NumPy write.

mod error;
mod scanner;
mod stack;
mod tree;

use std::collections::HashMap;

pub use self::error::PickleError;
pub use self::tree::{Node, Object, Tree, Value};
use self::{scanner::Scanner, stack::Stack};

/// What one pickle may cost. Defaults are a hundred times what large checkpoints use.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// Instructions, and entries that they copy.
    pub opcodes: usize,
    /// Entries of the memo.
    pub memo: usize,
    /// Levels of containers in each other, and of open marks.
    pub depth: usize,
    /// Length of the pickle in bytes.
    pub bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            opcodes: 4_000_000,
            memo: 2_000_000,
            depth: 1_000,
            bytes: 256 << 20,
        }
    }
}

/// One finished pickle.
#[derive(Debug)]
pub struct Pickle<'a> {
    /// All its values.
    pub tree: Tree<'a>,
    /// The outermost one.
    pub root: Node,
    /// How many bytes it took: what follows it in the file starts here.
    pub length: usize,
}

/// Reads the pickle at the start of `bytes`.
///
/// # Errors
/// A pickle that is cut off or damaged, has instructions that are not read here, or needs more
/// than the budget.
///
/// ```
/// use pathscope_file::pickle::{self, Budget};
///
/// // {"epoch": 3}
/// let read = pickle::read(b"\x80\x02}X\x05\0\0\0epochK\x03s.", Budget::default())?;
/// let epoch = read.tree.entry(read.root, "epoch").and_then(|node| read.tree.integer(node));
/// assert_eq!(epoch, Some(3));
/// # Ok::<(), pickle::PickleError>(())
/// ```
pub fn read(bytes: &[u8], budget: Budget) -> Result<Pickle<'_>, PickleError> {
    let mut machine = Machine {
        scanner: Scanner::new(bytes),
        opcode: 0,
        tree: Tree::default(),
        stack: Stack::default(),
        memo: HashMap::new(),
        budget,
        spent: 0,
    };
    let root = machine.run()?;
    Ok(Pickle {
        tree: machine.tree,
        root,
        length: machine.scanner.position(),
    })
}

struct Machine<'a> {
    scanner: Scanner<'a>,
    opcode: u8,
    tree: Tree<'a>,
    stack: Stack,
    memo: HashMap<u32, Node>,
    budget: Budget,
    /// Instructions run, and entries copied on the way.
    spent: usize,
}

type Step<T = ()> = Result<T, PickleError>;

impl<'a> Machine<'a> {
    fn run(&mut self) -> Step<Node> {
        while self.spent < self.budget.opcodes {
            self.spent += 1;
            self.opcode = self.scanner.instruction()?;
            if self.opcode == b'.' {
                return self.pop();
            }
            self.step()?;
            if self.scanner.position() > self.budget.bytes {
                return Err(self.exceeded("bytes of pickle", self.budget.bytes));
            }
        }
        Err(self.exceeded("instructions", self.budget.opcodes))
    }

    fn step(&mut self) -> Step {
        match self.opcode {
            0x80 => match self.scanner.byte()? {
                2..=5 => Ok(()),
                _ => Err(self.needs("protocol 2, 3, 4 or 5")),
            },
            0x95 => self.scanner.take::<8>().map(drop),
            b'(' => {
                self.check_depth(self.stack.open_marks())?;
                self.stack.mark();
                Ok(())
            }
            b'0' => self.discard(),
            b'1' => self.pop_mark().map(drop),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
                Ok(())
            }
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'K' | b'M' | b'J' | 0x8a | 0x8b => self.integer(),
            b'G' => {
                let number = f64::from_be_bytes(self.scanner.take()?);
                self.push(Value::Float(number))
            }
            b'X' | 0x8c | 0x8d | b'U' | b'T' => self.text(),
            b'C' | b'B' | 0x8e | 0x96 => self.byte_string(),
            b')' => self.push(Value::Tuple(Vec::new())),
            0x85..=0x87 => self.short_tuple(usize::from(self.opcode - 0x84)),
            b't' => self.collect(Value::Tuple),
            b']' => self.push(Value::List(Vec::new())),
            b'l' => self.collect(Value::List),
            b'}' => self.push(Value::Dictionary(Vec::new())),
            b'd' => {
                let entries = self.pop_pairs()?;
                self.push(Value::Dictionary(entries))
            }
            0x8f => self.push(Value::Set(Vec::new())),
            0x91 => self.collect(Value::Set),
            b'a' => {
                let item = self.pop()?;
                self.extend(vec![item])
            }
            b'e' | 0x90 => {
                let items = self.pop_mark()?;
                self.extend(items)
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.insert(vec![(key, value)])
            }
            b'u' => {
                let entries = self.pop_pairs()?;
                self.insert(entries)
            }
            b'q' | b'r' | 0x94 | b'h' | b'j' => self.memoise(),
            b'c' | 0x93 => self.global(),
            b'Q' => {
                let id = self.pop()?;
                self.push(Value::Persistent(id))
            }
            b'R' | 0x81 | 0x92 | b'o' | b'i' => self.call(),
            b'b' => self.build(),
            opcode => Err(PickleError::UnknownOpcode {
                offset: self.scanner.start(),
                opcode,
            }),
        }
    }

    fn integer(&mut self) -> Step {
        let value = match self.opcode {
            b'K' => Value::Integer(i64::from(self.scanner.byte()?)),
            b'M' => Value::Integer(i64::from(u16::from_le_bytes(self.scanner.take()?))),
            b'J' => Value::Integer(i64::from(i32::from_le_bytes(self.scanner.take()?))),
            _ => {
                let width = if self.opcode == 0x8a { 1 } else { 4 };
                let digits = self.scanner.counted(width)?;
                let negative = digits.last().is_some_and(|byte| byte & 0x80 != 0);
                let mut wide = [if negative { 0xff } else { 0 }; 8];
                match wide.get_mut(..digits.len()) {
                    None => Value::BigInteger(digits),
                    Some(low) => {
                        low.copy_from_slice(digits);
                        Value::Integer(i64::from_le_bytes(wide))
                    }
                }
            }
        };
        self.push(value)
    }

    fn text(&mut self) -> Step {
        let width = match self.opcode {
            0x8c | b'U' => 1,
            0x8d => 8,
            _ => 4,
        };
        let raw = self.scanner.counted(width)?;
        self.push(std::str::from_utf8(raw).map_or(Value::Bytes(raw), Value::Text))
    }

    fn byte_string(&mut self) -> Step {
        let width = match self.opcode {
            b'C' => 1,
            b'B' => 4,
            _ => 8,
        };
        let raw = self.scanner.counted(width)?;
        self.push(Value::Bytes(raw))
    }

    fn short_tuple(&mut self, length: usize) -> Step {
        let mut items = Vec::with_capacity(length);
        for _ in 0..length {
            items.push(self.pop()?);
        }
        items.reverse();
        self.push(Value::Tuple(items))
    }

    fn extend(&mut self, items: Vec<Node>) -> Step {
        let target = self.top()?;
        for &item in &items {
            self.tree.deepen(target, item);
        }
        match self.tree.value_mut(target) {
            Value::List(list) | Value::Set(list) => list.extend(items),
            // What an unknown class does with its members is its own code's affair.
            Value::Object(_) => {}
            _ => return Err(self.needs("a list")),
        }
        self.check_depth(self.tree.depth(target) as usize)
    }

    fn insert(&mut self, new: Vec<(Node, Node)>) -> Step {
        let target = self.top()?;
        for &(_, value) in &new {
            self.tree.deepen(target, value);
        }
        match self.tree.value_mut(target) {
            Value::Dictionary(entries) => entries.extend(new),
            Value::Object(object) => object.entries.extend(new),
            _ => return Err(self.needs("a dictionary")),
        }
        self.check_depth(self.tree.depth(target) as usize)
    }

    fn memoise(&mut self) -> Step {
        let index = match self.opcode {
            b'q' | b'h' => u32::from(self.scanner.byte()?),
            b'r' | b'j' => u32::from_le_bytes(self.scanner.take()?),
            // As many as a `u32` holds are never reached: the budget is smaller.
            _ => u32::try_from(self.memo.len()).unwrap_or(u32::MAX),
        };
        if matches!(self.opcode, b'h' | b'j') {
            let node = self.memo.get(&index).copied();
            self.stack
                .push(node.ok_or_else(|| self.needs("a memo entry that exists"))?);
            return Ok(());
        }
        let top = self.top()?;
        if self.memo.len() >= self.budget.memo {
            return Err(self.exceeded("memo entries", self.budget.memo));
        }
        self.memo.insert(index, top);
        Ok(())
    }

    fn global(&mut self) -> Step {
        let (module, name) = if self.opcode == b'c' {
            (self.name()?, self.name()?)
        } else {
            let name = self.pop()?;
            let module = self.pop()?;
            match (self.tree.text(module), self.tree.text(name)) {
                (Some(module), Some(name)) => (module, name),
                _ => return Err(self.needs("two texts")),
            }
        };
        self.push(Value::Global { module, name })
    }

    /// `REDUCE`, `NEWOBJ`, `NEWOBJ_EX`, `OBJ` and `INST`: a call, written down instead of made.
    fn call(&mut self) -> Step {
        let (class, arguments) = match self.opcode {
            b'o' => {
                let mut items = self.pop_mark()?;
                if items.is_empty() {
                    return Err(self.needs("a class"));
                }
                let class = items.remove(0);
                (class, self.node(Value::Tuple(items))?)
            }
            b'i' => {
                let (module, name) = (self.name()?, self.name()?);
                let items = self.pop_mark()?;
                let class = self.node(Value::Global { module, name })?;
                (class, self.node(Value::Tuple(items))?)
            }
            _ => {
                if self.opcode == 0x92 {
                    self.discard()?;
                }
                let arguments = self.pop()?;
                (self.pop()?, arguments)
            }
        };
        if self.is_dictionary(class) {
            let (entries, visited) = self.initial_entries(arguments);
            // The only instruction that copies: a big dictionary must not be copied often.
            self.spent = self.spent.saturating_add(visited);
            return self.push(Value::Dictionary(entries));
        }
        self.push(Value::Object(Box::new(Object {
            class,
            arguments,
            state: None,
            entries: Vec::new(),
        })))
    }

    fn is_dictionary(&self, class: Node) -> bool {
        matches!(
            self.tree.global(class),
            Some(
                ("collections", "OrderedDict" | "defaultdict")
                    | ("builtins" | "__builtin__", "dict")
            )
        )
    }

    /// What a new dictionary holds, and how many values were looked at for it. Python 2 gives an
    /// ordered dictionary its entries as a list of pairs.
    fn initial_entries(&self, arguments: Node) -> (Vec<(Node, Node)>, usize) {
        let Some(&given) = self.tree.items(arguments).and_then(<[Node]>::last) else {
            return (Vec::new(), 0);
        };
        if let Some(entries) = self.tree.entries(given) {
            return (entries.to_vec(), entries.len());
        }
        let listed = self.tree.items(given).unwrap_or_default();
        let pair = |&node: &Node| match self.tree.items(node) {
            Some(&[key, value]) => Some((key, value)),
            _ => None,
        };
        (listed.iter().filter_map(pair).collect(), listed.len())
    }

    fn build(&mut self) -> Step {
        let state = self.pop()?;
        let target = self.top()?;
        self.tree.deepen(target, state);
        if let Value::Object(object) = self.tree.value_mut(target) {
            object.state = Some(state);
        }
        self.check_depth(self.tree.depth(target) as usize)
    }

    fn node(&mut self, value: Value<'a>) -> Step<Node> {
        let node = self.tree.push(value, self.scanner.start());
        let node = node.ok_or_else(|| self.exceeded("values", u32::MAX as usize))?;
        self.check_depth(self.tree.depth(node) as usize)?;
        Ok(node)
    }

    fn push(&mut self, value: Value<'a>) -> Step {
        let node = self.node(value)?;
        self.stack.push(node);
        Ok(())
    }

    fn top(&self) -> Step<Node> {
        let top = self.stack.top();
        top.ok_or_else(|| self.needs("a value on the stack"))
    }

    fn pop(&mut self) -> Step<Node> {
        let top = self.stack.pop();
        top.ok_or_else(|| self.needs("a value on the stack"))
    }

    fn discard(&mut self) -> Step {
        let top = self.stack.discard();
        top.ok_or_else(|| self.needs("a value on the stack"))
    }

    fn pop_mark(&mut self) -> Step<Vec<Node>> {
        self.stack.pop_mark().ok_or_else(|| self.needs("a mark"))
    }

    /// Everything above the innermost mark, as keys and values.
    fn pop_pairs(&mut self) -> Step<Vec<(Node, Node)>> {
        let items = self.pop_mark()?;
        match items.as_chunks::<2>() {
            (pairs, []) => Ok(pairs.iter().map(|&[key, value]| (key, value)).collect()),
            _ => Err(self.needs("pairs")),
        }
    }

    /// Makes one value of everything above the innermost mark.
    fn collect(&mut self, make: fn(Vec<Node>) -> Value<'a>) -> Step {
        let items = self.pop_mark()?;
        self.push(make(items))
    }

    fn name(&mut self) -> Step<&'a str> {
        let line = self.scanner.line()?;
        std::str::from_utf8(line).map_err(|_| self.needs("a name in UTF-8"))
    }

    fn check_depth(&self, depth: usize) -> Step {
        if depth > self.budget.depth {
            return Err(self.exceeded("levels of nesting", self.budget.depth));
        }
        Ok(())
    }

    fn needs(&self, needed: &'static str) -> PickleError {
        PickleError::Operand {
            offset: self.scanner.start(),
            opcode: self.opcode,
            needed,
        }
    }

    fn exceeded(&self, what: &'static str, limit: usize) -> PickleError {
        PickleError::Budget {
            offset: self.scanner.start(),
            what,
            limit,
        }
    }
}
