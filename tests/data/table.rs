//! Tables.

use elbo::data::{DataOptions, Dataset, Images, Progress, SourceOptions, Stored, Values, load};
use elbo::shape::ImageShape;

use crate::array::file;
use crate::formats::{gzip, write};
use crate::support::{assert_says, error_of, error_with, load_path, values_of};

const TABLE: &str = "width,height,kind,mass\n1,2.5,a,-3\n4,5,b,6e2\n7,8,a,9\n";

/// A table in its own order, and what is said of it.
fn read_named(
    name: &str,
    bytes: &[u8],
    options: DataOptions,
) -> elbo::Result<(Dataset, Vec<String>)> {
    let options = DataOptions {
        whole: true,
        ..options
    };
    let (_folder, path) = file(name, bytes);
    let mut notes = Vec::new();
    let dataset = load(&path.to_string_lossy(), &options, &mut |news| {
        if let Progress::Note(note) = news {
            notes.push(note.to_owned());
        }
    })?;
    Ok((dataset, notes))
}

fn read(text: &str, options: DataOptions) -> (Dataset, Vec<String>) {
    read_named("x.csv", text.as_bytes(), options).expect("a good table")
}

fn error(text: &str, options: DataOptions) -> String {
    match read_named("x.csv", text.as_bytes(), options) {
        Ok((dataset, _)) => panic!("accepted: {:?}", values_of(&dataset.test)),
        Err(error) => error.to_string(),
    }
}

fn columns(names: &[&str]) -> DataOptions {
    DataOptions {
        source: SourceOptions {
            columns: names.iter().map(|name| (*name).to_owned()).collect(),
            ..SourceOptions::default()
        },
        ..DataOptions::default()
    }
}

fn values(images: &Images) -> &[f32] {
    match values_of(images) {
        Values::Floats(values) => values,
        Values::Bytes(_) => panic!("expected floats"),
    }
}

#[test]
fn a_table_is_read_with_a_header_and_without() {
    let (with, notes) = read("a,b\n1,2.5\n-3,4e1\n", DataOptions::default());
    assert_eq!(values(&with.test), [1.0, 2.5, -3.0, 40.0]);
    assert_eq!(with.columns, ["a", "b"]);
    assert_eq!(with.test.shape, ImageShape::new(1, 2, 1));
    assert_eq!(with.test.stored, Stored::Text);
    assert_eq!(with.name, "x");
    assert_eq!(notes, ["table: 2 rows, 2 of 2 columns: a, b"]);
    let (without, notes) = read("1,2.5\n-3,4e1\n", DataOptions::default());
    assert_eq!(values_of(&without.test), values_of(&with.test));
    assert_eq!(without.columns, ["1", "2"]);
    assert_eq!(notes, ["table: 2 rows, 2 of 2 columns: 1, 2, no header"]);
}

#[test]
fn columns_are_chosen_in_the_order_given() {
    let (dataset, _) = read(TABLE, columns(&["mass", "1-2"]));
    assert_eq!(values(&dataset.test)[..3], [-3.0, 1.0, 2.5]);
    assert_eq!(dataset.columns, ["mass", "width", "height"]);
    let message = error(TABLE, columns(&["depth"]));
    assert_says(
        &message,
        &["`columns = ", "`depth`", "width, height, kind, mass"],
    );
}

#[test]
fn a_column_of_text_is_named_with_the_columns_of_numbers() {
    let message = error(TABLE, DataOptions::default());
    let words = [
        "line 2, column 3 (`kind`)",
        "got `a`",
        "`columns = width,height,mass`",
        "`label-column = kind`",
    ];
    assert_says(&message, &words);
    // Without a header, as the Iris flowers come.
    let message = error(
        "5.1,3.5,Iris-setosa\n4.9,3,Iris-setosa\n",
        DataOptions::default(),
    );
    assert_says(
        &message,
        &["line 1, column 3", "`columns = 1,2`", "`label-column = 3`"],
    );
}

#[test]
fn a_column_may_hold_the_labels() {
    let labelled = |name: &str| DataOptions {
        source: SourceOptions {
            label_column: Some(name.to_owned()),
            ..SourceOptions::default()
        },
        ..DataOptions::default()
    };
    let (dataset, _) = read(TABLE, labelled("kind"));
    assert_eq!(dataset.classes, ["a", "b"]);
    assert_eq!(dataset.test.labels, Some(vec![0, 1, 0]));
    assert_eq!(dataset.columns, ["width", "height", "mass"]);
    let digits = "label,p0,p1\n7,0,255\n1,3,4\n";
    let (dataset, _) = read(digits, labelled("1"));
    assert_eq!(dataset.test.labels, Some(vec![7, 1]));
    assert_eq!(dataset.classes, [""; 0]);
    assert_eq!(values(&dataset.test), [0.0, 255.0, 3.0, 4.0]);
    assert_says(
        &error(digits, labelled("kind")),
        &["`label-column = ", "`kind`"],
    );
    assert_says(
        &error("a,b\n1,x\n2,\n", labelled("b")),
        &["line 3, column 2 (`b`)", "got nothing"],
    );
}

