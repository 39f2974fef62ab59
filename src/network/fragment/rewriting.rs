//! A program rewritten after its trial: what does not depend on the input is folded, sizes become
//! functions of the number of examples, and what is not needed is dropped.

use std::collections::{HashMap, HashSet};

use pathscope_torch as torch;
use tch::Tensor;

use super::probe::{FEW, Probe, Shape};
use super::trial::{Trial, TwoRuns};
use super::{Argument, Fragment, Length, Node, Value, table};
use crate::{NetworkError, Parameter, Role};

/// Numbers that folded constants may have beside those of the parameters.
const FOLDED: usize = 1 << 24;

/// A program while it is rewritten.
pub(super) struct Rewriting {
    pub graph: Fragment,
    tensors: Vec<Tensor>,
    pub trial: Trial,
    /// The new nodes, and where they stood.
    pub nodes: Vec<(Node, Vec<Option<Shape>>)>,
    /// What the outputs of the old nodes became.
    became: HashMap<Value, Argument>,
    /// Constants that nothing has used yet.
    pending: HashSet<Value>,
    /// Trained parameters that a value without input is made from.
    made_from: HashMap<usize, Vec<usize>>,
    sources: HashMap<usize, Vec<usize>>,
    folded: usize,
    /// The last concatenation whose list begins (`false`) or ends (`true`) with a value.
    pub lists: HashMap<(bool, Value), Concatenation>,
}

/// A concatenation of several values.
#[derive(Clone)]
pub(super) struct Concatenation {
    pub node: usize,
    pub axis: Argument,
    pub list: Vec<Argument>,
}

impl Rewriting {
    pub fn of(graph: Fragment, tensors: Vec<Tensor>, trial: Trial) -> Self {
        Self {
            graph,
            tensors,
            trial,
            nodes: Vec::new(),
            became: HashMap::new(),
            pending: HashSet::new(),
            made_from: HashMap::new(),
            sources: HashMap::new(),
            folded: 0,
            lists: HashMap::new(),
        }
    }

    /// Rewrites every node; what became of the result.
    pub fn rewrite(&mut self) -> Result<Value, NetworkError> {
        for place in 0..self.graph.nodes.len() {
            let Some(node) = self.graph.nodes.get(place).cloned() else {
                continue;
            };
            self.note_sources(place, &node);
            let follows = self.trial.follows.get(place).copied().unwrap_or(true);
            let of_parameter = table::is_view(node.name())
                && node.value(0).is_some_and(|value| self.is_trained(value));
            if follows || of_parameter {
                self.keep(place, &node)?;
                continue;
            }
            let outputs = self.trial.seen.get(place).map_or(0, Vec::len);
            let mut whole = None;
            for output in 0..outputs {
                let value = Value::Output(place, output);
                let became = match self.constant(place, output)? {
                    Some(became) => became,
                    None => {
                        let kept = match whole {
                            Some(kept) => kept,
                            None => self.push(place, &node)?,
                        };
                        whole = Some(kept);
                        Argument::Value(Value::Output(kept, output))
                    }
                };
                if became == Argument::None {
                    self.pending.insert(value);
                }
                self.became.insert(value, became);
            }
        }
        match self.replaced(self.graph.result)? {
            Argument::Value(value) if !matches!(value, Value::Parameter(_)) => Ok(value),
            _ => Err(NetworkError::Architecture {
                reason: "its output does not depend on its input".into(),
            }),
        }
    }

    fn is_trained(&self, value: Value) -> bool {
        let Ok(Argument::Value(value)) = self.replaced(value) else {
            return false;
        };
        let value = {
            let mut value = value;
            while let Value::Output(node, _) = value
                && let Some((node, _)) = self.nodes.get(node)
                && table::is_view(node.name())
                && let Some(viewed) = node.value(0)
            {
                value = viewed;
            }
            value
        };
        let Value::Parameter(place) = value else {
            return false;
        };
        let parameter = self.graph.parameters.get(place);
        parameter.is_some_and(|parameter| parameter.role.is_trained())
    }

