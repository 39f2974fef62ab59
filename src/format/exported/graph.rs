//! From the nodes of an exported graph to those of a [`Fragment`]: arguments by schema, in-place
//! operations as what they give, subgraphs in line.

use std::collections::{BTreeSet, HashMap, HashSet};

use pathscope_network::{Argument, Fragment, Node, Parameter, Sizes, Value, is_allowed};

use super::arguments::{Known, Names, Refusal, follow_examples, kind, resolve};
use super::memory::{Memory, RESHAPING, Sharing, UNDECLARED, View};
use super::schema::{self, integer, output_names};
use crate::error::Fault;

/// Operations in a graph, those of its subgraphs included.
const MAX_NODES: usize = 20_000;
/// Subgraphs within subgraphs.
const MAX_DEPTH: usize = 8;

/// What an operation of the graph amounts to.
enum Meaning {
    /// The value of its operand.
    Passes(Argument, Sharing),
    /// A check of the exporter.
    Nothing,
    Computes(String, Vec<Argument>),
}

pub(super) struct Translator {
    /// How many examples the export saw; `None` where their number is dynamic.
    pub examples: Option<i64>,
    /// The number that torch.export gives to the model's own kind of real numbers.
    pub float: i64,
    pub parameters: Vec<Parameter>,
    nodes: Vec<Node>,
    declared: Vec<Sizes>,
    known: HashMap<String, Option<Known>>,
    /// Nodes that follow from the input.
    follows: HashSet<usize>,
    memory: Memory,
    unknown: BTreeSet<String>,
}

impl Translator {
    pub fn new(examples: Option<i64>, float: i64, parameters: Vec<Parameter>) -> Self {
        Self {
            examples: examples.filter(|&examples| examples > 0),
            float,
            parameters,
            nodes: Vec::new(),
            declared: Vec::new(),
            known: HashMap::new(),
            follows: HashSet::new(),
            memory: Memory::default(),
            unknown: BTreeSet::new(),
        }
    }

    /// The program as a fragment, and what the archive declares of each node's outputs.
    pub fn translate(
        mut self,
        graph: &schema::Graph,
        mut names: Names,
        output: Option<&str>,
        input: Vec<i64>,
    ) -> Result<(Fragment, Vec<Sizes>), Fault> {
        let complete = self.graph(graph, &mut names, 0);
        if !self.unknown.is_empty() {
            let unknown: Vec<String> = self.unknown.into_iter().collect();
            let operations = unknown.join(", ");
            return Err(Fault::UnsupportedOperations(operations));
        }
        complete.ok_or(Fault::TooMany {
            what: "operations",
            limit: MAX_NODES,
        })?;
        let result = output.and_then(|name| names.get(name)?.value());
        let result = result.ok_or_else(|| Fault::Graph("the model gives no tensor".into()))?;
        let fragment = Fragment {
            input,
            output: Vec::new(),
            multiply_adds: 0,
            parameters: self.parameters,
            nodes: self.nodes,
            result,
        };
        Ok((fragment, self.declared))
    }

    /// Translates all nodes; `None` where there are too many.
    fn graph(&mut self, graph: &schema::Graph, names: &mut Names, depth: usize) -> Option<()> {
        for node in &graph.nodes {
            if self.nodes.len() > MAX_NODES || graph.nodes.len() > MAX_NODES {
                return None;
            }
            if let Err(refusal) = self.node(node, graph, names, depth) {
                let refusal = match self.memory.explains(&refusal) {
                    true => "uses what an operation in place may have overwritten; give that \
                             operation a `.clone()`"
                        .to_owned(),
                    false => refusal,
                };
                // What follows from an operation that is not understood is not its fault.
                let follows = refusal.contains("which no earlier node") && !self.unknown.is_empty();
                if !follows {
                    let target = node.target.strip_prefix("torch.ops.");
                    let target = target.unwrap_or(&node.target);
                    self.unknown.insert(match refusal.is_empty() {
                        true => target.to_owned(),
                        false => format!("{target} ({refusal})"),
                    });
                }
            }
        }
        Some(())
    }

