//! From the description of a tensor in a pickle to a tensor.

use pathscope_file::{
    pickle::{Node, Object, Tree, Value},
    shortened,
};
use tch::Tensor;

use super::{
    element::Element,
    error::EntryError,
    storage::{StoragePool, StorageSource},
};

/// The functions that PyTorch's pickles call to make a tensor. This list is the
/// allow-list: whatever else a pickle wants to call stays an inert description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Constructor {
    /// `(storage, offset, size, strides, ...)`
    Strided,
    /// As [`Constructor::Strided`], with `(..., requires_grad, hooks, dtype)` over untyped bytes.
    StridedUntyped,
    /// `(tensor, ...)`
    Wrapper,
    /// `(function, class, arguments, state)`
    Typed,
}

fn constructor(module: &str, name: &str) -> Option<Constructor> {
    match (module, name) {
        ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Some(Constructor::Strided),
        ("torch._utils", "_rebuild_tensor_v3") => Some(Constructor::StridedUntyped),
        ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state")
        | ("torch.nn.parameter", "Parameter")
        | ("torch", "Tensor") => Some(Constructor::Wrapper),
        ("torch._tensor", "_rebuild_from_type_v2") => Some(Constructor::Typed),
        _ => None,
    }
}

/// Whether a value claims to be a tensor, of whatever kind.
pub(super) fn is_tensor(tree: &Tree<'_>, node: Node) -> bool {
    tree.object(node)
        .and_then(|object| tree.global(object.class))
        .is_some_and(|(module, name)| {
            constructor(module, name).is_some()
                || (module.starts_with("torch.") && name.starts_with("_rebuild"))
        })
}

/// A parameter around a parameter around ...: more than a few is no checkpoint.
const MAX_WRAPPERS: usize = 8;

/// Builds the tensor that `node` describes, as a view of its storage.
pub(super) fn rebuild<'a, S: StorageSource<'a>>(
    tree: &Tree<'a>,
    node: Node,
    pool: &mut StoragePool<S>,
) -> Result<Tensor, EntryError> {
    let malformed = EntryError::Malformed;
    let object = tree.object(node).ok_or(malformed("a tensor"))?;
    let mut class = object.class;
    let mut arguments = object.arguments;
    for _ in 0..MAX_WRAPPERS {
        let named = tree.global(class);
        let (module, name) = named.ok_or(malformed("a constructor's name"))?;
        let given = tree.items(arguments).ok_or(malformed("arguments"))?;
        match constructor(module, name) {
            Some(Constructor::Strided) => return strided(tree, given, None, pool),
            Some(Constructor::StridedUntyped) => {
                let dtype = given.get(6).ok_or(malformed("a dtype"))?;
                let unsupported = EntryError::UnsupportedElement;
                let element = match tree.global(*dtype) {
                    Some(("torch", name)) => Element::from_dtype(name)
                        .ok_or_else(|| unsupported(shortened(&format!("torch.{name}")))),
                    _ => Err(unsupported(tree.describe(*dtype))),
                }?;
                return strided(tree, given, Some(element), pool);
            }
            Some(Constructor::Wrapper) => {
                let inner = given.first().and_then(|&inner| tree.object(inner));
                let inner: &Object = inner.ok_or(malformed("a tensor inside a parameter"))?;
                (class, arguments) = (inner.class, inner.arguments);
            }
            Some(Constructor::Typed) => match given {
                [function, _, inner, ..] => (class, arguments) = (*function, *inner),
                _ => return Err(malformed("a function and its arguments")),
            },
            None => {
                return Err(match name {
                    "_rebuild_qtensor" => EntryError::Quantised,
                    "_rebuild_sparse_tensor" | "_rebuild_sparse_csr_tensor" => EntryError::Sparse,
                    _ => EntryError::UnknownConstructor(shortened(&format!("{module}.{name}"))),
                });
            }
        }
    }
    Err(malformed("a tensor within a few wrappers"))
}

fn strided<'a, S: StorageSource<'a>>(
    tree: &Tree<'a>,
    arguments: &[Node],
    untyped_as: Option<Element>,
    pool: &mut StoragePool<S>,
) -> Result<Tensor, EntryError> {
    let &[storage, offset, size, strides, ..] = arguments else {
        return Err(EntryError::Malformed("storage, offset, size and strides"));
    };
    let reference = StorageReference::read(tree, storage)?;
    let (element, numel) = match (reference.element, untyped_as) {
        (Some(element), None) => (element, reference.numel),
        (_, Some(element)) => (element, reference.claimed()? / element.bytes()),
        (None, None) => (Element::U8, reference.numel),
    };
    let malformed = EntryError::Malformed;
    let mut offset = tree.integer(offset).ok_or(malformed("an offset"))?;
    let size = integers(tree, size).ok_or(malformed("a size"))?;
    let strides = integers(tree, strides).ok_or(malformed("strides"))?;
    let mut held = numel;
    if let Some((first, length)) = reference.view {
        offset = offset.checked_add(first).ok_or(EntryError::Overflow)?;
        let end = usize::try_from(first.saturating_add(length));
        held = end.map_or(0, |end| end.min(held));
    }
    let (shape, held) = ([&*size, &*strides], [held, numel]);
    bounded_view(pool, reference.key, element, shape, offset, held)
}

