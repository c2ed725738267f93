//! The numbers of NumPy's files: the one place that knows the names of the types and their bytes.

use std::io::{self, Read};

use half::f16;

use crate::data::{Stored, Values};

/// The greatest n for which f32 holds every whole number from −n to n.
const EXACT: i128 = 1 << 24;
/// Bytes that are read before they are converted; a multiple of the width of every type.
const CHUNK: usize = 1 << 18;

/// What the elements of an array are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::data) enum Element {
    /// Numbers that can be read.
    Number(Type),
    /// Text of at most `len` characters, padded with zeros.
    Text {
        /// Characters of an element.
        len: usize,
        /// Four bytes a character (`<U3`), or one (`|S3`).
        unicode: bool,
        big_endian: bool,
    },
}

/// A type of numbers that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::data) struct Type {
    coding: Coding,
    big_endian: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Bool,
    U8,
    U16,
    U32,
    U64,
    I8,
    I16,
    I32,
    I64,
    F16,
    F32,
    F64,
}

/// A number as it is stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::data) enum Number {
    /// A whole number, or 0 and 1 of a boolean.
    Whole(i128),
    /// A floating-point number.
    Real(f64),
}

/// Why values cannot be read.
pub(in crate::data) enum Fault {
    /// The system's or the archive's reason.
    Io(io::Error),
    /// A number that has no place among the values; `at` counts the numbers in the order of the file.
    Number {
        at: usize,
        what: String,
        hint: &'static str,
    },
}

impl Fault {
    /// For a NaN or an infinity in a place.
    pub(in crate::data) fn not_finite(at: usize) -> Self {
        Self::Number {
            at,
            what: "expected finite values, got a NaN or an infinity".to_owned(),
            hint: "look at `np.argwhere(~np.isfinite(x))`; `np.nan_to_num(x)` replaces them",
        }
    }
}

impl Element {
    /// Reads NumPy's `descr`, such as `<f4`.
    ///
    /// # Errors
    /// A hint for whoever has saved an array of another type.
    pub(in crate::data) fn parse(descr: &str) -> Result<Self, &'static str> {
        let (big_endian, name) = match descr.strip_prefix('>') {
            Some(name) => (true, name),
            None => (false, descr.trim_start_matches(['<', '|', '='])),
        };
        if let Some(coding) = Coding::named(name) {
            return Ok(Self::Number(Type { coding, big_endian }));
        }
        let unicode = name.starts_with('U');
        if let Some(len) = name.strip_prefix(['U', 'S'])
            && let Ok(len) = len.parse()
        {
            return Ok(Self::Text {
                len,
                unicode,
                big_endian,
            });
        }
        Err(match name.chars().next() {
            Some('O') => {
                "images of one size, cropped, padded or resized to it, and then `np.stack(images)`: NumPy makes \
                 Python objects of arrays that differ in size"
            }
            Some('c') => "real and imaginary part as channels: `np.stack([x.real, x.imag], -1)`",
            Some('M' | 'm') => {
                "a number of seconds: `(t - t.min()) / np.timedelta64(1, 's')`, or leave it out"
            }
            Some('f') => "`x.astype(np.float64)`",
            _ if descr == super::STRUCTURED => {
                "one array of numbers: `np.lib.recfunctions.structured_to_unstructured(x)`"
            }
            _ => "`x.astype(np.float32)`",
        })
    }

    /// Bytes of an element; `None` where they are too many to count.
    pub(in crate::data) fn bytes(self) -> Option<usize> {
        match self {
            Self::Number(of) => Some(of.bytes()),
            Self::Text { len, unicode, .. } => len.checked_mul(if unicode { 4 } else { 1 }),
        }
    }
}

impl Coding {
    /// By NumPy's name without the order of its bytes.
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "b1" => Self::Bool,
            "u1" => Self::U8,
            "u2" => Self::U16,
            "u4" => Self::U32,
            "u8" => Self::U64,
            "i1" => Self::I8,
            "i2" => Self::I16,
            "i4" => Self::I32,
            "i8" => Self::I64,
            "f2" => Self::F16,
            "f4" => Self::F32,
            "f8" => Self::F64,
            _ => return None,
        })
    }
}

