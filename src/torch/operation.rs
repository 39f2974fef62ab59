use std::collections::HashMap;
use std::ffi::{CString, c_void};
use std::ptr;
use std::sync::{LazyLock, PoisonError, RwLock};

use tch::{Device, Tensor};
use torch_sys::C_tensor;

use super::value::Value;
use super::{TorchError, seam, taken};

/// An operation of libtorch, found by name. As cheap to copy as a pointer.
#[derive(Clone, Copy, Debug)]
pub struct Operation(*const c_void);

// SAFETY: it points to an entry of libtorch's dispatcher that is never freed and that libtorch
// itself reads from any thread.
unsafe impl Send for Operation {}
// SAFETY: as above; nothing is written through the pointer.
unsafe impl Sync for Operation {}

/// What an operation takes and gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    /// Its arguments, in order.
    pub arguments: Vec<SchemaArgument>,
    /// Its outputs, in order.
    pub outputs: Vec<SchemaArgument>,
}

/// One argument or output of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaArgument {
    /// Its name; outputs rarely have one.
    pub name: String,
    /// Its type as libtorch writes it, such as `Tensor?` or `int[]`.
    pub form: String,
    /// Whose storage it is.
    pub storage: Storage,
    /// Whether it may be left out.
    pub has_default: bool,
}

/// Whose storage an argument or output has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// Its own.
    Own,
    /// Shared between arguments and outputs: the output is a view.
    Shared,
    /// Written to.
    Written,
}

impl Schema {
    /// Whether an output may share storage with an argument.
    #[must_use]
    pub fn is_view(&self) -> bool {
        let shared = |output: &SchemaArgument| output.storage == Storage::Shared;
        self.outputs.iter().any(shared)
    }

    /// Which arguments are written to.
    #[must_use]
    pub fn written(&self) -> Vec<usize> {
        let arguments = self.arguments.iter().enumerate();
        let written = arguments.filter(|(_, argument)| argument.storage == Storage::Written);
        written.map(|(place, _)| place).collect()
    }
}

impl Operation {
    /// The operation `name` (`aten::add`) with `overload` (`Tensor`, or nothing); `None` where
    /// libtorch has none.
    #[must_use]
    pub fn find(name: &str, overload: &str) -> Option<Self> {
        static FOUND: LazyLock<RwLock<HashMap<String, Operation>>> = LazyLock::new(RwLock::default);
        let key = format!("{name}.{overload}");
        let found = FOUND.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = found.get(&key) {
            return Some(*known);
        }
        drop(found);
        let (name, overload) = (CString::new(name).ok()?, CString::new(overload).ok()?);
        // SAFETY: both are C strings that outlive the call.
        let found = Self(unsafe { seam::seam_find(name.as_ptr(), overload.as_ptr()) });
        if found.0.is_null() {
            return None;
        }
        let mut all = FOUND.write().unwrap_or_else(PoisonError::into_inner);
        Some(*all.entry(key).or_insert(found))
    }

    /// What it takes and gives.
    ///
    /// # Errors
    /// No memory for it.
    pub fn schema(self) -> Result<Schema, TorchError> {
        // SAFETY: the pointer comes from `seam_find`.
        let text = text(unsafe { seam::seam_schema(self.0) })?;
        let mut schema = Schema::default();
        for line in text.lines() {
            let mut parts = line.split('\t');
            let mut next = || parts.next().unwrap_or_default();
            let is_argument = next() == "argument";
            let (name, form) = (next().to_owned(), next().to_owned());
            let storage = match next() {
                "write" => Storage::Written,
                "view" => Storage::Shared,
                _ => Storage::Own,
            };
            let part = SchemaArgument {
                name,
                form,
                storage,
                has_default: next() == "default",
            };
            match is_argument {
                true => schema.arguments.push(part),
                false => schema.outputs.push(part),
            }
        }
        Ok(schema)
    }

    /// The default of every argument; nothing where it has none.
    ///
    /// # Errors
    /// A default of a type that [`Value`] does not know.
    pub fn defaults(self) -> Result<Vec<Value>, TorchError> {
        let stack = Stack::new()?;
        // SAFETY: both pointers are alive.
        check(unsafe { seam::seam_defaults(self.0, stack.0) })?;
        stack.values()
    }

    /// Calls it on `arguments`, in the schema's order; what is missing at the end has its default.
    /// Autograd sees the call as any other.
    ///
    /// # Errors
    /// What libtorch says where an argument has the wrong type or the operation fails.
    pub fn call(self, arguments: &[Value]) -> Result<Vec<Value>, TorchError> {
        let stack = Stack::new()?;
        let mut omitted = Vec::with_capacity(arguments.len());
        for argument in arguments {
            omitted.push(matches!(argument, Value::Default));
            stack.push(argument)?;
        }
        // SAFETY: the pointers are alive, and there is one mark for each value on the stack.
        check(unsafe { seam::seam_call(self.0, stack.0, omitted.as_ptr()) })?;
        stack.values()
    }
}

