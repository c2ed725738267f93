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

// Codes have one direction below this sine of the angle between them, and are opposite below this cosine.
const PARALLEL = 1e-12, OPPOSITE = -0.9995;

// The direction of a code; null for zeros.
function unit(code) {
  const length = Math.sqrt(dot(code, code));
  return length > 0 ? Float64Array.from(code, (value) => value / length) : null;
}

// Between two codes by slerp (Shoemake 1985, White 2016), as the program has it in `view/path.rs`, where the reasons
// are; on the straight line where slerp is undefined.
function spherical(a, b, t) {
  const [start, end] = [unit(a), unit(b)];
  if (!start || !end) return linear(a, b, t);
  const cosine = dot(start, end);
  const across = end.map((value, i) => value - cosine * start[i]);
  const sine = Math.sqrt(dot(across, across));
  if (sine < PARALLEL || cosine < OPPOSITE) return linear(a, b, t);
  const angle = Math.atan2(sine, cosine);
  const [ofA, ofB] = [Math.sin((1 - t) * angle) / sine, Math.sin(t * angle) / sine];
  return a.map((value, i) => ofA * value + ofB * b[i]);
}
