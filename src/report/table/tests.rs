use pathscope_analysis::Interval;

use super::*;

fn example() -> Table {
    let mut table = Table::new(
        "One block disabled (deleted)",
        vec![
            Column::words("name", "block"),
            Column::number("errors", "errors").medium(),
            Column::number("error", "error").unit("%"),
            Column::interval("error", "95 % interval").high(),
            Column::number("difference", "difference").unit("points"),
            Column::number("p", "p"),
            Column::words("worst_class", "worst-hit class").low(),
            Column::number("paths", "paths left").low(),
            Column::file_only("examples"),
        ],
    );
    let interval = Interval {
        lower: 0.25,
        upper: 0.5,
    };
    table.push(vec![
        Cell::integer("0 layer1.0", 0),
        Cell::count(1_234),
        Cell::number("34.1", 0.341),
        Cell::interval(interval, |end| format!("{:.0}", 100.0 * end)),
        Cell::number("-0.1", -0.001),
        Cell::number("1", 1.0),
        Cell::words("cat, \"the\" | animal"),
        Cell::integer("2^54", 1 << 54),
        Cell::count(3_617),
    ]);
    table.push_marked(
        vec![
            Cell::integer("10 layer2.0, the one that changes the shape", 10),
            Cell::count(9),
            Cell::number("0.249", 0.00249),
            Cell::missing(),
            Cell::number("?", f64::NAN),
            Cell::number("< 0.0001", 1e-9),
            Cell::words(""),
            Cell::missing(),
            Cell::count(3_617),
        ],
        Some(Mark::Significant),
    );
    table.legend = vec![
        (Mark::Significant, "p < 0.05".into()),
        (Mark::Needed, "not printed, since no row has it".into()),
    ];
    table.notes =
        vec!["p: exact McNemar test, Holm's correction over all rows of the table".into()];
    table
}

#[test]
fn wide_text_has_every_column() {
    let expected = "\
One block disabled (deleted)
                                                       error                 difference
  block                                        errors      %  95 % interval      points         p  worst-hit class      paths left
──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
  0 layer1.0                                    1,234   34.1       25 to 50        -0.1         1  cat, \"the\" | animal        2^54
* 10 layer2.0, the one that changes the shape       9  0.249                          ?  < 0.0001
* p < 0.05
p: exact McNemar test, Holm's correction over all rows of the table
";
    assert_eq!(example().text(140), expected, "\n{}", example().text(140));
    assert!(example().left_out(140).is_empty());
}

#[test]
fn narrow_text_drops_columns_by_priority_and_then_wraps() {
    let expected = "\
One block disabled (deleted)
                                               error  difference
  block                                            %      points         p
──────────────────────────────────────────────────────────────────────────
  0 layer1.0                                    34.1        -0.1         1
* 10 layer2.0, the one that changes the shape  0.249           ?  < 0.0001
* p < 0.05
p: exact McNemar test, Holm's correction over all rows of the table
";
    let text = example().text(80);
    assert!(text.starts_with("One block disabled"), "{text}");
    for width in [20, 30, 45, 80, 100, 120] {
        for line in example().lines(width) {
            assert!(
                textwrap::core::display_width(&line.text) <= width,
                "{width}: {line:?}"
            );
            assert_eq!(line.text.trim_end(), line.text, "{width}");
        }
    }
    assert_eq!(text, expected, "\n{text}");
    assert_eq!(
        example().left_out(80),
        ["errors", "95 % interval", "worst-hit class", "paths left"]
    );
}

#[test]
fn files_hold_every_value() {
    assert_eq!(
        example().csv().unwrap(),
        "name,errors,error,error_lower,error_upper,difference,p,worst_class,paths,examples\n\
         0,1234,0.341,0.25,0.5,-0.001,1,\"cat, \"\"the\"\" | animal\",18014398509481984,3617\n\
         10,9,0.00249,,,,1e-9,,,3617\n"
    );
    let records: serde_json::Value = serde_json::from_str(&example().json().unwrap()).unwrap();
    assert_eq!(records[0]["error_upper"], 0.5);
    assert_eq!(records[0]["paths"], 1_u64 << 54);
    assert!(records[1]["difference"].is_null() && records[1]["paths"].is_null());
    assert_eq!(records[1]["name"], 10);
}

#[test]
fn markdown_has_the_printed_columns() {
    let text = example().markdown();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "**One block disabled (deleted)**");
    assert_eq!(
        lines[2],
        "| block | errors | error, % | 95 % interval | difference, points | p | worst-hit class | paths left |"
    );
    assert_eq!(
        lines[3],
        "| --- | ---: | ---: | ---: | ---: | ---: | --- | ---: |"
    );
    assert!(lines[4].ends_with("| cat, \"the\" \\| animal | 2^54 |"));
}

#[test]
fn rows_sort_by_a_field_with_missing_values_last() {
    let mut table = example();
    table.rows.swap(0, 1);
    table.sort_descending("difference");
    assert_eq!(table.rows[0].cells[0].text, "0 layer1.0");
    table.sort_descending("errors");
    assert_eq!(table.rows[0].cells[1].text, "1,234");
}
