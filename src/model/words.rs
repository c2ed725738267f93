//! Words for models and losses: what is an ELBO is called one, and nothing else is.

use crate::data::Binarize;
use crate::model::objectives::Term;
use crate::model::{Allocation, Likelihood, Loss, MemoryUse, ModelSpec, Sigma};
pub use crate::number::{counted, grouped};

/// `71.9 MiB`
pub fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// The sum of what memory holds, and its parts by what they are for.
pub fn memory(parts: &[Allocation]) -> String {
    let uses = MemoryUse::ALL.map(|used_for| {
        let name = match used_for {
            MemoryUse::Parameters => "parameters, gradients and moments",
            other => other.name(),
        };
        let bytes = Allocation::total_for(parts, used_for);
        format!("{name} {}", mebibytes(bytes))
    });
    let total = mebibytes(Allocation::total(parts));
    format!("{total}: {}", uses.join("; "))
}

/// `VAE 784-400-20-400-784, relu, Bernoulli likelihood`, with the weight of the KL where it is not 1: `…, beta 4`.
pub fn model(spec: &ModelSpec) -> String {
    let layers = layers(spec);
    match caution(spec) {
        "" => layers,
        _ => format!("{layers}, beta {}", spec.beta),
    }
}

/// The same without the weight of the KL.
pub fn layers(spec: &ModelSpec) -> String {
    let activation = spec.activation.name();
    let levels = match &spec.levels {
        Some(levels) => format!(", codes of {levels} levels"),
        None => String::new(),
    };
    format!(
        "{} {}, {activation}, {}{levels}",
        spec.kind.short(),
        shape(spec),
        likelihood(spec)
    )
}

/// From image to image: the widths of linear layers, `784-400-20-400-784`, otherwise the layers themselves.
pub fn shape(spec: &ModelSpec) -> String {
    let (values, latent) = (spec.image.values(), spec.latent.values());
    let decoder = spec.decoder_blocks();
    match (spec.encoder.widths(), decoder.widths()) {
        (Some(encoder), Some(decoder)) => {
            let all = [vec![values], encoder, vec![latent], decoder, vec![values]].concat();
            let all: Vec<String> = all.iter().map(usize::to_string).collect();
            all.join("-")
        }
        _ => {
            let image = |is_map| match is_map {
                true => spec.image.to_string(),
                false => values.to_string(),
            };
            let (from, to) = (image(spec.encoder.take_map()), image(decoder.give_map()));
            format!("{from} - {} - {latent} - {decoder} - {to}", spec.encoder)
        }
    }
}

fn likelihood(spec: &ModelSpec) -> String {
    match spec.likelihood {
        Likelihood::Bernoulli => "Bernoulli likelihood".into(),
        Likelihood::Gaussian {
            sigma: Sigma::Fixed(value),
        } => format!("Gaussian likelihood of sigma {value}"),
        Likelihood::Gaussian {
            sigma: Sigma::Learned(start),
        } => format!("Gaussian likelihood of learned sigma, from {start}"),
        Likelihood::Gaussian {
            sigma: Sigma::Optimal,
        } => "Gaussian likelihood of optimal sigma".into(),
        Likelihood::SquaredError => "squared error of a sigmoid".into(),
        Likelihood::LinearSquaredError => "squared error".into(),
    }
}

/// What the sigma of a Gaussian likelihood is: `learned: the standard deviation of a value about its mean`.
pub fn sigma(sigma: Sigma) -> String {
    format!(
        "{}: the standard deviation of a value about its mean",
        sigma.rule()
    )
}

/// Which bound of log p(x) the negative loss is: `ELBO`, `IWAE-5`; `None` where it is none.
pub fn bound(spec: &ModelSpec) -> Option<String> {
    let objective = spec.objective();
    let bound = objective.bound?;
    let is_plain = |term: &Term| term.is_plain(spec);
    objective.terms.iter().all(is_plain).then(|| bound(spec))
}

/// Whether the negative loss is the ELBO.
pub fn is_elbo(spec: &ModelSpec) -> bool {
    bound(spec).as_deref() == Some(ELBO)
}

/// The evidence lower bound.
pub const ELBO: &str = "ELBO";

/// The unit of what is in nats.
pub const NATS: &str = "nats per image";

/// Unit of the losses.
pub fn unit(spec: &ModelSpec) -> &'static str {
    match spec.likelihood {
        _ if spec.likelihood.is_squared_error() => "squared error per image",
        _ => NATS,
    }
}

/// What has to be said wherever a loss is printed that one might take for the ELBO: nothing where it is one, or where
/// there is none.
pub fn caution(spec: &ModelSpec) -> &'static str {
    match spec.objective().bound {
        Some(_) if bound(spec).is_none() => "; not the ELBO",
        _ => "",
    }
}

/// Unit of the losses, with what has to be said of them: `nats per image; not the ELBO`.
pub fn unit_of_loss(spec: &ModelSpec) -> String {
    format!("{}{}", unit(spec), caution(spec))
}

/// What training minimises.
pub fn objective(spec: &ModelSpec) -> String {
    let (sum, unit) = (formula(spec, |_| String::new()), unit(spec));
    match (bound(spec), spec.objective().bound) {
        (Some(bound), _) => format!("-{bound} = {sum}, in {unit}"),
        (None, Some(_)) => format!("{sum}, in {unit}: not the negative ELBO"),
        (None, None) => format!("{sum}, in {unit}"),
    }
}

