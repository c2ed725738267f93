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

  // 1 in the place of the class of a row, 0 elsewhere. The classes are those of the images as they are: a page has no split.
  one_hot([rows, count, samples], {}, [classes, , , out]) {
    out.fill(0);
    for (let row = 0; row < rows; row++) {
      const number = classes[Math.floor(row / samples)];
      if (number < count) out[row * count + number] = 1;
    }
  },

  // Channels as one of a few levels: shaders/lib/fsq.wgsl.
  fsq([count, channels, ...words], { ROUNDED = 1 }, [z, out]) {
    for (let i = 0; i < count; i++) {
      const channel = i % channels;
      const levels = (words[channel >> 2] >>> (8 * (channel % 4))) & 255;
      const within = (levels - 1) * 1e-3;
      const even = levels % 2 === 0;
      const shift = even ? 0.5 * Math.log((levels + within) / (levels - 2 + within)) : 0;
      const bounded = 0.5 * (levels - 1 + within) * Math.tanh(z[i] + shift) - (even ? 0.5 : 0);
      out[i] = (ROUNDED ? Math.round(bounded) : bounded) / (levels >> 1);
    }
  },

  // out[rows, left + right] = [a[rows, left], b[rows, right]]
  join([rows, left, right], {}, [a, b, out]) {
    for (let row = 0, at = 0; row < rows; row++) {
      for (let j = 0; j < left; j++) out[at++] = a[row * left + j];
      for (let j = 0; j < right; j++) out[at++] = b[row * right + j];
    }
  },

  // From a map [images, height, width, channels] to a pixel for each window of kernel × kernel of its pixels;
  // b[features, kernel, kernel, channels], side[features].
  convolution(
    [, , , , images, height, width, channels, outHeight, outWidth, features, kernel, stride, pad],
    { ACTIVATION = 0 },
    [a, b, c, side],
  ) {
    const activate = ACTIVATIONS[ACTIVATION];
    for (let pixel = 0; pixel < images * outHeight * outWidth; pixel++) {
      const image = Math.floor(pixel / (outHeight * outWidth));
      const top = (Math.floor(pixel / outWidth) % outHeight) * stride - pad;
      const left = (pixel % outWidth) * stride - pad;
      for (let feature = 0; feature < features; feature++) {
        let sum = side[feature];
        for (let ky = Math.max(0, -top); ky < kernel && top + ky < height; ky++) {
          for (let kx = Math.max(0, -left); kx < kernel && left + kx < width; kx++) {
            const at = ((image * height + top + ky) * width + left + kx) * channels;
            const bt = ((feature * kernel + ky) * kernel + kx) * channels;
            for (let i = 0; i < channels; i++) sum += a[at + i] * b[bt + i];
          }
        }
        c[pixel * features + feature] = activate(sum);
      }
    }
  },

  // The way back: each pixel of the map gets from all windows that it lies in; side[channels].
  transposed_convolution(
    [, , , , images, height, width, channels, outHeight, outWidth, features, kernel, stride, pad],
    { ACTIVATION = 0 },
    [a, b, c, side],
  ) {
    const activate = ACTIVATIONS[ACTIVATION];
    // Windows along an axis that a row or column lies in, with its place in them.
    const windows = (at, count) => {
      const found = [];
      for (let k = 0; k < kernel; k++) {
        const window = (at + pad - k) / stride;
        if (Number.isInteger(window) && window >= 0 && window < count) found.push([window, k]);
      }
      return found;
    };
    const across = Array.from({ length: width }, (_, x) => windows(x, outWidth));
    const sums = new Float64Array(channels);
    for (let image = 0; image < images; image++) {
      for (let y = 0; y < height; y++) {
        const down = windows(y, outHeight);
        for (let x = 0; x < width; x++) {
          sums.set(side.subarray(0, channels));
          for (const [oy, ky] of down) {
            for (const [ox, kx] of across[x]) {
              const at = ((image * outHeight + oy) * outWidth + ox) * features;
              for (let feature = 0; feature < features; feature++) {
                const value = a[at + feature];
                const bt = ((feature * kernel + ky) * kernel + kx) * channels;
                for (let i = 0; i < channels; i++) sums[i] += value * b[bt + i];
              }
            }
          }
          const to = ((image * height + y) * width + x) * channels;
          for (let i = 0; i < channels; i++) c[to + i] = activate(sums[i]);
        }
      }
    }
  },

  // The weights of a transposed convolution of 4×4 taps that does what a convolution of 3×3 does behind a doubling of rows
  // and columns.
  merge_taps([channels, features], {}, [weight, merged]) {
    const taps = [[2], [1, 2], [0, 1], [0]];
    for (let at = 0; at < channels * 16 * features; at++) {
      const tap = Math.floor(at / features);
      const channel = Math.floor(tap / 16);
      let sum = 0;
      for (const y of taps[Math.floor(tap / 4) % 4]) {
        for (const x of taps[tap % 4]) sum += weight[(channel * 9 + y * 3 + x) * features + (at % features)];
      }
      merged[at] = sum;
    }
  },

  // Each group of channels of each image at mean 0 and deviation 1, times weight[channels], plus bias[channels].
  group_norm([images, pixels, channels, groups], { ACTIVATION = 0 }, [input, weight, bias, out, stats]) {
    const activate = ACTIVATIONS[ACTIVATION];
    const size = channels / groups;
    for (let group = 0; group < images * groups; group++) {
      const channel = (group % groups) * size;
      const first = Math.floor(group / groups) * pixels * channels + channel;
      const mean = (term) => {
        let sum = 0;
        for (let pixel = 0; pixel < pixels; pixel++) {
          for (let i = 0, at = first + pixel * channels; i < size; i++) sum += term(input[at + i]);
        }
        return sum / (pixels * size);
      };
      const middle = mean((x) => x);
      const reciprocal = 1 / Math.sqrt(mean((x) => (x - middle) ** 2) + 1e-5);
      for (let pixel = 0; pixel < pixels; pixel++) {
        for (let i = 0, at = first + pixel * channels; i < size; i++) {
          const unit = (input[at + i] - middle) * reciprocal;
          out[at + i] = activate(unit * weight[channel + i] + bias[channel + i]);
        }
      }
      stats[2 * group] = middle;
      stats[2 * group + 1] = reciprocal;
    }
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
      async run(inputs, output, len) {
        for (const [name, values] of Object.entries(inputs)) buffers[name].set(values);
        for (const step of steps) step();
        return buffers[output].slice(0, len);
      },
    };
  }
}