impl Type {
    /// 0 to 255.
    pub(in crate::data) const BYTES: Self = Self {
        coding: Coding::U8,
        big_endian: false,
    };

    /// Whole numbers of 16 bits, the low byte first.
    pub(in crate::data) const UINT16: Self = Self {
        coding: Coding::U16,
        big_endian: false,
    };

    /// Bytes of a number.
    pub(in crate::data) fn bytes(self) -> usize {
        match self.coding {
            Coding::Bool | Coding::U8 | Coding::I8 => 1,
            Coding::U16 | Coding::I16 | Coding::F16 => 2,
            Coding::U32 | Coding::I32 | Coding::F32 => 4,
            Coding::U64 | Coding::I64 | Coding::F64 => 8,
        }
    }

    /// Bytes of a number in memory.
    pub(in crate::data) fn bytes_read(self) -> usize {
        match self.are_bytes() {
            true => 1,
            false => size_of::<f32>(),
        }
    }

    /// Whether numbers stay bytes in memory.
    pub(in crate::data) fn are_bytes(self) -> bool {
        matches!(self.coding, Coding::Bool | Coding::U8)
    }

    /// What the numbers are for whoever looks at their values.
    pub(in crate::data) fn stored(self) -> Stored {
        let bits = 8 * self.bytes() as u8;
        match self.coding {
            Coding::Bool => Stored::Bool,
            Coding::U8 | Coding::U16 | Coding::U32 | Coding::U64 => Stored::Integer {
                signed: false,
                bits,
            },
            Coding::I8 | Coding::I16 | Coding::I32 | Coding::I64 => {
                Stored::Integer { signed: true, bits }
            }
            Coding::F16 | Coding::F32 | Coding::F64 => Stored::Float { bits },
        }
    }

    /// Up to `count` values; fewer where the stream ends early. u8 and booleans stay bytes, all others become f32.
    /// Memory grows with what arrives.
    pub(in crate::data) fn read(
        self,
        reader: &mut (impl Read + ?Sized),
        count: usize,
    ) -> Result<Values, Fault> {
        if !self.are_bytes() {
            return self.read_floats(reader, count).map(Values::Floats);
        }
        let mut values = room(count)?;
        let outcome = reader.take(count as u64).read_to_end(&mut values);
        outcome.map_err(Fault::Io)?;
        self.check_bytes(&values)?;
        Ok(Values::Bytes(values))
    }

    /// Checks numbers that stay bytes: booleans are 0 or 1.
    pub(in crate::data) fn check_bytes(self, values: &[u8]) -> Result<(), Fault> {
        if self.coding == Coding::Bool
            && let Some(at) = values.iter().position(|&byte| byte > 1)
        {
            return Err(Fault::Number {
                at,
                what: format!("expected booleans of 0 and 1, got the byte {}", values[at]),
                hint: "`x.astype(np.uint8)`, or `x != 0`, before it is saved",
            });
        }
        Ok(())
    }

    /// Turns bytes of a file into as many numbers as `values` has room for.
    pub(in crate::data) fn fill_floats(
        self,
        bytes: &[u8],
        values: &mut [f32],
    ) -> Result<(), Fault> {
        let mut places = values.iter_mut().enumerate();
        self.each(bytes, |number| {
            if let Some((at, value)) = places.next() {
                *value =
                    number
                        .to_f32()
                        .map_err(|(what, hint)| Fault::Number { at, what, hint })?;
            }
            Ok(())
        })
    }

    /// As [`Type::read`], with every type as f32.
    pub(in crate::data) fn read_floats(
        self,
        reader: &mut (impl Read + ?Sized),
        count: usize,
    ) -> Result<Vec<f32>, Fault> {
        let mut values = room(count)?;
        self.read_each(reader, count, |at, number| {
            values.push(number.to_f32().map_err(|(what, hint)| Fault::Number {
                at,
                what,
                hint,
            })?);
            Ok(())
        })?;
        Ok(values)
    }