    fn node(
        &mut self,
        node: &schema::Node,
        graph: &schema::Graph,
        names: &mut Names,
        depth: usize,
    ) -> Result<(), Refusal> {
        if node.target.contains("higher_order.wrap_with_") {
            return self.inline(node, names, depth);
        }
        let arithmetic = ["_operator.", "torch.sym_", "math."];
        let is_arithmetic = |space: &&str| node.target.starts_with(*space);
        let aten = aten(&node.target);
        let meaning = if arithmetic.iter().any(is_arithmetic) {
            let name = node.target.rsplit('.').next().unwrap_or_default();
            let given = node.inputs.iter();
            let arguments = given.map(|given| resolve(&given.arg, names, self.float));
            let operation = format!("python::{name}");
            Meaning::Computes(operation, arguments.collect::<Result<_, _>>()?)
        } else {
            self.meaning(node, aten.ok_or("")?, graph, names)?
        };
        let outputs = output_names(&node.outputs);
        let operand = node.operand();
        let (operation, arguments) = match meaning {
            Meaning::Nothing => return Ok(()),
            Meaning::Passes(argument, sharing) => {
                for name in outputs {
                    names.insert(name.to_owned(), argument.clone());
                    if let Some(operand) = operand {
                        self.memory.share(name, operand, sharing, 0);
                    }
                }
                return Ok(());
            }
            Meaning::Computes(operation, arguments) => (operation, arguments),
        };
        let declared = self.declared_sizes(&outputs, graph);
        let place = self.push(made(node, operation, arguments), declared);
        for (number, name) in outputs.iter().enumerate() {
            let output = Argument::Value(Value::Output(place, number));
            names.insert((*name).to_owned(), output);
        }
        let Some((name, overload)) = aten else {
            return Ok(());
        };
        // Where it only changes the order of one operand's axes, it is a view.
        let operand = match name {
            "einsum" => sole_tensor(node),
            _ => operand,
        };
        let (Some(operand), Some(known)) = (operand, self.known(name, overload)) else {
            return Ok(());
        };
        let (written, is_view) = (known.schema.written(), known.schema.is_view());
        let sharing = match written.as_slice() {
            [] if UNDECLARED.contains(&name) => Sharing::Perhaps,
            [] if is_view => {
                let facts = graph.tensor_values.get(operand);
                Sharing::of_view(name, outputs.len(), facts)
            }
            [] => Sharing::Nothing,
            [0] => Sharing::Same,
            _ => return Err("writes to another tensor than its first".into()),
        };
        for output in outputs {
            self.memory.share(output, operand, sharing, place);
        }
        if written.is_empty() {
            return Ok(());
        }
        if RESHAPING.contains(&name) && self.memory.is_shared(operand) {
            return Err(
                "changes the shape of a tensor that has views; use the operation that \
                        gives a new one"
                    .into(),
            );
        }
        let new = match graph.tensor_values.get(operand) {
            // In place the kind of numbers stays, where a new tensor would hold truths.
            Some(facts) if COMPARING.contains(&name) => {
                let result = Argument::Value(Value::Output(place, 0));
                let arguments = vec![result, kind(facts.dtype, self.float)?];
                let again = made(node, "aten::to.dtype".into(), arguments);
                Value::Output(self.push(again, Sizes::new()), 0)
            }
            _ => Value::Output(place, 0),
        };
        self.written(operand, new, names)
    }

    fn push(&mut self, node: Node, declared: Sizes) -> usize {
        let place = self.nodes.len();
        let mut arguments = node.arguments.iter();
        let follows = arguments.any(|argument| self.follows_input(argument));
        if follows && node.operation != "python::sym_size" {
            self.follows.insert(place);
        }
        self.nodes.push(node);
        self.declared.push(declared);
        place
    }

