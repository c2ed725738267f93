//! Looking at a trained model, on every device: each shown image against plain loops from its code.

use elbo::data::{Binarize, Split, Storage, Values};
use elbo::draw::Shades;
use elbo::model::{Inference, Likelihood, ModelKind, ModelSpec, Weights};
use elbo::rng::{Purpose, Stream};
use elbo::shape::ImageShape;
use elbo::view::{
    self, Ends, Film, Format, Path, Spread, Traversal, interpolate, manifold, manifold_picture,
    traverse,
};

use crate::by_hand::{self, Near};
use crate::inference::{compare, images, model, on_devices};
use crate::support::Report;

const SEED: u64 = 7;
const STEPS: usize = 5;

/// The mean image of a code, which is given to the bit.
fn decoded(weights: &Weights, code: &[f32]) -> Vec<Near> {
    let code: Vec<Near> = code
        .iter()
        .map(|&value| Near::exact(f64::from(value)))
        .collect();
    let outputs = by_hand::decode(weights, &code);
    outputs.into_iter().map(Near::sigmoid).collect()
}

/// Compares a row of a film with the images of codes `[steps, latent]`.
fn compare_row(report: &mut Report, weights: &Weights, film: &Film, row: usize, codes: &[f32]) {
    let latent = codes.len() / film.steps();
    for (step, code) in codes.chunks(latent).enumerate() {
        compare(
            report,
            "image",
            film.image(row, step),
            &[decoded(weights, code)],
        );
    }
}

fn kinds() -> [(ModelSpec, Weights); 2] {
    [
        model(ModelKind::Vae, Likelihood::Bernoulli),
        model(ModelKind::Ae, Likelihood::SquaredError),
    ]
}

/// Codes by the model itself, which is tested elsewhere.
fn codes(model: &mut Inference, spec: &ModelSpec, count: usize) -> Vec<f32> {
    let encoded = model.encode(&images(count, spec), Split::Test, Binarize::None);
    encoded.expect("codes").mu
}

#[test]
fn a_way_between_images_begins_and_ends_with_their_reconstructions() {
    for (spec, weights) in kinds() {
        let images = images(9, &spec);
        for (device, mut model) in on_devices(&spec, &weights, SEED) {
            let all = codes(&mut model, &spec, 9);
            let code = |image: usize| &all[image * spec.latent.values()..][..spec.latent.values()];
            for path in [Path::Linear, Path::Spherical] {
                let ends =
                    Ends::of_images(&mut model, &images, (2, 6), 3, Split::Test, Binarize::None);
                let ends = ends.expect("images 2 to 8");
                let film = interpolate(&mut model, &spec, ends, path, STEPS, Format::Png);
                let film = film.expect("a film");
                assert_eq!((film.rows(), film.steps()), (3, STEPS));
                let mut report = Report::default();
                for row in 0..3 {
                    let (from, to) = (code(2 + row), code(6 + row));
                    let way = path.codes(from, to, STEPS);
                    assert_eq!(
                        (
                            &way[..spec.latent.values()],
                            &way[4 * spec.latent.values()..]
                        ),
                        (from, to)
                    );
                    compare_row(&mut report, &weights, &film, row, &way);
                }
                report.conclude(&format!("{:?}, {path:?}, {device}", spec.kind));
            }
        }
    }
}

#[test]
fn a_code_that_is_not_finite_is_named_by_its_image_among_all() {
    let (spec, weights) = model(ModelKind::Vae, Likelihood::Bernoulli);
    let mut images = images(9, &spec);
    let mut values = images.to_f32().expect("in memory");
    values[7 * spec.image.values()..8 * spec.image.values()].fill(f32::NAN);
    images.storage = Storage::Memory(Values::Floats(values));
    for (device, mut model) in on_devices(&spec, &weights, SEED) {
        let error = Ends::of_images(&mut model, &images, (3, 7), 1, Split::Test, Binarize::None);
        let text = error.expect_err("a code of NaN").to_string();
        assert!(text.contains("image 7 is not finite"), "{device}: {text}");
    }
}

