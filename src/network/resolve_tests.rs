//! Every combination of states: all that is read off a step says the same.

use pathscope_analysis::record::LesionKind;
use tch::{Device, Kind, Tensor};

use super::*;
use crate::{
    BlockIndex, FeatureShape, FrozenNetwork, Layer, Linearization, LinearizedBlock, Operation,
    Pass, Specification, StandIn, Substitutes, TrainableNetwork,
};

const INPUT: FeatureShape = FeatureShape {
    channels: 3,
    height: 6,
    width: 6,
};

const STATES: [FunctionState; 4] = [
    FunctionState::On,
    FunctionState::Off,
    FunctionState::Detached,
    FunctionState::Substitute(LesionKind::Mean),
];

/// What a block of the table looks like.
#[derive(Clone, Copy, Debug)]
struct Form {
    functions: usize,
    skip: Option<Way>,
    function: Way,
    pre: bool,
    post: bool,
    gate: bool,
    mean: bool,
}

/// How features get from `u` to the sum.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// No layers at all.
    Identity,
    /// A convolution that keeps the shape.
    Keeping,
    /// A convolution of stride 2 to 5 channels.
    Changing,
}

impl Way {
    fn layers(self, name: &str) -> Vec<Layer> {
        let (outputs, stride) = match self {
            Self::Identity => return Vec::new(),
            Self::Keeping => (3, 1),
            Self::Changing => (5, 2),
        };
        let operation = Operation::Convolution {
            inputs: 3,
            outputs,
            kernel: 3,
            stride,
            padding: 1,
            groups: 1,
            bias: true,
            standardization: None,
        };
        vec![Layer::new(name, operation)]
    }
}

fn forms() -> Vec<Form> {
    let ways = [
        (Some(Way::Identity), Way::Keeping),
        (Some(Way::Identity), Way::Identity),
        (Some(Way::Keeping), Way::Identity),
        (Some(Way::Changing), Way::Changing),
        (None, Way::Keeping),
        (None, Way::Identity),
        (None, Way::Changing),
    ];
    let mut forms = Vec::new();
    for (skip, function) in ways {
        for functions in 0..=2 {
            for (pre, post) in [(false, false), (false, true), (true, false), (true, true)] {
                let joined = [(false, false), (true, false), (false, true)];
                for (gate, mean) in joined.into_iter().take(1 + 2 * functions.min(1)) {
                    forms.push(Form {
                        functions,
                        skip,
                        function,
                        pre,
                        post,
                        gate,
                        mean,
                    });
                }
            }
        }
    }
    forms
}

/// A stem, the block, and a head.
fn specification(form: Form) -> Specification {
    let normalised = |name: &str| {
        let epsilon = 1e-5;
        let operation = Operation::BatchNorm {
            channels: 3,
            epsilon,
        };
        vec![Layer::new(name, operation), Layer::new("", Operation::Relu)]
    };
    let outputs = match (form.skip, form.functions) {
        (Some(Way::Changing), _) => 5,
        (None, 1..) if form.function == Way::Changing => 5,
        _ => 3,
    };
    let skip = form.skip.map(|way| way.layers("skip"));
    let function = |number: usize| form.function.layers(&format!("function{number}"));
    let block = Block {
        pre: match form.pre {
            true => normalised("pre"),
            false => Vec::new(),
        },
        gate: form.gate.then(|| {
            let mut gate = match form.skip.unwrap_or(form.function) {
                Way::Changing => Way::Changing.layers("gate"),
                _ => Way::Keeping.layers("gate"),
            };
            gate.push(Layer::new("", Operation::Sigmoid { shift: -0.5 }));
            gate
        }),
        mean: form.mean,
        post: match form.post {
            true => vec![Layer::new("", Operation::Relu)],
            false => Vec::new(),
        },
        ..Block::new("block", skip, (0..form.functions).map(function))
    };
    let head = Operation::Linear {
        inputs: outputs,
        outputs: 4,
        bias: true,
    };
    ResidualNetwork {
        stem: Way::Keeping.layers("stem"),
        blocks: vec![block],
        head: vec![
            Layer::new("", Operation::GlobalAveragePool),
            Layer::new("head", head),
        ],
    }
}

/// All steps that the block can be given.
fn steps(form: Form) -> Vec<Step> {
    let mut all: Vec<Vec<FunctionState>> = vec![Vec::new()];
    for _ in 0..form.functions {
        let longer = |states: &Vec<FunctionState>| {
            STATES.map(|state| [states.as_slice(), &[state]].concat())
        };
        all = all.iter().flat_map(longer).collect();
    }
    let step = |(functions, skip): (&Vec<FunctionState>, bool)| Step {
        block: BlockIndex::new(0),
        skip,
        functions: functions.clone(),
    };
    let both = all
        .iter()
        .flat_map(|states| [(states, true), (states, false)]);
    both.map(step).collect()
}

