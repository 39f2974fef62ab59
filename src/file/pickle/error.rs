//! What can be wrong with a pickle.

/// Why a pickle could not be read. Offsets count bytes from the start of the pickle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PickleError {
    /// The pickle stops in the middle.
    #[error("it is cut off within the instruction at byte {0}")]
    Truncated(usize),
    /// An instruction outside those that PyTorch and NumPy write.
    #[error("instruction {opcode:#04x} at byte {offset} is not one that PyTorch or NumPy writes")]
    UnknownOpcode {
        /// Where it stands.
        offset: usize,
        /// The instruction.
        opcode: u8,
    },
    /// An instruction without the operands it needs.
    #[error("instruction {opcode:#04x} at byte {offset} needs {needed}")]
    Operand {
        /// Where it stands.
        offset: usize,
        /// The instruction.
        opcode: u8,
        /// What it needs.
        needed: &'static str,
    },
    /// The pickle asks for more than any model or data set needs.
    #[error("more than {limit} {what} at byte {offset}, which no model or data set needs")]
    Budget {
        /// Where the limit was reached.
        offset: usize,
        /// What ran out.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}
