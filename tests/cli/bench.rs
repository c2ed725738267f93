//! `elbo bench`: its tables, its JSON, its picture, and what it refuses. No test asks for a time.

use serde_json::Value;

use crate::support::{CONFIG, DEVICE, accepted, refused, refused_in, stdout, temporary};

/// A model whose steps take microseconds.
const SMALL: [&str; 10] = [
    "bench",
    "--device",
    "cpu",
    "--values",
    "48",
    "--hidden",
    "12",
    "--latent",
    "3",
    "--batch-size=32",
];

fn bench(more: &[&str]) -> String {
    let folder = temporary();
    stdout(&accepted(folder.path(), &[&SMALL, more].concat()))
}

fn json(more: &[&str]) -> Value {
    let printed = bench(&[more, &["--json"]].concat());
    serde_json::from_str(&printed).expect("one JSON object alone on stdout")
}

fn positive(value: &Value, name: &str) -> f64 {
    let number = value[name].as_f64();
    let number = number.unwrap_or_else(|| panic!("no {name} in {value}"));
    assert!(number.is_finite() && number > 0.0, "{name}: {value}");
    number
}

#[test]
fn every_step_stands_beside_the_roofs_and_the_memory() {
    let table = bench(&[]);
    for words in [
        "device: CPU",
        "VAE 48-12-3-12-48",
        "random bytes",
        "× floor",
        "fc4 input gradient",
        "sum of the steps",
        "a whole step, of many in a row",
        "images/s",
        "roofs",
        "device memory",
        "transient buffers of the plans",
        "host memory",
        "last good state",
    ] {
        assert!(table.contains(words), "no {words:?} in {table}");
    }
}

#[test]
fn the_json_object_has_the_fields_of_the_table() {
    let report = json(&["--activation", "gelu"]);
    assert_eq!(report["batch_size"], 32);
    assert_eq!(report["model"]["encoder"], "linear 12");
    assert_eq!(report["images"], serde_json::json!([60_000, 10_000]));
    let steps = report["steps"].as_array().expect("steps");
    // Two activations more than with relu, and no update beside those of the layers.
    assert_eq!(steps.len(), 18);
    let mut sum = 0.0;
    let mut shares = 0.0;
    for step in steps {
        let seconds = positive(step, "seconds");
        let over = seconds / positive(step, "floor_seconds");
        assert!((positive(step, "over_floor") / over - 1.0).abs() < 1e-9);
        positive(step, "bytes");
        sum += seconds;
        shares += positive(step, "share");
        let product = ["linear", "weight_update", "input_gradient", "matmul"];
        let kernel = step["kernel"].as_str().expect("a kernel");
        let operations = step["operations"].as_u64().expect("operations");
        assert_eq!(operations > 0, product.contains(&kernel), "{step}");
        assert!(step["core"].is_null(), "the CPU has no choice: {step}");
    }
    assert!((positive(&report, "sum_seconds") / sum - 1.0).abs() < 1e-9);
    assert!((shares - 1.0).abs() < 1e-9);
    let speed = 32.0 / positive(&report, "step_seconds");
    assert!((positive(&report, "images_per_s") / speed - 1.0).abs() < 1e-9);
    positive(&report["roofs"], "operations_per_s");
    for copy in report["roofs"]["copies"].as_array().expect("copies") {
        positive(copy, "bytes_per_s");
        positive(copy, "working_set");
    }
    for memory in ["device_memory", "host_memory"] {
        for part in report[memory].as_array().expect("parts") {
            assert!(part["name"].is_string() && part["used_for"].is_string());
            positive(part, "bytes");
        }
    }
}

#[test]
fn cores_are_compared_on_every_product_of_the_model() {
    let compared = json(&["--compare"]);
    let products = compared["products"].as_array().expect("products");
    assert_eq!(products.len(), 11);
    assert_eq!(products[0]["step"], "fc1");
    assert_eq!(products[0]["operations"], 2 * 32 * 48 * 12);
    let cores = compared["cores"].as_array().expect("cores");
    assert_eq!(cores.len(), 1, "without a GPU there is the CPU's alone");
    assert_eq!(cores[0]["name"], "CPU");
    let speeds = cores[0]["operations_per_s"].as_array().expect("speeds");
    assert_eq!(speeds.len(), products.len());
    let table = bench(&["--compare"]);
    assert!(
        table.contains("GFLOP/s") && table.contains("CPU"),
        "{table}"
    );
}

#[test]
fn growth_is_a_table_an_object_and_a_picture() {
    let folder = temporary();
    let more = ["--growth", "latent", "--out", "growth.png", "--json"];
    let output = accepted(folder.path(), &[&SMALL[..], &more].concat());
    let growth: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    let points = growth["points"].as_array().expect("points");
    let sizes: Vec<u64> = points.iter().filter_map(|p| p["size"].as_u64()).collect();
    assert_eq!(sizes, [2, 4, 8, 16, 32, 64, 128, 256, 512]);
    for (i, point) in points.iter().enumerate() {
        assert_eq!(point["axis"], "latent");
        positive(point, "seconds_per_image");
        positive(point, "operations_per_image");
        assert_eq!(point["beyond_operations"].is_null(), i == 0, "{point}");
        let beyond = point["beyond_operations"].as_f64().unwrap_or(0.0);
        assert_eq!(point["cliff"], beyond > 1.5, "{point}");
    }
    image::open(folder.path().join("growth.png")).expect("a picture");
    let again = [&SMALL[..], &more].concat();
    refused_in(folder.path(), &again, CONFIG, &["growth.png"]);
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let small = |more: &[&'static str]| [&["bench", "--device", "cpu"], more].concat();
    for (more, words) in [
        (&["--batch-size", "0"][..], "--batch-size"),
        (&["--batch-size", "1000000000"], "2^31"),
        (&["--values", "0"], "--values"),
        (&["--hidden", "0"], "--hidden"),
        (&["--latent", "many"], "--latent"),
        (&["--growth", "depth"], "--growth"),
        (&["--growth", "--compare"], "--compare"),
        (&["--out", "growth.png"], "--growth"),
        (&["--every-core"], "--compare"),
        (&["--model", "ae", "--beta", "2"], "--beta"),
        (&["--epochs", "2"], "--epochs"),
    ] {
        refused(&small(more), CONFIG, &[words]);
    }
    refused(&["bench", "--device", "gpu:no such"], DEVICE, &["no such"]);
}