    fn follows_input(&self, argument: &Argument) -> bool {
        match argument {
            Argument::Value(Value::Input) => true,
            Argument::Value(Value::Output(node, _)) => self.follows.contains(node),
            Argument::List(list) => list.iter().any(|entry| self.follows_input(entry)),
            _ => false,
        }
    }

    fn declared_sizes(&self, outputs: &[&str], graph: &schema::Graph) -> Sizes {
        let lengths = |name: &&str| {
            let facts = graph.tensor_values.get(*name)?;
            // For another number of examples than the export saw they do not hold.
            let holds = self.examples.is_none();
            holds.then(|| facts.sizes.iter().map(integer).collect())
        };
        outputs.iter().map(lengths).collect()
    }

    fn known(&mut self, name: &str, overload: &str) -> Option<&Known> {
        let known = self.known.entry(format!("{name}.{overload}"));
        let find = || Known::of(&format!("aten::{name}"), overload);
        known.or_insert_with(find).as_ref()
    }

    fn meaning(
        &mut self,
        node: &schema::Node,
        (name, overload): (&str, &str),
        graph: &schema::Graph,
        names: &Names,
    ) -> Result<Meaning, Refusal> {
        let float = self.float;
        let checks = ["_assert", "sym_constrain", "_functional_assert"];
        if checks.iter().any(|check| name.starts_with(check)) {
            return Ok(Meaning::Nothing);
        }
        // An operation in place is the one that gives a new tensor.
        let plain = match name.strip_suffix('_') {
            Some(plain) if !name.ends_with("__") => plain,
            _ => name,
        };
        let is_size = plain == "sym_size";
        if !(is_size || is_allowed(&format!("aten::{plain}")) || PASSING.contains(&plain)) {
            return Err(Refusal::new());
        }
        // Names of arguments differ between the two, their order does not.
        let known = self.known(name, overload).ok_or("")?;
        let mut arguments = known.arguments(&node.inputs, names, float)?;
        let schema = &known.schema;
        let place = |name: &str| schema.arguments.iter().position(|known| known.name == name);
        let is_on = |mode: &str| {
            let argument = place(mode).and_then(|place| arguments.get(place));
            let argument = argument.unwrap_or(&Argument::None);
            let off = [Argument::None, Argument::Truth(false), Argument::Real(0.0)];
            !off.contains(argument)
        };
        // Weights may be normalised by their own statistics, but not what follows from the input.
        let (random, training) = (is_on("train") || is_on("dropout_p"), is_on("training"));
        let shape = place("size").or_else(|| place("shape"));
        let of_input = arguments.first().is_some_and(|x| self.follows_input(x));
        if random || training && of_input {
            return Err("in training mode; export after .eval()".into());
        }
        if is_size {
            return Ok(Meaning::Computes("python::sym_size".into(), arguments));
        }
        if PASSING.contains(&plain) {
            let first = arguments.into_iter().next().ok_or("has no tensor")?;
            let facts = node
                .operand()
                .and_then(|name| graph.tensor_values.get(name));
            let sharing = Sharing::of_passing(plain, node, facts);
            return Ok(Meaning::Passes(first, sharing));
        }
        let operation = match (plain, overload) {
            ("view" | "_unsafe_view", "") => "aten::reshape".to_owned(),
            ("to" | "_to_copy" | "type_as", _) => {
                return self.conversion(node, graph, arguments);
            }
            ("addcmul", "") => {
                // In two steps, since the sum may be that of a residual block.
                let factor = arguments.get(3).cloned().unwrap_or(Argument::fixed(1));
                let factors = arguments.get(1..3).unwrap_or_default().to_vec();
                let product = self.computed("aten::mul.Tensor", factors, node);
                return self.sum(arguments.first().cloned(), product, factor, node);
            }
            ("add", "Tensor") => {
                let factor = arguments.get(2).cloned().unwrap_or(Argument::fixed(1));
                let term = arguments.get(1).cloned().unwrap_or(Argument::None);
                return self.sum(arguments.first().cloned(), term, factor, node);
            }
            _ if overload.is_empty() => format!("aten::{plain}"),
            _ => format!("aten::{plain}.{overload}"),
        };
        let reshapes = operation == "aten::reshape" || operation == "aten::expand";
        if let (true, Some(examples), Some(shape)) = (reshapes, self.examples, shape) {
            // A constant is repeated for every example.
            if let Some(shape) = arguments.get_mut(shape)
                && (of_input || plain == "expand")
            {
                follow_examples(shape, examples);
            }
        }
        Ok(Meaning::Computes(operation, arguments))
    }

