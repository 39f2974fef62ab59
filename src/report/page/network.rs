//! A drawing of the network: every block coloured by what its loss costs.

use std::fmt::Write;

use pathscope_analysis::record::{BlockIdentity, Header};

use super::figure::Figure;
use crate::draw::escape;
use crate::journal::Journal;
use crate::lesions::{Target, block_name, intact, single_lesions};
use crate::quantity::{count, significant};
use crate::theme::{Colour, Theme, sequential};

/// Blocks side by side: few, so that numbers stay readable on a phone.
const COLUMNS: usize = 8;
const PITCH: f64 = 76.0;
const BOX: f64 = 52.0;
const LEFT: f64 = 20.0;
const LEGEND_WIDTH: f64 = 460.0;
/// From the top of a row: where its skips run, its numbers stand and its boxes begin.
const SKIP: f64 = 10.0;
const NUMBER: f64 = 31.0;
const TOP: f64 = 40.0;
const LOWEST_BOX: f64 = 38.0;
const FUNCTION: f64 = 15.0;

/// What the loss of blocks and functions costs, in percentage points of error.
struct Effects {
    method: String,
    found: Vec<(Target, f64)>,
}

impl Effects {
    /// Those of the first method that was measured against the intact network, deletion first.
    fn of(journals: &[&Journal]) -> Option<Self> {
        let mut all: Vec<Self> = Vec::new();
        let mut data: Option<&str> = None;
        for journal in journals {
            let outcomes = journal.outcomes();
            let Some(intact) = intact(&outcomes) else {
                continue;
            };
            // Effects on different examples do not belong side by side.
            let hash = journal.header.data.hash.as_str();
            if *data.get_or_insert(hash) != hash {
                continue;
            }
            for (method, lesions) in single_lesions(&outcomes) {
                let found: Vec<(Target, f64)> = lesions
                    .iter()
                    .filter(|single| single.against_intact.is_some())
                    .map(|single| {
                        let points = 100.0 * (single.outcome.error() - intact.error());
                        (single.target, points)
                    })
                    .collect();
                match all.iter_mut().find(|effects| effects.method == method) {
                    Some(effects) => effects.found.extend(found),
                    None => all.push(Self { method, found }),
                }
            }
        }
        all.retain(|effects| !effects.found.is_empty());
        all.into_iter()
            .min_by_key(|effects| effects.method != "deleted")
    }

    fn at(&self, target: Target) -> Option<f64> {
        let mut found = self.found.iter();
        found
            .find(|(known, _)| *known == target)
            .map(|(_, points)| *points)
    }

    fn largest(&self) -> f64 {
        let points = self.found.iter().map(|(_, points)| *points);
        points.fold(0.0, f64::max)
    }
}

/// Draws the network of `journals`, which measured it on the same examples.
pub(super) fn draw(header: &Header, journals: &[&Journal]) -> Figure {
    let effects = Effects::of(journals);
    let words = describe(header, effects.as_ref());
    let title = format!("The blocks of {}", header.model.title);
    let rows = rows(header);
    let widest = rows.iter().map(|(_, blocks)| *blocks).fold(0, usize::max);
    let width = (2.0 * LEFT + PITCH * widest as f64).max(LEGEND_WIDTH);
    let mut drawing = Drawing::new(header, effects);
    let mut y = 14.0;
    for (first, blocks) in rows {
        y = drawing.row(first, blocks, y);
    }
    if drawing.effects.is_some() {
        drawing.legend(y);
        y += 50.0;
    }
    let svg = format!(
        "<svg viewBox=\"0 0 {width:.0} {y:.0}\" role=\"img\" aria-label=\"{}\" \
         font-family=\"sans-serif\" class=\"network\" style=\"max-width:{:.0}px\">\
         <desc>{}</desc>{}</svg>",
        escape(&title),
        1.2 * width,
        escape(&words),
        drawing.body,
    );
    Figure { svg, title, words }
}

/// The drawing as it grows, row by row.
struct Drawing<'a> {
    header: &'a Header,
    effects: Option<Effects>,
    /// The effect of the darkest colour, in points.
    unit: f64,
    /// Height of a block: that of the one with most functions.
    depth: f64,
    body: String,
}

