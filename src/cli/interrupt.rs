//! Ctrl-C and requests to end.
//!
//! The first signal asks: loops that look at [`asked`] stop and say what they keep. Where none looks
//! within [`GRACE`], as inside a long operation of libtorch, the process ends all the same: results
//! files hold whole lines, and other files appear under their names only when they are complete.

use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use super::Problem;

/// The signal that asked; 0 before any did.
static SIGNAL: AtomicI32 = AtomicI32::new(0);
/// Whether somebody has begun to say the last words.
static CONCLUDING: AtomicBool = AtomicBool::new(false);
/// Pieces of work in hand that must not be cut off.
static WHOLE: AtomicUsize = AtomicUsize::new(0);
/// What the person should know if the command is cut off now.
static ADVICE: Mutex<String> = Mutex::new(String::new());

/// How long the work in hand may take to stop by itself.
const GRACE: Duration = Duration::from_millis(500);
/// Time between two looks at whether work that must not be cut off is done.
const MOMENT: Duration = Duration::from_millis(10);

/// Begins to watch for Ctrl-C and requests to end; `alone` where no other process waits for this
/// one. Errors: where the system gives no handler.
pub(crate) fn watch(alone: bool) -> Result<(), Problem> {
    let mut signals = Signals::new([SIGINT, SIGTERM])
        .map_err(|fault| Problem::Failed(format!("cannot watch for Ctrl-C: {fault}")))?;
    thread::spawn(move || {
        for signal in signals.forever() {
            if SIGNAL.swap(signal, Ordering::SeqCst) != 0 {
                end_by(signal);
            } else if alone {
                thread::spawn(cut_off);
            }
        }
    });
    Ok(())
}

/// Whether the person wants the command to end.
pub(crate) fn asked() -> bool {
    SIGNAL.load(Ordering::SeqCst) != 0
}

/// The exit code of an interrupted command: 128 and the number of the signal.
pub(crate) fn exit_code() -> u8 {
    let signal = match SIGNAL.load(Ordering::SeqCst) {
        0 => SIGINT,
        signal => signal,
    };
    u8::try_from(128 + signal).unwrap_or(u8::MAX)
}

/// Sets what is said if the command is cut off from now on.
pub(crate) fn advise(advice: String) {
    if let Ok(mut known) = ADVICE.lock() {
        *known = advice;
    }
}

/// Does `work` to its end, even after a signal, unless a second one comes.
pub(crate) fn whole<T>(work: impl FnOnce() -> T) -> T {
    WHOLE.fetch_add(1, Ordering::SeqCst);
    let done = work();
    WHOLE.fetch_sub(1, Ordering::SeqCst);
    done
}

/// Leaves the last words to the caller, who ends the process with [`end`] soon.
pub(crate) fn conclude() {
    if CONCLUDING.swap(true, Ordering::SeqCst) {
        // The process is being ended by `cut_off`.
        thread::sleep(Duration::from_secs(1));
    }
}

/// Ends the process by the signal that asked for it, so that a script of the shell ends too.
pub(crate) fn end() {
    match SIGNAL.load(Ordering::SeqCst) {
        0 => {}
        signal => end_by(signal),
    }
}

/// Ends the process if the command does not end by itself.
fn cut_off() {
    thread::sleep(GRACE);
    while WHOLE.load(Ordering::SeqCst) > 0 {
        thread::sleep(MOMENT);
    }
    if CONCLUDING.swap(true, Ordering::SeqCst) {
        return;
    }
    let advice = ADVICE.try_lock().map(|advice| advice.clone());
    let problem = Problem::Interrupted(advice.unwrap_or_default());
    // Where a progress bar may stand.
    let clear = if io::stderr().is_terminal() {
        "\r\x1b[2K"
    } else {
        ""
    };
    let _ = writeln!(anstream::stderr().lock(), "{clear}error: {problem}");
    end();
}

fn end_by(signal: i32) {
    if emulate_default_handler(signal).is_err() {
        std::process::abort();
    }
}