#[derive(Debug)]
struct Constant(Tensor);

impl StandIn for Constant {
    fn output(&self, input: &Tensor, _: usize) -> Result<Tensor, NetworkError> {
        let mut size = self.0.size();
        size[0] = input.size()[0];
        Ok(self.0.f_expand(size, false)?)
    }

    fn shallow_clone(&self) -> Box<dyn StandIn> {
        Box::new(Self(self.0.shallow_clone()))
    }
}

/// The sum as its definition reads, from the trainable layers, without resolving the step.
fn expected(
    block: &Block<crate::TrainableLayer>,
    step: &Step,
    x: &Tensor,
    given: &Tensor,
) -> Tensor {
    use crate::{Forward, Mode};
    let run = |layers: &[crate::TrainableLayer], x: &Tensor| {
        layers.iter().fold(x.copy(), |x, layer| {
            layer.forward(&x, Mode::Evaluation).unwrap()
        })
    };
    let off = |state: &FunctionState| matches!(state, FunctionState::Off);
    if block.skip.is_none() && step.functions.iter().all(off) {
        return x.copy();
    }
    let u = run(&block.pre, x);
    let mut terms = Vec::new();
    let gate = block.gate.as_ref();
    let gate = gate.filter(|_| !step.functions.iter().all(off));
    let open = gate.map_or(Tensor::from(1.0_f32), |gate| run(gate, &u));
    let closed = match gate {
        Some(_) => 1.0 - &open,
        None => Tensor::from(1.0_f32),
    };
    for (function, state) in block.functions.iter().zip(&step.functions) {
        match state {
            FunctionState::On => terms.push(run(&function.layers, &u) * &open),
            FunctionState::Detached => terms.push((run(&function.layers, &u) * &open).detach()),
            FunctionState::Substitute(_) => {
                terms.push(given.expand_as(&run(&function.layers, &u)) * open.detach());
            }
            FunctionState::Off => {}
        }
    }
    if block.mean {
        let count = terms.len() as f64;
        terms.iter_mut().for_each(|term| *term = &*term / count);
    }
    if let Some(skip) = &block.skip {
        let value = run(skip, &u);
        terms.push(match step.skip {
            true => value * &closed,
            false => value.zeros_like(),
        });
    }
    let sum = terms.into_iter().reduce(|sum, term| sum + term).unwrap();
    run(&block.post, &sum)
}

fn pull_back(block: &LinearizedBlock, stack: Tensor) -> Tensor {
    let sum = block.through_post(stack).unwrap();
    let mut terms: Vec<Tensor> = (0..block.functions())
        .filter_map(|function| block.through_function(function, &sum).unwrap())
        .collect();
    terms.extend(block.through_skip(&sum).unwrap());
    let total = terms.into_iter().reduce(|total, term| total + term);
    let total = total.unwrap_or_else(|| block.through_nothing(&sum).unwrap());
    block.through_pre(total).unwrap()
}

fn assert_close(found: &Tensor, expected: &Tensor, what: &str) {
    assert_eq!(found.size(), expected.size(), "{what}");
    let difference = (found - expected).abs().max().double_value(&[]);
    assert!(difference < 1e-5, "{what}: {difference}");
}

#[test]
fn forward_derivative_cost_and_paths_agree_on_every_step() {
    // Tensors this small are slower on several threads.
    tch::set_num_threads(1);
    let mut seen = 0;
    for form in forms() {
        let specification = specification(form);
        let Ok(shapes) = specification.shapes(INPUT) else {
            panic!("{form:?} is no network");
        };
        let network = TrainableNetwork::initialized(&specification, 5).unwrap();
        let frozen = FrozenNetwork::freeze(&network, Kind::Float).unwrap();
        let batch = crate::random_batch(&[3, 6, 6], None, 2, 9).unwrap();
        let output = shapes[0].output;
        let given = Tensor::full(
            [1, output.channels, output.height, output.width],
            0.25,
            (Kind::Float, Device::Cpu),
        );
        let mut substitutes = Substitutes::default();
        for function in 0..form.functions {
            let stand_in = Box::new(Constant(given.shallow_clone()));
            substitutes.insert(BlockIndex::new(0), function, LesionKind::Mean, stand_in);
        }
        let pass = Pass {
            substitutes: Some(&substitutes),
            ..Pass::EVALUATION
        };
        for step in steps(form) {
            let what = format!("{form:?} {step:?}");
            let plan = Plan::of(vec![step.clone()]);
            if plan.check(&specification, &shapes).is_err() {
                // Only a block without a skip that changes the shape cannot be passed over.
                assert!(form.skip.is_none() && step.is_silent(), "{what}");
                assert_eq!((form.function, form.functions > 0), (Way::Changing, true));
                continue;
            }
            seen += 1;
            agree(&network, &frozen, &step, &batch, &given, &pass, &what);

            let cost = specification.cost(&plan, INPUT).unwrap();
            assert_eq!(
                i64::try_from(cost.parameters),
                Ok(parameters(&specification, form, &step)),
                "{what}"
            );
            let paths = specification.block_paths(&plan).unwrap();
            assert_eq!(
                paths[0].lengths().count(),
                ways_by_gradient(&frozen, &plan, &pass, &batch),
                "{what}"
            );
        }
    }
    assert_eq!(seen, 3_368);
}

