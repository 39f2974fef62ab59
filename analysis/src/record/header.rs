use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use super::check::{Fault, require};
use super::number;
use super::options::Options;
use crate::{BlockPaths, Passage};

/// Version of the records that this crate writes. It grows when a field changes its meaning.
pub const SCHEMA_VERSION: u32 = 1;

/// Residual functions that a header may list, in all blocks together: more than any network has,
/// and few enough to draw.
const MOST_FUNCTIONS: usize = 1_000_000;

/// What was measured, and how to do it again.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
pub struct Header {
    /// [`SCHEMA_VERSION`] of the writer.
    pub schema: u32,
    /// Version of pathscope.
    pub pathscope: String,
    /// The question, and everything else that its results depend on.
    #[serde(flatten)]
    pub options: Options,
    /// The command that was given, without the program's own name.
    pub command: Vec<String>,
    /// The network.
    pub model: ModelIdentity,
    /// The examples.
    pub data: DataIdentity,
    /// How the batch statistics that the network stores agree with those of the examples; absent
    /// where it stores none, or nothing compared them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<Box<StatisticsAudit>>,
    /// Seed of all random draws.
    pub seed: u64,
    /// The part of the measurements that this file holds; all of them where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
}

/// As derived, but with the options behind the seed, where they have always been written.
impl Serialize for Header {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = 8 + usize::from(self.audit.is_some()) + usize::from(self.shard.is_some());
        let mut header = serializer.serialize_struct("Header", fields)?;
        header.serialize_field("schema", &self.schema)?;
        header.serialize_field("pathscope", &self.pathscope)?;
        header.serialize_field("experiment", self.options.experiment())?;
        header.serialize_field("command", &self.command)?;
        header.serialize_field("model", &self.model)?;
        header.serialize_field("data", &self.data)?;
        if let Some(audit) = &self.audit {
            header.serialize_field("audit", audit)?;
        }
        header.serialize_field("seed", &self.seed)?;
        header.serialize_field("options", &self.options.content())?;
        if let Some(shard) = &self.shard {
            header.serialize_field("shard", shard)?;
        }
        header.end()
    }
}

impl Header {
    /// Which measurement this is not, compared with `other`: what differs first. The command may
    /// differ, since threads and paths of files change no result.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<&'static str> {
        let experiment = |header: &Self| header.options.experiment();
        let differs = [
            ("the experiment", experiment(self) != experiment(other)),
            (
                "the version of pathscope",
                self.pathscope != other.pathscope,
            ),
            ("the schema", self.schema != other.schema),
            ("the model", self.model.hash != other.model.hash),
            ("the data", self.data.hash != other.data.hash),
            ("the seed", self.seed != other.seed),
            ("an option", self.options != other.options),
            ("the shard", self.shard != other.shard),
        ];
        let first = differs.into_iter().find(|(_, differs)| *differs);
        first.map(|(what, _)| what)
    }

    pub(super) fn check(&self) -> Result<(), Fault> {
        let blocks = &self.model.blocks;
        let functions = blocks.iter().map(|block| block.functions);
        let functions = functions.fold(0, usize::saturating_add);
        require(functions <= MOST_FUNCTIONS, || {
            format!("the blocks have more than {MOST_FUNCTIONS} functions")
        })?;
        let possible = |order: &usize| (1..=MOST_FUNCTIONS).contains(order);
        let ordered = |block: &BlockIdentity| {
            let orders = &block.orders;
            orders.is_empty() || orders.len() == block.functions && orders.iter().all(possible)
        };
        require(blocks.iter().all(ordered), || {
            "`orders` must hold a number of at least 1 for each function of a block".into()
        })?;
        require(self.data.positions > 0, || {
            "`positions` must be at least 1".into()
        })?;
        require(self.shard.is_none_or(Shard::is_possible), || {
            "`shard` must be a number from 1 to `of`".into()
        })
    }
}

/// A part of a sweep, written `3/8`: the third of eight, which takes every eighth measurement.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct Shard {
    /// Which one, from 1.
    pub number: usize,
    /// How many there are.
    pub of: usize,
}

