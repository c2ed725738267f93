// Runs plans by WebGPU. A plan is data: buffers, and steps with their shader, constants, parameters, slices and
// number of workgroups, as the program's own executor has them.

// Bytes of an element.
const WORD = 4;

class Runner {
  // A device for plans, or null where the browser has none. Throws where it has one that fails.
  static async open(program) {
    if (!navigator.gpu) return null;
    const adapter = await navigator.gpu.requestAdapter({ powerPreference: "high-performance" });
    if (!adapter) return null;
    const device = await adapter.requestDevice({ requiredLimits: limits(program) });
    return new Runner(adapter, device, program);
  }

  // Takes the program's parameters.
  load(weights) {
    return this.checked(() => this.upload(weights));
  }

  // Gives back what the device holds.
  close() {
    this.device.destroy();
  }

  constructor(adapter, device, program) {
    this.device = device;
    this.program = program;
    const info = adapter.info ?? {};
    const parts = [info.description || info.device, info.vendor, info.architecture];
    this.name = [...new Set(parts.filter(Boolean))].join(" ") || "unnamed adapter";
    this.modules = new Map();
    this.pipelines = new Map();
  }

  // Runs `make` so that what the device refuses is thrown rather than reported somewhere.
  async checked(make) {
    this.device.pushErrorScope("out-of-memory");
    this.device.pushErrorScope("validation");
    let made, thrown;
    try {
      made = await make();
    } catch (error) {
      thrown = error;
    }
    const errors = [await this.device.popErrorScope(), await this.device.popErrorScope()];
    const error = thrown ?? errors.find(Boolean);
    if (error) throw error;
    return made;
  }

  upload(weights) {
    const size = this.program.plans.live.buffers.parameters.bytes;
    this.parameters = this.device.createBuffer({
      label: "parameters", size, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST,
    });
    this.device.queue.writeBuffer(this.parameters, 0, weights);
  }

  // A plan that is ready to run, made at its first use.
  prepare(name) {
    return this.checked(async () => {
      const plan = this.program.plans[name];
      const storage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
      const buffer = (label, size) => this.device.createBuffer({ label, size, usage: storage });
      const memories = plan.memories.map((size, i) => buffer(`${name} memory ${i}`, size));
      const buffers = {};
      for (const [label, { bytes, memory }] of Object.entries(plan.buffers)) {
        if (label === "parameters") buffers[label] = this.parameters;
        else buffers[label] = memory === null ? buffer(label, bytes) : memories[memory];
      }
      const steps = [];
      for (const step of plan.steps) steps.push(await this.step(step, buffers));
      return new PreparedPlan(this.device, name, buffers, steps);
    });
  }

  async step(step, buffers) {
    const { layout, pipeline } = await this.pipeline(step);
    const size = Math.ceil(step.params.length / 4) * 4 * WORD;
    const params = this.device.createBuffer({
      label: `${step.label} parameters`, size, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    });
    this.device.queue.writeBuffer(params, 0, new Uint32Array(step.params));
    const storage = step.slices.map((slice) => ({
      buffer: buffers[slice.buffer],
      offset: slice.offset * WORD,
      size: bound(slice),
    }));
    const entries = [{ buffer: params }, ...storage].map((resource, binding) => ({ binding, resource }));
    const group = this.device.createBindGroup({ label: step.label, layout, entries });
    return { pipeline, group, workgroups: step.workgroups };
  }

  async pipeline(step) {
    const key = JSON.stringify([step.source, step.constants]);
    const known = this.pipelines.get(key);
    if (known) return known;
    const types = ["uniform", ...step.slices.map((s) => (s.read_only ? "read-only-storage" : "storage"))];
    const layout = this.device.createBindGroupLayout({
      label: step.kernel,
      entries: types.map((type, binding) => ({ binding, visibility: GPUShaderStage.COMPUTE, buffer: { type } })),
    });
    const pipeline = await this.device.createComputePipelineAsync({
      label: `${step.kernel} ${step.variant}`,
      layout: this.device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module: this.module(step.source), entryPoint: "main", constants: step.constants },
    });
    const made = { layout, pipeline };
    this.pipelines.set(key, made);
    return made;
  }

  module(index) {
    if (!this.modules.has(index)) {
      const code = this.program.sources[index];
      this.modules.set(index, this.device.createShaderModule({ label: `module ${index}`, code }));
    }
    return this.modules.get(index);
  }
}

class PreparedPlan {
  constructor(device, name, buffers, steps) {
    Object.assign(this, { device, name, buffers, steps });
    this.before = Promise.resolve();
  }

  // Fills buffers, which `inputs` has by their names, runs the plan once, and reads another. Runs wait for each other.
  run(inputs, output, len) {
    const next = this.before.then(() => this.once(inputs, output, len));
    this.before = next.catch(() => {});
    return next;
  }

  async once(inputs, output, len) {
    const { device } = this;
    const bytes = len * WORD;
    for (const [name, values] of Object.entries(inputs)) device.queue.writeBuffer(this.buffers[name], 0, values);
    this.staging ??= device.createBuffer({
      label: `${this.name} readback`, size: this.buffers[output].size,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
    const encoder = device.createCommandEncoder({ label: this.name });
    const pass = encoder.beginComputePass({ label: this.name });
    for (const { pipeline, group, workgroups } of this.steps) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(...workgroups);
    }
    pass.end();
    encoder.copyBufferToBuffer(this.buffers[output], 0, this.staging, 0, this.staging.size);
    device.queue.submit([encoder.finish()]);
    await this.staging.mapAsync(GPUMapMode.READ);
    const read = new Float32Array(this.staging.getMappedRange(0, Math.ceil(bytes / 8) * 8).slice(0, bytes));
    this.staging.unmap();
    return read;
  }
}

// Bytes of a slice that are bound: whole groups of four elements, which padding always has room for.
function bound({ len }) {
  return Math.ceil(Math.max(len, 1) / 4) * 4 * WORD;
}

// Limits beyond WebGPU's defaults that large models need. What an adapter does not have, it refuses by name.
function limits(program) {
  const plans = Object.values(program.plans);
  const buffers = plans.flatMap((plan) => [...plan.memories, ...Object.values(plan.buffers).map((b) => b.bytes)]);
  const slices = plans.flatMap((plan) => plan.steps.flatMap((step) => step.slices.map(bound)));
  const wanted = {
    maxBufferSize: Math.max(...buffers),
    maxStorageBufferBindingSize: Math.max(...slices),
  };
  const usual = { maxBufferSize: 256 << 20, maxStorageBufferBindingSize: 128 << 20 };
  return Object.fromEntries(Object.entries(wanted).filter(([name, value]) => value > usual[name]));
}