    /// Gives up to `count` numbers to `take`, with their place; fewer where the stream ends early.
    pub(in crate::data) fn read_each(
        self,
        reader: &mut (impl Read + ?Sized),
        count: usize,
        mut take: impl FnMut(usize, Number) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let (mut done, mut chunk) = (0, Vec::new());
        while done < count {
            let wanted = (count - done).min(CHUNK / self.bytes()) * self.bytes();
            chunk.clear();
            let outcome = Read::take(&mut *reader, wanted as u64).read_to_end(&mut chunk);
            outcome.map_err(Fault::Io)?;
            self.each(&chunk, |number| {
                take(done, number)?;
                done += 1;
                Ok(())
            })?;
            if chunk.len() < wanted {
                break;
            }
        }
        Ok(())
    }

    fn each(
        self,
        bytes: &[u8],
        mut take: impl FnMut(Number) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        // The type is looked at once for a chunk: each arm is a loop of its own.
        macro_rules! each {
            ($number:ty, $into:expr) => {{
                for &(mut bytes) in bytes.as_chunks::<{ size_of::<$number>() }>().0 {
                    if self.big_endian {
                        bytes.reverse();
                    }
                    take($into(<$number>::from_le_bytes(bytes)))?;
                }
                Ok(())
            }};
        }
        match self.coding {
            Coding::Bool | Coding::U8 => each!(u8, |n| Number::Whole(i128::from(n))),
            Coding::U16 => each!(u16, |n| Number::Whole(i128::from(n))),
            Coding::U32 => each!(u32, |n| Number::Whole(i128::from(n))),
            Coding::U64 => each!(u64, |n| Number::Whole(i128::from(n))),
            Coding::I8 => each!(i8, |n| Number::Whole(i128::from(n))),
            Coding::I16 => each!(i16, |n| Number::Whole(i128::from(n))),
            Coding::I32 => each!(i32, |n| Number::Whole(i128::from(n))),
            Coding::I64 => each!(i64, |n| Number::Whole(i128::from(n))),
            Coding::F16 => each!(f16, |n| Number::Real(f64::from(n))),
            Coding::F32 => each!(f32, |n| Number::Real(f64::from(n))),
            Coding::F64 => each!(f64, Number::Real),
        }
    }
}

/// Room for so many values, of which the system gives what is written to. Whoever promises more than it has is refused.
fn room<T>(count: usize) -> Result<Vec<T>, Fault> {
    let mut values = Vec::new();
    let reserved = values.try_reserve_exact(count);
    let none = |_| Fault::Io(io::ErrorKind::OutOfMemory.into());
    reserved.map(|()| values).map_err(none)
}

