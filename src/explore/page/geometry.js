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