/// The tensor of `element`s that looks into the storage `key`, which is as long as it needs.
pub(super) fn view<'a, S: StorageSource<'a>>(
    pool: &mut StoragePool<S>,
    key: &str,
    element: Element,
    size: &[i64],
    strides: &[i64],
    offset: i64,
) -> Result<Tensor, EntryError> {
    let held = pool.numel(key, element)?;
    bounded_view(pool, key, element, [size, strides], offset, [held, held])
}

/// The tensor of this size and these strides in the first `held` of `numel` numbers of the storage
/// `key`. A tensor may repeat numbers (stride 0); what it then has more of than its storage
/// counts as memory.
fn bounded_view<'a, S: StorageSource<'a>>(
    pool: &mut StoragePool<S>,
    key: &str,
    element: Element,
    [size, strides]: [&[i64]; 2],
    offset: i64,
    [held, numel]: [usize; 2],
) -> Result<Tensor, EntryError> {
    if !fits(size, strides, offset, held) {
        return Err(EntryError::OutOfStorage {
            size: size.to_vec(),
            strides: strides.to_vec(),
            offset,
            held,
        });
    }
    let count = size.iter().try_fold(1_usize, |count, &length| {
        count.checked_mul(usize::try_from(length).ok()?)
    });
    let repeated = count.ok_or(EntryError::Overflow)?.saturating_sub(held);
    pool.charge(key, repeated.saturating_mul(element.bytes()))?;
    let flat = pool.load(key, element, numel)?;
    Ok(flat.f_as_strided(size, strides, offset)?)
}

/// Whether every number lies in a storage of `held` numbers.
fn fits(size: &[i64], strides: &[i64], offset: i64, held: usize) -> bool {
    if size.len() != strides.len() || offset < 0 || size.iter().chain(strides).any(|&n| n < 0) {
        return false;
    }
    let held = i64::try_from(held).unwrap_or(i64::MAX);
    // The product without empty axes: a shape [0, 2^62, 2^62] overflows as well.
    let times = |product: i64, &n: &i64| product.checked_mul(n.max(1));
    if size.iter().try_fold(1, times).is_none() {
        return false;
    }
    if size.contains(&0) {
        return offset <= held;
    }
    let further =
        |last: i64, (&n, &stride): (&i64, &i64)| last.checked_add((n - 1).checked_mul(stride)?);
    let last = size.iter().zip(strides).try_fold(offset, further);
    last.is_some_and(|last| last < held)
}

fn integers(tree: &Tree<'_>, node: Node) -> Option<Vec<i64>> {
    /// libtorch refuses tensors of more axes.
    const MAX_AXES: usize = 64;
    let items = tree.items(node)?;
    if items.len() > MAX_AXES {
        return None;
    }
    items.iter().map(|&item| tree.integer(item)).collect()
}

/// The persistent id `('storage', class, key, location, numel, view)` of a storage.
#[derive(Debug, Clone, Copy)]
pub(super) struct StorageReference<'a> {
    pub(super) key: &'a str,
    /// `None` for untyped bytes.
    pub(super) element: Option<Element>,
    /// Numbers, or bytes where untyped.
    pub(super) numel: usize,
    /// Offset and length of the part that legacy files treat as a storage, in numbers.
    view: Option<(i64, i64)>,
}

impl<'a> StorageReference<'a> {
    pub(super) fn read(tree: &Tree<'a>, node: Node) -> Result<Self, EntryError> {
        let malformed = EntryError::Malformed;
        let Value::Persistent(id) = tree.value(node) else {
            return Err(malformed("a reference to a storage"));
        };
        let items = tree.items(*id);
        let items = items.ok_or(malformed("a storage's description"))?;
        let &[tag, class, key, _location, numel, ref rest @ ..] = items else {
            return Err(malformed("a storage's class, key and size"));
        };
        if tree.text(tag) != Some("storage") {
            return Err(malformed("the word `storage`"));
        }
        let element = match tree.global(class) {
            Some(("torch.storage" | "torch", "UntypedStorage" | "_UntypedStorage")) => None,
            Some(("torch" | "torch.storage" | "torch.cuda", name)) => Some(
                Element::from_storage_class(name)
                    .ok_or_else(|| EntryError::UnsupportedElement(shortened(name)))?,
            ),
            _ => {
                return Err(EntryError::UnsupportedElement(tree.describe(class)));
            }
        };
        let view = rest.first().and_then(|&view| match tree.items(view) {
            Some(&[_key, offset, length]) => Some((tree.integer(offset)?, tree.integer(length)?)),
            _ => None,
        });
        let numel = tree.integer(numel);
        let numel = numel.and_then(|numel| usize::try_from(numel).ok());
        Ok(Self {
            key: tree.text(key).ok_or(malformed("a storage's key"))?,
            element,
            numel: numel.ok_or(malformed("a storage's size"))?,
            view,
        })
    }

    /// How many bytes the storage claims.
    pub(super) fn claimed(&self) -> Result<usize, EntryError> {
        let width = self.element.map_or(1, Element::bytes);
        self.numel.checked_mul(width).ok_or(EntryError::Overflow)
    }
}