    fn computed(
        &mut self,
        operation: &str,
        arguments: Vec<Argument>,
        node: &schema::Node,
    ) -> Argument {
        let place = self.push(made(node, operation.into(), arguments), Sizes::new());
        Argument::Value(Value::Output(place, 0))
    }

    /// `left + factor term`.
    fn sum(
        &mut self,
        left: Option<Argument>,
        term: Argument,
        factor: Argument,
        node: &schema::Node,
    ) -> Result<Meaning, Refusal> {
        let left = left.ok_or("has no tensor")?;
        let one = matches!(factor, Argument::Real(1.0)) || factor == Argument::fixed(1);
        let term = match one {
            true => term,
            false => self.computed("aten::mul.Tensor", vec![term, factor], node),
        };
        let arguments = vec![left, term, Argument::fixed(1)];
        Ok(Meaning::Computes("aten::add.Tensor".into(), arguments))
    }

    /// A change of the numbers' kind, where it is one.
    fn conversion(
        &self,
        node: &schema::Node,
        graph: &schema::Graph,
        arguments: Vec<Argument>,
    ) -> Result<Meaning, Refusal> {
        let facts = |name: Option<&str>| Some(graph.tensor_values.get(name?)?.dtype);
        let from = facts(node.operand());
        let to = facts(output_names(&node.outputs).first().copied());
        let first = arguments.into_iter().next().ok_or("has no tensor")?;
        let to = kind(to.ok_or("gives a tensor of an unknown type")?, self.float)?;
        match from.map(|from| kind(from, self.float)) {
            Some(Ok(from)) if from == to => {
                let name = aten(&node.target).map_or("", |(name, _)| name);
                let sharing = Sharing::of_passing(name, node, None);
                Ok(Meaning::Passes(first, sharing))
            }
            _ => {
                let dtype = vec![first, to];
                Ok(Meaning::Computes("aten::to.dtype".into(), dtype))
            }
        }
    }

    /// The tensor called `name` was overwritten by `new`: so were what it is a view of, and all
    /// other views of that, which are made again. What may have been overwritten is lost.
    fn written(&mut self, name: &str, new: Value, names: &mut Names) -> Result<(), Refusal> {
        let views = std::mem::take(&mut self.memory.views);
        let mut name = self.memory.first(name);
        let mut changed = HashMap::from([(name.clone(), new)]);
        let (mut new, mut earlier) = (new, usize::MAX);
        let made_as = |view: &&View, name: &str, earlier| view.name == name && view.node < earlier;
        while let Some(view) = views.iter().rfind(|view| made_as(view, &name, earlier)) {
            let Some(whole) = names.get(&view.of).cloned() else {
                break;
            };
            let Some(value) = self.again(view, |node| inverse(node, whole, new))? else {
                break;
            };
            new = value;
            (name, earlier) = (view.of.clone(), view.node);
            changed.insert(name.clone(), new);
        }
        for view in &views {
            if let (None, Some(&of)) = (changed.get(&view.name), changed.get(&view.of)) {
                let again = |node: &Node| {
                    let rest = node.arguments.get(1..)?;
                    let arguments = [&[Argument::Value(of)], rest].concat();
                    Some((node.operation.clone(), arguments))
                };
                let again = self.again(view, again)?;
                changed.extend(again.map(|value| (view.name.clone(), value)));
            }
        }
        self.memory.views = views;
        for name in self.memory.reached(changed.keys().cloned()) {
            if self.memory.is_given(&name) {
                return Err(format!("writes to `{name}` from within a subgraph"));
            }
            if let Some(Argument::Value(Value::Parameter(_))) = names.get(&name) {
                return Err(
                    "writes to a parameter or buffer, so that the next call differs".into(),
                );
            }
            match changed.get(&self.memory.first(&name)) {
                Some(&value) => drop(names.insert(name, Argument::Value(value))),
                None => {
                    names.remove(&name);
                    self.memory.lose(name);
                }
            }
        }
        Ok(())
    }