impl Number {
    /// As f32. Fractions are rounded, as they are everywhere; whole numbers and sizes are not lost silently.
    ///
    /// # Errors
    /// What was expected and got, and a hint.
    pub(in crate::data) fn to_f32(self) -> Result<f32, (String, &'static str)> {
        match self {
            Self::Whole(number) => {
                let float = number as f32;
                if (-EXACT..=EXACT).contains(&number) || float as i128 == number {
                    return Ok(float);
                }
                Err((
                    format!("expected whole numbers that float32 holds exactly, got {number}"),
                    "smaller numbers: `x - x.min()`, or a larger unit; `x.astype(np.float32)` rounds them",
                ))
            }
            Self::Real(number) => {
                let float = number as f32;
                if float.is_infinite() && number.is_finite() {
                    return Err((
                        format!("expected numbers within float32's ±3.4e38, got {number:e}"),
                        "a larger unit: `x / np.abs(x).max()`",
                    ));
                }
                Ok(float)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(descr: &str, bytes: &[u8]) -> Result<Values, String> {
        let Ok(Element::Number(of)) = Element::parse(descr) else {
            return Err(format!("{descr} is no type of numbers"));
        };
        of.read(&mut &bytes[..], bytes.len() / of.bytes())
            .map_err(|fault| match fault {
                Fault::Io(reason) => reason.to_string(),
                Fault::Number { at, what, .. } => format!("{at}: {what}"),
            })
    }

    fn floats(descr: &str, bytes: &[u8]) -> Vec<f32> {
        match read(descr, bytes) {
            Ok(Values::Floats(floats)) => floats,
            other => panic!("{descr}: {other:?}"),
        }
    }

    #[test]
    fn every_type_is_read_in_both_orders_of_its_bytes() {
        macro_rules! check {
            ($name:literal, $($number:expr),+) => {{
                let expected = vec![$(f32::from(f16::from_f64($number as f64))),+];
                let little = [$($number.to_le_bytes()),+].concat();
                let big = [$($number.to_be_bytes()),+].concat();
                assert_eq!(floats(concat!("<", $name), &little), expected, $name);
                assert_eq!(floats(concat!(">", $name), &big), expected, $name);
            }};
        }
        check!("i1", -128_i8, 5_i8);
        check!("i2", -300_i16, 7_i16);
        check!("u2", 4096_u16, 1_u16);
        check!("i4", -300_i32, 7_i32);
        check!("u4", 4096_u32, 1_u32);
        check!("i8", -300_i64, 7_i64);
        check!("u8", 4096_u64, 1_u64);
        check!("f4", -0.5_f32, 96.0_f32);
        check!("f8", -0.5_f64, 96.0_f64);
        let half = f16::from_f32(-1.5);
        assert_eq!(floats("<f2", &half.to_le_bytes()), [-1.5]);
        assert_eq!(floats(">f2", &half.to_be_bytes()), [-1.5]);
        assert_eq!(read("|u1", &[0, 255]), Ok(Values::Bytes(vec![0, 255])));
        assert_eq!(read("|b1", &[0, 1]), Ok(Values::Bytes(vec![0, 1])));
    }

    #[test]
    fn a_number_that_f32_would_change_is_refused_with_its_place() {
        let exact = [1_i64 << 24, -(1 << 24), 1 << 40, i64::MIN];
        let bytes = exact.map(i64::to_le_bytes).concat();
        assert_eq!(floats("<i8", &bytes), exact.map(|number| number as f32));
        for (descr, bytes, words) in [
            (
                "<i4",
                [1, (1 << 24) + 1].map(i32::to_le_bytes).concat(),
                "1: ",
            ),
            (
                "<i8",
                i64::MAX.to_le_bytes().to_vec(),
                "9223372036854775807",
            ),
            (
                "<u8",
                u64::MAX.to_le_bytes().to_vec(),
                "18446744073709551615",
            ),
            ("<f8", [0.0, -1e39].map(f64::to_le_bytes).concat(), "-1e39"),
            ("|b1", vec![0, 1, 2], "2: expected booleans"),
        ] {
            let message = read(descr, &bytes).expect_err(descr);
            assert!(message.contains(words), "{message}");
        }
        // Rounded, as every fraction is; an infinity is for the caller to find, with its place.
        assert_eq!(floats("<f8", &0.1_f64.to_le_bytes()), [0.1]);
        assert_eq!(floats("<f8", &f64::INFINITY.to_le_bytes()), [f32::INFINITY]);
    }

    #[test]
    fn types_that_are_no_numbers_get_a_hint_of_their_own() {
        for (descr, words) in [
            ("|O", "np.stack(images)"),
            ("<c8", "x.imag"),
            ("<M8[ns]", "timedelta64"),
            ("<f16", "np.float64"),
            (super::super::STRUCTURED, "structured_to_unstructured"),
            ("|V4", "np.float32"),
            ("é", "np.float32"),
        ] {
            let hint = Element::parse(descr).expect_err(descr);
            assert!(hint.contains(words), "{descr}: {hint}");
        }
        let text = Element::parse(">U7").expect("text");
        assert_eq!(text.bytes(), Some(28));
        assert_eq!(Element::parse("|S7").expect("text").bytes(), Some(7));
        let endless = Element::parse("<U18446744073709551615").expect("text");
        assert_eq!(endless.bytes(), None);
    }
}
