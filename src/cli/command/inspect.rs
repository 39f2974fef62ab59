use clap::Args;

use super::Execute;
use crate::cli::args::{
    ComputeArguments, DataArguments, FormatArguments, ModelArguments, TableArguments,
};
use crate::cli::audit::{Finding, Search};
use crate::cli::show::answer::Answer;
use crate::cli::show::network::{agreements, blocks, describe};
use crate::cli::{Problem, Terminal};
use crate::format::Model;
use crate::network::Plan;

/// Show the blocks, shapes, functions and parameters of a model
///
/// Notes on standard error say what the model was recognised as.
///
/// Example: pathscope inspect assets/preresnet20.safetensors
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    /// Compare the statistics that the network stores with those of images, given by --data
    #[arg(long, requires = "data")]
    audit: bool,
    #[command(flatten)]
    data: DataArguments,
    #[command(flatten)]
    table: TableArguments,
    #[command(flatten)]
    format: FormatArguments,
    #[command(flatten)]
    compute: ComputeArguments,
}

impl Execute for Arguments {
    fn run(&self, terminal: &Terminal) -> Result<(), Problem> {
        let (model, audited) = match self.audit {
            true => self.audited(terminal)?,
            false => (self.model.load(terminal)?, None),
        };
        let specification = &model.card.specification;
        let shapes = specification.shapes(model.card.input)?;
        let plan = Plan::intact(specification);
        let multiply_adds = specification.cost(&plan, model.card.input)?.multiply_adds;
        let mut answer = Answer::default();
        let mut document = describe(&model.card, &model.hash, &model.notes, &self.model.model)?;
        if let (Some(found), Some(document)) = (&audited, document.as_object_mut()) {
            document.insert("audit".into(), found.document()?);
        }
        answer.document(document);
        answer.table("blocks", blocks(&model.card.title, specification, &shapes)?);
        answer.table("audit", audited.map(|found| agreements(&found.audit)));
        answer.text(format!(
            "{} parameters, {:.1} million multiply-adds for {}",
            specification.parameter_count(),
            multiply_adds as f64 / 1e6,
            match (specification.sequence_length(), specification.vocabulary()) {
                (Some(length), Some(tokens)) =>
                    format!("a sequence of {length} tokens (vocabulary: {tokens})"),
                _ => format!("an image of {}", model.card.input),
            },
        ));
        let arranged = answer.arrange(&self.table);
        answer.print(self.format.get(), terminal)?;
        arranged
    }
}

impl Arguments {
    /// The model, after a comparison with the images.
    fn audited(&self, terminal: &Terminal) -> Result<(Model, Option<Finding>), Problem> {
        let ModelArguments {
            model: file,
            reading,
        } = &self.model;
        let mut model = reading.read(file)?;
        let data = self.data.load(&model, file, terminal)?;
        let (compute, search) = (self.compute.options()?, Some(Search::Everywhere));
        let finding = reading.settle(&mut model, &data, compute, search, terminal)?;
        if finding.is_none() {
            terminal.remark("audit: the network stores no batch statistics");
        }
        Ok((model, finding))
    }
}