#[test]
fn rows_take_the_image_size_that_is_asked_for() {
    let sized = |height, width| DataOptions {
        image_size: Some((height, width)),
        ..DataOptions::default()
    };
    let (dataset, _) = read("1,2,3,4\n5,6,7,8\n", sized(2, 2));
    assert_eq!(dataset.test.shape, ImageShape::new(2, 2, 1));
    assert_says(
        &error("1,2,3\n5,6,7\n", sized(2, 2)),
        &["2×2×1 = 4", "got 3"],
    );
}

#[test]
fn values_that_are_missing_are_refused_with_line_and_column() {
    for missing in ["", "NA", "nan", "NaN", "n/a", "null", "?"] {
        let message = error(&format!("a,b\n1,2\n3,{missing}\n"), DataOptions::default());
        assert_says(
            &message,
            &["line 3, column 2 (`b`)", "expected a value", "dropna"],
        );
        let (dataset, _) = read(&format!("a,b\n1,2\n3,{missing}\n"), columns(&["a"]));
        assert_eq!(values(&dataset.test), [1.0, 3.0]);
    }
    // A first row with a gap is no header.
    assert_says(
        &error("1,,3\n4,5,6\n", DataOptions::default()),
        &["line 1, column 2"],
    );
    for infinite in ["inf", "-Infinity", "1e999", "1e39"] {
        let message = error(&format!("1,2\n3,{infinite}\n"), DataOptions::default());
        assert_says(&message, &["line 2, column 2"]);
    }
}

#[test]
fn rows_of_other_lengths_are_refused_with_their_line() {
    for row in ["3", "3,4,5", "3,4,"] {
        let message = error(&format!("a,b\n1,2\n{row}\n5,6\n"), DataOptions::default());
        assert_says(&message, &["line 3: expected 2 values"]);
    }
}

#[test]
fn whole_numbers_that_float32_would_change_are_refused() {
    let message = error("t\n1700000000\n1700000001\n", DataOptions::default());
    assert_says(&message, &["line 3, column 1 (`t`)", "1700000001"]);
}

#[test]
fn the_forms_that_programs_write_mean_the_same() {
    let expected = [1.0, 2.5, 3.0, 4.0];
    for (name, text) in [
        ("lf", "a,b\n1,2.5\n3,4\n"),
        ("crlf", "a,b\r\n1,2.5\r\n3,4\r\n"),
        ("cr", "a,b\r1,2.5\r3,4\r"),
        ("byte order mark", "\u{feff}a,b\n1,2.5\n3,4\n"),
        ("quotes", "\"a\",\"b\"\n\"1\",\"2.5\"\n3,\"4\"\n"),
        ("a quoted separator", "\"a, or\",b\n1,2.5\n3,4\n"),
        ("spaces", "a , b\n 1, 2.5 \n3 ,4\n"),
        ("semicolons", "a;b\n1;2.5\n3;4\n"),
        ("tabs", "a\tb\n1\t2.5\n3\t4\n"),
        ("np.savetxt", "1.0e+00 2.5e+00\n3.0e+00 4.0e+00\n"),
        ("a header of np.savetxt", "# a,b\n1,2.5\n3,4\n"),
        ("an empty last line", "a,b\n1,2.5\n3,4\n\n"),
        ("pandas", ",a,b\n0,1,2.5\n1,3,4\n"),
        ("pandas without names", ",0,1\n0,1,2.5\n1,3,4\n"),
        ("R", "\"\",\"a\",\"b\"\n\"1\",1,2.5\n\"2\",3,4\n"),
    ] {
        let (dataset, _) = read(text, DataOptions::default());
        assert_eq!(values(&dataset.test), expected, "{name}");
        assert_eq!(dataset.columns.len(), 2, "{name}");
    }
    let (dataset, _) =
        read_named("x.tsv", b"a, or\tb\n1\t2.5\n3\t4\n", DataOptions::default()).expect("tabs");
    assert_eq!(dataset.columns, ["a, or", "b"]);
}

#[test]
fn a_first_row_of_0_and_1_is_a_row_and_one_that_counts_further_names_the_columns() {
    let (dataset, _) = read("0,1\n1,2.5\n3,4\n", DataOptions::default());
    assert_eq!(dataset.test.len(), 3);
    let (dataset, _) = read("0,1,2\n1,2.5,7\n3,4,7\n", DataOptions::default());
    assert_eq!((dataset.test.len(), dataset.columns.len()), (2, 3));
    assert_eq!(dataset.columns, ["0", "1", "2"]);
}

#[test]
fn what_is_guessed_is_said() {
    let (_, notes) = read("a;b\n1;2\n3;4\n", DataOptions::default());
    assert_says(&notes[0], &["separated by semicolons"]);
    let (_, notes) = read(",a\n0,5\n1,6\n", columns(&["1", "a"]));
    assert_eq!(notes.len(), 1, "{notes:?}");
    let (_, notes) = read(",a\n0,5\n1,6\n", DataOptions::default());
    assert_says(&notes[0], &["counts the rows", "left out"]);
    // A column without a name that does not count stays.
    let (dataset, _) = read(",a\n3,5\n1,6\n", DataOptions::default());
    assert_eq!(dataset.columns, ["1", "a"]);
}

