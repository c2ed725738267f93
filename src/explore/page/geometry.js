// Codes as points: at random, and from one to another.

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

// Codes point the same way, or opposite ways, below this sine of the angle between them.
const PARALLEL = 1e-12;

// The direction of a code and its length.
function unit(code) {
  const length = Math.sqrt(dot(code, code));
  return [Float64Array.from(code, (value) => value / length), length];
}

// Between two codes by slerp of their directions (Shoemake 1985), with a length that changes evenly: as the program
// has it in `view/path.rs`, where the reasons are.
function spherical(a, b, t) {
  const [[start, from], [end, to]] = [unit(a), unit(b)];
  if (from === 0 || to === 0) return linear(a, b, t);
  const cosine = dot(start, end);
  let across = end.map((value, i) => value - cosine * start[i]);
  let sine = Math.sqrt(dot(across, across));
  if (sine < PARALLEL) {
    if (cosine > 0) return linear(a, b, t);
    // Opposite codes: by way of the axis on which they have the least share.
    const least = Math.min(...start.map(Math.abs));
    const axis = start.findIndex((value) => Math.abs(value) === least);
    across = start.map((value, i) => (i === axis ? 1 : 0) - start[axis] * value);
    sine = 0;
  }
  let width;
  [across, width] = unit(across);
  if (width === 0) return linear(a, b, t);
  const angle = t * Math.atan2(sine, cosine);
  const length = (1 - t) * from + t * to;
  const [along, aside] = [length * Math.cos(angle), length * Math.sin(angle)];
  return a.map((_, i) => along * start[i] + aside * across[i]);
}
