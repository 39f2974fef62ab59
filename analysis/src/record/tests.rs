use std::fs;
use std::path::Path;

use super::*;

fn header() -> Header {
    Header {
        schema: SCHEMA_VERSION,
        pathscope: "0.1.0".into(),
        options: Options::Reorder(ReorderSettings {
            normalization: InputNormalization::default(),
        }),
        command: vec!["reorder".into()],
        model: ModelIdentity {
            title: "tiny".into(),
            hash: "ab".into(),
            blocks: Vec::new(),
            parameters: 1,
            multiply_adds: 1,
        },
        data: DataIdentity {
            description: "made up".into(),
            hash: "cd".into(),
            examples: 5,
            positions: 1,
            classes: 2,
        },
        audit: None,
        seed: 0,
        shard: None,
    }
}

fn outcome(key: &str, loss: f64) -> Record {
    changed(key, Change::Intact, loss)
}

fn changed(key: &str, change: Change, loss: f64) -> Record {
    Record::Outcome(Outcome {
        key: key.into(),
        change,
        draw: None,
        errors: 1,
        examples: 5,
        positions: 1,
        loss,
        margin: 2.0,
        errors_by_class: vec![1, 0],
        wrong: WrongExamples::new(&[false, true, false, false, false]),
        paths: "256".into(),
        parameters: 10,
        multiply_adds: 20,
        screened: None,
    })
}

fn block(name: &str, functions: usize) -> BlockIdentity {
    BlockIdentity {
        name: name.into(),
        functions,
        orders: Vec::new(),
        without_skip: false,
        passages: Vec::new(),
        layers: 2,
        shape: "16x32x32".into(),
        changes_shape: false,
    }
}

fn written(file: &Path, records: &[Record]) {
    let mut journal = JournalWriter::open(file, header()).unwrap();
    for record in records {
        journal.append(record.clone()).unwrap();
    }
}

#[test]
fn a_header_keeps_the_order_of_its_fields() {
    let line = serde_json::to_string(&Record::Header(header())).unwrap();
    let fields = r#"{"type":"header","schema":1,"pathscope":"0.1.0","experiment":"reorder","command":["reorder"],"model":"#;
    assert!(line.starts_with(fields), "{line}");
    let options = r#""seed":0,"options":{"normalization":{"mean":[],"standard_deviation":[]}}}"#;
    assert!(line.ends_with(options), "{line}");
    let read = serde_json::from_str::<Record>(&line).unwrap();
    assert_eq!(read, Record::Header(header()));
}

#[test]
fn a_loss_that_is_no_number_is_read_back_and_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("results.jsonl");
    let undefined = [outcome("a", f64::NAN), outcome("b", f64::INFINITY)];
    written(&file, &undefined);
    let read = Journal::read(&file).unwrap();
    let losses: Vec<f64> = read.outcomes().iter().map(|outcome| outcome.loss).collect();
    assert!(losses[0].is_nan() && losses[1] == f64::INFINITY);
    let resumed = JournalWriter::open(&file, header()).unwrap();
    assert_eq!(resumed.records().len(), 2);
    // As older files have it.
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("\"NaN\"", "null")).unwrap();
    assert!(Journal::read(&file).unwrap().outcomes()[0].loss.is_nan());
}

#[test]
fn a_second_writer_is_refused_and_readers_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("results.jsonl");
    let first = JournalWriter::open(&file, header()).unwrap();
    let refusal = JournalWriter::open(&file, header()).unwrap_err();
    assert!(matches!(refusal, JournalError::Busy { .. }), "{refusal}");
    assert!(Journal::read(&file).unwrap().records.is_empty());
    drop(first);
    assert!(JournalWriter::open(&file, header()).is_ok());
    let device = JournalWriter::open(Path::new("/dev/null"), header());
    assert!(matches!(device, Err(JournalError::NotAFile(_))));
}

#[test]
fn a_repeated_line_is_read_once_and_a_contradiction_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("results.jsonl");
    written(&file, &["a", "a", "b"].map(|key| outcome(key, 0.5)));
    assert_eq!(Journal::read(&file).unwrap().records.len(), 2);
    written(&file, &[outcome("b", 0.25)]);
    let refusal = Journal::read(&file).unwrap_err().to_string();
    assert!(
        refusal.contains("line 5") && refusal.contains("`b`"),
        "{refusal}"
    );
}

