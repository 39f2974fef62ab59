use crate::cli::Problem;
use crate::network::{BlockIndex, FunctionIndex, NetworkError, ResidualNetwork};

/// What an argument such as `17`, `17.2`, `3-5`, `layer2.3` or `layer2.3:1` picks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// Whole blocks.
    Blocks(Vec<BlockIndex>),
    /// One function of a block.
    Function(FunctionIndex),
}

impl Selection {
    /// Finds what `selector` picks in `network`. Numbers count from 0. Errors: a block or function
    /// that is not there.
    pub fn find<L>(selector: &str, network: &ResidualNetwork<L>) -> Result<Self, Problem> {
        let number = |text: &str| text.parse::<usize>().ok();
        let checked = |position| -> Result<BlockIndex, NetworkError> {
            let index = BlockIndex::new(position);
            network.block(index).map(|_| index)
        };
        let named = |name: &str| network.blocks.iter().position(|block| block.name == name);
        if let Some(position) = named(selector).or_else(|| number(selector)) {
            return Ok(Self::Blocks(vec![checked(position)?]));
        }
        if let Some((first, last)) = selector.split_once('-')
            && let (Some(first), Some(last)) = (number(first), number(last))
        {
            if first > last {
                return Err(Problem::BadInput(format!(
                    "the range {first}-{last} runs backwards; give {last}-{first}"
                )));
            }
            checked(last)?;
            return Ok(Self::Blocks((first..=last).map(BlockIndex::new).collect()));
        }
        let parts = selector
            .split_once(':')
            .or_else(|| selector.rsplit_once('.'));
        if let Some((block, function)) = parts
            && let (Some(position), Some(function)) =
                (named(block).or_else(|| number(block)), number(function))
        {
            let block = checked(position)?;
            let index = FunctionIndex { block, function };
            network.function(index)?;
            return Ok(Self::Function(index));
        }
        let example = network
            .blocks
            .last()
            .map_or("layer1.0", |block| &block.name);
        let (selector, example) = (selector.to_owned(), example.to_owned());
        Err(NetworkError::UnknownSelector { selector, example }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Architecture, Family, Unit};

    fn find(selector: &str) -> Result<Selection, Problem> {
        let architecture =
            Architecture::cifar(Family::Preresnet, Unit::Basic, 20, 3, 3, 10).unwrap();
        Selection::find(selector, &architecture.build().unwrap())
    }

    #[test]
    fn numbers_ranges_functions_and_names() {
        let blocks = |positions: &[usize]| {
            Selection::Blocks(positions.iter().copied().map(BlockIndex::new).collect())
        };
        let function = |block, function| {
            Selection::Function(FunctionIndex {
                block: BlockIndex::new(block),
                function,
            })
        };
        assert_eq!(find("8").unwrap(), blocks(&[8]));
        assert_eq!(find("3-5").unwrap(), blocks(&[3, 4, 5]));
        assert_eq!(find("layer2.0").unwrap(), blocks(&[3]));
        assert_eq!(find("7.2").unwrap(), function(7, 2));
        assert_eq!(find("layer3.1:0").unwrap(), function(7, 0));
        assert_eq!(find("layer3.1.2").unwrap(), function(7, 2));
    }

    #[test]
    fn what_is_not_there_is_named() {
        for selector in ["9", "2-9", "5-3", "7.3", "layer4.0", "seven", "", "-1"] {
            let problem = find(selector).unwrap_err();
            assert_eq!(problem.exit_code(), 2, "{selector}: {problem}");
        }
    }
}
