//! How far a long command is, and how long it will take.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar};

use super::Terminal;

/// Commands that take longer say so at their beginning.
const LONG: Duration = Duration::from_secs(60);
/// How long one works before saying how long it will take.
const PILOT: Duration = Duration::from_secs(2);

/// A progress bar, and a remark where the work will take long.
pub(crate) struct Progress<'a> {
    terminal: &'a Terminal,
    bar: ProgressBar,
    steps: u64,
    begin: Instant,
    /// What is reported first: the steps that a results file held already.
    known: OnceLock<u64>,
    done: AtomicU64,
    estimated: AtomicBool,
    /// How to make the work shorter.
    hint: &'a str,
}

impl<'a> Progress<'a> {
    /// Work of so many `steps`, which `hint` tells how to make shorter.
    pub fn new(terminal: &'a Terminal, steps: u64, hint: &'a str) -> Self {
        Self {
            terminal,
            bar: terminal.progress(steps, "measuring"),
            steps,
            begin: Instant::now(),
            known: OnceLock::new(),
            done: AtomicU64::new(0),
            estimated: AtomicBool::new(false),
            hint,
        }
    }

    /// Notes `steps` as done.
    pub fn add(&self, steps: u64) {
        let known = *self.known.get_or_init(|| steps);
        let done = steps + self.done.fetch_add(steps, Ordering::Relaxed);
        self.bar.set_position(done);
        let elapsed = self.begin.elapsed();
        if done <= known || elapsed < PILOT || self.estimated.swap(true, Ordering::Relaxed) {
            return;
        }
        let each = elapsed.as_secs_f64() / (done - known) as f64;
        let left = Duration::from_secs_f64(each * self.steps.saturating_sub(done) as f64);
        if left > LONG {
            let remark = format!(
                "this will take about {}; {}",
                HumanDuration(left),
                self.hint
            );
            self.bar.suspend(|| self.terminal.remark(&remark));
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