/// A list of values on libtorch's side.
struct Stack(*mut c_void);

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: it was made by `seam_stack_new` and is freed once.
        unsafe { seam::seam_stack_free(self.0) }
    }
}

impl Stack {
    fn new() -> Result<Self, TorchError> {
        // SAFETY: no requirements.
        let stack = unsafe { seam::seam_stack_new() };
        match stack.is_null() {
            true => Err(TorchError::new("out of memory")),
            false => Ok(Self(stack)),
        }
    }

    fn push(&self, value: &Value) -> Result<(), TorchError> {
        let (stack, tensors): (_, Vec<*const C_tensor>) = (
            self.0,
            match value {
                Value::Tensors(list) => list.iter().map(Tensor::as_ptr).collect(),
                Value::OptionalTensors(list) => list
                    .iter()
                    .map(|tensor| tensor.as_ref().map_or(ptr::null(), Tensor::as_ptr))
                    .collect(),
                _ => Vec::new(),
            },
        );
        // SAFETY: the stack is alive, and what the other pointers point to is borrowed from `value`
        // (tensors hold a pointer to an `at::Tensor`) for longer than the call, which copies it.
        let fault = unsafe {
            match value {
                Value::Default | Value::None => seam::seam_push_none(stack),
                Value::Tensor(tensor) => seam::seam_push_tensor(stack, tensor.as_ptr()),
                Value::Int(value) => seam::seam_push_int(stack, *value),
                Value::Float(value) => seam::seam_push_float(stack, *value),
                Value::Bool(value) => seam::seam_push_bool(stack, *value),
                Value::Text(text) => seam::seam_push_text(stack, text.as_ptr().cast(), text.len()),
                Value::Device(Device::Cuda(index)) => {
                    let index = i64::try_from(*index)
                        .map_err(|_| TorchError::new("a device number is too large"))?;
                    seam::seam_push_device(stack, index)
                }
                Value::Device(_) => seam::seam_push_device(stack, -1),
                Value::Ints(list) => seam::seam_push_ints(stack, list.as_ptr(), list.len()),
                Value::Floats(list) => seam::seam_push_floats(stack, list.as_ptr(), list.len()),
                Value::Bools(list) => seam::seam_push_bools(stack, list.as_ptr(), list.len()),
                Value::Tensors(_) | Value::OptionalTensors(_) => {
                    seam::seam_push_tensors(stack, tensors.as_ptr(), tensors.len())
                }
            }
        };
        check(fault)
    }

    fn values(&self) -> Result<Vec<Value>, TorchError> {
        // SAFETY: the stack is alive.
        let count = unsafe { seam::seam_count(self.0) };
        (0..count).map(|place| self.value(place)).collect()
    }

    fn value(&self, place: usize) -> Result<Value, TorchError> {
        // SAFETY: the stack is alive, `seam_kind` bounds `place`, and each accessor is called only
        // for the kind that it is meant for.
        unsafe {
            let length = || seam::seam_length(self.0, place);
            let whole = || {
                let mut whole = vec![0; length()];
                seam::seam_numbers(self.0, place, whole.as_mut_ptr(), ptr::null_mut());
                whole
            };
            Ok(match seam::seam_kind(self.0, place) {
                0 => Value::None,
                1 => Value::Tensor(self.tensor(place, 0, false)?),
                2 => Value::Int(seam::seam_int(self.0, place)),
                3 => Value::Float(seam::seam_float(self.0, place)),
                4 => Value::Bool(seam::seam_int(self.0, place) != 0),
                5 => Value::Text(text(seam::seam_text(self.0, place))?),
                6 => Value::Ints(whole()),
                7 => {
                    let mut real = vec![0.0; length()];
                    seam::seam_numbers(self.0, place, ptr::null_mut(), real.as_mut_ptr());
                    Value::Floats(real)
                }
                8 => Value::Bools(whole().into_iter().map(|truth| truth != 0).collect()),
                9 => {
                    let tensors = (0..length()).map(|at| self.tensor(place, at, true));
                    Value::Tensors(tensors.collect::<Result<_, _>>()?)
                }
                _ => {
                    return Err(TorchError::new(
                        "an operation gives a value of another type",
                    ));
                }
            })
        }
    }

    fn tensor(&self, place: usize, at: usize, listed: bool) -> Result<Tensor, TorchError> {
        // SAFETY: `value` has checked that a tensor, or a list of more than `at`, is there; the new
        // handle belongs to the `Tensor` alone.
        unsafe {
            let tensor = seam::seam_tensor(self.0, place, at, listed);
            match tensor.is_null() {
                true => Err(TorchError::new("out of memory")),
                false => Ok(Tensor::from_ptr(tensor)),
            }
        }
    }
}

/// Text that a function of the seam gave.
fn text(given: *mut std::ffi::c_char) -> Result<String, TorchError> {
    taken(given).ok_or_else(|| TorchError::new("out of memory"))
}

/// The error that a function of the seam gave, if any.
pub(super) fn check(fault: *mut std::ffi::c_char) -> Result<(), TorchError> {
    taken(fault).map_or(Ok(()), |message| Err(TorchError::new(&message)))
}
