use std::collections::HashSet;

use super::*;
use crate::test_support::{self, run};

/// The page about a study.
fn whole() -> String {
    page(&run(test_support::study()), 0.95).unwrap()
}

fn all<'a>(text: &'a str, before: &str, after: &str) -> Vec<&'a str> {
    let parts = text.split(before).skip(1);
    parts.filter_map(|part| part.split(after).next()).collect()
}

#[test]
fn the_page_is_whole_and_loads_nothing() {
    let text = whole();
    for reference in all(&text, "href=\"", "\"") {
        if reference.starts_with("data:text/csv;charset=utf-8,") {
            continue;
        }
        let id = reference.strip_prefix('#').expect(reference);
        let target = format!("id=\"{id}\"");
        assert!(text.contains(&target), "{reference} leads nowhere");
    }
    for outside in [
        "src=", "url(", "@import", "https://", "<link", "<iframe", "<img",
    ] {
        assert!(!text.contains(outside), "{outside} loads something");
    }
    assert_eq!(text, whole());
    assert!(text.len() < 1 << 20);
}

#[test]
fn names_of_parts_are_unique() {
    let text = whole();
    let ids = all(&text, " id=\"", "\"");
    let distinct: HashSet<&&str> = ids.iter().collect();
    assert!(ids.len() > 10);
    assert_eq!(ids.len(), distinct.len(), "{ids:?}");
}

#[test]
fn every_picture_has_words() {
    let text = whole();
    let pictures = all(&text, "<svg", "</svg>");
    // Each for wide and for narrow screens.
    assert_eq!(pictures.len(), 2 * (3 + 3 + 3));
    for picture in pictures {
        let head = picture.split('>').next().unwrap();
        assert!(head.contains("role=\"img\""), "{head}");
        assert!(head.contains("aria-label"), "{head}");
        let words = all(picture, "<desc", "</desc>");
        assert!(words[0].len() > 60, "{words:?}");
    }
}

#[test]
fn strange_names_stay_text() {
    let text = whole();
    assert!(!text.contains("<made up>") && !text.contains("<co>"));
    assert!(text.contains("resnet20 &lt;made up&gt;"));
    assert!(text.contains("model &amp; &lt;co&gt;.safetensors"));
}

#[test]
fn blocks_have_colours_and_values() {
    let text = whole();
    let map = all(&text, "class=\"map\"", "</div>")[0];
    assert_eq!(map.matches("<ol class=\"stage\">").count(), 3);
    assert_eq!(map.matches("href=\"#row-0-").count(), 9);
    // The worst block has the strongest colour; each carries its value as text.
    assert_eq!(map.matches("opacity:1.000").count(), 1);
    assert!(all(map, "block-0-0\"", "</li>")[0].contains("opacity:1.000"));
    assert_eq!(map.matches("class=\"points\"").count(), 9);
    assert_eq!(map.matches("cell changes").count(), 2);
}

#[test]
fn the_first_screen_answers() {
    let text = whole();
    let (first, _) = text.split_once("<nav").unwrap();
    assert!(first.contains("<h1>resnet20 &lt;made up&gt; on made-up examples</h1>"));
    let tiles = all(first, "<a class=\"tile\"", "</a>");
    let starts = [
        ("Error of the intact network", "results-0"),
        ("Blocks that are needed", "results-0"),
        ("Path lengths with 95 % of the gradient", "results-2"),
        ("Cost of another order", "results-1"),
    ];
    assert_eq!(tiles.len(), starts.len());
    for (tile, (label, section)) in tiles.iter().zip(starts) {
        assert!(tile.contains(label) && tile.contains(section), "{tile}");
    }
    // What no record answers is said to be missing.
    let text = page(&run([test_support::spectrum()]), 0.95).unwrap();
    assert_eq!(text.matches("not measured</span>").count(), 3);
    assert_eq!(text.matches("class=\"unknown\"").count(), 9);
}

#[test]
fn the_same_block_has_one_name_everywhere() {
    let text = whole();
    for block in 0..9 {
        let named = format!("data-block=\"0-{block}\"");
        let parts = all(&text, "<", ">").into_iter();
        let parts: Vec<&str> = parts.filter(|part| part.contains(&named)).collect();
        for kind in ["a class=\"cell", "rect ", "tr "] {
            assert!(parts.iter().any(|part| part.starts_with(kind)), "{parts:?}");
        }
    }
}

#[test]
fn tables_are_worst_first_with_bars_and_their_values() {
    let text = whole();
    let table = all(&text, "<table", "</table>")[0];
    let rows: Vec<&str> = all(table, "<th scope=\"row\">", "</a>");
    assert!(rows[0].ends_with(">0"), "{rows:?}");
    assert_eq!(table.matches("aria-sort=\"descending\"").count(), 1);
    assert!(table.contains("style=\"--bar:100%\""));
    assert!(table.contains("class=\"needed\""));
    let csv = all(&text, "href=\"data:text/csv;charset=utf-8,", "\"")[0];
    let lines: Vec<&str> = csv.split("%0A").collect();
    assert!(lines[0].starts_with("block,name,output_shape,"), "{csv}");
    assert_eq!(lines.len(), 1 + 9 + 1);
}

#[test]
fn two_networks_stand_side_by_side() {
    let mut other = test_support::lesions();
    other.header.model.title = "another".into();
    other.header.model.hash = "ef".repeat(32);
    let both = Run::joined([run(test_support::study()), run([other])]);
    let text = page(&both, 0.95).unwrap();
    let title = "<h1>resnet20 &lt;made up&gt; and another on made-up examples</h1>";
    assert!(text.contains(title));
    assert_eq!(text.matches("class=\"map\"").count(), 2);
    let lesions = all(&text, "<section id=\"lesions\">", "</section>")[0];
    assert!(lesions.contains("class=\"pair\"") && lesions.contains("<h3>another</h3>"));
    let differences = all(&text, "<section id=\"differences\">", "</section>")[0];
    assert!(differences.contains(">another</th>"), "{differences}");
    let ids = all(&text, " id=\"", "\"");
    let distinct: HashSet<&&str> = ids.iter().collect();
    assert_eq!(ids.len(), distinct.len());
}

#[test]
fn networks_with_one_title_are_told_apart_by_their_folders() {
    let of = |folder: &str, hash: &str| {
        let mut journal = test_support::lesions();
        journal.header.model.hash = hash.repeat(32);
        journal.path = std::path::Path::new(folder).join("lesion.jsonl");
        run([journal])
    };
    let both = Run::joined([of("/home/me/before", "12"), of("after", "34")]);
    let text = page(&both, 0.95).unwrap();
    for title in ["(before)</h2>", "(after)</h2>"] {
        assert!(text.contains(title), "{title}");
    }
    assert!(!text.contains("/home/me"));
}
