//! A program rewritten after its trial: what does not depend on the input is folded, sizes become
//! functions of the number of examples, and values that are there already are not made again.

use std::collections::{BTreeSet, HashMap};

use pathscope_torch as torch;
use tch::Tensor;

use super::probe::{FEW, Probe, Shape};
use super::trial::Trial;
use super::{Argument, Fragment, Length, Node, Value, table};
use crate::{NetworkError, Parameter, Role};

/// Numbers that folded constants may have beside those of the parameters.
const FOLDED: usize = 1 << 24;

/// A program while it is rewritten.
pub(super) struct Rewriting {
    /// The nodes as they were, and what they gave in the trial.
    pub old: Vec<Node>,
    pub trial: Trial,
    /// The new program, and what its values look like.
    pub graph: Fragment,
    pub probe: Probe,
    tensors: Vec<Tensor>,
    /// What the outputs of the old nodes became; [`Argument::None`] for constants that nothing has
    /// used yet.
    became: HashMap<Value, Argument>,
    /// Trained parameters that a node without input is made from.
    made_from: HashMap<usize, BTreeSet<usize>>,
    folded: usize,
    /// The last concatenation whose list begins (`false`) or ends (`true`) with a value.
    pub lists: HashMap<(bool, Value), Concatenation>,
}

/// A concatenation of several values.
#[derive(Clone)]
pub(super) struct Concatenation {
    pub made: Value,
    pub axis: Argument,
    pub list: Vec<Argument>,
}

fn lost() -> NetworkError {
    NetworkError::Torch("a graph uses what nothing gives".into())
}

impl Rewriting {
    pub fn of(mut graph: Fragment, tensors: Vec<Tensor>, trial: Trial) -> Self {
        Self {
            old: std::mem::take(&mut graph.nodes),
            probe: Probe {
                input: trial.input.clone(),
                nodes: Vec::new(),
                sources: HashMap::new(),
            },
            trial,
            graph,
            tensors,
            became: HashMap::new(),
            made_from: HashMap::new(),
            folded: 0,
            lists: HashMap::new(),
        }
    }

    /// The program rewritten, with its tensors, what its values look like, and what it gave for
    /// three examples. Nodes that its result does not need may be among the others.
    pub fn rewrite(mut self) -> Result<(Fragment, Vec<Tensor>, Probe, Tensor), NetworkError> {
        for place in 0..self.old.len() {
            self.rewrite_node(place)?;
        }
        let refused = |reason: &str| NetworkError::Architecture(reason.into());
        self.graph.result = match self.replaced(self.graph.result)? {
            Argument::Value(value) if !matches!(value, Value::Parameter(_)) => value,
            _ => return Err(refused("its output does not depend on its input")),
        };
        let unclear = |what: &str| refused(&format!("its {what} is not one row for each example"));
        let output = self.probe.each(self.graph.result);
        self.graph.output = output.ok_or_else(|| unclear("output"))?;
        let input = self.probe.each(Value::Input);
        self.graph.input = input.ok_or_else(|| unclear("input"))?;
        Ok((self.graph, self.tensors, self.probe, self.trial.logits))
    }

    fn rewrite_node(&mut self, place: usize) -> Result<(), NetworkError> {
        let node = self.old.get(place).cloned().ok_or_else(lost)?;
        let follows = self.trial.follows.get(place).copied().unwrap_or(true);
        if !follows {
            self.note_sources(place, &node);
        }
        let of_parameter = table::is_view(node.name())
            && node.value(0).is_some_and(|value| self.is_trained(value));
        let outputs = 0..self.trial.seen.get(place).map_or(0, Vec::len);
        let constants = match follows || of_parameter {
            true => None,
            false => {
                let constants = outputs.clone().map(|output| self.constant(place, output));
                constants.collect::<Result<Option<Vec<_>>, _>>()?
            }
        };
        let became = match constants {
            Some(constants) => constants,
            None => match self.simplified(place, &node)? {
                Some(value) => vec![Argument::Value(value)],
                None => {
                    let kept = self.push(place, &node)?;
                    let kept = outputs.map(|output| kept.output(output));
                    kept.map(Argument::Value).collect()
                }
            },
        };
        let outputs = (0..).map(|output| Value::Output(place, output));
        self.became.extend(outputs.zip(became));
        Ok(())
    }

    fn is_trained(&self, value: Value) -> bool {
        let Ok(Argument::Value(value)) = self.replaced(value) else {
            return false;
        };
        let Value::Parameter(place) = self.graph.viewed(value) else {
            return false;
        };
        let parameter = self.graph.parameters.get(place);
        parameter.is_some_and(|parameter| parameter.role.is_trained())
    }

    fn note_sources(&mut self, place: usize, node: &Node) {
        let mut sources = BTreeSet::new();
        for operand in node.operands() {
            match operand {
                Value::Parameter(parameter) if self.is_trained(operand) => {
                    sources.insert(parameter);
                }
                Value::Output(before, _) => {
                    sources.extend(self.made_from.get(&before).into_iter().flatten());
                }
                _ => {}
            }
        }
        if !sources.is_empty() {
            self.made_from.insert(place, sources);
        }
    }

    pub fn replaced(&self, value: Value) -> Result<Argument, NetworkError> {
        match value {
            Value::Output(..) => self.became.get(&value).cloned().ok_or_else(lost),
            value => Ok(Argument::Value(value)),
        }
    }

