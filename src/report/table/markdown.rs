use std::fmt::Write;

use super::{Alignment, Column, Table};

impl Table {
    /// The printed columns as a Markdown table under its title.
    pub fn markdown(&self) -> String {
        let shown: Vec<(usize, &Column)> = self.printed().collect();
        let row = |cells: &mut dyn Iterator<Item = String>| {
            let cells: Vec<String> = cells.collect();
            format!("| {} |", cells.join(" | "))
        };
        let mut lines = vec![
            format!("**{}**", escape(&self.title)),
            String::new(),
            row(&mut shown.iter().map(|(_, column)| escape(&column.title()))),
            row(&mut shown.iter().map(|(_, column)| match column.alignment {
                Alignment::Left => "---".into(),
                Alignment::Right => "---:".into(),
            })),
        ];
        lines.extend(self.rows.iter().map(|found| {
            row(&mut shown.iter().map(|(index, _)| {
                let cell = found.cells.get(*index);
                cell.map_or_else(String::new, |cell| escape(&cell.text))
            }))
        }));
        let mut text = lines.join("\n") + "\n";
        for note in &self.notes {
            // Writing to a string succeeds.
            let _ = writeln!(text, "\n{}", escape(note));
        }
        text
    }
}

fn escape(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
