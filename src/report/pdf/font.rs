//! Fonts of a page: the glyphs that it shows and no others, with what they mean, so that its words can
//! be selected and searched.

use std::collections::BTreeMap;

use pathscope_file::sha256;
use pdf_writer::types::{CidFontType, FontFlags, SystemInfo, UnicodeCmap};
use pdf_writer::{Filter, Finish, Name, Pdf, Rect, Ref, Str};
use resvg::usvg::fontdb::{Database, ID};
use skrifa::instance::{LocationRef, Size};
use skrifa::raw::TableProvider;
use skrifa::{FontRef, GlyphId, MetadataProvider, Tag};
use subsetter::GlyphRemapper;

use super::{compressed, tidy};
use crate::fonts::RenderError;

/// Character codes are two bytes, and those of glyphs.
const ENCODING: &str = "Identity-H";
const CHARACTERS: SystemInfo<'_> = SystemInfo {
    registry: Str(b"Adobe"),
    ordering: Str(b"Identity"),
    supplement: 0,
};
/// Bits of `fsType` in the table `OS/2`: no embedding, no subsets, no outlines.
const RESTRICTED: u16 = 0x0002 | 0x0100 | 0x0200;
/// Tables of fonts that are more than one outline for each glyph.
const OTHER_OUTLINES: [&[u8; 4]; 6] = [b"fvar", b"CFF2", b"COLR", b"SVG ", b"sbix", b"CBDT"];

/// A font and what a page shows of it.
pub(super) struct Font {
    pub id: ID,
    /// Units of its outlines to the size of its letters.
    pub units: f32,
    name: String,
    data: Vec<u8>,
    index: u32,
    glyphs: GlyphRemapper,
    /// Widths of the glyphs by their numbers in the file, in thousandths of the size.
    widths: Vec<f32>,
    /// Words that glyphs stand for.
    words: BTreeMap<u16, String>,
}

impl Font {
    /// The font `id`; none where its licence or its kind does not allow a part of it in a file.
    pub fn new(fonts: &Database, id: ID) -> Option<Self> {
        let name = fonts.face(id)?.post_script_name.clone();
        let (data, index) = fonts.with_face_data(id, |data, index| (data.to_vec(), index))?;
        let font = FontRef::from_index(&data, index).ok()?;
        let has = |tag: &[u8; 4]| font.table_data(Tag::new(tag)).is_some();
        // Fonts without the table are from before there were such licences.
        let licence = font.os2().map_or(0, |table| table.fs_type());
        let embeddable = (has(b"glyf") || has(b"CFF "))
            && !OTHER_OUTLINES.into_iter().any(has)
            && licence & RESTRICTED == 0;
        let units = f32::from(font.head().ok()?.units_per_em());
        let mut found = Self {
            id,
            units,
            name,
            data,
            index,
            glyphs: GlyphRemapper::new(),
            widths: Vec::new(),
            words: BTreeMap::new(),
        };
        // What stands for missing letters is in every font.
        found.show(0, "");
        embeddable.then_some(found)
    }

    /// The number in the file of a glyph that stands for `words`, and its width in thousandths of the
    /// size.
    pub fn show(&mut self, glyph: u16, words: &str) -> (u16, f32) {
        let number = self.glyphs.remap(glyph);
        let place = usize::from(number);
        if place >= self.widths.len() {
            let width = FontRef::from_index(&self.data, self.index)
                .ok()
                .and_then(|font| {
                    let metrics = font.glyph_metrics(Size::unscaled(), LocationRef::default());
                    metrics.advance_width(GlyphId::from(glyph))
                });
            let width = width.unwrap_or_default();
            self.widths
                .resize(place + 1, tidy(1_000.0 * width / self.units));
        }
        if !words.is_empty() {
            self.words.entry(number).or_insert_with(|| words.to_owned());
        }
        (number, self.widths[place])
    }

