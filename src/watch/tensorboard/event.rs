//! The few messages of TensorBoard's `event.proto` and `summary.proto` that a run needs, and the framing of
//! records in a TFRecord file.

use prost::{Message, Oneof};

/// A record of an event file.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    pub(super) wall_time: f64,
    /// Optimiser steps since the start of training.
    #[prost(int64, tag = "2")]
    pub(super) step: i64,
    /// Its content.
    #[prost(oneof = "What", tags = "3, 5, 7")]
    pub(super) what: Option<What>,
}

/// Content of an event.
#[derive(Clone, PartialEq, Oneof)]
pub(super) enum What {
    /// The first event of a file: its format.
    #[prost(string, tag = "3")]
    FileVersion(String),
    /// Values.
    #[prost(message, tag = "5")]
    Summary(Summary),
    /// The start of a session: what was written at this step or later is void.
    #[prost(message, tag = "7")]
    SessionLog(SessionLog),
}

/// Values of one step.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Summary {
    /// In any order.
    #[prost(message, repeated, tag = "1")]
    pub(super) values: Vec<Value>,
}

/// A tag with a scalar or an image.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Value {
    /// The name; what stands before a slash is the group.
    #[prost(string, tag = "1")]
    pub(super) tag: String,
    /// The value.
    #[prost(oneof = "Content", tags = "2, 4")]
    pub(super) content: Option<Content>,
}

/// What stands behind a tag.
#[derive(Clone, PartialEq, Oneof)]
pub(super) enum Content {
    /// A number.
    #[prost(float, tag = "2")]
    Scalar(f32),
    /// A picture.
    #[prost(message, tag = "4")]
    Image(Image),
}

/// An encoded picture.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Image {
    /// Pixels.
    #[prost(int32, tag = "1")]
    pub(super) height: i32,
    /// Pixels.
    #[prost(int32, tag = "2")]
    pub(super) width: i32,
    /// 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
    #[prost(int32, tag = "3")]
    pub(super) colorspace: i32,
    /// A whole PNG file.
    #[prost(bytes = "vec", tag = "4")]
    pub(super) encoded: Vec<u8>,
}

/// The state of a session.
#[derive(Clone, PartialEq, Message)]
pub(super) struct SessionLog {
    /// [`START`].
    #[prost(int32, tag = "1")]
    pub(super) status: i32,
}

/// `SessionLog.SessionStatus.START`
pub(super) const START: i32 = 1;

/// A record of a TFRecord file: `u64` length, its masked CRC, the data, their masked CRC; little-endian.
pub(super) fn framed(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(data.len() + 16);
    record.extend(length);
    record.extend(masked_crc(&length).to_le_bytes());
    record.extend(data);
    record.extend(masked_crc(data).to_le_bytes());
    record
}

/// CRC-32C, rotated and shifted: a checksum of data that hold checksums would be weak.
fn masked_crc(data: &[u8]) -> u32 {
    crc32c::crc32c(data)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The records of a file, read by nothing of what wrote them but the CRC crate.
    pub(in crate::watch::tensorboard) fn records(mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let (head, rest) = bytes.split_at(12);
            let length = u64::from_le_bytes(head[..8].try_into().expect("eight bytes")) as usize;
            assert_eq!(unmasked(&head[8..]), crc32c::crc32c(&head[..8]), "length");
            let (data, rest) = rest.split_at(length);
            let (crc, rest) = rest.split_at(4);
            assert_eq!(unmasked(crc), crc32c::crc32c(data), "data");
            found.push(data.to_vec());
            bytes = rest;
        }
        found
    }

    fn unmasked(bytes: &[u8]) -> u32 {
        let masked = u32::from_le_bytes(bytes.try_into().expect("four bytes"));
        masked.wrapping_sub(0xa282_ead8).rotate_left(15)
    }

    #[test]
    fn the_crc_is_castagnoli_s() {
        // RFC 3720, B.4: 32 bytes of zeros.
        assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(unmasked(&masked_crc(&[0; 32]).to_le_bytes()), 0x8a91_36aa);
    }

    #[test]
    fn a_record_reads_back() {
        let bytes = [framed(b"first"), framed(b"")].concat();
        assert_eq!(records(&bytes), [b"first".to_vec(), Vec::new()]);
        // The record of b"" as TensorFlow's own writer has it.
        let empty = [
            0, 0, 0, 0, 0, 0, 0, 0, 0x29, 0x03, 0x98, 0x07, 0xd8, 0xea, 0x82, 0xa2,
        ];
        assert_eq!(framed(b""), empty);
    }

    #[test]
    fn an_event_is_encoded_field_by_field() {
        let event = Event {
            wall_time: 1.0,
            step: 300,
            what: Some(What::Summary(Summary {
                values: vec![Value {
                    tag: "a".into(),
                    content: Some(Content::Scalar(2.0)),
                }],
            })),
        };
        let expected = [
            // Field 1, a double; field 2, the varint 300.
            &[0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x10, 0xac, 0x02][..],
            // Field 5, 10 bytes; in it field 1, 8 bytes; in it field 1, "a", and field 2, a float.
            &[0x2a, 10, 0x0a, 8, 0x0a, 1, b'a', 0x15, 0, 0, 0, 0x40],
        ];
        assert_eq!(event.encode_to_vec(), expected.concat());
    }
}
