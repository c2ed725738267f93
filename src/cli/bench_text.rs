//! Tables of `elbo bench`.

use super::text;
use crate::bench::{CLIFF, Cores, Growth, Point, Report, StepReport, Subject};
use crate::model::Allocation;

/// `model: VAE 784-400-20-400-784, relu, Bernoulli likelihood; batches of 128`
pub(super) fn subject(subject: &Subject) -> String {
    let model = text::model(&subject.model);
    format!("model: {model}; batches of {}", subject.batch_size)
}

/// Three digits and what they are: `4.52 ms`.
fn seconds(value: f64) -> String {
    scaled(value, &[(1.0, "s"), (1e-3, "ms"), (1e-6, "µs")])
}

/// `184 GFLOP/s`
fn speed(value: f64) -> String {
    scaled(
        value,
        &[(1e12, "TFLOP/s"), (1e9, "GFLOP/s"), (1e6, "MFLOP/s")],
    )
}

/// `24.3 GB/s`
fn bandwidth(value: f64) -> String {
    scaled(value, &[(1e12, "TB/s"), (1e9, "GB/s"), (1e6, "MB/s")])
}

/// A value in the largest unit that it fills, otherwise in the last.
fn scaled(value: f64, units: &[(f64, &str)]) -> String {
    let filled = units.iter().find(|(unit, _)| value >= *unit);
    let &(unit, name) = filled.or(units.last()).unwrap_or(&(1.0, ""));
    format!("{} {name}", digits(value / unit))
}

