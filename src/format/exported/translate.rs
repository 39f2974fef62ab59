//! From the operations of an exported graph to the primitives of a [`Fragment`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use tch::Tensor;

use super::arguments::{Arguments, Refusal};
use super::creation::create;
use super::schema;
use crate::format::FormatError;
use crate::network::{Fragment, Length, Node, Parameter, Primitive, Role, Value};

const MAX_NODES: usize = 20_000;

/// The prefix of the operations that PyTorch itself defines.
const NAMESPACE: &str = "torch.ops.aten.";

pub(super) struct Translator {
    file: PathBuf,
    /// How many examples the export saw; `None` where their number is dynamic.
    examples: Option<i64>,
    values: HashMap<String, Value>,
    batch_sizes: HashMap<String, Length>,
    parameters: Vec<Parameter>,
    tensors: Vec<Tensor>,
    nodes: Vec<Node>,
    /// Which nodes follow from the input.
    follows: Vec<bool>,
}

/// What an operation of the graph amounts to.
enum Meaning {
    Computes(Primitive, Vec<Value>),
    /// Term, left, right: term + left right.
    AddsProduct(Value, [Value; 2]),
    /// Nothing but another name for its operand.
    Passes(Value),
    /// The number of examples.
    CountsExamples,
    Creates(Tensor),
    /// A check of the exporter.
    Nothing,
}

impl Translator {
    pub fn new(
        file: &Path,
        examples: Option<i64>,
        values: HashMap<String, Value>,
        parameters: Vec<Parameter>,
        tensors: Vec<Tensor>,
    ) -> Self {
        Self {
            file: file.to_owned(),
            examples: examples.filter(|&examples| examples > 0),
            values,
            batch_sizes: HashMap::new(),
            parameters,
            tensors,
            nodes: Vec::new(),
            follows: Vec::new(),
        }
    }

    /// The program as a fragment, whose shapes are yet unknown, and its tensors.
    ///
    /// # Errors
    /// All operations that are not supported, by name, in one error.
    pub fn translate(
        mut self,
        graph: &schema::Graph,
        output: Option<&str>,
    ) -> Result<(Fragment, Vec<Tensor>), FormatError> {
        if graph.nodes.len() > MAX_NODES {
            return Err(FormatError::TooMany {
                file: self.file,
                what: "operations",
                limit: MAX_NODES,
            });
        }
        let mut unknown = BTreeSet::new();
        for node in &graph.nodes {
            if let Err(refusal) = self.node(node, &graph.tensor_values) {
                // What follows from an operation that is not understood is not its fault.
                let follows = refusal.contains("which nothing gives") && !unknown.is_empty();
                if !follows {
                    let target = node
                        .target
                        .strip_prefix("torch.ops.")
                        .unwrap_or(&node.target);
                    unknown.insert(match refusal.is_empty() {
                        true => target.to_owned(),
                        false => format!("{target} ({refusal})"),
                    });
                }
            }
        }
        if !unknown.is_empty() {
            return Err(FormatError::UnsupportedOperations {
                file: self.file,
                operations: unknown.into_iter().collect::<Vec<_>>().join(", "),
            });
        }
        let result = output.and_then(|name| self.values.get(name)).copied();
        let result = result.ok_or_else(|| FormatError::Graph {
            file: self.file.clone(),
            what: "the model gives no tensor".into(),
        })?;
        let fragment = Fragment {
            input: Vec::new(),
            output: Vec::new(),
            multiply_adds: 0,
            parameters: self.parameters,
            nodes: self.nodes,
            result,
        };
        Ok((fragment, self.tensors))
    }

