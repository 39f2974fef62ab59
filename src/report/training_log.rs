//! Logs of trainings, which [`pathscope_analysis::record`] reads and writes.

pub use pathscope_analysis::record::TrainingLog;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const HEADER: &str = r#"{"record":"header","schema":1,"version":"0.1.0","command":"pathscope train","recipe":{"architecture":{"depth":14,"k":2}},"seed":3,"source":{"place":"data","validation":0,"limit":null},"data_hash":"","examples":100,"parameters":77,"threads":1,"device":"cpu"}"#;

    #[test]
    fn a_resumed_run_wrote_an_epoch_twice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let epoch = |epoch: usize, errors: usize, rest: &str| {
            format!(
                r#"{{"record":"epoch","epoch":{epoch},"loss":2.0,"errors":{errors},"examples":100,"learning_rate":0.1,"seconds":1.0,"images_per_second":9.0{rest}}}"#
            )
        };
        let held_out = r#","validation":{"errors":8,"examples":10,"loss":0.5}"#;
        let lines = [
            HEADER.to_owned(),
            epoch(0, 90, ""),
            epoch(1, 80, ""),
            epoch(1, 70, held_out),
        ];
        fs::write(&path, lines.join("\n")).unwrap();
        let log = TrainingLog::read(&path).unwrap().unwrap();
        let errors: Vec<usize> = log.epochs.iter().map(|epoch| epoch.errors).collect();
        assert_eq!(errors, [90, 70]);
        assert_eq!(log.epochs[1].held_out(), Some((8, 10)));
        assert_eq!(log.member, None, "it has not come to its end");
        fs::write(&path, "{}").unwrap();
        assert_eq!(TrainingLog::read(&path).unwrap(), None);
    }
}
