use std::cell::RefCell;

use tch::Tensor;

use super::TrainingError;
use super::parallel::{Parallel, sum_of};
use pathscope_network::{Exchange, FunctionIndex, NetworkError};
use pathscope_team::Team;

/// The borders that a forward pass crossed: there the network is cut into pieces that autograd
/// goes through one after the other, so that processes can add up in between.
#[derive(Debug)]
pub(super) struct Borders {
    parallel: Parallel,
    crossed: RefCell<Vec<Border>>,
}

#[derive(Debug)]
struct Border {
    /// Where the piece before ends.
    end: Tensor,
    /// Where the piece after begins: the same or the summed values, with a gradient of their own.
    begin: Tensor,
    /// Whose gradients add up to that of `end`.
    summed_over: Team,
}

impl Borders {
    pub fn new(parallel: Parallel) -> Self {
        let crossed = RefCell::new(Vec::new());
        Self { parallel, crossed }
    }

    fn cross(
        &self,
        end: &Tensor,
        begin: Tensor,
        summed_over: Team,
    ) -> Result<Tensor, NetworkError> {
        let begin = begin.f_detach()?.f_set_requires_grad(true)?;
        self.crossed.borrow_mut().push(Border {
            end: end.shallow_clone(),
            begin: begin.shallow_clone(),
            summed_over,
        });
        Ok(begin)
    }

    /// The gradient of `loss` at every trained tensor, piece by piece from the end on.
    pub fn backward(self, loss: &Tensor) -> Result<(), TrainingError> {
        loss.f_backward()?;
        for border in self.crossed.into_inner().into_iter().rev() {
            let Border {
                end,
                begin,
                summed_over,
            } = border;
            let gradient = begin.f_grad()?;
            let gradient = match gradient.defined() {
                true => gradient,
                false => begin.f_detach()?.f_zeros_like()?,
            };
            let gradient = match summed_over.size() {
                1 => gradient,
                _ => sum_of(summed_over, &gradient)?,
            };
            if end.requires_grad() {
                // A scalar with just this gradient, for less than a pass over memory more.
                flat(&end)?.f_dot(&flat(&gradient)?)?.f_backward()?;
            }
        }
        Ok(())
    }
}

/// All values in one row, without a copy where the layout is channels-last.
fn flat(tensor: &Tensor) -> Result<Tensor, tch::TchError> {
    match tensor.dim() {
        4 => tensor.f_permute([0, 2, 3, 1])?.f_reshape([-1]),
        _ => tensor.f_reshape([-1]),
    }
}

impl Exchange for Borders {
    fn computes(&self, function: FunctionIndex) -> bool {
        self.parallel.owner(function) == self.parallel.group.rank()
    }

    fn enter(&self, input: &Tensor) -> Result<Tensor, NetworkError> {
        self.cross(input, input.shallow_clone(), Team::ALONE)
    }

    fn part(&self, input: &Tensor) -> Result<Tensor, NetworkError> {
        self.cross(input, input.shallow_clone(), self.parallel.group)
    }

    fn join(&self, partial: &Tensor) -> Result<Tensor, NetworkError> {
        let sum = sum_of(self.parallel.group, &partial.f_detach()?)?;
        self.cross(partial, sum, Team::ALONE)
    }
}