    /// What the outputs of the old node at `place` look like.
    pub fn shapes_of(&self, place: usize) -> Vec<Option<Shape>> {
        let seen = self.trial.seen.get(place).into_iter().flatten();
        seen.map(|(shape, _)| shape.clone()).collect()
    }

    /// Adds a node whose outputs look like `shapes`; its first output.
    pub fn add(&mut self, node: Node, shapes: Vec<Option<Shape>>) -> Value {
        self.graph.nodes.push(node);
        self.probe.nodes.push(shapes);
        Value::Output(self.graph.nodes.len() - 1, 0)
    }

    /// Takes a node over, with its arguments replaced; its first output.
    pub fn push(&mut self, place: usize, node: &Node) -> Result<Value, NetworkError> {
        let node = node.with(&mut |value| self.materialized(value))?;
        let node = self.mean_of_all(&node).unwrap_or(node);
        Ok(self.add(node, self.shapes_of(place)))
    }

    /// What stands for an output that does not depend on the input's numbers: a number, or
    /// [`Argument::None`] for a tensor that is made when something uses it. `None` where it is
    /// another tensor for every number of examples.
    fn constant(&self, place: usize, output: usize) -> Result<Option<Argument>, NetworkError> {
        let seen = self.trial.seen.get(place).and_then(|row| row.get(output));
        let Some((_, Some((two, three)))) = seen else {
            return Ok(None);
        };
        let varies = || {
            NetworkError::Architecture(
                "a choice in its graph depends on the number of examples".into(),
            )
        };
        Ok(Some(match (two, three) {
            (torch::Value::Int(two), torch::Value::Int(three)) => {
                Argument::Number(Length::through(*two, *three))
            }
            (torch::Value::Bool(two), torch::Value::Bool(three)) if two == three => {
                Argument::Truth(*two)
            }
            (torch::Value::Float(two), torch::Value::Float(three)) if two == three => {
                Argument::Real(*two)
            }
            (torch::Value::Tensor(two), torch::Value::Tensor(three)) => {
                if self.folded + three.numel() > FOLDED + self.numbers() {
                    return Ok(None);
                }
                if is_repeated(two, three)?.is_none() {
                    return Ok(None);
                }
                Argument::None
            }
            _ => return Err(varies()),
        }))
    }

    fn numbers(&self) -> usize {
        self.tensors.iter().map(Tensor::numel).sum()
    }

    /// The argument that stands for `value`; a constant is added where it is one.
    fn materialized(&mut self, value: Value) -> Result<Argument, NetworkError> {
        let became = self.replaced(value)?;
        let (Value::Output(place, output), Argument::None) = (value, &became) else {
            return Ok(became);
        };
        let seen = self.trial.seen.get(place).and_then(|row| row.get(output));
        let Some((shape, Some((torch::Value::Tensor(two), torch::Value::Tensor(three))))) = seen
        else {
            return Ok(became);
        };
        let shape = shape.clone();
        let is_repeated = is_repeated(two, three)? == Some(true);
        let tensor = crate::duplicate(&match is_repeated {
            true => two.f_narrow(0, 0, 1)?,
            false => two.shallow_clone(),
        })?;
        self.folded += tensor.numel();
        let lengths = tensor.size();
        let mut constant = self.add_constant(place, tensor);
        if is_repeated {
            let size = Argument::rows(lengths.into_iter().skip(1));
            let node = Node::unnamed("aten::expand", vec![Argument::Value(constant), size]);
            constant = self.add(node, vec![shape]);
        }
        let argument = Argument::Value(constant);
        self.became.insert(value, argument.clone());
        Ok(argument)
    }

    fn add_constant(&mut self, place: usize, tensor: Tensor) -> Value {
        let parameter = self.graph.parameters.len();
        let scope = self.old.get(place).map(|node| node.scope.as_str());
        let scope = scope.filter(|scope| !scope.is_empty()).unwrap_or("graph");
        self.graph.parameters.push(Parameter {
            name: format!("{scope}.constant{parameter}"),
            role: Role::Constant,
            shape: tensor.size(),
        });
        self.tensors.push(tensor);
        if let Some(sources) = self.made_from.get(&place) {
            let sources = sources.iter().copied().collect();
            self.probe.sources.insert(parameter, sources);
        }
        Value::Parameter(parameter)
    }
}

/// Whether a tensor, seen with two and with three examples, has a row for each example, all equal
/// (`true`), or is the same for every number of examples (`false`); `None` where it varies.
fn is_repeated(two: &Tensor, three: &Tensor) -> Result<Option<bool>, NetworkError> {
    if two.kind() != three.kind() || two.size().get(1..) != three.size().get(1..) {
        return Ok(None);
    }
    if two.size() == three.size() {
        return Ok(two.f_equal(three)?.then_some(false));
    }
    if (two.size().first(), three.size().first()) != (Some(&FEW), Some(&(FEW + 1))) {
        return Ok(None);
    }
    let first = two.f_narrow(0, 0, 1)?;
    let equal =
        two.f_equal(&first.f_expand_as(two)?)? && three.f_equal(&first.f_expand_as(three)?)?;
    Ok(equal.then_some(true))
}
