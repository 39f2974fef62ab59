use std::path::{Path, PathBuf};

use clap::Args;
use pathscope_analysis::record::StatisticsAudit;

use crate::cli::audit::{Decision, Finding, Search, audit};
use crate::cli::{Problem, Terminal};
use crate::data::{Dataset, Normalization};
use crate::experiment::ComputeOptions;
use crate::format::{Assumptions, LoadNote, LoadOptions, Model, load_model_with};
use crate::network::Granularity;

/// The model to look at.
#[derive(Debug, Args)]
pub(crate) struct ModelArguments {
    /// Model: .safetensors, a PyTorch checkpoint (.pt, .pth), an exported network (.pt2), or a folder
    /// that transformers or timm saved
    pub model: PathBuf,
    #[command(flatten)]
    pub reading: ReadingArguments,
}

impl ModelArguments {
    /// Reads the model and prints what was recognised. Errors: a file that cannot be used.
    pub fn load(&self, terminal: &Terminal) -> Result<Model, Problem> {
        self.reading.load(&self.model, terminal)
    }
}

/// A network, and examples to measure it on.
pub(crate) struct Subject {
    /// What messages call the network: its file.
    pub name: String,
    pub model: Model,
    pub data: Dataset,
    /// How the network's statistics agree with the examples.
    pub audit: Option<StatisticsAudit>,
}

/// How model files are read.
#[derive(Debug, Args)]
pub(crate) struct ReadingArguments {
    /// Normalisation of the inputs if the file states none: imagenet, cifar10, cifar100, mnist,
    /// fashion-mnist, half, none, bytes (0 to 255), or means and deviations such as
    /// 0.49,0.48,0.45/0.20,0.20,0.20
    #[arg(long, value_name = "NORMALISATION")]
    normalize: Option<String>,
    /// Prefix of the network's tensors, where a file holds several networks
    #[arg(long, value_name = "PREFIX")]
    prefix: Option<String>,
    /// Entry of the checkpoint that holds the tensors, such as state_dict_ema
    #[arg(long, value_name = "ENTRY")]
    weights: Option<String>,
    /// Facts that the file does not state, such as groups=16 for a GroupNorm, epsilon=1e-3 or pool=yes
    #[arg(long, value_name = "FACT", value_delimiter = ',')]
    assume: Vec<String>,
    /// Blocks of an exported network: its sublayers, such as attention and perceptron, or whole
    /// layers
    #[arg(long, value_enum, default_value_t, value_name = "BLOCKS")]
    granularity: Granularity,
    /// Fail where the images disagree with the statistics that the network stores
    #[arg(long)]
    strict: bool,
}

impl ReadingArguments {
    /// The normalisation asked for. Errors: an unknown preset.
    pub fn preset(&self) -> Result<Option<Normalization>, Problem> {
        let given = self.normalize.as_deref();
        Ok(given.map(str::parse).transpose()?)
    }

    /// Reads the model in `file` and prints what it is. Errors: a file that cannot be used.
    pub fn load(&self, file: &Path, terminal: &Terminal) -> Result<Model, Problem> {
        let model = self.read(file)?;
        self.introduce(&model, None, None, false, terminal);
        Ok(model)
    }

    /// Reads the model in `file` and, by `load`, its examples; decides by them what the file leaves
    /// open, and prints what was found. Errors: a file that cannot be used, examples that do not
    /// fit, or that disagree with the network where that is to fail.
    pub fn open(
        &self,
        file: &Path,
        load: impl FnOnce(&mut Model) -> Result<Dataset, Problem>,
        compute: ComputeOptions,
        terminal: &Terminal,
    ) -> Result<Subject, Problem> {
        let mut model = self.read(file)?;
        let data = load(&mut model)?;
        let finding = self.settle(&mut model, &data, compute, None, terminal)?;
        let audit = finding.map(|finding| finding.summary);
        Ok(Subject {
            name: file.display().to_string(),
            model,
            data,
            audit,
        })
    }

