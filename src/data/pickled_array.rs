//! NumPy arrays of bytes inside pickles.

use super::DataError;
use pathscope_file::pickle::{Node, Object, Tree, Value};
use pathscope_file::shortened;
use std::borrow::Cow;

/// The names that a pickle of plain values and arrays imports.
const IMPORTS: [(&str, &str); 7] = [
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.numeric", "_frombuffer"),
    ("numpy._core.numeric", "_frombuffer"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
];

/// In which order the elements of a matrix lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// The last index runs fastest, as in C.
    Rows,
    /// The first index runs fastest, as in Fortran.
    Columns,
}

/// An array of bytes.
pub(super) struct PickledArray<'a> {
    pub sizes: Vec<usize>,
    pub elements: Cow<'a, [u8]>,
    pub order: Order,
}

/// Refuses a pickle that imports anything but arrays and their parts. The reader never imports;
/// this tells a hostile or foreign file from a damaged one.
pub(super) fn check_imports(file: &str, tree: &Tree<'_>) -> Result<(), DataError> {
    for (node, value) in tree.values() {
        if let Value::Global { module, name } = value
            && !IMPORTS.contains(&(module, name))
        {
            let name = shortened(&format!("{module}.{name}"));
            let reason = format!("refers to `{name}`, which no data batch needs; refused");
            return Err(DataError::malformed(file, tree.offset(node), reason));
        }
    }
    Ok(())
}

impl<'a> PickledArray<'a> {
    /// The array that `node` describes; the error says what is wrong with it.
    pub fn read(tree: &Tree<'a>, node: Node) -> Result<Self, String> {
        const NO_ARRAY: &str = "not an array as NumPy pickles it";
        let object = tree.object(node).ok_or(NO_ARRAY)?;
        let arguments = tree.items(object.arguments).ok_or(NO_ARRAY)?;
        let (sizes, kind, elements, order) = match (callable(tree, object), arguments) {
            ("_frombuffer", &[elements, kind, sizes, order]) => {
                let order = match tree.bytes(order) {
                    Some(b"F") => Order::Columns,
                    _ => Order::Rows,
                };
                (sizes, kind, elements, order)
            }
            // `_reconstruct` makes an empty array, which its state fills.
            ("_reconstruct", _) => {
                let state = object.state.and_then(|state| tree.items(state));
                let Some(&[_, sizes, kind, order, elements]) = state else {
                    return Err(NO_ARRAY.into());
                };
                let order = match tree.value(order) {
                    Value::Bool(true) => Order::Columns,
                    Value::Bool(false) => Order::Rows,
                    _ => return Err(NO_ARRAY.into()),
                };
                (sizes, kind, elements, order)
            }
            _ => return Err(NO_ARRAY.into()),
        };
        require_bytes(tree, kind)?;
        let sizes = tree
            .items(sizes)
            .and_then(|sizes| {
                let size = |&size| usize::try_from(tree.integer(size)?).ok();
                sizes.iter().map(size).collect::<Option<Vec<_>>>()
            })
            .ok_or(NO_ARRAY)?;
        let elements = content(tree, elements).ok_or(NO_ARRAY)?;
        let claimed = sizes
            .iter()
            .try_fold(1usize, |product, &size| product.checked_mul(size));
        if claimed != Some(elements.len()) {
            let held = elements.len();
            return Err(format!("claims the sizes {sizes:?} but holds {held} bytes"));
        }
        Ok(Self {
            sizes,
            elements,
            order,
        })
    }
}

fn callable<'a>(tree: &Tree<'a>, object: &Object) -> &'a str {
    tree.global(object.class).map_or("", |(_, name)| name)
}

fn require_bytes(tree: &Tree<'_>, kind: Node) -> Result<(), String> {
    let code = tree
        .object(kind)
        .filter(|object| callable(tree, object) == "dtype")
        .and_then(|object| tree.items(object.arguments)?.first().copied())
        .and_then(|code| tree.bytes(code));
    match code {
        Some(b"u1" | b"|u1" | b"uint8") => Ok(()),
        Some(other) => {
            let other = shortened(&String::from_utf8_lossy(other));
            Err(format!(
                "has numbers of type `{other}`; images are bytes (`u1`)"
            ))
        }
        None => Err("has no element type".into()),
    }
}

/// Bytes as they lie in the file, or those that Python 3 writes as a text in protocol 2.
pub(super) fn content<'a>(tree: &Tree<'a>, node: Node) -> Option<Cow<'a, [u8]>> {
    if let Some(bytes) = tree.bytes(node) {
        return Some(bytes.into());
    }
    let object = tree.object(node)?;
    let &text = tree.items(object.arguments)?.first()?;
    let text = tree
        .text(text)
        .filter(|_| callable(tree, object) == "encode")?;
    let latin1 = text.chars().map(|character| u8::try_from(character).ok());
    latin1.collect::<Option<Vec<u8>>>().map(Cow::Owned)
}
