//! The members of a family, from files of several kinds.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use pathscope_analysis::record::{
    Evaluation, FamilyMember, Journal, JournalError, RecipeSummary, TrainingLog,
};
use serde::Deserialize;

use super::FamilyError;
use crate::lesions::intact;

/// The networks of a family that a file tells of: CSV or JSON Lines of [`FamilyMember`]s, the log of
/// a training that came to its end, or the results of an experiment with the intact network.
///
/// # Errors
/// An unreadable file, or a line that is no network.
pub fn read_members(path: &Path) -> Result<Vec<FamilyMember>, FamilyError> {
    let text = fs::read_to_string(path).map_err(|source| JournalError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let mut lines = (1..)
        .zip(text.lines().map(str::trim))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let wrong = |line: usize, problem: String| FamilyError::NotAMember {
        path: path.to_owned(),
        line,
        problem,
    };
    let Some((first, start)) = lines.next() else {
        return Err(wrong(1, "the file is empty".into()));
    };
    if start.starts_with('{') {
        if let Some(log) = TrainingLog::read(path)? {
            let unfinished = || FamilyError::Unfinished(path.to_owned());
            return Ok(vec![log.member.ok_or_else(unfinished)?]);
        }
        if start.contains("\"type\"") {
            return member_of(&Journal::read(path)?).map(|member| vec![member]);
        }
        return std::iter::once((first, start))
            .chain(lines)
            .map(|(line, text)| {
                serde_json::from_str(text).map_err(|error| wrong(line, error.to_string()))
            })
            .collect();
    }
    let names: Vec<&str> = start.split(',').map(str::trim).collect();
    lines
        .map(|(line, text)| {
            let cells = text.split(',').map(str::trim);
            let cells: BTreeMap<&str, &str> = names.iter().copied().zip(cells).collect();
            let number = |name: &str| -> Result<u64, FamilyError> {
                match cells.get(name) {
                    Some(cell) => cell
                        .parse()
                        .map_err(|_| wrong(line, format!("{name} `{cell}` is no whole number"))),
                    None if name == "seed" => Ok(0),
                    None => Err(wrong(line, format!("there is no {name}"))),
                }
            };
            Ok(FamilyMember {
                depth: number("depth")? as usize,
                k: number("k")? as usize,
                parameters: number("parameters")?,
                errors: number("errors")? as usize,
                examples: number("examples")? as usize,
                seed: number("seed")?,
            })
        })
        .collect()
}

/// The network that the training stated in a model's card made, with this many parameters; none
/// where the card states no recipe or no test.
pub fn trained_member(training: &serde_json::Value, parameters: u64) -> Option<FamilyMember> {
    let recipe = training.get("recipe")?;
    let seed = recipe.get("training")?.get("seed")?.as_u64()?;
    let shape = RecipeSummary::deserialize(recipe).ok()?.architecture;
    let test = Evaluation::deserialize(training.get("results")?.get("test")?).ok()?;
    Some(shape.member(parameters, seed, test))
}

fn member_of(journal: &Journal) -> Result<FamilyMember, FamilyError> {
    let blocks = &journal.header.model.blocks;
    let path = || journal.path.clone();
    let k = blocks.first().map_or(0, |block| block.functions);
    if blocks
        .iter()
        .any(|block| block.functions != k || !block.orders.is_empty())
    {
        return Err(FamilyError::Unequal(path()));
    }
    let outcomes = journal.outcomes();
    let intact = intact(&outcomes).ok_or_else(|| FamilyError::NoIntact(path()))?;
    if intact.positions > 1 {
        return Err(FamilyError::Positions(path()));
    }
    Ok(FamilyMember {
        // The stem's convolution and the classifier count too: 9 basic blocks are 20 layers.
        depth: blocks.iter().map(|block| block.layers).sum::<usize>() + 2,
        k,
        parameters: journal.header.model.parameters,
        errors: intact.errors,
        examples: intact.examples,
        seed: journal.header.seed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support;
    use std::io::Write;

    #[test]
    fn a_wrong_cell_is_named() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "depth,k,parameters,errors,examples\n8,1,9,x,10").unwrap();
        let problem = read_members(file.path()).unwrap_err().to_string();
        assert!(problem.contains("line 2: errors `x`"), "{problem}");
    }

    #[test]
    fn a_log_of_a_training_is_a_member_once_it_has_ended() {
        let end = r#"{"record":"result","test":{"errors":4,"examples":20,"loss":0.5},"seconds":1}"#;
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(
            file,
            "{}\n{}",
            test_support::TRAINING,
            test_support::epoch(0, 5, "")
        )
        .unwrap();
        let refusal = read_members(file.path()).unwrap_err();
        assert!(matches!(refusal, FamilyError::Unfinished(_)), "{refusal}");
        writeln!(file, "{end}").unwrap();
        let member = &read_members(file.path()).unwrap()[0];
        assert_eq!((member.depth, member.k, member.seed), (14, 2, 3));
        assert_eq!((member.errors, member.examples), (4, 20));
        let card = serde_json::json!({
            "recipe": {"architecture": {"depth": 14, "k": 2}, "training": {"seed": 3}},
            "results": {"test": {"errors": 4, "examples": 20, "loss": 0.5}},
        });
        assert_eq!(trained_member(&card, 77).as_ref(), Some(member));
    }

    #[test]
    fn results_of_an_experiment_are_a_member() {
        let journal = test_support::lesions();
        let member = member_of(&journal).unwrap();
        assert_eq!((member.depth, member.k), (20, 1));
    }
}