#[test]
fn binarised_images_have_the_codes_that_they_have_among_all() {
    let (spec, weights) = model(ModelKind::Vae, Likelihood::Bernoulli);
    let images = images(9, &spec);
    for (_, mut model) in on_devices(&spec, &weights, SEED) {
        let all = model
            .encode(&images, Split::Test, Binarize::Fixed)
            .expect("codes")
            .mu;
        let ends = Ends::of_images(&mut model, &images, (3, 8), 1, Split::Test, Binarize::Fixed);
        let ends = ends.expect("images 3 and 8");
        let film = interpolate(&mut model, &spec, ends, Path::Linear, 2, Format::Png);
        let film = film.expect("a film");
        let mut report = Report::default();
        let ends = [3, 8]
            .map(|image| &all[image * spec.latent.values()..][..spec.latent.values()])
            .concat();
        compare_row(&mut report, &weights, &film, 0, &ends);
        report.conclude("binarised");
    }
}

#[test]
fn a_way_through_the_prior_joins_the_draws_of_its_seed() {
    let (spec, weights) = model(ModelKind::Vae, Likelihood::Bernoulli);
    let mut prior = Stream::new(11, Purpose::Prior, 0);
    let draws: Vec<f32> = (0..4 * spec.latent.values())
        .map(|_| prior.normal())
        .collect();
    for (device, mut model) in on_devices(&spec, &weights, SEED) {
        let ends = Ends::of_prior(11, 2, spec.latent.values());
        let film = interpolate(&mut model, &spec, ends, Path::Spherical, STEPS, Format::Gif);
        let film = film.expect("a film");
        let mut report = Report::default();
        for (row, pair) in draws.chunks(2 * spec.latent.values()).enumerate() {
            let way = Path::Spherical.codes(
                &pair[..spec.latent.values()],
                &pair[spec.latent.values()..],
                STEPS,
            );
            compare_row(&mut report, &weights, &film, row, &way);
        }
        report.conclude(device);
    }
}

#[test]
fn a_row_of_a_traversal_changes_its_own_value_only() {
    for (spec, weights) in kinds() {
        let images = images(23, &spec);
        for (device, mut model) in on_devices(&spec, &weights, SEED) {
            let all = codes(&mut model, &spec, 23);
            let spread = match spec.kind {
                ModelKind::Vae => Spread::prior(spec.latent.values()),
                ModelKind::Ae => Spread::of(&all, spec.latent.values()),
            };
            let plain = match spec.kind {
                ModelKind::Vae => Traversal::of_prior(spec.latent.values()),
                ModelKind::Ae => Traversal::of_codes(&all, spec.latent.values()),
            };
            let about = plain
                .clone()
                .about(&mut model, &images, 4, Split::Test, Binarize::None);
            let mean: Vec<f32> = spread.mean.iter().map(|&mean| mean as f32).collect();
            let image = &all[4 * spec.latent.values()..][..spec.latent.values()];
            let cases = [(plain, &mean[..]), (about.expect("image 4"), image)];
            for (traversal, base) in cases {
                let film = traverse(&mut model, &spec, &traversal, 2.5, STEPS, Format::Png);
                let film = film.expect("a film");
                assert_eq!((film.rows(), film.steps()), (spec.latent.values(), STEPS));
                let mut report = Report::default();
                for value in 0..spec.latent.values() {
                    let mut codes = base.repeat(STEPS);
                    for (step, share) in [-1.0, -0.5, 0.0, 0.5, 1.0].into_iter().enumerate() {
                        let (mean, unit) = (spread.mean[value], spread.deviation[value]);
                        codes[step * spec.latent.values() + value] =
                            (mean + 2.5 * share * unit) as f32;
                    }
                    compare_row(&mut report, &weights, &film, value, &codes);
                    assert_ne!(
                        film.image(value, 0),
                        film.image(value, STEPS - 1),
                        "{value}"
                    );
                }
                report.conclude(&format!("{:?}, {device}", spec.kind));
            }
        }
    }
}

