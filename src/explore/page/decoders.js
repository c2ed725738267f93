// Decoders, which encode as well: by WebGPU in this page, by the program, by a script in this page.

// Largest difference from the program's picture: a step of a byte.
const A_STEP = 1 / 255;

// Names of the plans' buffers.
const CODES = "codes", DECODED = "decoded", SEEN = "seen", HEADS = "heads", CLASSES = "classes";

// The number of the class that a model is told of an image; null where it is told none.
function toldOf({ told_classes, labels }, image) {
  return told_classes.length > 0 ? labels[image] : null;
}

// What a plan begins with: values of a buffer, and the class of each row where the model is told one.
function inputs(name, values, rows, told) {
  return told === null ? { [name]: values } : { [name]: values, [CLASSES]: new Uint32Array(rows).fill(told) };
}

// Decodes and encodes by plans of a runner.
class PlanDecoder {
  constructor(runner, model, id, says) {
    Object.assign(this, { runner, model, id, says, plans: {} });
  }

  plan(name) {
    return (this.plans[name] ??= Promise.resolve(this.runner.prepare(name)));
  }

  // Pictures `[rows, values]` of codes `[rows, latent]`, all of the class that the model is told.
  async decode(codes, told = null) {
    const { latent, values, grid_rows } = this.model;
    const rows = codes.length / latent;
    if (rows === 1) return (await this.plan("live")).run(inputs(CODES, codes, 1, told), DECODED, values);
    const plan = await this.plan("grid");
    const pictures = new Float32Array(rows * values);
    for (let first = 0; first < rows; first += grid_rows) {
      const count = Math.min(grid_rows, rows - first);
      const part = codes.subarray(first * latent, (first + count) * latent);
      pictures.set(await plan.run(inputs(CODES, part, count, told), DECODED, count * values), first * values);
    }
    return pictures;
  }

  // The code of a picture of the class that the model is told.
  async encode(picture, told = null) {
    return (await this.plan("encode")).run(inputs(SEEN, picture, 1, told), HEADS, this.model.latent);
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

  async decode(codes, told = null) {
    const { latent, values, grid_rows } = this.model;
    const rows = codes.length / latent;
    const pictures = new Float32Array(rows * values);
    for (let first = 0; first < rows; first += grid_rows) {
      const part = codes.slice(first * latent, (first + grid_rows) * latent);
      pictures.set(await this.send("decode", part, told), first * values);
    }
    return pictures;
  }

  encode(picture, told = null) {
    return this.send("encode", picture, told);
  }

  send(path, floats, told) {
    return askFloats(told === null ? path : `${path}/${told}`, { method: "POST", body: floats });
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
async function fault(decoder, model) {
  const { check, latent, values, grid_rows, range } = model;
  // What is checked is image 0.
  const told = toldOf(model, 0);
  const away = (found, expected) => found.reduce((most, v, i) => {
    const difference = Math.abs(v - expected[i]);
    // Not a comparison that a NaN would pass.
    return difference <= most ? most : difference;
  }, 0);
  const step = A_STEP * (range[1] - range[0]);
  const all = new Float32Array(grid_rows * latent);
  for (let row = 0; row < grid_rows; row++) all.set(check.code, row * latent);
  const one = away(await decoder.decode(check.code, told), check.decoded);
  if (!(one <= step)) return `its picture differs from the program's by ${one}`;
  const grid = await decoder.decode(all, told);
  for (const row of [0, grid_rows - 1]) {
    const last = away(grid.subarray(row * values, (row + 1) * values), check.decoded);
    if (!(last <= step)) return `picture ${row} of a grid differs from the program's by ${last}`;
  }
  const size = check.code.reduce((most, v) => Math.max(most, Math.abs(v)), 1);
  const code = away(await decoder.encode(check.image, told), check.code);
  if (!(code <= 1e-3 * size)) return `its code differs from the program's by ${code}`;
  return "";
}