impl<'a> Drawing<'a> {
    fn new(header: &'a Header, effects: Option<Effects>) -> Self {
        let functions = header.model.blocks.iter().map(|block| block.functions);
        let most = functions.fold(1, usize::max);
        Self {
            header,
            unit: match &effects {
                Some(effects) => effects.largest().max(f64::MIN_POSITIVE),
                None => 1.0,
            },
            effects,
            depth: (FUNCTION * most as f64).max(LOWEST_BOX),
            body: String::new(),
        }
    }

    fn colour(&self, points: f64) -> String {
        let plotters::style::RGBColor(red, green, blue) = sequential(points.max(0.0) / self.unit);
        // Small letters: where the reader prefers dark, rules change the colours in capitals only.
        format!("#{red:02x}{green:02x}{blue:02x}")
    }

    /// One row of blocks from `y` on, under the shape of its stage where it opens one; returns
    /// where it ends.
    fn row(&mut self, first: usize, blocks: usize, y: f64) -> f64 {
        let all = &self.header.model.blocks;
        let mut y = y;
        if let Some(block) = all
            .get(first)
            .filter(|block| first == 0 || block.changes_shape)
        {
            y += 12.0;
            let place = (LEFT - 12.0, y);
            text(
                &mut self.body,
                place,
                13,
                "start",
                &block.shape,
                Colour::Faint,
            );
            y += 6.0;
        }
        let wire = y + TOP + self.depth / 2.0;
        let end = LEFT + PITCH * blocks as f64;
        let path = format!("M{:.0} {wire:.1}H{end:.0}", LEFT - 12.0);
        line(&mut self.body, &path, "");
        for (place, (index, block)) in all.iter().enumerate().skip(first).take(blocks).enumerate() {
            let x = LEFT + PITCH * place as f64;
            self.block(index, block, (x, y));
        }
        y + TOP + self.depth + 36.0
    }

    /// A block with its skip, its number above and its effect below.
    fn block(&mut self, index: usize, block: &BlockIdentity, (x, y): (f64, f64)) {
        let wire = y + TOP + self.depth / 2.0;
        let skip = format!(
            "M{:.0} {wire:.1}V{:.1}H{:.0}V{wire:.1}",
            x - 6.0,
            y + SKIP,
            x + BOX + 6.0
        );
        let dashes = match block.changes_shape {
            true => " stroke-dasharray=\"5 4\"",
            false => "",
        };
        line(&mut self.body, &skip, dashes);
        let points = self
            .effects
            .as_ref()
            .and_then(|e| e.at(Target::Block(index)));
        let hover = hover(self.header, index, self.effects.as_ref());
        // Writing to a string does not fail.
        let _ = write!(self.body, "<g><title>{}</title>", escape(&hover));
        self.functions(index, block, points, (x, y + TOP));
        let middle = x + BOX / 2.0;
        let number = index.to_string();
        text(
            &mut self.body,
            (middle, y + NUMBER),
            16,
            "middle",
            &number,
            Colour::Ink,
        );
        if let Some(points) = points {
            let value = format!("{}{}", sign(points), significant(points, 2));
            let below = (middle, y + TOP + self.depth + 17.0);
            text(&mut self.body, below, 14, "middle", &value, Colour::Ink);
        }
        self.body.push_str("</g>");
    }

    /// The functions of a block as boxes on each other, coloured by their own effect or else by that
    /// of the block.
    fn functions(
        &mut self,
        index: usize,
        block: &BlockIdentity,
        points: Option<f64>,
        (x, y): (f64, f64),
    ) {
        let height = self.depth / block.functions as f64;
        for function in 0..block.functions {
            let own = self
                .effects
                .as_ref()
                .and_then(|e| e.at(Target::Function(index, function)));
            let fill = own.or(points).map(|points| self.colour(points));
            let (fill, dashes) = match &fill {
                Some(fill) => (fill.as_str(), ""),
                None => (
                    &*Colour::Paper.hex(Theme::Light),
                    " stroke-dasharray=\"2 3\"",
                ),
            };
            let top = y + height * function as f64;
            let ink = Colour::Ink.hex(Theme::Light);
            let _ = write!(
                self.body,
                "<rect x=\"{x:.0}\" y=\"{top:.1}\" width=\"{BOX:.0}\" height=\"{height:.1}\" \
                 fill=\"{fill}\" stroke=\"{ink}\"{dashes}/>"
            );
        }
    }

