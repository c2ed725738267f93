// The density of a code under the codes' distribution over the whole data, by minibatch-stratified sampling (Chen, Li,
// Grosse & Duvenaud 2018, appendix C.2): log q(z_n) = log Σ_m share(n, m) · q(z_n|x_m) over the rows m of a batch.
// Hazard: logvar is bounded, so that exp(−logvar) is finite.

const HALF_LOG_TWO_PI: f32 = 0.9189385332046727;

// log N(z; mu, exp(logvar)), with a logvar that is bounded already.
fn log_normal(z: f32, mu: f32, logvar: f32) -> f32 {
    let off = z - mu;
    return -0.5 * (off * off * exp_of(-logvar, 1.0) + logvar) - HALF_LOG_TWO_PI;
}

// Logarithm of the share of row m in the density at the code of row n, of a batch of so many rows from so many images. The
// row itself is one of all images; one other row stands for those that are not in the batch.
fn log_share(n: u32, m: u32, rows: u32, images: u32) -> f32 {
    if rows == 1u { return 0.0; }
    let others = f32(rows - 1u);
    let all = f32(images);
    if m == n { return -log(all); }
    if m == (n + 1u) % rows { return log((all - others) / (all * others)); }
    return -log(others);
}