    fn note_sources(&mut self, place: usize, node: &Node) {
        let mut sources = HashSet::new();
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
        if !sources.is_empty() && !self.trial.follows.get(place).copied().unwrap_or(true) {
            let mut sources: Vec<usize> = sources.into_iter().collect();
            sources.sort_unstable();
            self.made_from.insert(place, sources);
        }
    }

    pub fn replaced(&self, value: Value) -> Result<Argument, NetworkError> {
        match value {
            Value::Output(..) => self
                .became
                .get(&value)
                .cloned()
                .ok_or_else(|| NetworkError::Torch("a graph uses what nothing gives".into())),
            value => Ok(Argument::Value(value)),
        }
    }

    /// Takes a node over, with its arguments replaced; where it stands now.
    pub fn push(&mut self, place: usize, node: &Node) -> Result<usize, NetworkError> {
        let arguments = node
            .arguments
            .iter()
            .map(|argument| argument.try_map(&mut |value| self.materialized(value)))
            .collect::<Result<_, NetworkError>>()?;
        let shapes = self.trial.seen.get(place).into_iter().flatten();
        let shapes = shapes.map(|(shape, _)| shape.clone()).collect();
        let node = Node {
            arguments,
            ..node.clone()
        };
        self.nodes
            .push((self.mean_of_all(&node).unwrap_or(node), shapes));
        Ok(self.nodes.len() - 1)
    }

    fn keep(&mut self, place: usize, node: &Node) -> Result<(), NetworkError> {
        if node.operation == "aten::reshape" {
            let became = match self.summed(place, node) {
                Some(terms) => self.sum_of_reshaped(place, node, terms)?,
                None => self.reshaped(place, node)?,
            };
            self.became.insert(Value::Output(place, 0), became);
            return Ok(());
        }
        if node.name() == "cat" {
            let became = self.concatenated(place, node)?;
            self.became.insert(Value::Output(place, 0), became);
            return Ok(());
        }
        let kept = self.push(place, node)?;
        for output in 0..self.trial.seen.get(place).map_or(0, Vec::len) {
            let new = Argument::Value(Value::Output(kept, output));
            self.became.insert(Value::Output(place, output), new);
        }
        Ok(())
    }

