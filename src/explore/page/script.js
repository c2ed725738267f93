// Reads plans as a script, for a page without WebGPU and without a server: the kernels once more, in plain loops.

const ACTIVATIONS = [
  (x) => x,
  (x) => (x <= 0 ? 0 : x),
  (x) => (x <= 0 ? 0.01 * x : x),
  Math.tanh,
  (x) => 1 / (1 + Math.exp(-x)),
  (x) => x / (1 + Math.exp(-x)),
  (x) => 0.5 * x * (1 + Math.tanh(0.7978845608028654 * (x + 0.044715 * x * x * x))),
];

// By the kernels' names: parameters, selectors, and slices in the order of the kernel's bindings.
const KERNELS = {
  // c[m, n] = activate(a[m, k] · b[n, k]ᵀ + side[n])
  linear([m, n, k], { ACTIVATION = 0 }, [a, b, c, side]) {
    const activate = ACTIVATIONS[ACTIVATION];
    for (let row = 0; row < m; row++) {
      for (let column = 0; column < n; column++) {
        let sum = side[column];
        for (let i = 0, at = row * k, bt = column * k; i < k; i++) sum += a[at + i] * b[bt + i];
        c[row * n + column] = activate(sum);
      }
    }
  },

  activation([count], { ACTIVATION = 0 }, [input, out]) {
    const activate = ACTIVATIONS[ACTIVATION];
    for (let i = 0; i < count; i++) out[i] = activate(input[i]);
  },

  add([count], {}, [a, b, out]) {
    for (let i = 0; i < count; i++) out[i] = a[i] + b[i];
  },

  copy([count], {}, [input, out]) {
    for (let i = 0; i < count; i++) out[i] = input[i];
  },
};

class ScriptRunner {
  constructor(program, weights) {
    this.program = program;
    this.weights = weights;
  }

  prepare(name) {
    const plan = this.program.plans[name];
    const memories = plan.memories.map((bytes) => new Float32Array(bytes / WORD));
    const buffers = {};
    for (const [label, { bytes, memory }] of Object.entries(plan.buffers)) {
      if (label === "parameters") buffers[label] = this.weights;
      else buffers[label] = memory === null ? new Float32Array(bytes / WORD) : memories[memory];
    }
    const steps = plan.steps.map((step) => {
      const slices = step.slices.map((s) => buffers[s.buffer].subarray(s.offset, s.offset + s.len));
      return () => KERNELS[step.kernel](step.params, step.selectors, slices);
    });
    return {
      async run(input, values, output, len) {
        buffers[input].set(values);
        for (const step of steps) step();
        return buffers[output].slice(0, len);
      },
    };
  }
}