    /// The operation that `change` makes of that of `view`, as a node; its output, `None` where there
    /// is none such.
    fn again(
        &mut self,
        view: &View,
        change: impl FnOnce(&Node) -> Option<(String, Vec<Argument>)>,
    ) -> Result<Option<Value>, Refusal> {
        let Some(node) = self.nodes.get(view.node).cloned() else {
            return Ok(None);
        };
        let Some((operation, arguments)) = change(&node) else {
            return Ok(None);
        };
        let again = Node {
            operation,
            arguments,
            ..node
        };
        if self.nodes.len() > MAX_NODES {
            return Err("writes to too many views".into());
        }
        Ok(Some(Value::Output(self.push(again, Sizes::new()), 0)))
    }

    /// A subgraph that changes nothing but a setting of autograd or autocast.
    fn inline(
        &mut self,
        node: &schema::Node,
        names: &mut Names,
        depth: usize,
    ) -> Result<(), Refusal> {
        let mut inputs = node.inputs.iter();
        let graph = inputs.find_map(|input| input.arg.get("as_graph"));
        let graph = graph.and_then(|graph| graph.get("graph"));
        let graph = graph.ok_or("has no subgraph")?;
        if depth >= MAX_DEPTH {
            return Err("lies too deep".into());
        }
        if node.target.contains("autocast") {
            let mut inputs = node.inputs.iter();
            let flag = inputs.find_map(|input| input.arg.get("as_bool"));
            if flag.is_some_and(|enabled| enabled.as_bool() == Some(true)) {
                return Err("turns autocast on".into());
            }
        }
        let graph: schema::Graph =
            serde_json::from_value(graph.clone()).map_err(|_| "has a damaged subgraph")?;
        let given = node.inputs.iter().map(|input| &input.arg);
        let given: Vec<_> = given
            .filter(|given| given.get("as_graph").is_none())
            .collect();
        let inner = output_names(&graph.inputs);
        // Settings come first, then what the subgraph takes.
        let first = given.len().checked_sub(inner.len());
        let given = given
            .get(first.ok_or("lacks operands")?..)
            .unwrap_or_default();
        let values = given.iter().map(|given| resolve(given, names, self.float));
        let values: Vec<Argument> = values.collect::<Result<_, _>>()?;
        let owned = inner.iter().map(|name| (*name).to_owned());
        let mut inside: Names = owned.zip(values).collect();
        // Its names are its own.
        let of_subgraph = Memory::of_subgraph(inner.iter().copied());
        let memory = std::mem::replace(&mut self.memory, of_subgraph);
        let complete = self.graph(&graph, &mut inside, depth + 1);
        let within = std::mem::replace(&mut self.memory, memory);
        complete.ok_or("has too many operations")?;
        let outer = given.iter().map(|given| schema::tensor_name(given));
        let mut pairs: Vec<(&str, Option<&str>)> = inner.iter().copied().zip(outer).collect();
        let results = output_names(&graph.outputs);
        for (name, inner) in output_names(&node.outputs).into_iter().zip(results) {
            let lost = || format!("uses `{inner}`, which no earlier node gives");
            let value = inside.get(inner).cloned().ok_or_else(lost)?;
            names.insert(name.to_owned(), value);
            let reached = within.reached([inner.to_owned()]);
            for (_, other) in pairs.iter().filter(|(inner, _)| reached.contains(*inner)) {
                if let Some(other) = other {
                    self.memory.share(name, other, Sharing::Perhaps, 0);
                }
            }
            pairs.push((inner, Some(name)));
        }
        Ok(())
    }
}

