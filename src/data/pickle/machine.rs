use super::{Constructor, Id, Value};
use std::collections::HashMap;

/// Values of one file: the official ones hold some 100,000.
const VALUE_BUDGET: usize = 4 << 20;

/// The stack machine that a pickle is a program for.
pub(super) struct Machine<'a> {
    bytes: &'a [u8],
    position: usize,
    arena: Vec<Value<'a>>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<usize, Id>,
    /// Bytes of recoded text, and values put on the stack, so far.
    recoded: usize,
    pushed: usize,
}

const CUT_OFF: &str = "the pickle is cut off";
const MISUSED: &str = "the pickle's operands do not fit its operation";

fn within_budget(count: usize) -> Result<(), String> {
    if count < VALUE_BUDGET {
        return Ok(());
    }
    Err(format!(
        "more than {VALUE_BUDGET} values, marks or references"
    ))
}

impl<'a> Machine<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            position: 0,
            arena: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            recoded: 0,
            pushed: 0,
        }
    }

    /// Where the next operation starts, in bytes.
    pub(super) fn position(&self) -> usize {
        self.position
    }

    pub(super) fn into_arena(self) -> Vec<Value<'a>> {
        self.arena
    }

    /// Performs one operation; the final value where it was the last.
    pub(super) fn step(&mut self) -> Result<Option<Id>, String> {
        let opcode = self.take(1)?[0];
        match opcode {
            b'.' => return self.pop().map(Some),
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),
            b'(' => {
                within_budget(self.marks.len())?;
                self.marks.push(self.stack.len());
            }
            b'0' => drop(self.pop()?),
            b'N' => self.push(Value::Other)?,
            0x88 | 0x89 => self.push(Value::Boolean(opcode == 0x88))?,
            b'G' => {
                self.take(8)?;
                self.push(Value::Other)?;
            }
            b'K' => self.integer(1)?,
            b'M' => self.integer(2)?,
            b'J' => {
                let value = self.unsigned(4)? as u32 as i32;
                self.push(Value::Integer(value.into(), self.position))?;
            }
            0x8a => {
                let length = self.unsigned(1)?;
                if length > 8 {
                    return Err("an integer of more than 64 bits".into());
                }
                let mut value = [0; 8];
                let bytes = self.take(length)?;
                if bytes.last().is_some_and(|byte| byte & 0x80 != 0) {
                    value = [0xff; 8];
                }
                value[..length].copy_from_slice(bytes);
                self.push(Value::Integer(i64::from_le_bytes(value), self.position))?;
            }
            b'U' | b'C' | 0x8c => self.string(1)?,
            b'T' | b'B' | b'X' => self.string(4)?,
            0x8d | 0x8e | 0x96 => self.string(8)?,
            b']' => self.push(Value::List(Vec::new()))?,
            b'}' => self.push(Value::Dict(Vec::new()))?,
            b')' => self.push(Value::Tuple(Vec::new()))?,
            0x85..=0x87 => {
                let count = usize::from(opcode - 0x84);
                let from = self.stack.len().checked_sub(count).ok_or(MISUSED)?;
                let items = self.stack.split_off(from);
                self.push(Value::Tuple(items))?;
            }
            b't' => {
                let items = self.since_mark()?;
                self.push(Value::Tuple(items))?;
            }
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            b'e' => {
                let items = self.since_mark()?;
                self.append(items)?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.insert(&[key, value])?;
            }
            b'u' => {
                let items = self.since_mark()?;
                self.insert(&items)?;
            }
            b'q' => {
                let key = self.unsigned(1)?;
                self.remember(key)?;
            }
            b'r' => {
                let key = self.unsigned(4)?;
                self.remember(key)?;
            }
            0x94 => self.remember(self.memo.len())?,
            b'h' => {
                let key = self.unsigned(1)?;
                self.recall(key)?;
            }
            b'j' => {
                let key = self.unsigned(4)?;
                self.recall(key)?;
            }
            b'c' => {
                let module = self.line()?;
                let name = self.line()?;
                self.constructor(module, name)?;
            }
            0x93 => {
                let name = self.pop()?;
                let module = self.pop()?;
                match (self.value(module), self.value(name)) {
                    (&Value::Bytes(module), &Value::Bytes(name)) => {
                        self.constructor(module, name)?;
                    }
                    _ => return Err(MISUSED.into()),
                }
            }
            b'R' => {
                let arguments = self.pop()?;
                let constructor = self.pop()?;
                self.construct(constructor, arguments)?;
            }
            b'b' => {
                let state = self.pop()?;
                self.build(state)?;
            }
            _ => {
                return Err(format!(
                    "opcode 0x{opcode:02x} does not occur in data batches"
                ));
            }
        }
        Ok(None)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let taken = rest.get(..count).ok_or(CUT_OFF)?;
        self.position += count;
        Ok(taken)
    }

    fn line(&mut self) -> Result<&'a [u8], String> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let length = rest.iter().position(|&byte| byte == b'\n').ok_or(CUT_OFF)?;
        let line = self.take(length)?;
        self.take(1)?;
        Ok(line)
    }

    fn unsigned(&mut self, count: usize) -> Result<usize, String> {
        let bytes = self.take(count)?;
        let value = bytes
            .iter()
            .rev()
            .fold(0u64, |value, &byte| value << 8 | u64::from(byte));
        usize::try_from(value).map_err(|_| CUT_OFF.into())
    }

    fn integer(&mut self, count: usize) -> Result<(), String> {
        let value = self.unsigned(count)?;
        self.push(Value::Integer(value as i64, self.position))
    }

    fn string(&mut self, length_bytes: usize) -> Result<(), String> {
        let length = self.unsigned(length_bytes)?;
        let bytes = self.take(length)?;
        self.push(Value::Bytes(bytes))
    }

    fn push(&mut self, value: Value<'a>) -> Result<(), String> {
        self.put(self.arena.len())?;
        self.arena.push(value);
        Ok(())
    }

    /// Lists and dicts grow from the stack alone, so that bounding what is put on it bounds them.
    fn put(&mut self, id: Id) -> Result<(), String> {
        within_budget(self.pushed)?;
        self.pushed += 1;
        self.stack.push(id);
        Ok(())
    }

    fn pop(&mut self) -> Result<Id, String> {
        self.stack.pop().ok_or_else(|| MISUSED.into())
    }

    fn value(&self, id: Id) -> &Value<'a> {
        &self.arena[id]
    }

    fn since_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self
            .marks
            .pop()
            .filter(|&mark| mark <= self.stack.len())
            .ok_or(MISUSED)?;
        Ok(self.stack.split_off(mark))
    }

    fn append(&mut self, items: Vec<Id>) -> Result<(), String> {
        match self.stack.last().map(|&id| &mut self.arena[id]) {
            Some(Value::List(list)) => {
                list.extend(items);
                Ok(())
            }
            _ => Err(MISUSED.into()),
        }
    }

    fn insert(&mut self, items: &[Id]) -> Result<(), String> {
        match self.stack.last().map(|&id| &mut self.arena[id]) {
            Some(Value::Dict(pairs)) if items.len().is_multiple_of(2) => {
                pairs.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])));
                Ok(())
            }
            _ => Err(MISUSED.into()),
        }
    }

    fn remember(&mut self, key: usize) -> Result<(), String> {
        within_budget(self.memo.len())?;
        let &id = self.stack.last().ok_or(MISUSED)?;
        self.memo.insert(key, id);
        Ok(())
    }

    fn recall(&mut self, key: usize) -> Result<(), String> {
        let &id = self.memo.get(&key).ok_or(MISUSED)?;
        self.put(id)
    }

    fn constructor(&mut self, module: &[u8], name: &[u8]) -> Result<(), String> {
        let constructor = Constructor::named(module, name).ok_or_else(|| {
            let (module, name) = (
                String::from_utf8_lossy(module),
                String::from_utf8_lossy(name),
            );
            format!("refers to `{module}.{name}`, which no data batch needs; refused")
        })?;
        self.push(Value::Constructor(constructor))
    }

    fn construct(&mut self, constructor: Id, arguments: Id) -> Result<(), String> {
        let (Value::Constructor(constructor), Value::Tuple(arguments)) =
            (self.value(constructor), self.value(arguments))
        else {
            return Err(MISUSED.into());
        };
        let argument = |i: usize| arguments.get(i).map(|&id| self.value(id));
        let value = match constructor {
            // `_reconstruct` makes an empty array, which BUILD fills.
            Constructor::Reconstruct => Value::Array {
                sizes: Vec::new(),
                elements: self.arena.len(),
                columns_first: false,
            },
            Constructor::ElementType => match argument(0) {
                Some(&Value::Bytes(code)) => Value::ElementType(code),
                _ => return Err(MISUSED.into()),
            },
            Constructor::FromBuffer => {
                let (Some(&buffer), Some(&kind), Some(&sizes)) =
                    (arguments.first(), arguments.get(1), arguments.get(2))
                else {
                    return Err(MISUSED.into());
                };
                let columns_first = argument(3) == Some(&Value::Bytes(b"F"));
                self.array(sizes, kind, buffer, columns_first)?
            }
            Constructor::Encode => match argument(0) {
                Some(&Value::Bytes(text)) => {
                    // Each text is recoded at most a few times, or a memo would multiply it.
                    self.recoded = self.recoded.saturating_add(text.len());
                    if self.recoded > self.bytes.len() {
                        return Err("recodes more text than the file holds".into());
                    }
                    let text = std::str::from_utf8(text).map_err(|_| MISUSED)?;
                    let latin1 = text.chars().map(|c| u8::try_from(u32::from(c)));
                    Value::Recoded(latin1.collect::<Result<_, _>>().map_err(|_| MISUSED)?)
                }
                _ => return Err(MISUSED.into()),
            },
            Constructor::NdArray => return Err(MISUSED.into()),
        };
        self.push(value)
    }

    fn build(&mut self, state: Id) -> Result<(), String> {
        let &target = self.stack.last().ok_or(MISUSED)?;
        match self.value(target) {
            Value::ElementType(_) => Ok(()),
            Value::Array { .. } => {
                let Value::Tuple(state) = self.value(state) else {
                    return Err(MISUSED.into());
                };
                let &[_, sizes, kind, order, elements] = state.as_slice() else {
                    return Err(MISUSED.into());
                };
                let &Value::Boolean(columns_first) = self.value(order) else {
                    return Err(MISUSED.into());
                };
                let array = self.array(sizes, kind, elements, columns_first)?;
                self.arena[target] = array;
                Ok(())
            }
            _ => Err(MISUSED.into()),
        }
    }

    fn array(
        &self,
        sizes: Id,
        kind: Id,
        elements: Id,
        columns_first: bool,
    ) -> Result<Value<'a>, String> {
        match self.value(kind) {
            Value::ElementType(b"u1" | b"|u1" | b"uint8") => {}
            Value::ElementType(other) => {
                let other = String::from_utf8_lossy(other);
                return Err(format!("an array of `{other}`; images are bytes (`u1`)"));
            }
            _ => return Err(MISUSED.into()),
        }
        let Value::Tuple(sizes) = self.value(sizes) else {
            return Err(MISUSED.into());
        };
        let sizes = sizes
            .iter()
            .map(|&id| match self.value(id) {
                &Value::Integer(size, _) => usize::try_from(size).map_err(|_| MISUSED.to_owned()),
                _ => Err(MISUSED.to_owned()),
            })
            .collect::<Result<Vec<_>, _>>()?;
        let held = match self.value(elements) {
            Value::Bytes(bytes) => bytes.len(),
            Value::Recoded(bytes) => bytes.len(),
            _ => return Err(MISUSED.into()),
        };
        let claimed = sizes
            .iter()
            .try_fold(1usize, |product, &size| product.checked_mul(size));
        if claimed != Some(held) {
            return Err(format!(
                "an array claims the sizes {sizes:?} but holds {held} bytes"
            ));
        }
        Ok(Value::Array {
            sizes,
            elements,
            columns_first,
        })
    }
}
