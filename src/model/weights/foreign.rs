//! Files of parameters that are not safetensors: what they are, and how to make safetensors of them.

use std::borrow::Cow;
use std::io::Cursor;

use zip::ZipArchive;

/// What a file of another format is, and how to convert it. `None` where it may be safetensors.
pub(super) fn name(bytes: &[u8]) -> Option<(String, &'static str)> {
    const PICKLE: (&str, &str) = (
        "a pickle of PyTorch, which can run code when it is read",
        "safetensors.torch.save_file(model.state_dict(), \"model.safetensors\") in Python",
    );
    const NPZ: (&str, &str) = (
        "NumPy arrays in an .npz file",
        "safetensors.numpy.save_file(dict(numpy.load(\"weights.npz\")), \"model.safetensors\") in Python",
    );
    const NPY: (&str, &str) = (
        "a single NumPy array",
        "safetensors.numpy.save_file({\"fc1.weight\": numpy.load(\"a.npy\"), …}, \"model.safetensors\") in Python, with \
         every parameter by its name",
    );
    const HDF5: (&str, &str) = (
        "an HDF5 file, as Keras writes it",
        "safetensors.numpy.save_file in Python, with the arrays of h5py.File by the names of the model's parameters",
    );
    const ZIP: &str = "safetensors.numpy.save_file in Python, with the arrays in it by the names of the model's parameters";
    // A safetensors file begins with the length of its header, which may be the two bytes that a pickle begins with.
    let has_header = bytes.get(8) == Some(&b'{');
    let known = match bytes {
        [0x80, 2..=5, ..] if !has_header => PICKLE,
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => NPY,
        [0x89, b'H', b'D', b'F', ..] => HDF5,
        [b'P', b'K', 3, 4, ..] => {
            let names = members(bytes);
            if names.iter().any(|name| name.ends_with(".npy")) {
                NPZ
            } else if names.iter().any(|name| name.ends_with("data.pkl")) {
                PICKLE
            } else {
                let some = names.iter().take(3).map(String::as_str);
                let some: Vec<&str> = some.collect();
                return Some((format!("a ZIP archive ({})", some.join(", ")), ZIP));
            }
        }
        _ => return None,
    };
    Some((known.0.to_owned(), known.1))
}

/// Names in a ZIP archive; of one whose end is lost that of its first file.
fn members(bytes: &[u8]) -> Vec<String> {
    if let Ok(archive) = ZipArchive::new(Cursor::new(bytes)) {
        let names = archive.file_names().filter_map(Result::ok);
        return names.map(Cow::into_owned).collect();
    }
    // A local header: 30 bytes, of which the 26th and 27th are the length of the name behind them.
    let length = match bytes.get(26..28) {
        Some(&[low, high]) => usize::from(u16::from_le_bytes([low, high])),
        _ => 0,
    };
    let name = bytes.get(30..30 + length).unwrap_or_default();
    vec![String::from_utf8_lossy(name).into_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    fn archive(names: &[&str]) -> Vec<u8> {
        let mut file = ZipWriter::new(Cursor::new(Vec::new()));
        for name in names {
            file.start_file(*name, SimpleFileOptions::default())
                .expect("a member");
            file.write_all(b"1").expect("written");
        }
        file.finish().expect("an archive").into_inner()
    }

    #[test]
    fn files_of_other_programs_are_called_what_they_are() {
        let npz = archive(&["fc1.weight.npy", "fc1.bias.npy"]);
        let pickle = archive(&["archive/data.pkl", "archive/data/0"]);
        let keras = archive(&["metadata.json", "model.weights.h5"]);
        for (bytes, what, hint) in [
            (&npz[..], ".npz", "numpy.load"),
            (&npz[..60], ".npz", "numpy.load"),
            (&pickle, "pickle of PyTorch", "state_dict"),
            (b"\x80\x02}q\0", "pickle of PyTorch", "state_dict"),
            (&keras, "model.weights.h5", "save_file"),
            (b"\x89HDF\r\n\x1a\n", "HDF5", "h5py"),
            (b"\x93NUMPY\x01\0", "single NumPy array", "numpy.load"),
        ] {
            let (found, how) = name(bytes).expect(what);
            assert!(found.contains(what), "{found}");
            assert!(how.contains(hint), "{how}");
        }
        assert_eq!(name(b"\x10\0\0\0\0\0\0\0{}"), None);
        // A header of 640 bytes.
        assert_eq!(name(b"\x80\x02\0\0\0\0\0\0{\"fc1.bias\":"), None);
        assert_eq!(name(b"PK\x03"), None);
        assert!(name(b"PK\x03\x04").is_some());
    }
}
