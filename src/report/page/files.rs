use pathscope_analysis::record::Journal;
use serde::Serialize;

use super::error::PageError;

/// Everything that is needed to make a file of results again.
#[derive(Debug, Serialize)]
pub(super) struct FileView {
    name: String,
    command: String,
    experiment: String,
    records: usize,
    seed: u64,
    model: String,
    model_hash: String,
    data: String,
    data_hash: String,
    pathscope: String,
    schema: u32,
    options: String,
}

/// What the header of a file says.
pub(super) fn view(journal: &Journal) -> Result<FileView, PageError> {
    let header = &journal.header;
    let name = journal.path.file_name();
    Ok(FileView {
        name: name.map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
        command: command(&header.command),
        experiment: header.options.experiment().to_owned(),
        records: journal.records.len(),
        seed: header.seed,
        model: header.model.title.clone(),
        model_hash: header.model.hash.clone(),
        data: header.data.description.clone(),
        data_hash: header.data.hash.clone(),
        pathscope: header.pathscope.clone(),
        schema: header.schema,
        options: header.options.to_json()?,
    })
}

/// A command as a shell takes it.
fn command(words: &[String]) -> String {
    let plain = |word: &str| {
        let harmless =
            |letter: char| letter.is_ascii_alphanumeric() || "-_./,:=+@%".contains(letter);
        !word.is_empty() && word.chars().all(harmless)
    };
    let quoted = words.iter().map(|word| match plain(word) {
        true => word.clone(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    });
    std::iter::once("pathscope".to_owned())
        .chain(quoted)
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_survive_a_shell() {
        let words = ["lesion", "my model.safetensors", "it's", "--seed=3", ""].map(str::to_owned);
        let expected = r"pathscope lesion 'my model.safetensors' 'it'\''s' --seed=3 ''";
        assert_eq!(command(&words), expected);
    }
}