    /// Writes the font as object `whole` and those after it; gives the next one. Errors: a
    /// malformed font.
    pub fn write(&self, file: &mut Pdf, whole: Ref) -> Result<Ref, RenderError> {
        let malformed = |reason: &dyn std::fmt::Display| {
            RenderError::unusable(format!("font {} cannot be embedded: {reason}", self.name))
        };
        let part = subsetter::subset(&self.data, self.index, &self.glyphs)
            .map_err(|fault| malformed(&fault))?;
        let original =
            FontRef::from_index(&self.data, self.index).map_err(|fault| malformed(&fault))?;
        let outlines = FontRef::new(&part)
            .ok()
            .and_then(|part| part.table_data(Tag::new(b"CFF ")));
        let kind = match outlines {
            Some(_) => CidFontType::Type0,
            None => CidFontType::Type2,
        };
        // Six letters distinguish parts of the same font.
        let hash = sha256(&part);
        let letters = hash.bytes().take(6).map(|digit| match digit {
            b'0'..=b'9' => char::from(digit - b'0' + b'A'),
            _ => char::from(digit - b'a' + b'K'),
        });
        let name = format!("{}+{}", letters.collect::<String>(), self.name);
        let mut after = whole;
        let [whole, single, descriptor, meaning, stream] = [(); 5].map(|()| after.bump());

        let mut font = file.type0_font(whole);
        font.base_font(Name(name.as_bytes()))
            .encoding_predefined(Name(ENCODING.as_bytes()))
            .descendant_font(single)
            .to_unicode(meaning);
        font.finish();
        let mut font = file.cid_font(single);
        font.subtype(kind)
            .base_font(Name(name.as_bytes()))
            .system_info(CHARACTERS)
            .font_descriptor(descriptor)
            .default_width(0.0);
        if kind == CidFontType::Type2 {
            font.cid_to_gid_map_predefined(Name(b"Identity"));
        }
        font.widths().consecutive(0, self.widths.iter().copied());
        font.finish();

        let metrics = original.metrics(Size::unscaled(), LocationRef::default());
        let thousandths = |units: f32| tidy(1_000.0 * units / self.units);
        let bounds = metrics.bounds.unwrap_or_default();
        let mut flags = FontFlags::SYMBOLIC;
        flags.set(FontFlags::FIXED_PITCH, metrics.is_monospace);
        let weight = original.attributes().weight.value();
        let mut facts = file.font_descriptor(descriptor);
        facts
            .name(Name(name.as_bytes()))
            .flags(flags)
            .bbox(Rect::new(
                thousandths(bounds.x_min),
                thousandths(bounds.y_min),
                thousandths(bounds.x_max),
                thousandths(bounds.y_max),
            ))
            .italic_angle(metrics.italic_angle)
            .ascent(thousandths(metrics.ascent))
            .descent(thousandths(metrics.descent))
            .cap_height(thousandths(metrics.cap_height.unwrap_or(metrics.ascent)))
            // Fonts do not state the width of their stems; this is about right.
            .stem_v(10.0 + 0.244 * (weight - 50.0));
        match kind {
            CidFontType::Type0 => facts.font_file3(stream),
            CidFontType::Type2 => facts.font_file2(stream),
        };
        facts.finish();

        let mut map = UnicodeCmap::new(Name(b"Words"), CHARACTERS);
        for (&glyph, words) in &self.words {
            map.pair_with_multiple(glyph, words.chars());
        }
        file.cmap(meaning, &map.finish());
        let bytes = outlines.map_or(part.as_slice(), |outlines| outlines.as_bytes());
        let packed = compressed(bytes)?;
        let mut font = file.stream(stream, &packed);
        font.filter(Filter::FlateDecode);
        match kind {
            CidFontType::Type0 => font.pair(Name(b"Subtype"), Name(b"CIDFontType0C")),
            CidFontType::Type2 => font.pair(Name(b"Length1"), bytes.len() as i32),
        };
        Ok(after)
    }
}
