use super::*;

use image::codecs::jpeg::JpegEncoder;

fn encoded(quality: u8) -> Vec<u8> {
    let picture = image::RgbImage::from_fn(21, 19, |x, y| {
        image::Rgb([(x * 67 + y * 31) as u8, (x * y) as u8, (255 - 9 * x) as u8])
    });
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, quality);
    picture.write_with_encoder(encoder).expect("encode");
    bytes
}

#[test]
fn every_cut_is_found_also_with_an_end_mark_behind_it() {
    for quality in [10, 75, 100] {
        let whole = encoded(quality);
        assert_eq!(check(&whole), Ok(()));
        let start = whole
            .windows(2)
            .rposition(|pair| pair == [0xFF, 0xDA])
            .expect("a scan")
            + 14;
        for length in 2..whole.len() {
            assert!(
                check(&whole[..length]).is_err(),
                "{length} of {} bytes",
                whole.len()
            );
            if (start..whole.len() - 3).contains(&length) {
                let ended = [&whole[..length], &[0xFF, 0xD9]].concat();
                assert!(
                    check(&ended).is_err(),
                    "{length} of {} bytes with an end mark",
                    whole.len()
                );
            }
        }
    }
}

#[test]
fn bytes_behind_the_end_and_fill_bytes_are_no_fault() {
    let mut bytes = encoded(75);
    bytes.extend(b"a camera's own data");
    assert_eq!(check(&bytes), Ok(()));
    let mut filled = encoded(75);
    let end = filled.len() - 2;
    filled.splice(end..end, [0xFF, 0xFF]);
    assert_eq!(check(&filled), Ok(()));
}

/// Frames of a video (MJPEG) leave out the usual Huffman tables.
#[test]
fn scans_whose_tables_a_file_leaves_out_are_left_to_the_decoder() {
    let mut bare = encoded(75);
    while let Some(at) = bare.windows(2).position(|pair| pair == [0xFF, 0xC4]) {
        let end = at + 2 + big_endian(&bare[at + 2..at + 4]);
        bare.drain(at..end);
    }
    assert_eq!(check(&bare), Ok(()));
    let without_scan = [&bare[..scan_of(&bare)], &[0xFF, 0xD9]].concat();
    assert_eq!(check(&without_scan), Err(DATA_END_EARLY));
}

/// Where the last scan begins, with its marker.
fn scan_of(bytes: &[u8]) -> usize {
    let marker = bytes.windows(2).rposition(|pair| pair == [0xFF, 0xDA]);
    marker.expect("a scan")
}

/// A header claims so much memory and so many passes as a picture of the greatest size needs, and no more.
#[test]
fn frames_and_scans_are_bounded() {
    let whole = encoded(75);
    let frame = whole.windows(2).position(|pair| pair == [0xFF, 0xC0]);
    let frame = frame.expect("a frame");
    let length = 2 + big_endian(&whole[frame + 2..frame + 4]);
    let twice = [&whole[..frame + length], &whole[frame..]].concat();
    assert_eq!(check(&twice), Err(DAMAGED), "a second frame");
    let mut wide = whole.clone();
    wide[frame + 5..frame + 9].fill(0xFF);
    assert_eq!(check(&wide), Err(DAMAGED), "a size beyond the greatest");

    let (head, scan) = whole.split_at(scan_of(&whole));
    let scan = &scan[..scan.len() - 2];
    let scans = |count| [head, &scan.repeat(count), &[0xFF, 0xD9]].concat();
    assert_eq!(check(&scans(2)), Ok(()));
    assert_eq!(check(&scans(MAX_SCANS + 1)), Err(DAMAGED));
}