    fn node(
        &mut self,
        node: &schema::Node,
        facts: &BTreeMap<String, schema::TensorFacts>,
    ) -> Result<(), Refusal> {
        let arguments = Arguments::new(node, facts, &self.values, &self.batch_sizes, self.examples);
        let operation = node.target.strip_prefix(NAMESPACE).unwrap_or(&node.target);
        let meaning = self.meaning(operation, &arguments)?;
        let outputs: Vec<String> = arguments.outputs().into_iter().map(str::to_owned).collect();
        let counted = arguments.integer_output().map(str::to_owned);
        let overwritten = arguments.name_of("self").map(str::to_owned);
        match meaning {
            Meaning::Nothing => {}
            Meaning::CountsExamples => {
                let name = counted.ok_or("gives no number")?;
                self.batch_sizes.insert(name, Length::PerExample(1));
            }
            Meaning::Passes(value) => {
                self.values
                    .extend(outputs.into_iter().map(|name| (name, value)));
            }
            Meaning::Creates(tensor) => {
                let name = outputs.into_iter().next().ok_or("gives nothing")?;
                let place = self.parameters.len();
                self.parameters.push(Parameter {
                    name: format!("constants.{name}"),
                    role: Role::Constant,
                    shape: tensor.size(),
                });
                self.tensors.push(tensor);
                self.values.insert(name, Value::Parameter(place));
            }
            Meaning::AddsProduct(term, factors) => {
                // In two steps, since the sum may be that of a residual block.
                let product = self.push(Primitive::Multiply, factors.to_vec(), scope(node));
                let sum = self.push(Primitive::Add, vec![term, product], scope(node));
                self.values
                    .extend(outputs.into_iter().map(|name| (name, sum)));
            }
            Meaning::Computes(primitive, operands) => {
                self.assign_roles(&primitive, &operands);
                let place = self.nodes.len();
                // Whoever uses the operand of an operation in place later sees the result.
                if operation
                    .split('.')
                    .next()
                    .is_some_and(|name| name.ends_with('_'))
                    && let Some(overwritten) = overwritten
                {
                    self.values.insert(overwritten, Value::Output(place, 0));
                }
                for (number, name) in outputs.into_iter().enumerate() {
                    self.values.insert(name, Value::Output(place, number));
                }
                self.push(primitive, operands, scope(node));
            }
        }
        Ok(())
    }

    /// Adds a node, and gives its first output.
    fn push(&mut self, primitive: Primitive, operands: Vec<Value>, scope: String) -> Value {
        self.follows.push(self.follow_input(&operands));
        self.nodes.push(Node {
            primitive,
            operands,
            scope,
        });
        Value::Output(self.nodes.len() - 1, 0)
    }

    /// A tensor's use says what it is for.
    fn assign_roles(&mut self, primitive: &Primitive, operands: &[Value]) {
        let roles: &[Role] = match primitive {
            Primitive::Convolution { .. } | Primitive::Linear => &[Role::Weight, Role::Bias],
            Primitive::LayerNorm { .. }
            | Primitive::GroupNorm { .. }
            | Primitive::RmsNorm { .. } => &[Role::Scale, Role::Shift],
            Primitive::BatchNorm { .. } => &[
                Role::Scale,
                Role::Shift,
                Role::RunningMean,
                Role::RunningVariance,
            ],
            _ => return,
        };
        for (operand, &role) in operands.iter().skip(1).zip(roles) {
            if let Value::Parameter(place) = operand
                && let Some(parameter) = self.parameters.get_mut(*place)
                && (parameter.role != Role::Constant || !role.is_trained())
            {
                parameter.role = role;
            }
        }
    }

    fn follow_input(&self, values: &[Value]) -> bool {
        values.iter().any(|&value| self.follows_input(value))
    }

    fn follows_input(&self, value: Value) -> bool {
        match value {
            Value::Input => true,
            Value::Output(node, _) => self.follows.get(node).copied().unwrap_or(false),
            Value::Parameter(_) => false,
        }
    }

    /// The node that gives `value`.
    fn node_of(&self, value: Value) -> Option<&Node> {
        match value {
            Value::Output(node, 0) => self.nodes.get(node),
            _ => None,
        }
    }

