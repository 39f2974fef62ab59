//! The format of `torch.save` before PyTorch 1.6: pickles, then raw storages.
//!
//! In order: a magic number, the protocol, facts on the machine, the object, the keys
//! of the storages (five pickles), then for each key its numel and its numbers.

use std::collections::HashMap;

use pathscope_file::pickle::{self, Budget, Pickle, Tree, Value};

use super::{
    checkpoint::collect,
    error::{EntryError, Fault},
    state_dict::StateDict,
    storage::{StoragePool, StorageSource},
    tensor::StorageReference,
};

/// 0x1950a86a20f9469cfc6c, little-endian, as pickles write long integers.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
const PROTOCOL: i64 = 1001;

/// Whether the file starts with a pickle of the magic number.
pub(super) fn is_legacy(bytes: &[u8]) -> bool {
    let first = bytes.get(..bytes.len().min(64)).unwrap_or_default();
    pickle::read(first, Budget::default()).is_ok_and(|pickle| {
        matches!(pickle.tree.value(pickle.root), Value::BigInteger(digits) if **digits == MAGIC)
    })
}

/// The tensors of the file, or of the entry `weights` of what it holds.
pub(super) fn read(bytes: &[u8], weights: Option<&str>) -> Result<StateDict, Fault> {
    let mut reader = Reader { bytes, position: 0 };
    reader.pickle("magic number")?;
    let protocol = reader.pickle("protocol")?;
    if protocol.tree.integer(protocol.root) != Some(PROTOCOL) {
        return Err(reader.damaged(format!("the protocol is not {PROTOCOL}")));
    }
    let machine = reader.pickle("system")?;
    let little_endian = machine.tree.entry(machine.root, "little_endian");
    if little_endian.is_some_and(|node| matches!(machine.tree.value(node), Value::Bool(false))) {
        return Err(Fault::BigEndian);
    }
    let object = reader.pickle("object")?;
    let keys = reader.pickle("storage keys")?;
    let claims = claims(&object.tree)?;
    let mut storages = Storages::default();
    for &key in keys.tree.items(keys.root).unwrap_or_default() {
        let Some(key) = keys.tree.text(key) else {
            return Err(reader.damaged("a storage's key is no text".to_owned()));
        };
        let Some(claim) = claims.get(key) else {
            return Err(reader.damaged(format!("nothing says what storage {key:?} holds")));
        };
        storages.0.insert(key, reader.storage(key, *claim)?);
    }
    let pool = StoragePool::new(storages, bytes.len());
    Ok(collect(&object.tree, object.root, pool, weights)?.0)
}

/// What the object pickle says of a storage that follows it.
#[derive(Debug, Clone, Copy)]
struct Claim {
    numel: usize,
    bytes: usize,
}

fn claims<'a>(tree: &Tree<'a>) -> Result<HashMap<&'a str, Claim>, Fault> {
    let mut claims = HashMap::new();
    let persistent = tree
        .values()
        .filter(|(_, value)| matches!(value, Value::Persistent(_)));
    for (node, _) in persistent {
        let reference = StorageReference::read(tree, node)
            .and_then(|reference| Ok((reference.key, reference.numel, reference.claimed()?)));
        let (key, numel, bytes) = reference.map_err(|fault| fault.of("a storage"))?;
        claims.insert(key, Claim { numel, bytes });
    }
    Ok(claims)
}

/// The bytes of each storage, by key.
#[derive(Default)]
struct Storages<'a>(HashMap<&'a str, &'a [u8]>);

impl<'a> StorageSource<'a> for Storages<'a> {
    fn bytes(&mut self, key: &str) -> Result<&'a [u8], EntryError> {
        let found = self.0.get(key).copied();
        found.ok_or_else(|| EntryError::StorageMissing(key.to_owned()))
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.position..).unwrap_or_default()
    }

    fn pickle(&mut self, name: &str) -> Result<Pickle<'a>, Fault> {
        let pickle = pickle::read(self.rest(), Budget::default()).map_err(|fault| {
            let pickle = format!("{name} (from byte {})", self.position);
            Fault::Pickle { pickle, fault }
        })?;
        self.position += pickle.length;
        Ok(pickle)
    }

    fn storage(&mut self, key: &str, claim: Claim) -> Result<&'a [u8], Fault> {
        let (numel, rest) = self
            .rest()
            .split_first_chunk::<8>()
            .ok_or_else(|| self.damaged(format!("it ends before storage {key:?}")))?;
        let numel = i64::from_le_bytes(*numel);
        if usize::try_from(numel).ok() != Some(claim.numel) {
            let claimed = claim.numel;
            return Err(self.damaged(format!(
                "storage {key:?} has {numel} numbers where the object claims {claimed}"
            )));
        }
        let numbers = rest.get(..claim.bytes).ok_or_else(|| {
            let (claimed, held) = (claim.bytes, rest.len());
            self.damaged(format!(
                "storage {key:?} claims {claimed} bytes, {held} are left"
            ))
        })?;
        self.position += 8 + claim.bytes;
        Ok(numbers)
    }

    fn damaged(&self, what: String) -> Fault {
        Fault::Legacy {
            offset: self.position,
            what,
        }
    }
}
