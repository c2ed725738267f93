//! The sigma of a Gaussian likelihood by which a loss is computed.

use crate::graph::arenas;
use crate::model::Sigma;
use crate::model::pass::Pass;
use crate::ops::{elbo, likelihood, sigma, sigma_mean, sum_threads};
use crate::plan::{Shared, Slice};

/// Its logarithm, `[1]`; of likelihoods that have none, one that nobody reads.
pub(super) fn log_sigma(pass: &mut Pass<'_>) -> Slice {
    match pass.spec.likelihood.sigma() {
        Some(Sigma::Optimal) if pass.learns() => of_batch(pass),
        _ => pass.log_sigma(),
    }
}

/// That by which the batch is most likely, from its squared errors. No gradient goes through it: where a sigma is the most
/// likely one, the loss has no slope along it. Where its gradient would lie is the sum of the squared errors, so that those
/// of several parts of a batch are added with their gradients.
fn of_batch(pass: &mut Pass<'_>) -> Slice {
    let (image, output) = (pass.image(), pass.output());
    let (heads, stored) = (pass.encoded().posterior, pass.log_sigma());
    let size = [pass.rows(), pass.spec.image.values()];
    let threads = sum_threads(output.len);
    let partials = pass
        .lower
        .transient("partial squared errors", 4 * threads as usize);
    // Places that no invocation writes.
    let [no_outputs, no_heads] =
        ["no output gradient", "no heads gradient"].map(|name| pass.lower.transient(name, 1));
    let call = elbo::call(likelihood::SQUARED_ERROR, size, None, 0.0, false);
    let slices = [image, output, heads, stored, no_outputs, no_heads, partials];
    pass.lower
        .step("squared errors", &elbo::KERNEL, call, &slices);
    let total = found(pass, arenas::GRADIENT);
    let batch = pass.lower.transient("log sigma of the batch", 1);
    let call = sigma::call(threads, size[0] * size[1]);
    pass.lower
        .step("sigma", &sigma::KERNEL, call, &[partials, batch, total]);
    batch
}

/// The optimal sigma of the epoch so far becomes the parameter, which is what everything but training reads. The optimiser
/// does not see this parameter. The mean of the epoch lies where its first moment would: in the state, so that a run that
/// stops in mid-epoch goes on to the same bits.
pub(in crate::model) fn set_mean(pass: &mut Pass<'_>) {
    let [total, mean, log_sigma] =
        [arenas::GRADIENT, arenas::FIRST, arenas::PARAMETERS].map(|arena| found(pass, arena));
    let slices = [pass.counters(), total, mean, log_sigma];
    let call = sigma_mean::call([pass.rows(), pass.spec.image.values()]);
    pass.lower
        .step("mean sigma", &sigma_mean::KERNEL, call, &slices);
    let parameter = pass.net.log_sigma.expect("a parameter for what is found");
    pass.lower.set_updated(parameter);
}

/// The place of the sigma that is found in an arena.
fn found(pass: &mut Pass<'_>, arena: Shared) -> Slice {
    let parameter = pass.net.log_sigma.expect("a parameter for what is found");
    pass.lower.parameter(parameter, arena)
}