    #[expect(clippy::too_many_lines, reason = "one line or two for each operation")]
    fn meaning(&self, operation: &str, given: &Arguments<'_>) -> Result<Meaning, Refusal> {
        if let Some(tensor) = create(operation, given)? {
            return Ok(Meaning::Creates(tensor));
        }
        let x = || given.tensors(&["self"]);
        let input = || given.tensors(&["input"]);
        let two = || given.tensors(&["self", "other"]);
        let axis = |default| given.integer("dim", default);
        let axes = || {
            let axes = given.integers("dim");
            axes.ok_or_else(|| "has no fixed axes".to_owned())
        };
        let scalar = |name: &str| {
            let value = given.number(name);
            value.ok_or_else(|| format!("has no fixed `{name}`"))
        };
        let (primitive, operands) = match operation {
            "dropout.default" | "dropout_.default" | "feature_dropout.default" => {
                if given.truth("train") {
                    return Err("in training mode; export after .eval()".into());
                }
                return Ok(Meaning::Passes(first(input()?)?));
            }
            "clone.default"
            | "contiguous.default"
            | "alias.default"
            | "detach.default"
            | "detach_.default"
            | "lift_fresh_copy.default" => {
                return Ok(Meaning::Passes(first(x()?)?));
            }
            // Everything that follows from the input is computed in one type.
            "to.dtype" | "_to_copy.default" | "to.dtype_layout" => {
                let value = first(x()?)?;
                let is_float = |kind: Option<i64>| matches!(kind, None | Some(6..=8 | 13));
                let (from, to) = (given.type_of("self"), given.scalar_type("dtype"));
                let follows = self.follows_input(value) && value != Value::Input;
                let stays = from.is_some() && is_float(from);
                if !is_float(to) || !(follows || stays) {
                    return Err("to another type".into());
                }
                return Ok(Meaning::Passes(value));
            }
            "_assert_tensor_metadata.default"
            | "sym_constrain_range_for_size.default"
            | "_assert_scalar.default" => return Ok(Meaning::Nothing),
            "sym_size.int" if axis(0) == 0 => return Ok(Meaning::CountsExamples),
            "conv2d.default" => (
                Primitive::Convolution {
                    stride: given.pair("stride", [1, 1])?,
                    padding: given.pair("padding", [0, 0])?,
                    dilation: given.pair("dilation", [1, 1])?,
                    groups: given.integer("groups", 1),
                },
                given.tensors(&["input", "weight", "bias"])?,
            ),
            "batch_norm.default" => {
                if given.truth("training") {
                    return Err("in training mode; export after .eval()".into());
                }
                let names = ["input", "weight", "bias", "running_mean", "running_var"];
                let epsilon = scalar("eps")?;
                (Primitive::BatchNorm { epsilon }, given.tensors(&names)?)
            }
            "layer_norm.default" => (
                Primitive::LayerNorm {
                    shape: given
                        .integers("normalized_shape")
                        .ok_or("has no fixed shape")?,
                    epsilon: given.number("eps").unwrap_or(1e-5),
                },
                given.tensors(&["input", "weight", "bias"])?,
            ),
            "group_norm.default" => (
                Primitive::GroupNorm {
                    groups: given.integer("num_groups", 1),
                    epsilon: given.number("eps").unwrap_or(1e-5),
                },
                given.tensors(&["input", "weight", "bias"])?,
            ),
            "rms_norm.default" => (
                Primitive::RmsNorm {
                    shape: given
                        .integers("normalized_shape")
                        .ok_or("has no fixed shape")?,
                    epsilon: given.number("eps"),
                },
                given.tensors(&["input", "weight"])?,
            ),
            "linear.default" => (
                Primitive::Linear,
                given.tensors(&["input", "weight", "bias"])?,
            ),
            "matmul.default" | "mm.default" => {
                let names = if given.has("mat2") { "mat2" } else { "other" };
                (Primitive::Matmul, given.tensors(&["self", names])?)
            }
            "bmm.default" => (Primitive::Matmul, given.tensors(&["self", "mat2"])?),
            "addmm.default" if !given.has("beta") && !given.has("alpha") => (
                Primitive::AddMatmul,
                given.tensors(&["self", "mat1", "mat2"])?,
            ),
            "scaled_dot_product_attention.default" => {
                if given.number("dropout_p").unwrap_or(0.0) != 0.0 || given.truth("enable_gqa") {
                    return Err("with dropout or grouped queries".into());
                }
                let attention = Primitive::Attention {
                    causal: given.truth("is_causal"),
                    scale: given.number("scale"),
                };
                (
                    attention,
                    given.tensors(&["query", "key", "value", "attn_mask"])?,
                )
            }
            "embedding.default" => (Primitive::Embedding, given.tensors(&["weight", "indices"])?),
            "add.Tensor" | "add_.Tensor" => match (given.is_tensor("other"), given.number("alpha"))
            {
                (true, None) => (Primitive::Add, two()?),
                (true, Some(1.0)) => (Primitive::Add, two()?),
                (true, Some(_)) => return Err("with a factor `alpha`".into()),
                (false, _) => {
                    let value = scalar("other")?;
                    (Primitive::AddScalar { value }, x()?)
                }
            },
            "sub.Tensor" | "sub_.Tensor" if !given.has("alpha") => {
                if given.is_tensor("other") {
                    (Primitive::Subtract, two()?)
                } else {
                    let value = -scalar("other")?;
                    (Primitive::AddScalar { value }, x()?)
                }
            }
            "rsub.Scalar" if !given.has("alpha") => {
                let value = scalar("other")?;
                (Primitive::SubtractFrom { value }, x()?)
            }
            "mul.Tensor" | "mul_.Tensor" => {
                if given.is_tensor("other") {
                    (Primitive::Multiply, two()?)
                } else {
                    let value = scalar("other")?;
                    (Primitive::MultiplyScalar { value }, x()?)
                }
            }
            "div.Tensor" | "div_.Tensor" => {
                if given.is_tensor("other") {
                    (Primitive::Divide, two()?)
                } else {
                    let value = 1.0 / scalar("other")?;
                    (Primitive::MultiplyScalar { value }, x()?)
                }
            }
            "neg.default" => (Primitive::MultiplyScalar { value: -1.0 }, x()?),
            "pow.Tensor_Scalar" => {
                let exponent = scalar("exponent")?;
                (Primitive::Power { exponent }, x()?)
            }
            "square.default" => (Primitive::Power { exponent: 2.0 }, x()?),
            "relu.default" | "relu_.default" => (Primitive::Relu, x()?),
            "relu6.default" | "relu6_.default" => {
                let (lowest, highest) = (0.0, 6.0);
                (Primitive::Clamp { lowest, highest }, x()?)
            }
            "hardtanh.default" | "hardtanh_.default" => {
                let lowest = given.number("min_val").unwrap_or(-1.0);
                let highest = given.number("max_val").unwrap_or(1.0);
                (Primitive::Clamp { lowest, highest }, x()?)
            }
            "gelu.default" => {
                let tanh = given.text("approximate") == Some("tanh");
                (Primitive::Gelu { tanh }, x()?)
            }
            "silu.default" | "silu_.default" => (Primitive::Silu, x()?),
            "sigmoid.default" | "sigmoid_.default" => (Primitive::Sigmoid, x()?),
            "tanh.default" | "tanh_.default" => (Primitive::Tanh, x()?),
            "hardswish.default" | "hardswish_.default" => (Primitive::HardSwish, x()?),
            "hardsigmoid.default" | "hardsigmoid_.default" => (Primitive::HardSigmoid, x()?),
            "mish.default" | "mish_.default" => (Primitive::Mish, x()?),
            "exp.default" => (Primitive::Exponential, x()?),
            "erf.default" => (Primitive::Error, x()?),
            "sqrt.default" => (Primitive::SquareRoot, x()?),
            "rsqrt.default" => (Primitive::ReciprocalSquareRoot, x()?),
            "softmax.int" | "_softmax.default" => (Primitive::Softmax { axis: axis(-1) }, x()?),
            "addcmul.default" if !given.has("value") => {
                let operands = given.tensors(&["self", "tensor1", "tensor2"])?;
                let &[term, left, right] = operands.as_slice() else {
                    return Err("has too few operands".into());
                };
                return Ok(Meaning::AddsProduct(term, [left, right]));
            }
            "linalg_vector_norm.default" if given.number("ord").unwrap_or(2.0) == 2.0 => (
                Primitive::Norm {
                    axes: axes()?,
                    keep: given.truth("keepdim"),
                },
                x()?,
            ),
            "mean.dim" | "sum.dim_IntList" => {
                let (axes, keep) = (axes()?, given.truth("keepdim"));
                let primitive = if operation == "mean.dim" {
                    Primitive::Mean { axes, keep }
                } else {
                    Primitive::Sum { axes, keep }
                };
                (primitive, x()?)
            }
            "max_pool2d.default" => {
                let kernel = given.pair("kernel_size", [1, 1])?;
                let primitive = Primitive::MaxPool {
                    kernel,
                    stride: given.pair("stride", kernel)?,
                    padding: given.pair("padding", [0, 0])?,
                    dilation: given.pair("dilation", [1, 1])?,
                    ceiling: given.truth("ceil_mode"),
                };
                (primitive, x()?)
            }
            "avg_pool2d.default" => {
                let kernel = given.pair("kernel_size", [1, 1])?;
                let primitive = Primitive::AveragePool {
                    kernel,
                    stride: given.pair("stride", kernel)?,
                    padding: given.pair("padding", [0, 0])?,
                    ceiling: given.truth("ceil_mode"),
                    count_padding: !given.has("count_include_pad")
                        || given.truth("count_include_pad"),
                };
                (primitive, x()?)
            }
            "adaptive_avg_pool2d.default" => {
                let output = given.pair("output_size", [1, 1])?;
                (Primitive::AdaptiveAveragePool { output }, x()?)
            }
            "view.default" => {
                let operands = x()?;
                let shape = given.shape("size", self.follow_input(&operands))?;
                (Primitive::Reshape { shape }, operands)
            }
            "reshape.default" | "_unsafe_view.default" => {
                let name = if given.has("shape") { "shape" } else { "size" };
                let operands = x()?;
                let shape = given.shape(name, self.follow_input(&operands))?;
                (Primitive::Reshape { shape }, operands)
            }
            "expand.default" => {
                // A constant is repeated for every example.
                let shape = given.shape("size", true)?;
                (Primitive::Expand { shape }, x()?)
            }
            "permute.default" => {
                let axes = given.integers("dims").ok_or("has no fixed axes")?;
                (Primitive::Permute { axes }, x()?)
            }
            "transpose.int" => {
                let (first, second) = (given.integer("dim0", 0), given.integer("dim1", 1));
                (Primitive::Transpose { first, second }, x()?)
            }
            "t.default" => (
                Primitive::Transpose {
                    first: 0,
                    second: 1,
                },
                x()?,
            ),
            "flatten.using_ints" => {
                let operands = x()?;
                let (first, last) = (given.integer("start_dim", 0), given.integer("end_dim", -1));
                let pooled = operands.first().and_then(|&value| self.node_of(value));
                match pooled.map(|node| (&node.primitive, &node.operands)) {
                    // The mean over all positions under its usual two names.
                    Some((Primitive::AdaptiveAveragePool { output: [1, 1] }, images))
                        if (first, last) == (1, -1) =>
                    {
                        let axes = vec![-2, -1];
                        (Primitive::Mean { axes, keep: false }, images.clone())
                    }
                    _ => (Primitive::Flatten { first, last }, operands),
                }
            }
            "unsqueeze.default" => (Primitive::Unsqueeze { axis: axis(0) }, x()?),
            "squeeze.dim" => (Primitive::Squeeze { axis: axis(0) }, x()?),
            "select.int" => {
                let place = given.integer("index", 0);
                (
                    Primitive::Select {
                        axis: axis(0),
                        place,
                    },
                    x()?,
                )
            }
            "slice.Tensor" => {
                let primitive = Primitive::Slice {
                    axis: axis(0),
                    start: given.optional_integer("start"),
                    end: given.optional_integer("end"),
                    step: given.integer("step", 1),
                };
                (primitive, x()?)
            }
            "unbind.int" => (Primitive::Unbind { axis: axis(0) }, x()?),
            "chunk.default" => {
                let parts = given.integer("chunks", 1);
                (
                    Primitive::Chunk {
                        parts,
                        axis: axis(0),
                    },
                    x()?,
                )
            }
            "split_with_sizes.default" => {
                let lengths = given
                    .integers("split_sizes")
                    .ok_or("has no fixed lengths")?;
                (
                    Primitive::Split {
                        lengths,
                        axis: axis(0),
                    },
                    x()?,
                )
            }
            "split.Tensor" => {
                let length = given.integer("split_size", 1);
                (
                    Primitive::SplitEvery {
                        length,
                        axis: axis(0),
                    },
                    x()?,
                )
            }
            "cat.default" => (
                Primitive::Concatenate { axis: axis(0) },
                given.list("tensors")?,
            ),
            "stack.default" => (Primitive::Stack { axis: axis(0) }, given.list("tensors")?),
            "pad.default" | "constant_pad_nd.default" => {
                if given.text("mode").is_some_and(|mode| mode != "constant") {
                    return Err("with another mode than `constant`".into());
                }
                let lengths = given.integers("pad").ok_or("has no fixed lengths")?;
                let value = given.number("value").unwrap_or(0.0);
                (Primitive::Pad { lengths, value }, x()?)
            }
            "roll.default" => {
                let shifts = given.integers("shifts").ok_or("has no fixed shifts")?;
                let axes = given.integers("dims").unwrap_or_default();
                (Primitive::Roll { shifts, axes }, x()?)
            }
            "masked_fill.Scalar" => {
                let value = scalar("value")?;
                (
                    Primitive::MaskedFill { value },
                    given.tensors(&["self", "mask"])?,
                )
            }
            "where.self" => (
                Primitive::Where,
                given.tensors(&["condition", "self", "other"])?,
            ),
            _ => return Err(Refusal::new()),
        };
        Ok(Meaning::Computes(primitive, operands))
    }
}

fn first(values: Vec<Value>) -> Result<Value, Refusal> {
    values
        .into_iter()
        .next()
        .ok_or_else(|| "has no tensor".into())
}

/// The innermost module that an operation stands in: the middle part of the last entry of
/// `ID,path,class;ID,path,class;...`.
fn scope(node: &schema::Node) -> String {
    let stack = node.metadata.get("nn_module_stack");
    let stack = stack.and_then(|stack| stack.as_str()).unwrap_or_default();
    let innermost = stack.rsplit(';').next().unwrap_or_default();
    crate::format::value::shorten(innermost.split(',').nth(1).unwrap_or_default())
}
