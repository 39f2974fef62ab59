//! Which orders of blocks to run: every question is a list of measurements.

use std::collections::BTreeMap;

use pathscope_analysis::record::{Change, ReorderMethod, Reordering};
use pathscope_analysis::{BlockOrder, OrderSpace, PermutationError, Seed, TauPairs};

use super::{ExperimentError, Measurement, Questions};
use pathscope_network::BlockShape;

impl Questions<'_> {
    /// The orders in which the blocks can run: those that keep their shape, within their class of
    /// equal shape.
    ///
    /// # Errors
    /// A network in which no two blocks can change places.
    pub fn order_space(&self) -> Result<OrderSpace, ExperimentError> {
        let space = OrderSpace::new(&classes(self.shapes())).map_err(refused)?;
        if space.movable_pairs() == 0 {
            return Err(ExperimentError::Impossible(format!(
                "nothing can be reordered: of the {} blocks no two take and give features of the \
                 same shape; try a network with at least two such blocks in a stage",
                self.shapes().len()
            )));
        }
        Ok(space)
    }

    /// `draws` orders by a method that draws at random; one by a method that does not.
    ///
    /// Draw d of j + 1 swaps is draw d of j swaps and one more: each number of swaps has its
    /// distribution, and from one to the next the mean changes by that swap alone.
    ///
    /// # Errors
    /// A network that leaves nothing to reorder, or a tau that no order has.
    pub fn orders(
        &self,
        method: ReorderMethod,
        draws: u64,
        seed: Seed,
    ) -> Result<Vec<Measurement>, ExperimentError> {
        let space = self.order_space()?;
        let at_tau = match method {
            ReorderMethod::Tau { tau } => Some(
                // The nearest tau: neighbouring ones are two pairs apart.
                space
                    .at_tau(tau, 1.0 / pairs(self.shapes().len()), TauPairs::AllBlocks)
                    .map_err(refused)?,
            ),
            _ => None,
        };
        let name = key(method);
        let stream = match method {
            ReorderMethod::Swaps { .. } => "swaps",
            ReorderMethod::Adjacent { .. } => "adjacent swaps",
            _ => &name,
        };
        let order = |draw: u64| -> Result<BlockOrder, ExperimentError> {
            let mut random = seed.stream(&format!("reorder: {stream}"), draw);
            match method {
                ReorderMethod::Swaps { swaps } => space.random_swaps(swaps, &mut random),
                ReorderMethod::Adjacent { swaps } => space.adjacent_swaps(swaps, &mut random),
                ReorderMethod::Rotate { by } => Ok(space.rotation(by)),
                ReorderMethod::Reverse => Ok(space.reversal()),
                ReorderMethod::Tau { .. } => Ok(at_tau
                    .as_ref()
                    .map_or_else(|| space.identity(), |orders| orders.sample(&mut random))),
                ReorderMethod::Exchange { first, second } => {
                    let mut order: Vec<usize> = space.identity().into();
                    order.swap(first, second);
                    BlockOrder::new(order)
                }
            }
            .map_err(refused)
        };
        if !draws_at_random(method) {
            let order = order(0)?;
            return Ok(vec![self.reordered(name, method, &order, None)]);
        }
        (0..draws)
            .map(|draw| {
                let key = format!("{name}, draw {draw}");
                Ok(self.reordered(key, method, &order(draw)?, Some(draw)))
            })
            .collect()
    }

    /// Every pair of neighbours within a class, exchanged in turn.
    ///
    /// # Errors
    /// A network that leaves nothing to reorder.
    pub fn each_exchange_of_neighbours(&self) -> Result<Vec<Measurement>, ExperimentError> {
        self.order_space()?;
        let mut measurements = Vec::new();
        for [first, second] in self.movable_pairs(true) {
            let method = ReorderMethod::Exchange { first, second };
            measurements.extend(self.orders(method, 1, Seed(0))?);
        }
        Ok(measurements)
    }

    /// Every rotation of the classes but the one that changes nothing.
    ///
    /// # Errors
    /// A network that leaves nothing to reorder.
    pub fn each_rotation(&self) -> Result<Vec<Measurement>, ExperimentError> {
        let longest = self.places().values().map(Vec::len).fold(0, usize::max);
        let mut measurements = Vec::new();
        for by in 1..longest {
            measurements.extend(self.orders(ReorderMethod::Rotate { by }, 1, Seed(0))?);
        }
        Ok(measurements)
    }

    /// Pairs of blocks of one class, the earlier first; only neighbours in their class where
    /// `neighbours` is set.
    pub(super) fn movable_pairs(&self, neighbours: bool) -> Vec<[usize; 2]> {
        let within = |places: &Vec<usize>| -> Vec<[usize; 2]> {
            let reach = if neighbours { 1 } else { places.len() };
            places
                .iter()
                .enumerate()
                .flat_map(|(place, &first)| {
                    let later = places.iter().skip(place + 1).take(reach);
                    later.map(move |&second| [first, second])
                })
                .collect()
        };
        let mut pairs: Vec<[usize; 2]> = self.places().values().flat_map(within).collect();
        pairs.sort_unstable();
        pairs
    }

    fn places(&self) -> BTreeMap<usize, Vec<usize>> {
        let mut places = BTreeMap::<usize, Vec<usize>>::new();
        for (place, class) in classes(self.shapes()).into_iter().enumerate() {
            places.entry(class).or_default().push(place);
        }
        places
    }

    fn reordered(
        &self,
        key: String,
        method: ReorderMethod,
        order: &BlockOrder,
        draw: Option<u64>,
    ) -> Measurement {
        let reordering = Reordering {
            order: order.as_slice().to_vec(),
            method,
            kendall_tau: order.kendall_tau(),
        };
        Measurement {
            key,
            change: Change::Reordering(reordering),
            draw,
            plan: self.intact().reordered(order.as_slice()),
        }
    }
}