    /// What stands for an output that does not depend on the input's numbers: a number, or
    /// [`Argument::None`] for a tensor that is made when something uses it. `None` where it is
    /// another tensor for every number of examples.
    fn constant(&self, place: usize, output: usize) -> Result<Option<Argument>, NetworkError> {
        let seen = self.trial.seen.get(place).and_then(|row| row.get(output));
        let Some((_, Some(TwoRuns { two, three }))) = seen else {
            return Ok(None);
        };
        let varies = || NetworkError::Architecture {
            reason: "a choice in its graph depends on the number of examples".into(),
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
                match rows(two, three)? {
                    Rows::Vary => return Ok(None),
                    Rows::Same | Rows::Equal => Argument::None,
                }
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
        let Value::Output(place, output) = value else {
            return Ok(became);
        };
        let seen = self.trial.seen.get(place).and_then(|row| row.get(output));
        let (true, Some((shape, Some(TwoRuns { two, three })))) =
            (self.pending.remove(&value), seen)
        else {
            return Ok(became);
        };
        let (torch::Value::Tensor(two), torch::Value::Tensor(three)) = (two, three) else {
            return Ok(became);
        };
        let same_rows = rows(two, three)?;
        let shape = shape.clone();
        let tensor = match same_rows {
            Rows::Equal => two.f_narrow(0, 0, 1)?,
            _ => two.shallow_clone(),
        };
        let tensor = crate::duplicate(&tensor)?;
        self.folded += tensor.numel();
        let lengths = tensor.size();
        let parameter = self.add_constant(place, tensor);
        let argument = match same_rows {
            Rows::Equal => {
                let each = Length::PerExample { each: 1, plus: 0 };
                let fixed = lengths
                    .iter()
                    .skip(1)
                    .map(|&length| Argument::fixed(length));
                let size = std::iter::once(Argument::Number(each)).chain(fixed);
                let arguments = vec![
                    Argument::Value(Value::Parameter(parameter)),
                    Argument::List(size.collect()),
                ];
                let node = Node {
                    operation: "aten::expand".into(),
                    arguments,
                    scope: String::new(),
                    id: String::new(),
                };
                self.nodes.push((node, vec![shape]));
                Argument::Value(Value::Output(self.nodes.len() - 1, 0))
            }
            _ => Argument::Value(Value::Parameter(parameter)),
        };
        self.became.insert(value, argument.clone());
        Ok(argument)
    }

    fn add_constant(&mut self, place: usize, tensor: Tensor) -> usize {
        let parameter = self.graph.parameters.len();
        let scope = self.graph.nodes.get(place).map(|node| node.scope.as_str());
        let scope = scope.filter(|scope| !scope.is_empty()).unwrap_or("graph");
        self.graph.parameters.push(Parameter {
            name: format!("{scope}.constant{parameter}"),
            role: Role::Constant,
            shape: tensor.size(),
        });
        self.tensors.push(tensor);
        if let Some(sources) = self.made_from.get(&place) {
            self.sources.insert(parameter, sources.clone());
        }
        parameter
    }

    /// The graph of what the result needs.
    pub fn finish(
        self,
        result: Value,
    ) -> Result<(Fragment, Vec<Tensor>, Probe, Tensor), NetworkError> {
        let mut needed = vec![false; self.nodes.len()];
        let mut open = vec![result];
        while let Some(value) = open.pop() {
            if let Value::Output(node, _) = value
                && let Some(needed) = needed.get_mut(node)
                && !std::mem::replace(needed, true)
            {
                open.extend(
                    self.nodes
                        .get(node)
                        .iter()
                        .flat_map(|(node, _)| node.operands()),
                );
            }
        }
        let mut moved = HashMap::new();
        let (mut nodes, mut shapes) = (Vec::new(), Vec::new());
        let lost = || NetworkError::Torch("a graph uses what nothing gives".into());
        let place = |value: Value, moved: &HashMap<usize, usize>| match value {
            Value::Output(node, output) => match moved.get(&node) {
                Some(&node) => Ok(Value::Output(node, output)),
                None => Err(lost()),
            },
            value => Ok(value),
        };
        for (old, (mut node, row)) in self.nodes.into_iter().enumerate() {
            if !needed.get(old).copied().unwrap_or(false) {
                continue;
            }
            for argument in &mut node.arguments {
                *argument =
                    argument.try_map(&mut |value| place(value, &moved).map(Argument::Value))?;
            }
            moved.insert(old, nodes.len());
            nodes.push(node);
            shapes.push(row);
        }
        let probe = Probe {
            input: self.trial.input,
            nodes: shapes,
            sources: self.sources,
        };
        let result = place(result, &moved)?;
        let refused = |what: &str| NetworkError::Architecture {
            reason: format!("its {what} is not one row for each example"),
        };
        let output = probe.each(result).ok_or_else(|| refused("output"))?;
        let input = probe.input.each().ok_or_else(|| refused("input"))?;
        let graph = Fragment {
            nodes,
            result,
            output,
            input,
            ..self.graph
        };
        Ok((graph, self.tensors, probe, self.trial.logits))
    }
}

/// How the rows of a tensor depend on the number of examples.
enum Rows {
    /// The tensor is the same for every number.
    Same,
    /// There is a row for each example, and all are equal.
    Equal,
    Vary,
}

fn rows(two: &Tensor, three: &Tensor) -> Result<Rows, NetworkError> {
    if two.kind() != three.kind() || two.size().get(1..) != three.size().get(1..) {
        return Ok(Rows::Vary);
    }
    let equal = |a: &Tensor, b: &Tensor| -> Result<bool, NetworkError> { Ok(a.f_equal(b)?) };
    if two.size() == three.size() {
        return Ok(match equal(two, three)? {
            true => Rows::Same,
            false => Rows::Vary,
        });
    }
    if (two.size().first(), three.size().first()) != (Some(&FEW), Some(&(FEW + 1))) {
        return Ok(Rows::Vary);
    }
    let first = two.f_narrow(0, 0, 1)?;
    Ok(
        match equal(two, &first.f_expand_as(two)?)? && equal(three, &first.f_expand_as(three)?)? {
            true => Rows::Equal,
            false => Rows::Vary,
        },
    )
}