    /// The scale of colours.
    fn legend(&mut self, y: f64) {
        const STEPS: u32 = 5;
        let width = 56.0;
        let ink = Colour::Ink.hex(Theme::Light);
        for step in 0..STEPS {
            let points = self.unit * f64::from(step) / f64::from(STEPS - 1);
            let x = LEFT - 12.0 + width * f64::from(step);
            let fill = self.colour(points);
            let _ = write!(
                self.body,
                "<rect x=\"{x:.0}\" y=\"{y:.1}\" width=\"{width:.0}\" height=\"14\" \
                 fill=\"{fill}\" stroke=\"{ink}\"/>",
            );
            let below = (x + width / 2.0, y + 30.0);
            let value = significant(points, 2);
            text(&mut self.body, below, 13, "middle", &value, Colour::Ink);
        }
        let beside = (LEFT + width * f64::from(STEPS), y + 12.0);
        text(
            &mut self.body,
            beside,
            13,
            "start",
            "points of error added",
            Colour::Ink,
        );
    }
}

/// Rows of blocks as (first, number): a stage begins a row of its own.
fn rows(header: &Header) -> Vec<(usize, usize)> {
    let mut rows: Vec<(usize, usize)> = Vec::new();
    for (index, block) in header.model.blocks.iter().enumerate() {
        match rows.last_mut() {
            Some((_, blocks)) if *blocks < COLUMNS && !block.changes_shape => *blocks += 1,
            _ => rows.push((index, 1)),
        }
    }
    rows
}

fn describe(header: &Header, effects: Option<&Effects>) -> String {
    let blocks = count(header.model.blocks.len(), "block", "blocks");
    let shape = format!(
        "{blocks} in the order in which data meet them, numbered from 0; a line over a block is its \
         skip, dashed where it changes the shape."
    );
    let Some(effects) = effects else {
        return format!("{shape} No single lesions were measured, so no block has a colour.");
    };
    let worst = effects.found.iter().max_by(|a, b| a.1.total_cmp(&b.1));
    let worst = worst.map_or_else(String::new, |(target, points)| {
        format!(
            " The darkest is {}, at {}{} points.",
            target.name(),
            sign(*points),
            significant(*points, 3)
        )
    });
    format!(
        "{shape} Colour and the number below: percentage points of error added by disabling the \
         block ({}); the darker, the more.{worst}",
        effects.method
    )
}

fn hover(header: &Header, index: usize, effects: Option<&Effects>) -> String {
    let Some(block) = header.model.blocks.get(index) else {
        return String::new();
    };
    let mut text = format!(
        "block {}: output {}, {}, {}",
        block_name(header, index),
        block.shape,
        count(block.functions, "function", "functions"),
        count(block.layers, "layer", "layers"),
    );
    if block.changes_shape {
        text += ", changes the shape";
    }
    let Some(effects) = effects else {
        return text;
    };
    let functions = (0..block.functions).map(|function| Target::Function(index, function));
    for target in std::iter::once(Target::Block(index)).chain(functions) {
        if let Some(points) = effects.at(target) {
            text += &format!(
                "; {} {}: {}{} points of error",
                target.name(),
                effects.method,
                sign(points),
                significant(points, 3)
            );
        }
    }
    text
}

fn sign(points: f64) -> &'static str {
    if points > 0.0 { "+" } else { "" }
}

fn text(
    out: &mut String,
    (x, y): (f64, f64),
    size: u32,
    anchor: &str,
    words: &str,
    colour: Colour,
) {
    let fill = colour.hex(Theme::Light);
    // Writing to a string does not fail.
    let _ = write!(
        out,
        "<text x=\"{x:.0}\" y=\"{y:.1}\" font-size=\"{size}\" text-anchor=\"{anchor}\" \
         fill=\"{fill}\">{}</text>",
        escape(words)
    );
}

fn line(out: &mut String, path: &str, dashes: &str) {
    let stroke = Colour::Faint.hex(Theme::Light);
    let _ = write!(
        out,
        "<path d=\"{path}\" fill=\"none\" stroke=\"{stroke}\" stroke-width=\"1.5\"{dashes}/>"
    );
}