#[test]
fn the_top_rows_of_a_traversal_are_those_of_the_most_kl() {
    let (spec, weights) = model(ModelKind::Vae, Likelihood::Bernoulli);
    let images = images(50, &spec);
    for (_, mut model) in on_devices(&spec, &weights, SEED) {
        let latents = view::encode(&mut model, &images, Split::Test, Binarize::None);
        let latents = latents.expect("codes");
        let kl = view::kl_by_value(&latents, spec.latent.values());
        let top = Traversal::of_prior(spec.latent.values()).top(2, spec.is_variational(), &latents);
        assert_eq!(top.rows.len(), 2);
        let dropped = (0..spec.latent.values()).filter(|value| !top.rows.contains(value));
        let least = kl[top.rows[1]];
        assert!(kl[top.rows[0]] >= least && dropped.into_iter().all(|value| kl[value] <= least));
        // Their sum is what the loss has as a whole.
        let evaluation = model.evaluate(&images, Split::Test, Binarize::None, 0, &mut |_, _| {});
        let whole = evaluation.expect("losses").loss.terms["kl"];
        let sum: f64 = kl.iter().sum();
        assert!((sum - whole).abs() <= 1e-4 * whole, "{sum} {whole}");
        let film = traverse(&mut model, &spec, &top, 3.0, 3, Format::Png).expect("a film");
        let mut report = Report::default();
        for (row, &value) in top.rows.iter().enumerate() {
            let mut codes = vec![0.0; 3 * spec.latent.values()];
            codes[value] = -3.0;
            codes[2 * spec.latent.values() + value] = 3.0;
            compare_row(&mut report, &weights, &film, row, &codes);
        }
        report.conclude("top");
    }
}

#[test]
fn a_manifold_shows_the_quantiles_of_both_values() {
    let (wide, _) = model(ModelKind::Vae, Likelihood::Bernoulli);
    // A picture of a column: a row of values would be drawn as a line.
    let image = ImageShape::new(wide.image.values(), 1, 1);
    let spec = ModelSpec {
        latent: 2.into(),
        image,
        ..wide
    };
    let model = elbo::model::Model::new(&spec).expect("a model");
    let parameters = model.parameters();
    let weights = Weights::from_arena(parameters, &parameters.initial(SEED));
    // Those of 1/6, 1/2 and 5/6.
    let quantiles = [-0.967_421_6, 0.0, 0.967_421_6];
    for (device, mut model) in on_devices(&spec, &weights, SEED) {
        let images = manifold(&mut model, &spec, &Spread::prior(2), 3).expect("images");
        let grid = manifold_picture(&images, spec.image, 3, Shades::default()).expect("a grid");
        // Eleven values in a column, each 5 pixels wide and high.
        assert_eq!(grid.size(), (3 * 5, 3 * 55), "{device}");
        for (row, up) in quantiles.into_iter().rev().enumerate() {
            for (column, right) in quantiles.into_iter().enumerate() {
                for (i, near) in decoded(&weights, &[right, up]).into_iter().enumerate() {
                    let (x, y) = (5 * column, 55 * row + 5 * i);
                    let found = f64::from(grid.pixels()[y * 15 + x]);
                    // Rounding to a level, and the quantiles' last digit.
                    let limit = 0.5 + 255.0 * (near.error + 1e-6);
                    assert!(
                        (found - 255.0 * near.value).abs() <= limit,
                        "{row}, {column}, {i}"
                    );
                }
            }
        }
    }
}

#[test]
fn images_and_numbers_that_there_are_not_are_refused() {
    let (spec, weights) = model(ModelKind::Vae, Likelihood::Bernoulli);
    let images = images(5, &spec);
    let (_, mut model) = on_devices(&spec, &weights, SEED).remove(0);
    for (pair, ways) in [((5, 0), 1), ((0, 5), 1), ((3, 0), 3), ((usize::MAX, 0), 2)] {
        let ends = Ends::of_images(&mut model, &images, pair, ways, Split::Test, Binarize::None);
        let error = ends.expect_err("no such image").to_string();
        assert!(error.contains("they are 0 to 4"), "{error}");
    }
    let plain = Traversal::of_prior(spec.latent.values());
    let about = plain
        .clone()
        .about(&mut model, &images, 5, Split::Test, Binarize::None);
    assert!(about.is_err());
    for range in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300] {
        let film = traverse(&mut model, &spec, &plain, range, STEPS, Format::Png);
        let error = film.expect_err("no range").to_string();
        assert!(error.contains("`range = "), "{error}");
    }
    assert!(manifold(&mut model, &spec, &Spread::prior(3), 4).is_err());
}

#[test]
fn codes_that_are_not_finite_are_refused() {
    let (spec, _) = model(ModelKind::Ae, Likelihood::SquaredError);
    let model = elbo::model::Model::new(&spec).expect("a model");
    let parameters = model.parameters();
    let weights = Weights::from_arena(parameters, &vec![3e38; parameters.len]);
    for (_, mut model) in on_devices(&spec, &weights, SEED) {
        let encoded = view::encode(&mut model, &images(3, &spec), Split::Test, Binarize::None);
        let error = encoded.expect_err("infinite codes").to_string();
        assert!(error.contains("not finite"), "{error}");
    }
}