/// Operations in place whose result is true or false.
const COMPARING: [&str; 15] = [
    "eq_",
    "ge_",
    "greater_",
    "greater_equal_",
    "gt_",
    "le_",
    "less_",
    "less_equal_",
    "logical_and_",
    "logical_not_",
    "logical_or_",
    "logical_xor_",
    "lt_",
    "ne_",
    "not_equal_",
];

/// The tensor in the list of tensors that a node is given, where it is the only one.
fn sole_tensor(node: &schema::Node) -> Option<&str> {
    let mut lists = node
        .inputs
        .iter()
        .filter_map(|input| input.arg.get("as_tensors"));
    match lists.next()?.as_array()?.as_slice() {
        [only] => only.get("name")?.as_str(),
        _ => None,
    }
}

/// Name and overload of an operation of `aten`.
fn aten(target: &str) -> Option<(&str, &str)> {
    let inside = target.strip_prefix("torch.ops.aten.")?;
    let (name, overload) = inside.split_once('.').unwrap_or((inside, ""));
    Some((name, if overload == "default" { "" } else { overload }))
}

/// Operations that give their operand: what they do to memory or in training changes no value.
const PASSING: [&str; 11] = [
    "alias",
    "alpha_dropout",
    "clone",
    "contiguous",
    "dropout",
    "feature_alpha_dropout",
    "feature_dropout",
    "lift_fresh_copy",
    "lift_fresh",
    "resolve_conj",
    "resolve_neg",
];

/// The operation that gives `whole` with the view that `view` makes of it replaced by `new`.
fn inverse(view: &Node, whole: Argument, new: Value) -> Option<(String, Vec<Argument>)> {
    let rest = view.arguments.get(1..).unwrap_or_default().to_vec();
    let new = Argument::Value(new);
    let scattered = |name: &str| {
        let arguments = [vec![whole.clone(), new.clone()], rest.clone()].concat();
        Some((format!("aten::{name}"), arguments))
    };
    let again = |name: &str| Some((name.to_owned(), [vec![new.clone()], rest.clone()].concat()));
    match view.operation.as_str() {
        "aten::slice.Tensor" => scattered("slice_scatter"),
        "aten::select.int" => scattered("select_scatter"),
        "aten::diagonal" => scattered("diagonal_scatter"),
        "aten::transpose.int" | "aten::swapaxes" | "aten::t" | "aten::detach" => {
            again(&view.operation)
        }
        "aten::unsqueeze" => again("aten::squeeze.dim"),
        "aten::reshape" | "aten::flatten.using_ints" | "aten::squeeze.dim" | "aten::squeeze" => {
            Some(("aten::reshape_as".into(), vec![new, whole]))
        }
        _ => None,
    }
}

/// The operation that stands for `node`, with its name where it gives one value: then that value has
/// the same name.
fn made(node: &schema::Node, operation: String, arguments: Vec<Argument>) -> Node {
    let id = match output_names(&node.outputs).as_slice() {
        &[only] => pathscope_file::shortened(only),
        _ => String::new(),
    };
    Node {
        operation,
        arguments,
        scope: scope(node),
        id,
    }
}

/// The innermost module that an operation stands in: the middle part of the last entry of
/// `ID,path,class;ID,path,class;...`.
fn scope(node: &schema::Node) -> String {
    let stack = node.metadata.get("nn_module_stack");
    let stack = stack.and_then(|stack| stack.as_str()).unwrap_or_default();
    let innermost = stack.rsplit(';').next().unwrap_or_default();
    pathscope_file::shortened(innermost.split(',').nth(1).unwrap_or_default())
}