impl Shard {
    /// Whether the measurement at `position` of the sweep, from 0, belongs to this part.
    #[must_use]
    pub fn takes(self, position: usize) -> bool {
        position % self.of.max(1) + 1 == self.number
    }

    fn is_possible(self) -> bool {
        (1..=self.of).contains(&self.number)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('/').and_then(|(number, of)| {
            let (number, of) = (number.parse().ok()?, of.parse().ok()?);
            Some(Self { number, of })
        });
        match parts {
            Some(shard) if shard.is_possible() => Ok(shard),
            _ => Err("give the number of the part and how many there are, such as 3/8".into()),
        }
    }
}

/// A network, as far as reports need it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelIdentity {
    /// What it is called.
    pub title: String,
    /// SHA-256 of its file, together with what was chosen or assumed in it; of its parameters where
    /// it never was a file.
    pub hash: String,
    /// Its blocks, in order.
    pub blocks: Vec<BlockIdentity>,
    /// Trained values.
    pub parameters: u64,
    /// Multiply-adds of a forward pass over one image.
    pub multiply_adds: u64,
}

/// How the batch statistics that a network stores agree with those of the examples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StatisticsAudit {
    /// Examples whose statistics were taken.
    pub images: usize,
    /// The median discrepancy over all normalisations, in stored standard deviations, to two
    /// decimals.
    #[serde(with = "number")]
    #[schemars(schema_with = "number::schema")]
    pub discrepancy: f64,
    /// What the file leaves open and the statistics decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decided: Vec<String>,
    /// Where the disagreement starts, and what would fit better; absent where all agrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disagreement: Option<String>,
}

/// A block, as far as reports need it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BlockIdentity {
    /// Its name in the checkpoint.
    pub name: String,
    /// Residual functions that it computes.
    pub functions: usize,
    /// Order of each of them, the functions that it takes one after another: 2 for F after F; left out
    /// where each is 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orders: Vec<usize>,
    /// Whether it has no skip, so that every path takes one of its functions; left out where it has one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub without_skip: bool,
    /// What each way through the block takes of the channels before it and what it gives, the skip
    /// first; left out where every way takes all that there is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passages: Vec<Passage>,
    /// Convolutions in its longest function: a block's length in layers.
    pub layers: usize,
    /// Shape at its output, `CxHxW`.
    pub shape: String,
    /// Whether its skip changes the shape.
    pub changes_shape: bool,
}

impl BlockIdentity {
    /// The ways through the block, with lengths in modules.
    #[must_use]
    pub fn paths(&self) -> BlockPaths {
        let functions = match self.orders.is_empty() {
            true => vec![1; self.functions],
            false => self.orders.clone(),
        };
        self.with_passages(functions)
    }

    fn with_passages(&self, functions: Vec<usize>) -> BlockPaths {
        BlockPaths {
            skip: (!self.without_skip).then_some(0),
            functions,
            passages: self.passages.clone(),
        }
    }

    /// The same with lengths in layers, those of shorter functions in proportion to their order.
    #[must_use]
    pub fn layer_paths(&self) -> BlockPaths {
        let orders = self.paths().functions;
        let most = orders.iter().copied().fold(1, usize::max);
        let layers = |order: &usize| order.saturating_mul(self.layers) / most;
        self.with_passages(orders.iter().map(layers).collect())
    }
}

/// A set of examples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DataIdentity {
    /// Where it came from, in words.
    pub description: String,
    /// SHA-256 over shapes, labels and inputs.
    pub hash: String,
    /// How many there are: images or sequences.
    pub examples: usize,
    /// Predictions for each: 1 unless every position of a sequence has a target.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub positions: usize,
    /// Number of classes.
    pub classes: usize,
}

impl DataIdentity {
    /// What errors are counted over: `examples`, or `positions` of sequences.
    #[must_use]
    pub fn unit(&self) -> &'static str {
        match self.positions {
            1 => "examples",
            _ => "positions",
        }
    }
}

/// Predictions for an example that is classified as a whole.
pub(super) const fn one() -> usize {
    1
}

pub(super) fn is_one(positions: &usize) -> bool {
    *positions == 1
}
