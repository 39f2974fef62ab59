//! Results files: read, drawn, compared, merged and resumed, or refused.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use pathscope::report::difference::Difference;
use pathscope::report::plot::{SHARE, pictures_of};
use pathscope::report::{Run, Source, Theme, merge, page};
use pathscope_analysis::record::{Header, JournalWriter, Shard};
use pathscope_fuzz::Desk;

static DESK: LazyLock<Desk> = LazyLock::new(|| Desk::new("results.jsonl"));

fuzz_target!(|bytes: &[u8]| {
    let file = DESK.holding(bytes);
    let Ok(run) = Run::read(file) else {
        return;
    };
    let _ = page(&run, SHARE);
    let _ = Difference::new(&run, &run, SHARE);
    if let Ok(pictures) = Source::read(file).map(|source| pictures_of(&[source], SHARE)) {
        for picture in pictures.into_iter().flatten() {
            let _ = picture.svg(Theme::Light);
        }
    }
    for journal in &run.journals {
        // As both parts of a sweep.
        let parts = [1, 2].map(|number| {
            let shard = Some(Shard { number, of: 2 });
            let header = Header {
                shard,
                ..journal.header.clone()
            };
            pathscope::report::Journal {
                header,
                ..journal.clone()
            }
        });
        let _ = merge(&parts);
        let _ = JournalWriter::open(file, journal.header.clone());
    }
});
