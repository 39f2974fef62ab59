use std::io::{self, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// What a connection brings: whoever waits for it neither waits for ever nor cannot be stopped.
pub(super) struct Arrivals {
    blocks: Receiver<io::Result<Vec<u8>>>,
    patience: Duration,
}

/// Bytes read at once.
const BLOCK: usize = 1 << 16;
/// Blocks that may wait to be written.
const AHEAD: usize = 4;
/// Time between two looks at whether to stop.
const MOMENT: Duration = Duration::from_millis(100);

impl Arrivals {
    /// Those of `connection`, which may be silent for `patience`.
    pub fn of(mut connection: impl Read + Send + 'static, patience: Duration) -> Self {
        let (sender, blocks) = sync_channel(AHEAD);
        // A thread whose connection is silent ends with it, or with the process.
        thread::spawn(move || {
            loop {
                let mut block = vec![0; BLOCK];
                let read = connection.read(&mut block);
                let is_last = !matches!(read, Ok(1..));
                let sent = sender.send(read.map(|length| {
                    block.truncate(length);
                    block
                }));
                if is_last || sent.is_err() {
                    return;
                }
            }
        });
        Self { blocks, patience }
    }

    /// The next bytes, none at the end; `None` once `stop` asks for it.
    ///
    /// # Errors
    /// A connection that breaks off, or is silent for too long.
    pub fn next(&self, stop: &dyn Fn() -> bool) -> io::Result<Option<Vec<u8>>> {
        let begin = Instant::now();
        while !stop() {
            match self.blocks.recv_timeout(MOMENT) {
                Ok(block) => return block.map(Some),
                Err(RecvTimeoutError::Disconnected) => return Ok(Some(Vec::new())),
                Err(RecvTimeoutError::Timeout) if begin.elapsed() >= self.patience => {
                    let seconds = self.patience.as_secs();
                    let silent = format!("nothing has arrived for {seconds} s");
                    return Err(io::Error::new(io::ErrorKind::TimedOut, silent));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        Ok(None)
    }
}
