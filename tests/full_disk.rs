//! A disk that is full: whatever a command was to replace is there as before. Needs a file system in
//! memory of a few kilobytes, which only the superuser can mount.

mod common;
#[allow(dead_code, reason = "each test file uses some of these")]
mod runs;

mod needs_root {
    use std::fs::{self, File};
    use std::io::Write;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use crate::common::{self, shipped_model, succeed};
    use crate::runs::{end_of, files, program};

    /// A disk of so many kilobytes, which goes away with its value.
    struct Disk(tempfile::TempDir);

    impl Disk {
        fn new(kilobytes: usize) -> Self {
            let place = tempfile::tempdir().unwrap();
            let size = format!("size={kilobytes}k");
            let mounted = Command::new("mount")
                .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
                .arg(place.path())
                .status();
            assert!(mounted.unwrap().success(), "no file system can be mounted");
            Self(place)
        }

        fn path(&self) -> &Path {
            self.0.path()
        }

        /// Leaves room for about `kilobytes`.
        fn fill(&self, kilobytes: usize) {
            let mut filling = File::create(self.path().join(".filling")).unwrap();
            while filling.write_all(&[1; 4096]).is_ok() {}
            let length = filling.metadata().unwrap().len();
            filling
                .set_len(length.saturating_sub(1024 * kilobytes as u64))
                .unwrap();
        }
    }

    impl Drop for Disk {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg("-l").arg(self.path()).status();
        }
    }

    /// Results of a sweep and of its two parts, in an ordinary folder.
    fn results() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let model = shipped_model();
        let lesion = ["-q", "lesion", &model, "--pairs", "--limit", "100"];
        for (file, more) in [
            ("whole.jsonl", &[][..]),
            ("1.jsonl", &["--shard", "1/2"][..]),
            ("2.jsonl", &["--shard", "2/2"][..]),
        ] {
            succeed(
                folder.path(),
                &[&lesion[..], &["--results", file], more].concat(),
            );
        }
        folder
    }

    /// Runs a command that replaces `file`, with too little room.
    #[track_caller]
    fn keeps(disk: &Disk, file: &str, words: &[&str]) {
        let path = disk.path().join(file);
        let older = format!("the older {file}\n").repeat(100);
        fs::write(&path, &older).unwrap();
        disk.fill(4);
        let before: Vec<PathBuf> = files(disk.path());
        let (code, error) = end_of(program(disk.path(), words).spawn().unwrap());
        assert_eq!(code, Some(1), "{words:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{words:?}: {error}");
        assert!(error.contains("No space left"), "{words:?}: {error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), older, "{words:?}");
        assert_eq!(files(disk.path()), before, "{words:?} left something");
        let hidden = fs::read_dir(disk.path()).unwrap().count();
        assert_eq!(hidden, before.len() + 1, "{words:?} left a draft");
    }

    #[test]
    #[ignore = "needs root"]
    fn older_files_are_whole_when_a_new_one_has_no_room() {
        let results = results();
        let result = |name: &str| results.path().join(name).to_str().unwrap().to_owned();
        let (whole, first, second) = (result("whole.jsonl"), result("1.jsonl"), result("2.jsonl"));
        let model = shipped_model();
        for (file, words) in [
            (
                "page.html",
                vec!["report", &whole, "-o", "page.html", "--force"],
            ),
            (
                "p.svg",
                vec!["plot", &whole, "--kind", "lesion", "-o", "p.svg", "--force"],
            ),
            (
                "p.png",
                vec!["plot", &whole, "--kind", "lesion", "-o", "p.png", "--force"],
            ),
            (
                "m.jsonl",
                vec!["merge", &first, &second, "-o", "m.jsonl", "--force"],
            ),
            (
                "m.safetensors",
                vec!["convert", &model, "m.safetensors", "--force"],
            ),
            ("m.pt", vec!["convert", &model, "m.pt", "--force"]),
            (
                "small.safetensors",
                vec![
                    "lesion",
                    &model,
                    "--drop-block",
                    "4",
                    "--limit",
                    "16",
                    "--force",
                    "--export",
                    "small.safetensors",
                ],
            ),
            (
                "lesion.svg",
                vec![
                    "lesion",
                    &model,
                    "--each",
                    "--limit",
                    "16",
                    "--force",
                    "--plot",
                    "lesion.svg",
                ],
            ),
            (
                "counts.svg",
                vec![
                    "multiplicity",
                    "--depth",
                    "110",
                    "--force",
                    "--plot",
                    "counts.svg",
                ],
            ),
        ] {
            keeps(&Disk::new(200), file, &words);
        }
    }

    #[test]
    #[ignore = "needs root"]
    fn results_that_had_no_room_are_resumed_where_there_is_some() {
        let wanted = results();
        let wanted = fs::read(wanted.path().join("whole.jsonl")).unwrap();
        let disk = Disk::new(200);
        disk.fill(16);
        let model = shipped_model();
        let words = [
            "lesion",
            &model,
            "--pairs",
            "--limit",
            "100",
            "--results",
            "whole.jsonl",
        ];
        let (code, error) = end_of(program(disk.path(), &words).spawn().unwrap());
        assert_eq!(code, Some(1), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        let begun = fs::read(disk.path().join("whole.jsonl")).unwrap();
        assert!(begun.len() > 4096 && begun.len() < wanted.len());
        fs::remove_file(disk.path().join(".filling")).unwrap();
        succeed(disk.path(), &[&["-q"], &words[..]].concat());
        assert!(fs::read(disk.path().join("whole.jsonl")).unwrap() == wanted);
    }

    #[test]
    #[ignore = "needs root"]
    fn a_study_keeps_its_page_and_goes_on_later() {
        let disk = Disk::new(2_000);
        let model = shipped_model();
        let words = ["study", &model, "-o", "study", "--budget", "1s"];
        succeed(disk.path(), &[&["-q"], &words[..]].concat());
        let at = |name: &str| disk.path().join("study").join(name);
        let page = fs::read(at("report.html")).unwrap();
        let records = common::records(&at("lesion.jsonl"));
        // As if half of the deletions had not been measured.
        let text = fs::read_to_string(at("lesion.jsonl")).unwrap();
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        fs::write(at("lesion.jsonl"), lines[..lines.len() / 2].concat()).unwrap();
        disk.fill(4);
        let (code, error) = end_of(program(disk.path(), &words).spawn().unwrap());
        assert_eq!(code, Some(1), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(fs::read(at("report.html")).unwrap() == page);
        fs::remove_file(disk.path().join(".filling")).unwrap();
        succeed(disk.path(), &[&["-q"], &words[..]].concat());
        for record in &records {
            assert!(common::records(&at("lesion.jsonl")).contains(record));
        }
    }
}
