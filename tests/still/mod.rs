//! A still of a terminal as SVG: what a command printed, in its colours.

use std::fmt::Write;

use pathscope::report::{Colour, Theme};

/// Width of a character, height of a line and size of the letters, in pixels.
const ACROSS: f64 = 7.8;
const DOWN: f64 = 17.0;
const LETTERS: f64 = 13.0;
/// Between the border and the text.
const MARGIN: f64 = 14.0;

/// How characters look: what the sequences `ESC [ ... m` have set.
#[derive(Clone, Copy, Default, PartialEq)]
struct Style {
    bold: bool,
    faint: bool,
    red: bool,
}

impl Style {
    fn set(&mut self, code: &str) {
        match code {
            "" | "0" => *self = Self::default(),
            "1" => self.bold = true,
            "2" => self.faint = true,
            "31" => self.red = true,
            other => panic!("the program prints a style that the still lacks: {other}"),
        }
    }

    fn attributes(self) -> String {
        let colour = match self {
            Self { red: true, .. } => Colour::Vermilion,
            Self { faint: true, .. } => Colour::Faint,
            _ => Colour::Ink,
        };
        let weight = if self.bold {
            " font-weight=\"bold\""
        } else {
            ""
        };
        format!("fill=\"{}\"{weight}", colour.hex(Theme::Dark))
    }
}

/// Draws `command` at a prompt and the lines of `printed` below it.
pub fn still(command: &str, printed: &str, columns: usize) -> String {
    let prompt = format!("\x1b[1m$ {command}\x1b[0m\n{printed}");
    let lines: Vec<&str> = prompt.lines().collect();
    let width = 2.0 * MARGIN + ACROSS * columns as f64;
    let height = 2.0 * MARGIN + DOWN * lines.len() as f64;
    let paper = Colour::Paper.hex(Theme::Dark);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-size=\"{LETTERS}\" font-family=\"ui-monospace, Menlo, \
         Consolas, 'DejaVu Sans Mono', monospace\" role=\"img\" aria-label=\"{}\">\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"{paper}\"/>\n",
        escape(command)
    );
    let mut style = Style::default();
    for (row, line) in lines.into_iter().enumerate() {
        let y = MARGIN + DOWN * (row as f64 + 0.75);
        let mut column = 0;
        for (index, part) in line.split("\x1b[").enumerate() {
            let words = match index {
                0 => part,
                _ => {
                    let (codes, words) = part.split_once('m').expect("a sequence sets a style");
                    codes.split(';').for_each(|code| style.set(code));
                    words
                }
            };
            let length = words.chars().count();
            let blanks = words.chars().take_while(|letter| *letter == ' ').count();
            if blanks < length {
                // Every run of characters is as wide in any font.
                let x = MARGIN + ACROSS * (column + blanks) as f64;
                writeln!(
                    svg,
                    "<text x=\"{x:.1}\" y=\"{y}\" textLength=\"{:.1}\" xml:space=\"preserve\" {}>{}</text>",
                    ACROSS * (length - blanks) as f64,
                    style.attributes(),
                    escape(&words[blanks..])
                )
                .unwrap();
            }
            column += length;
        }
        assert!(column <= columns, "{line}");
    }
    svg.push_str("</svg>\n");
    svg
}

fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}
