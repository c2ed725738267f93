//! Channels that are rounded to levels.

use elbo::graph::Value;
use elbo::layers::fsq;
use elbo::plan::{CpuRuntime, Runtime};

use super::{Case, Sketch, plan, prepare, results};

fn levels(sketch: &mut Sketch, x: Value, levels: &[u32], rounded: bool) -> Value {
    let name = sketch.name();
    let attrs = fsq::attrs(levels, rounded);
    let made = sketch.graph.node(&fsq::LAYER, attrs, &name, &[x]);
    made.expect("channels of levels")
}

/// Levels of channels of maps and of values, not rounded: what the gradient is of.
pub(super) fn cases() -> Vec<Case> {
    let case = |dims: &[usize], of: &[u32]| {
        let (mut sketch, x) = Sketch::new(dims);
        let h = levels(&mut sketch, x, of, false);
        let y = sketch.linear(h, 3);
        sketch.case(format!("levels {of:?}"), x, y)
    };
    vec![case(&[2, 3, 4], &[8, 5, 5, 5]), case(&[6], &[2, 7, 3])]
}

#[test]
fn the_gradient_of_what_is_rounded_is_that_of_what_is_not() {
    let found = |rounded| {
        let (mut sketch, x) = Sketch::new(&[3, 2, 2]);
        let y = levels(&mut sketch, x, &[8, 5], rounded);
        let case = sketch.case("levels", x, y);
        let (plan, parameters) = plan(&case, false);
        let mut runtime = CpuRuntime::<f64>::new();
        let id = prepare(&mut runtime, &case, plan, &parameters);
        runtime.run(id, 1).expect("a run");
        results(&mut runtime, &case, &parameters)
    };
    let ([rounded, of_rounded, _], [bounded, of_bounded, _]) = (found(true), found(false));
    assert_eq!(of_rounded, of_bounded);
    for (place, (level, bounded)) in rounded.iter().zip(&bounded).enumerate() {
        let unit = [4.0, 2.0][place % 2];
        assert_eq!(*level, (bounded * unit).round() / unit, "place {place}");
    }
}