/// Trainable and frozen forward pass, derivative and autograd, and idleness of one step.
fn agree(
    network: &TrainableNetwork,
    frozen: &FrozenNetwork,
    step: &Step,
    batch: &Tensor,
    given: &Tensor,
    pass: &Pass<'_>,
    what: &str,
) {
    let plan = Plan::of(vec![step.clone()]);
    let (trainable, structure) = (network.structure(), frozen.structure());
    let x = tch::no_grad(|| structure.stem(batch, pass)).unwrap();
    let before = x.copy();

    // Forward: both executions against the definition; the input stays as it is.
    let block = &trainable.blocks[0];
    let wanted = tch::no_grad(|| expected(block, step, &x, given));
    let found = tch::no_grad(|| structure.step(step, &x, pass)).unwrap();
    assert_close(&found, &wanted, what);
    let found = tch::no_grad(|| trainable.step(step, &x, pass)).unwrap();
    assert_close(&found, &wanted, what);
    assert_eq!(x, before, "{what}: the input was overwritten");

    // The derivative against autograd through the definition.
    let linearization = Linearization::under(frozen, &plan, batch, pass).unwrap();
    let logits = frozen.forward(batch, &plan, pass).unwrap();
    assert_close(linearization.logits(), &logits, what);
    let leaf = x.copy().set_requires_grad(true);
    let y = expected(block, step, &leaf, given);
    let cotangent = crate::random_batch(&wanted.size()[1..], None, 2, 3).unwrap();
    let (_, linearized) = &linearization.blocks()[0];
    let found = tch::no_grad(|| pull_back(linearized, cotangent.copy()));
    let by_autograd = if y.requires_grad() {
        (y * &cotangent).sum(Kind::Float).backward();
        leaf.grad()
    } else {
        Tensor::new()
    };
    let wanted = match by_autograd.defined() {
        true => by_autograd,
        false => leaf.zeros_like().detach(),
    };
    assert_close(&found, &wanted, what);

    // Whatever is idle hands on its input.
    if structure.is_idle(step) {
        let y = tch::no_grad(|| structure.step(step, &x, pass)).unwrap();
        assert_eq!(y, x, "{what}");
    }
}

/// Parameters of what the definition reads, by name.
fn parameters(specification: &Specification, form: Form, step: &Step) -> i64 {
    let block = &specification.blocks[0];
    let ends = specification.stem.iter().chain(&specification.head);
    let mut layers: Vec<&Layer> = ends.collect();
    let computed =
        |state: &FunctionState| matches!(state, FunctionState::On | FunctionState::Detached);
    for (function, state) in block.functions.iter().zip(&step.functions) {
        if computed(state) {
            layers.extend(&function.layers);
        }
    }
    let carried = form.skip.is_some() && step.skip;
    if carried {
        layers.extend(block.skip.iter().flatten());
    }
    let gated = form.gate && !step.is_silent();
    if gated {
        layers.extend(block.gate.iter().flatten());
    }
    if carried || gated || step.functions.iter().any(computed) {
        layers.extend(&block.pre);
    }
    crate::residual::count(layers.into_iter())
}

/// Ways through the block that carry a gradient.
fn ways_by_gradient(frozen: &FrozenNetwork, plan: &Plan, pass: &Pass<'_>, batch: &Tensor) -> usize {
    let linearization = Linearization::under(frozen, plan, batch, pass).unwrap();
    let (_, block) = &linearization.blocks()[0];
    let carrying = (0..block.functions()).filter(|&function| block.carries(function));
    carrying.count() + usize::from(block.has_skip())
}
