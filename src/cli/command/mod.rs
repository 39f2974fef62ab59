//! The commands, one file for each: what is asked, an experiment called, its result shown.

use clap::Subcommand;

use super::{Problem, Terminal};

/// What a command's arguments do.
pub(crate) trait Execute {
    /// Whether several processes share the work; otherwise the first one does it all.
    const SHARED: bool = false;

    /// Does the work and prints its result. Errors: bad input, or work that fails.
    fn run(&self, terminal: &Terminal) -> Result<(), Problem>;
}

/// Where a command stands in the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Start,
    Measure,
    Show,
    Train,
    Plumbing,
}

impl Group {
    /// All groups in the order of the help, with their headings.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Start, "Start here"),
        (Self::Measure, "Measure"),
        (Self::Show, "Draw and report"),
        (Self::Train, "Train"),
        (Self::Plumbing, "Plumbing"),
    ];
}

/// Declares the modules of the commands, and the enumeration that clap parses.
macro_rules! commands {
    ($($module:ident => $name:ident in $group:ident,)*) => {
        $(mod $module;)*

        /// A command with its arguments.
        #[derive(Debug, Subcommand)]
        pub(crate) enum Command {
            $($name(Box<$module::Arguments>),)*
        }

        impl Command {
            /// The group of each command, in the order of the help.
            pub const GROUPS: &[Group] = &[$(Group::$group),*];

            /// Whether several processes share the work.
            pub fn is_shared(&self) -> bool {
                match self {
                    $(Self::$name(_) => <$module::Arguments as Execute>::SHARED,)*
                }
            }

            /// Does the work and prints its result. Errors: bad input, or work that fails.
            pub fn run(&self, terminal: &Terminal) -> Result<(), Problem> {
                match self {
                    $(Self::$name(arguments) => arguments.run(terminal),)*
                }
            }
        }
    };
}

commands! {
    study => Study in Start,
    inspect => Inspect in Start,
    lesion => Lesion in Start,
    gradient_spectrum => GradientSpectrum in Measure,
    reorder => Reorder in Measure,
    ensemble => Ensemble in Measure,
    eval => Eval in Measure,
    multiplicity => Multiplicity in Measure,
    effective_range => EffectiveRange in Measure,
    threshold => Threshold in Measure,
    plot => Plot in Show,
    report => Report in Show,
    diff => Diff in Show,
    table => Table in Show,
    train => Train in Train,
    data => Data in Train,
    bench => Bench in Train,
    convert => Convert in Plumbing,
    export => Export in Plumbing,
    merge => Merge in Plumbing,
    schema => Schema in Plumbing,
    completions => Completions in Plumbing,
    man => Man in Plumbing,
}