#[test]
fn decimal_commas_are_refused_with_a_way_out() {
    for text in ["a;b\n1,5;2\n3;4\n", "a,b\n\"1,5\",2\n3,4\n"] {
        let message = error(text, DataOptions::default());
        assert_says(
            &message,
            &[
                "line 2, column 1 (`a`)",
                "decimal point",
                "`1,5`",
                "tr ';,' ',.'",
            ],
        );
    }
}

#[test]
fn other_texts_are_refused() {
    let refused = |name: &str, bytes: &[u8]| match read_named(name, bytes, DataOptions::default()) {
        Ok(_) => panic!("{name} was accepted"),
        Err(error) => error.to_string(),
    };
    assert_says(&refused("x.csv", b""), &["empty"]);
    assert_says(&refused("x.csv", b"\n\n"), &["rows of numbers"]);
    assert_says(
        &refused("x.csv", b"a,b\n"),
        &["expected rows of numbers, got none"],
    );
    let utf_16 = "a,b\n1,2\n".encode_utf16().flat_map(u16::to_le_bytes);
    let utf_16: Vec<u8> = [0xff, 0xfe].into_iter().chain(utf_16).collect();
    assert_says(&refused("x.csv", &utf_16), &["UTF-16", "iconv"]);
    assert_says(
        &refused("x.csv", &[0, 159, b',', 150, b'\n', b'1', b'\n']),
        &["line 2"],
    );
    // A quote that is never closed takes all that follows.
    assert_says(&refused("x.csv", b"a,b\n\"1,2\n3,4\n"), &["line 2"]);
}

#[test]
fn a_last_line_without_its_end_is_refused() {
    let whole = "a,b\n1,2.5\n3,4.25\n";
    let (_folder, path) = file("x.csv", whole.as_bytes());
    load_path(&path).expect("the whole table");
    for length in 0..whole.len() {
        write(&path, &whole.as_bytes()[..length]);
        let message = error_of(&path);
        assert_says(&message, &["x.csv", "try: "]);
    }
}

#[test]
fn a_truncated_gzip_stream_is_refused_at_every_length() {
    let mut text = String::from("a,b\n");
    for row in 0..200 {
        text += &format!("{row},{}\n", row * row % 17);
    }
    let whole = gzip(text.as_bytes());
    let (_folder, path) = file("x.csv.gz", &whole);
    let dataset = load_path(&path).expect("the whole table");
    assert_eq!((dataset.train.len(), dataset.name.as_str()), (180, "x"));
    for length in 0..whole.len() {
        write(&path, &whole[..length]);
        assert_says(&error_of(&path), &["x.csv.gz", "try: "]);
    }
    write(&path, &[&whole[..], b"x"].concat());
    assert_says(
        &error_of(&path),
        &["bytes follow the end of the gzip stream"],
    );
    // The content says whether it is packed.
    let (_folder, plain) = file("y.tsv.gz", b"1\t2\n3\t4\n");
    assert_eq!(load_path(&plain).expect("plain").name, "y");
}

#[test]
fn a_row_that_does_not_end_is_refused_before_it_fills_the_memory() {
    // A quotation mark opens a text that ends nowhere; what follows packs a thousand to one.
    for (start, line) in [("1,2\n\"", "1,2\n"), ("1,2\n", "1,2,")] {
        let text = [start.as_bytes(), &line.repeat(20 << 20).into_bytes()].concat();
        let (_folder, path) = file("x.csv.gz", &gzip(&text));
        assert_says(
            &error_of(&path),
            &["expected rows of at most 67108864 bytes", "quotation mark"],
        );
    }
}

#[test]
fn a_changed_byte_of_a_gzip_stream_is_never_another_table() {
    let whole = gzip(TABLE.as_bytes());
    let (_folder, path) = file("x.csv.gz", &whole);
    let read = || {
        load(
            &path.to_string_lossy(),
            &columns(&["width", "mass"]),
            &mut |_| {},
        )
    };
    let fingerprint = |dataset: Dataset| dataset.fingerprint().expect("in memory");
    let expected = fingerprint(read().expect("the whole table"));
    for at in 0..whole.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] ^= flip;
            write(&path, &bytes);
            // Some bytes, such as the date, mean nothing.
            if let Ok(dataset) = read() {
                assert_eq!(fingerprint(dataset), expected, "byte {at}");
            }
        }
    }
}

#[test]
fn options_of_other_sources_are_refused() {
    let (_folder, path) = file("x.csv", b"1,2\n3,4\n");
    let options = DataOptions {
        mirrors: vec!["http://localhost".to_owned()],
        ..DataOptions::default()
    };
    assert_says(
        &error_with(&path, &options),
        &[
            "`mirror = …` is no option of a table",
            "one of mnist, fashion-mnist",
        ],
    );
    let message = error_with(
        &path,
        &DataOptions {
            test_fraction: 2.0,
            ..DataOptions::default()
        },
    );
    assert_says(&message, &["test fraction"]);
}