#[test]
fn a_cut_off_line_is_measured_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("results.jsonl");
    written(&file, &[outcome("a", 0.5), outcome("b", 0.5)]);
    let whole = fs::read(&file).unwrap();
    for length in 0..whole.len() {
        fs::write(&file, &whole[..length]).unwrap();
        let mut journal = JournalWriter::open(&file, header()).unwrap();
        for key in ["a", "b"] {
            if journal.get(key).is_none() {
                journal.append(outcome(key, 0.5)).unwrap();
            }
        }
        drop(journal);
        assert_eq!(fs::read(&file).unwrap(), whole, "cut at {length}");
    }
    fs::write(&file, "somebody's notes").unwrap();
    assert!(JournalWriter::open(&file, header()).is_err());
    assert_eq!(fs::read(&file).unwrap(), b"somebody's notes");
}

#[test]
fn impossible_records_are_refused() {
    let line = |record: &Record| serde_json::to_string(record).unwrap();
    let change = |from: &str, to: &str| {
        let text = line(&outcome("a", 0.5));
        assert!(text.contains(from), "{from} in {text}");
        serde_json::from_str::<Record>(&text.replacen(from, to, 1))
            .unwrap_err()
            .to_string()
    };
    assert!(change(r#""examples":5"#, r#""examples":0"#).contains("at least 1"));
    assert!(change(r#""errors":1"#, r#""errors":9"#).contains("9 errors among 5"));
    assert!(change(r#""examples":5"#, r#""examples":4000000000"#).contains("digits"));
    assert!(change(r#""wrong":"40""#, r#""wrong":"4x""#).contains("`x`"));
    let mut wide = header();
    wide.model.blocks = vec![block("layer1.0", 4_294_967_296)];
    let refusal = serde_json::from_str::<Record>(&line(&Record::Header(wide))).unwrap_err();
    assert!(refusal.to_string().contains("functions"), "{refusal}");
}

#[test]
fn a_record_is_one_tagged_object() {
    let lesion = Lesion {
        blocks: vec![3],
        functions: Vec::new(),
        kind: LesionKind::Delete,
        batch_norm: BatchNormStatistics::Frozen,
        random_weights: false,
    };
    let record = changed("delete 3", Change::Lesion(lesion), 0.5);
    let line = serde_json::to_string(&record).unwrap();
    let fields = r#"{"type":"outcome","key":"delete 3","change":{"change":"lesion","blocks":[3]"#;
    assert!(line.starts_with(fields), "{line}");
    assert_eq!(serde_json::from_str::<Record>(&line).unwrap(), record);
}

#[test]
fn texts_of_any_writer_can_be_printed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("results.jsonl");
    let mut header = header();
    header.model.title = "a\nerror: \u{1b}[31mfake".into();
    header.data.description = "abc\u{202e}fdp".into();
    header.model.blocks.push(block("größe \u{9b}1m", 1));
    let key = "drop\r1";
    let lines = [Record::Header(header), outcome(key, 1.0)];
    let lines = lines.map(|record| serde_json::to_string(&record).unwrap() + "\n");
    fs::write(&file, lines.concat()).unwrap();
    let read = Journal::read(&file).unwrap();
    assert_eq!(read.header.model.title, r"a\nerror: \u{1b}[31mfake");
    assert_eq!(read.header.data.description, r"abc\u{202e}fdp");
    assert_eq!(read.header.model.blocks[0].name, r"größe \u{9b}1m");
    assert_eq!(read.records[0].key(), Some(r"drop\r1"));
    // What is written again is read as it is.
    let again = serde_json::to_string(&Record::Header(read.header.clone())).unwrap() + "\n";
    fs::write(&file, again).unwrap();
    assert_eq!(Journal::read(&file).unwrap().header, read.header);
}

#[test]
fn a_folder_is_written_by_one_process_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let lock = FolderLock::take(folder.path()).unwrap();
    let refused = FolderLock::take(folder.path()).unwrap_err();
    assert!(matches!(refused, JournalError::Busy { .. }), "{refused}");
    drop(lock);
    FolderLock::take(folder.path()).unwrap();
}