    /// Prints what `model` is, and how it agrees with the examples; in full where that is `asked`.
    fn introduce(
        &self,
        model: &Model,
        data: Option<&Dataset>,
        finding: Option<&Finding>,
        asked: bool,
        terminal: &Terminal,
    ) {
        for note in &model.notes {
            let remedy = match note {
                LoadNote::AlsoHeld { .. } => " (choose with --weights)",
                _ => "",
            };
            let text = format!("note: {note}{remedy}");
            match note.is_detail() {
                true => terminal.detail(&text),
                false => terminal.remark(&text),
            }
        }
        let agreed = finding.filter(|finding| finding.summary.disagreement.is_none());
        let audit = match agreed.map(|finding| finding.decisions.as_slice()) {
            None if model.open.normalization => " (choose with --normalize)".to_owned(),
            None => String::new(),
            Some([]) => ", confirmed by the audit".to_owned(),
            // It is named already.
            Some([Decision::Normalization(_)]) => ", decided by the audit".to_owned(),
            Some(decisions) => {
                let decisions: Vec<String> = decisions.iter().map(Decision::to_string).collect();
                format!("; decided by the audit: {}", decisions.join(", "))
            }
        };
        terminal.remark(&format!(
            "{}, {} blocks{}{audit}",
            model.card.title,
            model.card.specification.blocks.len(),
            self.inputs(model, data),
        ));
        match finding {
            Some(finding) if asked || agreed.is_none() => terminal.remark(&finding.line()),
            Some(finding) => terminal.detail(&finding.line()),
            None => {}
        }
    }

    /// How inputs are normalised, and who says so, behind a semicolon.
    fn inputs(&self, model: &Model, data: Option<&Dataset>) -> String {
        if model.card.specification.vocabulary().is_some() {
            return String::new();
        }
        if data.is_some_and(Dataset::is_normalized) {
            return "; images normalised already".to_owned();
        }
        let source = match (&self.normalize, model.open.normalization) {
            (Some(_), _) => ", as asked for",
            (None, true) => ", assumed",
            (None, false) => "",
        };
        match model.card.normalization.name() {
            Some(name) => format!("; normalisation `{name}`{source}"),
            None => format!("; normalisation of its own{source}"),
        }
    }

    /// Reads the model in `file`. Errors: a file that cannot be used.
    pub fn read(&self, file: &Path) -> Result<Model, Problem> {
        let assumed = self.assume.iter().map(String::as_str);
        let assumptions = Assumptions::parse(assumed)
            .map_err(|what| Problem::BadInput(format!("--assume {what}")))?;
        let options = LoadOptions {
            normalization: self.preset()?,
            prefix: self.prefix.clone(),
            weights: self.weights.clone(),
            assumptions,
            granularity: self.granularity,
        };
        Ok(load_model_with(file, &options)?)
    }

    /// Decides by the images of `data` what the file of `model` leaves open, and prints what was
    /// found. Other readings are tried by `search`, or as far as the file leaves them open. Errors:
    /// images that do not fit, or that disagree with the network where that is to fail.
    pub fn settle(
        &self,
        model: &mut Model,
        data: &Dataset,
        compute: ComputeOptions,
        search: Option<Search>,
        terminal: &Terminal,
    ) -> Result<Option<Finding>, Problem> {
        let asked = search.is_some();
        let guessed = !model.open.subjects.is_empty() || model.open.normalization;
        let search = search.unwrap_or(match guessed || self.strict {
            true => Search::Everywhere,
            false => Search::Disagreements,
        });
        let finding = audit(model, data, compute, search)?;
        self.introduce(model, Some(data), finding.as_ref(), asked, terminal);
        let summary = finding.as_ref().map(|finding| &finding.summary);
        match summary.and_then(|summary| summary.disagreement.as_ref()) {
            Some(disagreement) if self.strict => Err(Problem::BadInput(format!(
                "the images disagree with the statistics that the network stores: {disagreement}"
            ))),
            _ => Ok(finding),
        }
    }
}
