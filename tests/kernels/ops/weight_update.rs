//! Cases of `weight_update`.
//!
//! The product is that of `weight_gradient`, whose cases have the tiles; here are shapes of one value, of tails
//! with wide and with narrow rows, past a tile of every core, and both ends of Adam's steps.

use ::elbo::ops::adam::{BETA1, BETA2};
use ::elbo::ops::weight_update;
use ::elbo::plan::ALIGNMENT;

use super::adam::{DECAY, RATE, SCALE, UPDATE};
use crate::harness::{Case, Operand, values, verify};
use crate::tolerance::Tolerance;

pub(crate) fn case([rows, inputs, outputs]: [usize; 3], step: u32, decay: f32) -> Case {
    let bias = (outputs * inputs).next_multiple_of(ALIGNMENT);
    let len = bias + outputs;
    let (a, b) = (
        values(1, rows * outputs, -50.0, 50.0),
        values(2, rows * inputs, -1.0, 1.0),
    );
    // The padding between weight and bias is not to be touched: it has no error.
    let real = |i: usize| i < outputs * inputs || i >= bias;
    let parameters = values(3, len, -1.0, 1.0);
    let (first, second) = (values(4, len, -0.5, 0.5), values(5, len, 1e-3, 0.2));
    // Σ |terms| of each gradient.
    let terms = |i: usize| -> f64 {
        let a = |row: usize, output: usize| f64::from(a[row * outputs + output]).abs();
        let rows = 0..rows;
        match i.checked_sub(bias) {
            Some(output) => rows.map(|row| a(row, output)).sum(),
            None => {
                let (output, input) = (i / inputs, i % inputs);
                let b = |row: usize| f64::from(b[row * inputs + input]).abs();
                rows.map(|row| a(row, output) * b(row)).sum()
            }
        }
    };
    let wide = |values: &[f32], i: usize| f64::from(values[i]).abs();
    let (rate1, rate2, scale) = (1.0 - BETA1, 1.0 - BETA2, f64::from(SCALE));
    let steps = f64::from(step);
    let (size, root) = (1.0 - BETA1.powf(steps), (1.0 - BETA2.powf(steps)).sqrt());
    let mut errors = [(); 3].map(|()| (Vec::new(), Vec::new()));
    for i in 0..len {
        let g = if real(i) { scale * terms(i) } else { 0.0 };
        let m = wide(&first, i) + rate1 * (g + wide(&first, i));
        let least = wide(&second, i) * BETA2;
        let v = wide(&second, i) + rate2 * (g * g + wide(&second, i));
        let update = f64::from(RATE) / size * m / (least.sqrt() / root);
        // Each result by itself, and by the gradient's error: m and v follow it by their rates, an update by m in
        // proportion and by the root of v.
        let by_gradient = [
            update * (rate1 / m + rate2 * g / least) * g,
            rate1 * g,
            2.0 * rate2 * g * g,
        ];
        let own = [
            UPDATE * update + 4.0 * wide(&parameters, i),
            4.0 * m,
            4.0 * v,
        ];
        for (error, (own, by_gradient)) in errors.iter_mut().zip(own.into_iter().zip(by_gradient)) {
            error.0.push(if real(i) { own } else { 0.0 });
            error.1.push(if real(i) { by_gradient } else { 0.0 });
        }
    }
    let [p, m, v] =
        errors.map(|(own, gradient)| Tolerance::sums(1, own).and(Tolerance::sums(rows, gradient)));
    let case = Case::new(
        format!("{outputs}×{inputs} from {rows} rows, step {step}"),
        &weight_update::KERNEL,
        weight_update::call(rows, inputs, outputs, bias, decay),
        vec![
            Operand::input(a),
            Operand::input(b),
            Operand::update(parameters, p).padded_with_zeros(),
            Operand::update(first, m).padded_with_zeros(),
            Operand::update(second, v).padded_with_zeros(),
            Operand::words(vec![step, 77, 5]),
            Operand::input(vec![RATE, SCALE]),
        ],
    );
    match inputs % 4 == outputs % 4 {
        true => case,
        false => case.on_one_core(),
    }
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        case([33, 68, 36], 100, 0.0).in_half(),
        case([1, 1, 1], 100, 0.0),
        case([4, 8, 16], 100, 0.0),
        // The last short batch of a layer.
        case([5, 40, 7], 100, 0.0),
        case([17, 65, 33], 100, 0.0),
        case([32, 64, 68], 1, DECAY),
        case([33, 31, 67], 10_000, DECAY),
    ]
}

#[test]
fn updates_by_a_product_match_the_oracle() {
    verify(&cases());
}