/// The sum of an objective's terms, each with its weight before its name and with `value` behind it:
/// `reconstruction + 4 × KL`.
pub fn formula(spec: &ModelSpec, value: impl Fn(&Term) -> String) -> String {
    let weighted = spec.objective().terms.iter().map(|term| {
        let weight = match term.weight(spec) {
            1.0 => String::new(),
            weight => format!("{weight} × "),
        };
        let text = format!("{}{}", term.text, value(term));
        match (term.target)(spec) {
            Some(target) => format!("{weight}huber({text} - {target})"),
            None => format!("{weight}{text}"),
        }
    });
    weighted.collect::<Vec<_>>().join(" + ")
}

/// Which values the likelihood sees, where results on others are easily confused with them; `binary`: those of the data
/// are two only.
pub fn values(spec: &ModelSpec, binarize: Binarize, binary: bool) -> Option<&'static str> {
    if spec.likelihood != Likelihood::Bernoulli {
        return None;
    }
    Some(match binarize {
        _ if binary => "BINARY DATA: not comparable with results on grey pixels of the same images",
        Binarize::None => "GREY-PIXEL BERNOULLI: not comparable with results on binarised images",
        Binarize::Fixed => {
            "BINARISED once: not comparable with grey-pixel results, nor with binarisation at every use"
        }
        Binarize::Dynamic => {
            "BINARISED at every use: not comparable with grey-pixel results, nor with one fixed binarisation"
        }
    })
}

/// The parts of a loss, as a formula: `reconstruction 80.10 + KL 25.49`. What has one part only is shown by value of the
/// image.
pub fn parts(spec: &ModelSpec, loss: &Loss) -> String {
    match spec.objective().parts() {
        [] => format!("{:.6} per value", loss.total / spec.image.values() as f64),
        _ => formula(spec, |term| format!(" {:.2}", loss.term(term))),
    }
}

/// A loss as a number; squared errors are small ones.
pub fn number(spec: &ModelSpec, loss: f64) -> String {
    match spec.likelihood {
        _ if spec.likelihood.is_squared_error() => format!("{loss:.4}"),
        _ => format!("{loss:.2}"),
    }
}

/// A loss by its right name, with its parts and unit.
pub fn loss(spec: &ModelSpec, loss: &Loss) -> String {
    let unit = unit(spec);
    if let Some(bound) = bound(spec) {
        let terms = spec.objective().terms.iter();
        let terms: Vec<String> = terms
            .map(|term| format!("{} {:.2}", term.text, loss.term(term)))
            .collect();
        return format!(
            "{bound} {} {unit} ({})",
            number(spec, -loss.total),
            terms.join(", ")
        );
    }
    format!(
        "loss {} {unit} ({}{})",
        number(spec, loss.total),
        parts(spec, loss),
        caution(spec)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelKind;

    fn measured(spec: &ModelSpec) -> Loss {
        Loss::new(spec, &[80.104, 25.486])
    }

    #[test]
    fn only_a_vae_at_beta_one_has_an_elbo() {
        let mut spec = ModelSpec::reference();
        let text = loss(&spec, &measured(&spec));
        assert_eq!(
            text,
            "ELBO -105.59 nats per image (reconstruction 80.10, KL 25.49)"
        );
        spec.beta = 4.0;
        let text = loss(&spec, &measured(&spec));
        assert!(
            text.starts_with("loss ") && text.contains("not the ELBO"),
            "{text}"
        );
        assert!(objective(&spec).contains("not the negative ELBO"));
        assert_eq!(unit_of_loss(&spec), "nats per image; not the ELBO");
        assert!(model(&spec).ends_with(", beta 4"), "{}", model(&spec));
        spec.beta = 1.0;
        spec.kind = ModelKind::Ae;
        for likelihood in [Likelihood::SquaredError, Likelihood::Bernoulli] {
            spec.likelihood = likelihood;
            let text = loss(&spec, &measured(&spec));
            assert!(
                text.starts_with("loss ") && !text.contains("ELBO"),
                "{text}"
            );
            assert_eq!(unit_of_loss(&spec), unit(&spec));
        }
    }

    #[test]
    fn grey_pixels_and_binarised_ones_are_told_apart() {
        let mut spec = ModelSpec::reference();
        let text = |spec: &ModelSpec, binarize| values(spec, binarize, false).unwrap_or_default();
        assert!(text(&spec, Binarize::None).contains("GREY"));
        assert!(text(&spec, Binarize::Dynamic).contains("BINARISED"));
        assert!(text(&spec, Binarize::Fixed).contains("BINARISED"));
        // What has two values only stays as it is when it is binarised.
        for binarize in [Binarize::None, Binarize::Fixed, Binarize::Dynamic] {
            let text = values(&spec, binarize, true).unwrap_or_default();
            assert!(text.contains("BINARY DATA"), "{text}");
        }
        spec.likelihood = Likelihood::Gaussian {
            sigma: Sigma::Fixed(1.0),
        };
        assert_eq!(values(&spec, Binarize::None, true), None);
    }

    #[test]
    fn a_model_is_named_by_its_widths() {
        assert_eq!(
            model(&ModelSpec::reference()),
            "VAE 784-400-20-400-784, relu, Bernoulli likelihood"
        );
    }

    #[test]
    fn memory_is_summed_up_by_what_it_is_for() {
        let part = |used_for, mebibytes: u64| Allocation {
            name: "a buffer".into(),
            used_for,
            bytes: mebibytes << 20,
        };
        let parts = [
            part(MemoryUse::Images, 40),
            part(MemoryUse::Images, 2),
            part(MemoryUse::Parameters, 10),
            part(MemoryUse::Activations, 3),
        ];
        assert_eq!(
            memory(&parts),
            "55.0 MiB: images 42.0 MiB; parameters, gradients and moments 10.0 MiB; activations 3.0 MiB; bookkeeping 0.0 MiB"
        );
    }
}
