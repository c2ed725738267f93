//! `elbo evaluate`

use clap::Args;
use serde_json::json;

use super::saved::{self, Chosen, ViewArgs};
use super::{result, text, with_bar};
use crate::data::Binarize;
use crate::model::{Evaluation, Likelihood, ModelSpec};
use crate::option;
use crate::train::{RunConfig, RunFolder};

/// Measure a trained model: ELBO, reconstruction, KL, and log p(x)
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct EvaluateArgs {
    #[command(flatten)]
    view: ViewArgs,
    /// Seed of the draws of z, and of binarisation
    #[arg(long, value_name = "NUMBER", value_parser = option::seed::parse, default_value_t = 1)]
    seed: u64,
    /// Draws of z per image with which to estimate log p(x) (Burda et al. 2016), VAE only; papers
    /// take 5000, 0 leaves it out
    #[arg(long, value_name = "DRAWS", value_parser = option::count::<usize>, default_value_t = 0)]
    importance_samples: usize,
    /// Print one JSON object instead of a table [default: off]
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  elbo evaluate runs/reference
  elbo evaluate runs/reference --importance-samples 5000
  elbo evaluate runs/reference --split train --json";

pub(super) fn run(args: &EvaluateArgs) -> anyhow::Result<()> {
    let folder = RunFolder::open(&args.view.run)?;
    let run = folder.config();
    saved::check_samples(&folder, args.importance_samples)?;
    let weights = args.view.parameters.of(&folder)?;
    let chosen = args.view.images(&folder)?;
    let mut model = saved::model(run, &weights, &args.view.device, args.seed)?;
    let evaluation = with_bar(|progress| {
        model.evaluate(
            &chosen.images,
            chosen.split,
            run.train.binarize,
            args.importance_samples,
            progress,
        )
    })?;
    let sigma = model.found_sigma()?;
    if args.json {
        result(record(args, &chosen, run, &evaluation, sigma))?;
    } else {
        for line in table(args, &chosen, run, &evaluation, sigma) {
            result(line)?;
        }
    }
    Ok(())
}

/// Whether the model sees 0 and 1 and nothing between.
fn sees_bits(chosen: &Chosen, run: &RunConfig) -> bool {
    chosen.is_binary() || run.train.binarize != Binarize::None
}

/// Bits that a value costs by the ELBO. Grey levels under a Bernoulli are neither probabilities of
/// symbols nor densities, so there it means nothing.
fn bits_per_dimension(spec: &ModelSpec, binary: bool, evaluation: &Evaluation) -> Option<f64> {
    let meaningful = match spec.likelihood {
        Likelihood::Bernoulli => binary,
        Likelihood::Gaussian { .. } => true,
        Likelihood::SquaredError | Likelihood::LinearSquaredError => false,
    };
    let nats = spec.objective().negative_elbo(&evaluation.loss)?;
    let bits = nats / (std::f64::consts::LN_2 * spec.image.values() as f64);
    meaningful.then_some(bits)
}

/// Bits that an 8-bit value costs by the ELBO of a Gaussian: the model sees value / 255, so that the density of the value
/// itself is a 255th. It is taken at the values as they are. A bound on what a code of them needs would take the mean over
/// noise that fills the steps between them (Theis, van den Oord & Bethge 2016), and this is none.
fn bits_per_byte(chosen: &Chosen, run: &RunConfig, evaluation: &Evaluation) -> Option<f64> {
    let is_scaled = chosen.images.are_bytes() && !sees_bits(chosen, run);
    run.model.likelihood.sigma().filter(|_| is_scaled)?;
    let bits = bits_per_dimension(&run.model, false, evaluation)?;
    Some(bits + 255_f64.log2())
}

fn table(
    args: &EvaluateArgs,
    chosen: &Chosen,
    run: &RunConfig,
    evaluation: &Evaluation,
    sigma: Option<f32>,
) -> Vec<String> {
    let spec = &run.model;
    let unit = text::unit(spec);
    let row = |name: &str, value: f64, rest: &str| format!("{name:<20}{value:>12.4}  {rest}");
    let mut lines = vec![
        format!("run: {}", args.view.run.display()),
        format!("model: {}", text::model(spec)),
        format!(
            "data: {}, {} {} images of {}",
            chosen.name,
            text::grouped(evaluation.images as u64),
            chosen.split.name(),
            spec.image
        ),
    ];
    let look = chosen.look.as_ref();
    lines.extend(look.map(|look| format!("values: {}", look.values)));
    lines.extend(text::values(spec, run.train.binarize, chosen.is_binary()).map(str::to_owned));
    let (objective, loss) = (spec.objective(), &evaluation.loss);
    if let Some(nats) = objective.negative_elbo(loss) {
        lines.push(row("ELBO", -nats, unit));
    }
    for term in objective.terms {
        lines.push(row(term.text, loss.term(term), (term.unit)(spec)));
    }
    if let [term] = objective.terms {
        let per_value = loss.term(term) / spec.image.values() as f64;
        lines.push(row("", per_value, "the same per value"));
    } else if !text::is_elbo(spec) {
        let formula = text::formula(spec, |_| String::new());
        let minimised = format!("{unit}: {formula}, which training minimised");
        lines.push(match (text::bound(spec), objective.bound) {
            (Some(bound), _) => row(&format!("-{bound}"), loss.total, &minimised),
            (None, Some(_)) => row("loss", loss.total, &format!("{minimised}; NOT THE ELBO")),
            (None, None) => row("loss", loss.total, &minimised),
        });
    }
    if let Some((mean, error)) = evaluation.log_likelihood {
        let spread = match error.is_nan() {
            true => "(one image has no standard error)".to_owned(),
            false => format!("± {error:.4}"),
        };
        let rest = format!(
            "{spread} {unit}, from {} importance samples an image",
            text::grouped(args.importance_samples as u64)
        );
        // Of an image whose class is given.
        let name = match spec.condition {
            Some(_) => "log p(x|y)",
            None => "log p(x)",
        };
        lines.push(row(name, mean, &rest));
    }
    if let Some(bits) = bits_per_dimension(spec, sees_bits(chosen, run), evaluation) {
        let rest = match spec.likelihood {
            Likelihood::Gaussian { .. } => {
                "by the ELBO, of the density of values as the model sees them"
            }
            _ => "by the ELBO",
        };
        lines.push(row("bits per dimension", bits, rest));
    }
    if let Some(bits) = bits_per_byte(chosen, run, evaluation) {
        let rest = "by the ELBO, of the density at the 8-bit values, without noise to fill the steps between them";
        lines.push(row("bits per 8-bit value", bits, rest));
    }
    if let (Some(sigma), Some(rule)) = (sigma, spec.likelihood.sigma()) {
        lines.push(row("sigma", sigma.into(), &text::sigma(rule)));
    }
    lines
}

fn record(
    args: &EvaluateArgs,
    chosen: &Chosen,
    run: &RunConfig,
    evaluation: &Evaluation,
    sigma: Option<f32>,
) -> serde_json::Value {
    let spec = &run.model;
    let objective = spec.objective();
    let mut record = json!({
        "run": args.view.run.display().to_string(),
        "data": chosen.name,
        "data_changed": chosen.changed,
        "split": chosen.split.name(),
        "images": evaluation.images,
        "model": spec.kind,
        "likelihood": spec.likelihood,
        "binarize": run.train.binarize,
        "stored_values": chosen.look.as_ref().map(|look| &look.values),
        "values": text::values(spec, run.train.binarize, chosen.is_binary()),
        "seed": args.seed,
        "unit": text::unit(spec),
        "objective": objective.name,
        "elbo": objective.negative_elbo(&evaluation.loss).map(|nats| -nats),
        "beta": objective.weighs_kl().then_some(spec.beta),
        "loss": evaluation.loss.total,
        "loss_is_negative_elbo": text::is_elbo(spec),
        "bits_per_dimension": bits_per_dimension(spec, sees_bits(chosen, run), evaluation),
        "bits_per_8_bit_value": bits_per_byte(chosen, run, evaluation),
        "sigma": sigma,
        "importance_samples": args.importance_samples,
        "log_likelihood": evaluation.log_likelihood.map(|(mean, _)| mean),
        "log_likelihood_standard_error": evaluation.log_likelihood.map(|(_, error)| error),
    });
    for term in objective.terms {
        record[term.name] = evaluation.loss.term(term).into();
    }
    record
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::saved::ParametersArgs;
    use crate::data::{Images, Split, Storage, Values};
    use crate::model::Loss;
    use crate::model::{ModelKind, Sigma};
    use crate::shape::ImageShape;
    use crate::train::Record;
    use std::time::SystemTime;

    fn chosen() -> Chosen {
        Chosen {
            name: "mnist".into(),
            split: Split::Test,
            images: Images::new(ImageShape::new(28, 28, 1), Values::Bytes(Vec::new())),
            classes: Vec::new(),
            look: None,
            changed: false,
        }
    }

    fn args() -> EvaluateArgs {
        EvaluateArgs {
            view: ViewArgs {
                run: "runs/a".into(),
                parameters: ParametersArgs::default(),
                which: saved::ImagesArgs::default(),
                device: "cpu".into(),
            },
            seed: 1,
            importance_samples: 50,
            json: false,
        }
    }

    fn run() -> RunConfig {
        let record = Record::new("CPU", "mnist", SystemTime::UNIX_EPOCH);
        RunConfig::new(ModelSpec::reference(), record)
    }

    fn evaluation(beta: f64) -> Evaluation {
        Evaluation {
            images: 10_000,
            loss: Loss {
                total: 80.0 + beta * 25.0,
                ..Loss::new(&ModelSpec::reference(), &[80.0, 25.0])
            },
            units: None,
            log_likelihood: Some((-100.5, 0.25)),
        }
    }

    fn text_of(run: &RunConfig, evaluation: &Evaluation) -> String {
        table(&args(), &chosen(), run, evaluation, None).join("\n")
    }

    #[test]
    fn grey_pixels_are_announced_and_have_no_bits_per_dimension() {
        let text = text_of(&run(), &evaluation(1.0));
        assert!(text.contains("GREY-PIXEL BERNOULLI"), "{text}");
        assert!(text.contains("-105.0000  nats per image"), "{text}");
        assert!(text.contains("± 0.2500"), "{text}");
        assert!(!text.contains("bits per dimension"), "{text}");
    }

    #[test]
    fn binarised_values_have_bits_per_dimension() {
        let mut run = run();
        run.train.binarize = Binarize::Dynamic;
        let bits = bits_per_dimension(&run.model, true, &evaluation(1.0));
        let expected = 105.0 / (784.0 * 2f64.ln());
        assert!((bits.expect("bits") - expected).abs() < 1e-12);
        assert!(text_of(&run, &evaluation(1.0)).contains("BINARISED"));
    }

    #[test]
    fn a_loss_of_another_beta_is_not_called_elbo() {
        let mut run = run();
        run.model.beta = 4.0;
        let text = text_of(&run, &evaluation(4.0));
        assert!(
            text.contains("180.0000") && text.contains("NOT THE ELBO"),
            "{text}"
        );
        assert!(
            text.contains("-105.0000"),
            "the ELBO of the same model: {text}"
        );
        let json = record(&args(), &chosen(), &run, &evaluation(4.0), None);
        assert_eq!(json["elbo"], -105.0);
        assert_eq!(json["loss"], 180.0);
        assert_eq!(json["loss_is_negative_elbo"], false);
    }

    #[test]
    fn an_autoencoder_has_neither_elbo_nor_kl() {
        let mut run = run();
        run.model.kind = ModelKind::Ae;
        run.model.likelihood = Likelihood::SquaredError;
        let evaluation = Evaluation {
            log_likelihood: None,
            ..evaluation(0.0)
        };
        let text = text_of(&run, &evaluation);
        assert!(!text.contains("ELBO") && !text.contains("KL"), "{text}");
        let json = record(&args(), &chosen(), &run, &evaluation, None);
        assert!(json["elbo"].is_null() && json["kl"].is_null());
    }

    #[test]
    fn bytes_under_a_gaussian_have_bits_of_their_own_unit() {
        let mut run = run();
        run.model.likelihood = Likelihood::Gaussian {
            sigma: Sigma::Optimal,
        };
        let bits = bits_per_byte(&chosen(), &run, &evaluation(1.0));
        let expected = (105.0 / 784.0 + 255_f64.ln()) / 2_f64.ln();
        assert!((bits.expect("bits") - expected).abs() < 1e-12);
        assert!(text_of(&run, &evaluation(1.0)).contains("bits per 8-bit value"));
        // Floats have no such unit, nor have bits.
        let mut other = chosen();
        other.images.storage = Storage::Memory(Values::Floats(Vec::new()));
        assert_eq!(bits_per_byte(&other, &run, &evaluation(1.0)), None);
        run.train.binarize = Binarize::Dynamic;
        assert_eq!(bits_per_byte(&chosen(), &run, &evaluation(1.0)), None);
    }

    #[test]
    fn a_learned_sigma_is_printed() {
        let mut run = run();
        run.model.likelihood = Likelihood::Gaussian {
            sigma: Sigma::Learned(1.0),
        };
        let evaluation = evaluation(1.0);
        let lines = table(&args(), &chosen(), &run, &evaluation, Some(0.125));
        let text = lines.join("\n");
        assert!(
            text.contains("sigma                     0.1250  learned"),
            "{text}"
        );
        let json = record(&args(), &chosen(), &run, &evaluation, Some(0.125));
        assert_eq!(json["sigma"], 0.125);
    }
}
