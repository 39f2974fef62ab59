//! Highway networks (Srivastava et al., arXiv 1505.00387): a layer `h` and a gate `g` that says how much of
//! its output passes and how much of its input is carried, `x' = (1 - g(x)) x + g(x) h(x)`.

use super::architecture::{convolution, relu};
use super::{Block, Layer, Operation};

/// With which every gate begins: 0.12 of the function passes (section 2.2 gives -1 to -3).
const SHIFT: f64 = -2.0;

/// A 3x3 convolution with ReLU, and the gate beside it where the shape stays. Where it changes nothing
/// could be carried: a layer without a skip.
pub(super) fn block(name: &str, inputs: i64, outputs: i64, stride: i64) -> Block<Layer> {
    let with_bias = |own: &str| {
        let mut layer = convolution(format!("{name}.{own}"), inputs, outputs, 3, stride);
        if let Operation::Convolution { bias, .. } = &mut layer.operation {
            *bias = true;
        }
        layer
    };
    let stays = inputs == outputs && stride == 1;
    let sigmoid = Layer::new("", Operation::Sigmoid { shift: SHIFT });
    let function = vec![with_bias("conv1"), relu()];
    Block {
        gate: stays.then(|| vec![with_bias("gate"), sigmoid]),
        ..Block::new(name, stays.then(Vec::new), [function])
    }
}
