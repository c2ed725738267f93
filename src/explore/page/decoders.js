// Decoders, which encode as well: by WebGPU in this page, by the program, by a script in this page.

// Largest difference from the program's picture: a step of a byte.
const A_STEP = 1 / 255;

// Names of the plans' buffers.
const CODES = "codes", DECODED = "decoded", SEEN = "seen", HEADS = "heads";

// Decodes and encodes by plans of a runner.
class PlanDecoder {
  constructor(runner, model, id, says) {
    Object.assign(this, { runner, model, id, says, plans: {} });
  }

  plan(name) {
    return (this.plans[name] ??= Promise.resolve(this.runner.prepare(name)));
  }

  // Pictures `[rows, values]` of codes `[rows, latent]`.
  async decode(codes) {
    const { latent, values, grid_rows } = this.model;
    const rows = codes.length / latent;
    if (rows === 1) return (await this.plan("live")).run(CODES, codes, DECODED, values);
    const plan = await this.plan("grid");
    const pictures = new Float32Array(rows * values);
    for (let first = 0; first < rows; first += grid_rows) {
      const count = Math.min(grid_rows, rows - first);
      const part = codes.subarray(first * latent, (first + count) * latent);
      pictures.set(await plan.run(CODES, part, DECODED, count * values), first * values);
    }
    return pictures;
  }

  // The code of a picture.
  async encode(picture) {
    const heads = await (await this.plan("encode")).run(SEEN, picture, HEADS, this.model.latent);
    return heads;
  }
}

// Asks the program, relative to the page: its address has a key in it.
async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("elbo does not answer; is it still running?");
  }
  if (!response.ok) throw new Error((await response.json()).error);
  return response;
}

async function askFloats(path, options) {
  return new Float32Array(await (await ask(path, options)).arrayBuffer());
}

// Lets the program decode and encode.
class ServerDecoder {
  constructor(model) {
    this.model = model;
    this.id = "server";
    this.says = `decoded by elbo on ${model.setting.device}`;
  }

  async decode(codes) {
    const { latent, values, grid_rows } = this.model;
    const rows = codes.length / latent;
    const pictures = new Float32Array(rows * values);
    for (let first = 0; first < rows; first += grid_rows) {
      const part = codes.slice(first * latent, (first + grid_rows) * latent);
      pictures.set(await this.send("decode", part), first * values);
    }
    return pictures;
  }

  encode(picture) {
    return this.send("encode", picture);
  }

  send(path, floats) {
    return askFloats(path, { method: "POST", body: floats });
  }
}

// Time for a device to be there, and again for shaders and check.
const PATIENCE_MS = 20000;

// What a promise gives, or an error where that takes too long.
function inTime(promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not ready after ${PATIENCE_MS / 1000} s`)), PATIENCE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// A decoder by WebGPU that computes what the program does, or a remark on why there is none.
async function webgpu(model, weights) {
  const opening = Runner.open(model.program);
  const close = () => opening.then((runner) => runner?.close(), () => {});
  try {
    const runner = await inTime(opening);
    if (!runner) return { remark: "this browser offers no WebGPU here" };
    // Many bytes, which are asked for where there is a device to take them, and take as long as they take.
    const parameters = await weights();
    const decoder = new PlanDecoder(runner, model, "webgpu", `decoded in this page by WebGPU (${runner.name})`);
    const wrong = await inTime(runner.load(parameters).then(() => fault(decoder, model)));
    if (!wrong) return { decoder };
    throw new Error(wrong);
  } catch (error) {
    close();
    return { remark: `WebGPU is not used: ${error.message}` };
  }
}

// The decoder that is there at once, while a browser may take seconds to find a device: the program where it serves the
// page, else a script. `weights()` gives the parameters.
async function firstDecoder(model, weights) {
  if (model.served) return new ServerDecoder(model);
  const runner = new ScriptRunner(model.program, await weights());
  return new PlanDecoder(runner, model, "script", "decoded in this page by a script on the CPU");
}

// What a decoder computes otherwise than the program did, or nothing: drivers have faults.
async function fault(decoder, { check, latent, values, grid_rows, range }) {
  const away = (found, expected) => found.reduce((most, v, i) => {
    const difference = Math.abs(v - expected[i]);
    // Not a comparison that a NaN would pass.
    return difference <= most ? most : difference;
  }, 0);
  const step = A_STEP * (range[1] - range[0]);
  const all = new Float32Array(grid_rows * latent);
  for (let row = 0; row < grid_rows; row++) all.set(check.code, row * latent);
  const one = away(await decoder.decode(check.code), check.decoded);
  if (!(one <= step)) return `its picture differs from the program's by ${one}`;
  const grid = await decoder.decode(all);
  for (const row of [0, grid_rows - 1]) {
    const last = away(grid.subarray(row * values, (row + 1) * values), check.decoded);
    if (!(last <= step)) return `picture ${row} of a grid differs from the program's by ${last}`;
  }
  const size = check.code.reduce((most, v) => Math.max(most, Math.abs(v)), 1);
  const code = away(await decoder.encode(check.image), check.code);
  if (!(code <= 1e-3 * size)) return `its code differs from the program's by ${code}`;
  return "";
}