/// One label per block, equal where blocks can change places; a block that changes the shape has its own.
fn classes(shapes: &[BlockShape]) -> Vec<usize> {
    let label = |(place, shape): (usize, &BlockShape)| {
        let twin = |other: &BlockShape| shape.is_preserving() && other == shape;
        shapes.iter().position(twin).unwrap_or(place)
    };
    shapes.iter().enumerate().map(label).collect()
}

fn draws_at_random(method: ReorderMethod) -> bool {
    matches!(
        method,
        ReorderMethod::Swaps { .. } | ReorderMethod::Adjacent { .. } | ReorderMethod::Tau { .. }
    )
}

/// What the method's measurements are called in a journal.
fn key(method: ReorderMethod) -> String {
    match method {
        ReorderMethod::Swaps { swaps } => format!("swaps {swaps}"),
        ReorderMethod::Adjacent { swaps } => format!("adjacent swaps {swaps}"),
        ReorderMethod::Rotate { by } => format!("rotate {by}"),
        ReorderMethod::Reverse => "reverse".into(),
        ReorderMethod::Tau { tau } => format!("tau {tau}"),
        ReorderMethod::Exchange { first, second } => format!("exchange {first},{second}"),
    }
}

fn pairs(blocks: usize) -> f64 {
    (blocks * blocks.saturating_sub(1) / 2).max(1) as f64
}

fn refused(error: PermutationError) -> ExperimentError {
    ExperimentError::Impossible(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pathscope_network::{Architecture, Family, FeatureShape, Unit};

    #[test]
    fn only_blocks_of_equal_shape_share_a_class() {
        let input = FeatureShape::of(&[3, 32, 32]);
        let classes = |unit, depth| {
            let network = Architecture::cifar(Family::Resnet, unit, depth, 1, 3, 10).unwrap();
            classes(&network.build().unwrap().shapes(input).unwrap())
        };
        assert_eq!(classes(Unit::Basic, 20), [0, 0, 0, 3, 4, 4, 6, 7, 7]);
        // The stem of a bottleneck network has fewer channels than its first stage.
        assert_eq!(classes(Unit::Bottleneck, 29), [0, 1, 1, 3, 4, 4, 6, 7, 7]);
    }
}
