//! The program under limits of memory and time, as whoever opens a file of a stranger runs it.

use std::fs::File;
use std::io::{Read, Seek};
use std::mem::MaybeUninit;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Most resident memory of one run.
pub const MEMORY: u64 = 1 << 30;
/// Most seconds of computation of one run: unlike those on a clock, they are the same on a busy machine.
pub const SECONDS: f64 = 10.0;
/// Addresses, which the libraries and the stacks of threads take far more of than memory.
const ADDRESSES: u64 = 4 << 30;
/// The end of a run that waits and computes nothing.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub output: String,
    pub error: String,
    /// Seconds of computation on all threads.
    pub seconds: f64,
    /// Most memory that was held.
    pub peak: u64,
}

/// Runs the program in `folder`.
pub fn run(folder: &Path, words: &[&str]) -> Ended {
    let limits = format!(
        "ulimit -v {}; ulimit -c 0; exec \"$0\" \"$@\"",
        ADDRESSES >> 10
    );
    let mut streams = [tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap()];
    let [output, error] = streams.each_ref().map(|file| file.try_clone().unwrap());
    let mut child = Command::new("sh")
        .args(["-c", &limits, env!("CARGO_BIN_EXE_pathscope"), "-q"])
        .args(words)
        .current_dir(folder)
        .env("COLUMNS", "500")
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(error)
        .spawn()
        .unwrap();
    let (status, usage) = wait(child.id()).unwrap_or_else(|| {
        child.kill().unwrap();
        child.wait().unwrap();
        panic!("{words:?} waits for ever");
    });
    let [output, error] = streams.each_mut().map(read);
    let time = |time: libc::timeval| time.tv_sec as f64 + 1e-6 * time.tv_usec as f64;
    Ended {
        status,
        output,
        error,
        seconds: time(usage.ru_utime) + time(usage.ru_stime),
        // Linux counts in kibibytes.
        peak: (usage.ru_maxrss as u64) << 10,
    }
}

/// Waits for a process and gives what it used; nothing where it does not end.
fn wait(id: u32) -> Option<(ExitStatus, libc::rusage)> {
    let start = Instant::now();
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    while start.elapsed() < PATIENCE {
        // SAFETY: `status` and `usage` are valid for writes, and the child was not waited for yet.
        let ended =
            unsafe { libc::wait4(id as i32, &mut status, libc::WNOHANG, usage.as_mut_ptr()) };
        if ended != 0 {
            assert_eq!(ended, id as i32, "{}", std::io::Error::last_os_error());
            // SAFETY: all bits zero are a usage, and so is what the system wrote.
            return Some((ExitStatus::from_raw(status), unsafe { usage.assume_init() }));
        }
        sleep(Duration::from_millis(2));
    }
    None
}

fn read(file: &mut File) -> String {
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Ended {
    /// The refusal, which is one short line that names `file`; nothing where there was none.
    ///
    /// # Errors
    /// Any other end: a panic, a signal, a failure, too much time or memory, or a line that a file
    /// has made up.
    pub fn refusal(&self, file: &str) -> Result<Option<&str>, String> {
        let wrong = |what: &str| Err(format!("{what}: {self:?}"));
        if self.seconds > SECONDS {
            return wrong("too slow");
        }
        if self.peak > MEMORY {
            return wrong("too much memory");
        }
        let odd = |c: char| c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c);
        if self.error.contains(odd) || self.output.contains(odd) {
            return wrong("a control character");
        }
        let mut lines = self
            .error
            .lines()
            .filter(|line| line.starts_with("error: "));
        match (self.status.code(), lines.next(), lines.next()) {
            (Some(0), None, None) => Ok(None),
            (Some(2), Some(line), None) if line.chars().count() > 500 => wrong("a long line"),
            (Some(2), Some(line), None) if !line.contains(file) => wrong("the file is not named"),
            (Some(2), Some(line), None) => Ok(Some(line)),
            _ => wrong("neither a result nor a refusal"),
        }
    }
}
