use std::fmt::Debug;

use super::TrainingError;

/// Records work that a device is given and repeats it: a CUDA graph.
pub(super) trait Recorder: Debug {
    /// Begins to record instead of computing.
    fn begin(&mut self) -> Result<(), TrainingError>;

    /// Ends the recording, which can then be replayed.
    fn end(&mut self) -> Result<(), TrainingError>;

    /// Computes once more what was recorded, on the present values of the same tensors.
    fn replay(&mut self) -> Result<(), TrainingError>;
}

/// A step that is computed a few times, then recorded, and from then on replayed.
#[derive(Debug)]
pub(super) struct Playback {
    recorder: Option<Box<dyn Recorder>>,
    computed: usize,
    recorded: bool,
}

/// Steps before the recording: libraries choose their algorithms and momenta come into being.
const WARM_UPS: usize = 3;

impl Playback {
    /// A step that is only computed where there is no recorder.
    pub fn new(recorder: Option<Box<dyn Recorder>>) -> Self {
        Self {
            recorder,
            computed: 0,
            recorded: false,
        }
    }

    /// Does the work of one step. Gives why it cannot be recorded, at the one step that found out:
    /// it and later ones are computed.
    ///
    /// # Errors
    /// Those of the work, and a replay that fails.
    pub fn step(
        &mut self,
        mut work: impl FnMut() -> Result<(), TrainingError>,
    ) -> Result<Option<String>, TrainingError> {
        let Some(recorder) = &mut self.recorder else {
            return work().map(|()| None);
        };
        if self.computed < WARM_UPS {
            self.computed += 1;
            return work().map(|()| None);
        }
        if !self.recorded {
            // The recording is ended in any case: the device computes nothing before.
            let recording = recorder.begin().and_then(|()| {
                let worked = work();
                recorder.end().and(worked)
            });
            if let Err(fault) = recording {
                self.recorder = None;
                work()?;
                return Ok(Some(fault.to_string()));
            }
            self.recorded = true;
        }
        recorder.replay()?;
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    #[derive(Debug)]
    struct Fake {
        calls: Rc<RefCell<Vec<&'static str>>>,
        refuses: bool,
    }

    impl Fake {
        fn note(&self, call: &'static str) {
            self.calls.borrow_mut().push(call);
        }
    }

    impl Recorder for Fake {
        fn begin(&mut self) -> Result<(), TrainingError> {
            self.note("begin");
            Ok(())
        }

        fn end(&mut self) -> Result<(), TrainingError> {
            self.note("end");
            match self.refuses {
                true => Err(TrainingError::Internal("refused")),
                false => Ok(()),
            }
        }

        fn replay(&mut self) -> Result<(), TrainingError> {
            self.note("replay");
            Ok(())
        }
    }

    fn five_steps(refuses: bool) -> (Vec<&'static str>, Vec<Option<String>>) {
        let calls = Rc::new(RefCell::new(Vec::new()));
        let fake = Fake {
            calls: Rc::clone(&calls),
            refuses,
        };
        let mut playback = Playback::new(Some(Box::new(fake)));
        let work = || {
            calls.borrow_mut().push("work");
            Ok(())
        };
        let remarks = (0..5).map(|_| playback.step(work).unwrap()).collect();
        let calls = calls.borrow().clone();
        (calls, remarks)
    }

    #[test]
    fn a_step_is_recorded_once_after_three_and_then_replayed() {
        let (calls, remarks) = five_steps(false);
        let recorded = ["begin", "work", "end", "replay", "replay"];
        assert_eq!(calls[..3], ["work"; 3]);
        assert_eq!(calls[3..], recorded);
        assert!(remarks.iter().all(Option::is_none));
    }

    #[test]
    fn what_cannot_be_recorded_is_computed_and_remarked_on_once() {
        let (calls, remarks) = five_steps(true);
        assert_eq!(calls[3..], ["begin", "work", "end", "work", "work"]);
        let remarked: Vec<bool> = remarks.iter().map(Option::is_some).collect();
        assert_eq!(remarked, [false, false, false, true, false]);
    }

    #[test]
    fn without_a_recorder_every_step_is_computed() {
        let mut playback = Playback::new(None);
        let mut steps = 0;
        for _ in 0..5 {
            let step = playback.step(|| {
                steps += 1;
                Ok(())
            });
            assert_eq!(step.unwrap(), None);
        }
        assert_eq!(steps, 5);
    }
}
