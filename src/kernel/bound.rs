//! Buffers as a CPU twin sees them.

/// One binding of a kernel on the CPU.
#[derive(Debug)]
pub enum Bound<'a, F> {
    /// Floats, read only.
    Read(&'a [F]),
    /// Floats, written or updated.
    Write(&'a mut [F]),
    /// Words, read only.
    Words(&'a [u32]),
    /// Words, updated.
    WriteWords(&'a mut [u32]),
}

impl<F> Bound<'_, F> {
    /// The floats, for reading.
    pub fn floats(&self) -> &[F] {
        match self {
            Self::Read(values) => values,
            Self::Write(values) => values,
            Self::Words(_) | Self::WriteWords(_) => mismatch("floats", "words"),
        }
    }

    /// The floats, for writing.
    pub fn floats_mut(&mut self) -> &mut [F] {
        match self {
            Self::Write(values) => values,
            Self::Read(_) => mismatch("writable floats", "floats to read"),
            Self::Words(_) | Self::WriteWords(_) => mismatch("floats", "words"),
        }
    }

    /// The words, for reading.
    pub fn words(&self) -> &[u32] {
        match self {
            Self::Words(values) => values,
            Self::WriteWords(values) => values,
            Self::Read(_) | Self::Write(_) => mismatch("words", "floats"),
        }
    }

    /// The words, for writing.
    pub fn words_mut(&mut self) -> &mut [u32] {
        match self {
            Self::WriteWords(values) => values,
            Self::Words(_) => mismatch("writable words", "words to read"),
            Self::Read(_) | Self::Write(_) => mismatch("words", "floats"),
        }
    }
}

/// The bindings of a call as an array, so that a twin can name them.
///
/// # Panics
/// Where the number differs from the kernel's record: a fault of the program, which
/// `plan::Builder` rules out.
pub fn bind<'s, 'a, F, const N: usize>(bound: &'s mut [Bound<'a, F>]) -> &'s mut [Bound<'a, F>; N] {
    let found = bound.len();
    match bound.try_into() {
        Ok(array) => array,
        Err(_) => panic!("a kernel of {N} bindings was given {found}"),
    }
}

/// Plans are checked against the kernels' records when they are built, so this is unreachable from them.
fn mismatch(expected: &str, found: &str) -> ! {
    panic!("binding type: expected {expected}, found {found}")
}
