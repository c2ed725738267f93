// Codes as points: from one to another, at random, and along their principal axes.

// Draws from N(0, 1) by Box and Muller.
function normal() {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
}

function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

// Between two codes on the straight line.
function linear(a, b, t) {
  return a.map((value, i) => (1 - t) * value + t * b[i]);
}

// Between two codes on a great circle (Shoemake 1985), on which a Gaussian's mass lies in many dimensions. Where
// they point the same way or the opposite one there is no single circle, and the line is taken.
function spherical(a, b, t) {
  const lengths = Math.sqrt(dot(a, a) * dot(b, b));
  if (lengths === 0) return linear(a, b, t);
  const angle = Math.acos(Math.min(1, Math.max(-1, dot(a, b) / lengths)));
  const sine = Math.sin(angle);
  if (Math.abs(sine) < 1e-4) return linear(a, b, t);
  const [from, to] = [Math.sin((1 - t) * angle) / sine, Math.sin(t * angle) / sine];
  return a.map((value, i) => from * value + to * b[i]);
}

// The mean of codes `[rows, latent]`, and their two principal axes by power iteration.
function principal(codes, latent) {
  const rows = codes.length / latent;
  const row = (i) => codes.subarray(i * latent, (i + 1) * latent);
  const mean = new Float64Array(latent);
  for (let i = 0; i < rows; i++) row(i).forEach((value, j) => (mean[j] += value / rows));
  const axes = [];
  for (let axis = 0; axis < Math.min(2, latent); axis++) {
    // Any start does that is not at right angles to the axis; this one leans to the first dimensions.
    let along = Float64Array.from({ length: latent }, (_, j) => 1 / (1 + j + axis));
    for (let turn = 0; turn < 30; turn++) {
      const next = new Float64Array(latent);
      const offset = dot(mean, along);
      for (let i = 0; i < rows; i++) {
        const code = row(i);
        const share = dot(code, along) - offset;
        for (let j = 0; j < latent; j++) next[j] += share * (code[j] - mean[j]);
      }
      for (const other of axes) {
        const share = dot(next, other);
        for (let j = 0; j < latent; j++) next[j] -= share * other[j];
      }
      const length = Math.sqrt(dot(next, next));
      if (length === 0) break;
      along = next.map((value) => value / length);
    }
    axes.push(along);
  }
  return { mean, axes };
}