/// A number with three digits, more where it is large.
fn digits(value: f64) -> String {
    let decimals = match value {
        _ if value >= 99.95 => 0,
        _ if value >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

/// A power of two in its own unit: `64 KiB`.
fn set(bytes: u64) -> String {
    match bytes >> 20 {
        0 => format!("{} KiB", bytes >> 10),
        mebibytes => format!("{mebibytes} MiB"),
    }
}

pub(super) fn report(report: &Report) -> Vec<String> {
    let [train, test] = report.images.map(|count| text::grouped(count as u64));
    let shape = report.subject.model.image;
    let mut lines = vec![
        format!("device: {}", report.device),
        subject(&report.subject),
        format!(
            "data: {train} training and {test} test images of {shape}: {}",
            report.data
        ),
        String::new(),
    ];
    let table = Table::new(&report.steps);
    lines.push(table.title());
    lines.extend(report.steps.iter().map(|step| table.step(step)));
    let floors: f64 = report.steps.iter().map(|step| step.floor_seconds).sum();
    lines.push(table.row(
        "sum of the steps",
        report.sum_seconds,
        &format!("{:.2} × the sum of the floors", report.sum_seconds / floors),
    ));
    lines.push(table.row(
        "a whole step, of many in a row",
        report.step_seconds,
        &format!("{} images/s", text::grouped(report.images_per_s as u64)),
    ));
    lines.push(String::new());
    lines.push(format!(
        "roofs, best of several: {} of multiply-adds; copies, read and written:",
        speed(report.roofs.operations_per_s)
    ));
    let copies = report.roofs.copies.iter();
    let copies: Vec<String> = copies
        .map(|copy| {
            format!(
                "{} of {}",
                bandwidth(copy.bytes_per_s),
                set(copy.working_set)
            )
        })
        .collect();
    lines.extend(copies.chunks(4).map(|few| format!("  {}", few.join(", "))));
    lines.push(
        "  the floor of a step: its operations at that speed, or a copy of its bytes, whichever is longer"
            .to_owned(),
    );
    lines.push(String::new());
    lines.extend(memory("device memory", &report.device_memory));
    lines.extend(memory("host memory beside it", &report.host_memory));
    lines
}

/// Widths of the first columns.
struct Table {
    step: usize,
    kernel: usize,
    /// 0 where the device had no choice, which leaves the column out.
    core: usize,
}

impl Table {
    fn new(steps: &[StepReport]) -> Self {
        let widest = |text: fn(&StepReport) -> &str| {
            let widths = steps.iter().map(|step| text(step).chars().count());
            widths.max().unwrap_or(0)
        };
        Self {
            step: widest(|step| &step.step),
            kernel: widest(|step| step.kernel),
            core: widest(|step| step.core.as_deref().unwrap_or_default()),
        }
    }

    fn names(&self, step: &str, kernel: &str, core: &str) -> String {
        let names = format!("{step:0$}  {kernel:1$}", self.step, self.kernel);
        match self.core {
            0 => names,
            width => format!("{names}  {core:width$}"),
        }
    }

    fn title(&self) -> String {
        format!(
            "{} {:>9} {:>7} {:>8} {:>8} {:>8} {:>7} {:>7}",
            self.names("step", "kernel", "core"),
            "time",
            "share",
            "Mop",
            "GFLOP/s",
            "KiB",
            "GB/s",
            "× floor"
        )
    }

    fn step(&self, step: &StepReport) -> String {
        let (operations, speed) = match step.operations {
            0 => ("-".to_owned(), "-".to_owned()),
            operations => (
                digits(operations as f64 / 1e6),
                digits(operations as f64 / step.seconds / 1e9),
            ),
        };
        format!(
            "{} {:>9} {:>5.1} % {operations:>8} {speed:>8} {:>8} {:>7} {:>7.2}",
            self.names(&step.step, step.kernel, step.core.as_deref().unwrap_or("-")),
            seconds(step.seconds),
            100.0 * step.share,
            digits(step.bytes as f64 / 1024.0),
            digits(step.bytes as f64 / step.seconds / 1e9),
            step.over_floor,
        )
    }

    /// A time that is not of one step.
    fn row(&self, name: &str, time: f64, rest: &str) -> String {
        let width = self.names("", "", "").chars().count();
        format!("{name:width$} {:>9}  {rest}", seconds(time))
    }
}

fn memory(title: &str, parts: &[Allocation]) -> Vec<String> {
    let size = |bytes: u64| match bytes as f64 / f64::from(1 << 20) {
        small if small < 0.01 => format!("{bytes:>9} B"),
        mebibytes => format!("{mebibytes:>9.2} MiB"),
    };
    let total = size(Allocation::total(parts));
    let mut lines = vec![format!("{title:28}{total}")];
    lines.extend(parts.iter().map(|part| {
        let (name, bytes) = (&part.name, size(part.bytes));
        format!("  {name:26}{bytes:13}  {}", part.used_for.name())
    }));
    lines
}

pub(super) fn cores(cores: &Cores) -> Vec<String> {
    let names: String = cores
        .cores
        .iter()
        .map(|core| format!("{:>18}", core.name))
        .collect();
    let mut lines = vec![
        format!("device: {}", cores.device),
        subject(&cores.subject),
        format!("{:24} {:16} {:>9}{names}", "GFLOP/s", "kernel", "Mop"),
    ];
    for (i, product) in cores.products.iter().enumerate() {
        let speeds: String = cores
            .cores
            .iter()
            .map(|core| format!("{:>18}", digits(core.operations_per_s[i] / 1e9)))
            .collect();
        let operations = digits(product.operations as f64 / 1e6);
        let (step, kernel) = (&product.step, product.kernel);
        lines.push(format!("{step:24} {kernel:16} {operations:>9}{speeds}"));
    }
    lines
}

/// A point while others are being measured.
pub(super) fn point(point: &Point) -> String {
    let time = digits(1e6 * point.seconds_per_image);
    format!("{} {}: {time} µs per image", point.axis.name(), point.size)
}

pub(super) fn growth(growth: &Growth) -> Vec<String> {
    let mut lines = vec![
        format!("device: {}", growth.device),
        subject(&growth.subject),
        "time of a training step for each of its images, least of several; one size varied, the others as above"
            .to_owned(),
    ];
    for axis in growth.axes() {
        lines.push(String::new());
        lines.push(format!(
            "{:>13} {:>12} {:>14} {:>10} {:>28}",
            axis.name(),
            "µs per image",
            "Mop per image",
            "GFLOP/s",
            "growth beyond operations"
        ));
        for point in growth.along(axis) {
            let beyond = point.beyond_operations;
            lines.push(format!(
                "{:>13} {:>12} {:>14} {:>10} {:>28}{}",
                point.size,
                digits(1e6 * point.seconds_per_image),
                digits(point.operations_per_image / 1e6),
                digits(point.operations_per_image / point.seconds_per_image / 1e9),
                beyond.map_or("-".to_owned(), |beyond| format!("{beyond:.2}")),
                if point.cliff { "  CLIFF" } else { "" },
            ));
        }
    }
    let cliffs = growth.points.iter().filter(|point| point.cliff).count();
    lines.push(String::new());
    lines.push(format!(
        "cliffs, where the time of an image grew over {CLIFF} times as much as its operations: {cliffs}"
    ));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_and_a_unit() {
        assert_eq!(seconds(4.52e-3), "4.52 ms");
        assert_eq!(seconds(12.3456e-6), "12.3 µs");
        assert_eq!(seconds(2e-8), "0.02 µs");
        assert_eq!(speed(184.2e9), "184 GFLOP/s");
        assert_eq!(bandwidth(3.35e12), "3.35 TB/s");
        assert_eq!(digits(9.999), "10.0");
        assert_eq!(set(1 << 16), "64 KiB");
        assert_eq!(set(1 << 25), "32 MiB");
    }
}
