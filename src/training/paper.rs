//! Tables I to V of the paper as data, each row with the network that is built for it here.

use serde::Deserialize;

use super::{Recipe, RecipeArchitecture, RecipeData, TrainingError};

/// A table of Abdi & Nahavandi (arXiv 1609.05672).
///
/// ```
/// use pathscope_training::PaperTable;
///
/// let tables = PaperTable::all()?;
/// let wide = tables[2].rows.iter().find(|row| row.widening == Some(10)).unwrap();
/// assert_eq!(wide.parameters.as_deref(), Some("36.5M"));
/// assert_eq!(wide.parameters_here()?, Some(36_479_194));
/// # Ok::<(), pathscope_training::TrainingError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaperTable {
    /// Its number, in Roman figures.
    pub number: String,
    /// What it shows.
    pub about: String,
    /// Headings of its results.
    pub results: Vec<String>,
    /// Its rows, in order.
    #[serde(rename = "row")]
    pub rows: Vec<QuotedRow>,
}

/// A row as the paper prints it, and what is built here for it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuotedRow {
    /// The network's name there.
    pub method: String,
    /// Its depth, by the count of its authors.
    pub depth: Option<usize>,
    /// Functions per block.
    pub k: Option<usize>,
    /// The factor on the channels.
    pub widening: Option<usize>,
    /// Parameters as printed, such as `1.7M`.
    pub parameters: Option<String>,
    /// Results as printed, one for each heading of the table.
    pub results: Vec<String>,
    /// Recipes of the network, for the data sets of the results.
    #[serde(default)]
    pub recipes: Vec<String>,
    /// The network, where it has no recipe.
    pub architecture: Option<RecipeArchitecture>,
}

#[derive(Deserialize)]
struct Tables {
    table: Vec<PaperTable>,
}

impl PaperTable {
    /// All five, in the order of the paper.
    ///
    /// # Errors
    /// Never for the file that is part of the program.
    pub fn all() -> Result<Vec<Self>, TrainingError> {
        let tables: Tables =
            toml::from_str(include_str!("paper.toml")).map_err(|fault| TrainingError::Recipe {
                origin: "paper.toml".into(),
                fault: fault.to_string(),
            })?;
        Ok(tables.table)
    }
}

impl QuotedRow {
    /// Trained values of the network that is built here for the row; `None` where none is.
    ///
    /// # Errors
    /// A recipe that is not shipped, or a network that cannot be built.
    pub fn parameters_here(&self) -> Result<Option<i64>, TrainingError> {
        let found = match (&self.architecture, self.recipes.first()) {
            (Some(architecture), _) => architecture.parameters(RecipeData::Cifar10)?,
            (None, Some(name)) => {
                let recipe = Recipe::named(name)?;
                recipe.architecture.parameters(recipe.data)?
            }
            (None, None) => return Ok(None),
        };
        Ok(Some(found))
    }
}
