// The page: one code, everything that shows it, and everything that changes it.

function element(id) {
  return document.getElementById(id);
}

function report(error) {
  const alert = element("fault");
  alert.hidden = !error;
  alert.textContent = error ? error.message : "";
}

function bytesOf(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

function floatsOf(base64) {
  return new Float32Array(bytesOf(base64).buffer);
}

// Lets work that takes a while catch up with what asks for it: only the latest call counts.
function latest(work) {
  let waiting = null, running = null;
  const run = async () => {
    while (waiting) {
      const call = waiting;
      waiting = null;
      try {
        await work(...call);
      } catch (error) {
        report(error);
      }
    }
    running = null;
  };
  const ask = (...call) => {
    waiting = call;
    return (running ??= run());
  };
  ask.busy = () => running !== null;
  return ask;
}

// What a served page downloads, or what stands in a file.
async function source() {
  const inline = element("description");
  if (inline) {
    const { weights, codes, images, scale } = JSON.parse(element("bulk").textContent);
    const model = JSON.parse(inline.textContent);
    const values = model.image.height * model.image.width * model.image.channels;
    const all = bytesOf(images);
    const parameters = floatsOf(weights);
    const image = async (i) => Float32Array.from(
      all.subarray(i * values, (i + 1) * values), (byte) => scale[0] + (byte / 255) * (scale[1] - scale[0]));
    return { model, weights: async () => parameters, codes: floatsOf(codes), image };
  }
  const [model, codes] = await Promise.all([
    ask("description.json").then((response) => response.json()), askFloats("codes"),
  ]);
  return { model, weights: () => askFloats("weights"), codes, image: (i) => askFloats(`images/${i}`) };
}

class App {
  constructor({ model, codes, image }, decoder) {
    Object.assign(this, { model, codes, load: image, image: -1, decoders: [decoder], decoder, kept: {} });
    Object.assign(this, { isLooking: true, remark: "looking for a WebGPU device…" });
    this.pictures = new Map();
    this.describe();
    this.offerClasses();
    this.chooseDecoder();
    const { latent } = model;
    this.decodeLive = latest((code, told) => this.decodeOne(code, told));
    this.take = latest((image) => this.takeImage(image));
    this.encodeLive = latest((picture, caption) => this.encodePicture(picture, caption));
    this.showStrip = latest(() => this.strip());
    this.showSamples = latest(() => this.samples());
    this.sliders = new Sliders(model, (code) => this.set(code));
    this.scatter = new Scatter(model, codes, {
      chosen: (i) => this.take(i),
      hovered: latest((i, x, y) => this.preview(i, x, y)),
      moved: (code) => this.set(code),
    });
    this.takeOwnImages();
    this.listen();
    this.set(new Float32Array(latent).map((_, i) => this.usual(i)));
    element("samples-section").hidden = !model.variational;
    if (model.variational) this.drawSamples();
  }

  // Whoever looks can give images where a picture has what the model takes.
  takeOwnImages() {
    const { image, setting } = this.model;
    element("own").hidden = ![1, 3].includes(image.channels);
    if (element("own").hidden) return;
    if (!setting.scaled_by_value) {
      this.input = new Input(this.model, (picture, caption) => this.encodeLive(picture, caption), report);
      return;
    }
    element("own-tools").hidden = true;
    element("own-how").textContent =
      "Not for this model: each value was standardized by itself for training, and a picture has no such values. "
      + "“elbo encode” and “elbo reconstruct” with “--data” take images of your own.";
  }

  describe() {
    const { setting, layers, likelihood, variational, version, places, total, told_classes } = this.model;
    document.title = `${setting.title} – elbo`;
    element("title").textContent = setting.title;
    const kind = `${told_classes.length > 0 ? "conditional " : ""}${variational ? "variational " : ""}autoencoder`;
    element("subtitle").textContent = `${kind} of ${setting.data}, ${layers.replaceAll("-", "–")}, ${likelihood}`;
    element("version").textContent = `elbo ${version}`;
    const heading = { train: "Training images", test: "Test images", val: "Validation images", all: "Images" }[setting.split];
    element("map-title").textContent = heading;
    element("marks").setAttribute("aria-label", `${heading} by their codes. Arrow keys go from image to image.`);
    element("which").max = total - 1;
    element("count").textContent = `of ${total}${places.length < total ? `, ${places.length} shown` : ""}`;
    const { height, width, channels } = this.model.image;
    const colours = { 1: ", grey", 3: ", RGB" }[channels] ?? "";
    element("own-size").textContent = `Brought to the model's size, ${height}×${width}${colours}.`
      + (setting.binarize === "none" ? "" : " Training saw binarised images, as these are; what you draw or drop is taken as it is.");
  }

  // The classes that the model is told, by their names.
  offerClasses() {
    const names = this.model.told_classes;
    this.told = names.length > 0 ? 0 : null;
    element("class-row").hidden = this.told === null;
    names.forEach((name, number) => element("class").add(new Option(name, number)));
  }

  // The usual value of a dimension: the prior's mean, or that of an autoencoder's codes.
  usual(index) {
    return this.model.variational ? 0 : this.dimension(index).mean;
  }

  dimension(index) {
    this.byIndex ??= new Map(this.model.dimensions.map((d) => [d.index, d]));
    return this.byIndex.get(index);
  }

  random() {
    return new Float32Array(this.model.latent).map((_, i) => {
      const { mean, deviation } = this.dimension(i);
      return this.model.variational ? normal() : mean + deviation * normal();
    });
  }

  chooseDecoder() {
    const choice = element("choice");
    choice.replaceChildren();
    choice.hidden = this.decoders.length < 2;
    const names = { webgpu: "WebGPU", server: "elbo", script: "Script" };
    for (const decoder of this.decoders) {
      const label = document.createElement("label");
      const radio = document.createElement("input");
      Object.assign(radio, { type: "radio", name: "decoder", value: decoder.id, checked: decoder === this.decoder });
      radio.addEventListener("change", () => this.use(decoder));
      label.append(radio, names[decoder.id]);
      choice.append(label);
      decoder.runner?.device?.lost.then(({ message }) => this.lose(decoder, message));
    }
    this.say();
  }

  say() {
    element("decoder").textContent = this.decoder.says;
    element("remark").textContent = this.remark;
    element("remark").hidden = !this.remark;
  }

  // Ends the look for a device: goes on with a decoder that was found and checked, or says why there is none.
  found({ decoder, remark = "" }) {
    Object.assign(this, { isLooking: false, remark });
    if (!decoder) return this.say();
    this.decoders.unshift(decoder);
    this.decoder = decoder;
    this.chooseDecoder();
    // What the first one complained of does not hold for this one.
    report(null);
    this.use(decoder);
  }

  use(decoder) {
    this.decoder = decoder;
    this.say();
    this.show();
  }

  // Goes on with another decoder where the browser's device is gone.
  lose(decoder, message) {
    if (!this.decoders.includes(decoder)) return;
    this.decoders = this.decoders.filter((other) => other !== decoder);
    this.remark = `the browser lost its WebGPU device: ${message || "no reason given"}`;
    if (this.decoder === decoder) this.decoder = this.decoders[0];
    this.chooseDecoder();
    // What the lost one complained of last.
    report(null);
    this.use(this.decoder);
  }

  // What a decoder makes of something; the next decoder where the first was lost meanwhile.
  async by(work) {
    const { decoder } = this;
    try {
      return await work(decoder);
    } catch (error) {
      if (decoder === this.decoder) throw error;
      return this.by(work);
    }
  }

  // Makes a code the page's. `image` is that of a test image, `original` the picture that it is the code of, `told` the
  // class that it is a code of.
  set(code, { image = -1, original = null, caption = "", told = this.told } = {}) {
    this.code = code;
    report(null);
    this.sliders.set(code);
    this.scatter.set(code, image);
    this.image = image;
    element("which").value = image < 0 ? "" : this.model.places[image];
    element("pair").classList.toggle("alone", !original);
    element("original-figure").hidden = !original;
    if (original) {
      paint(element("original"), original, this.model);
      element("original-caption").textContent = caption;
      element("said").textContent = caption;
    }
    return told === this.told ? this.show() : this.tell(told);
  }

  // Tells the model another class: all that is shown is decoded again, the picture first.
  tell(told) {
    this.told = told;
    element("class").value = told;
    report(null);
    const shown = this.show();
    for (const name of Object.keys(this.kept)) this.showKept(name);
    if (this.keepsBoth()) this.showStrip();
    if (this.drawn) this.showSamples();
    return shown;
  }

  // Decodes the code.
  show() {
    element("stage").setAttribute("aria-busy", "true");
    return this.decodeLive(this.code, this.told);
  }

  async decodeOne(code, told) {
    try {
      paint(element("decoded"), await this.by((decoder) => decoder.decode(code, told)), this.model);
    } finally {
      if (code === this.code && told === this.told) element("stage").setAttribute("aria-busy", "false");
    }
  }

  async encodePicture(original, caption) {
    const { told } = this;
    this.set(await this.by((decoder) => decoder.encode(original, told)), { original, caption, told });
  }

  async picture(image) {
    if (!this.pictures.has(image)) {
      // The oldest goes; a map keeps the order of its entries.
      if (this.pictures.size >= 400) this.pictures.delete(this.pictures.keys().next().value);
      this.pictures.set(image, await this.load(image));
    }
    return this.pictures.get(image);
  }

  named(image) {
    const { places, labels } = this.model;
    return `Image ${places[image]}${labels ? ` · ${this.scatter.named(labels[image])}` : ""}`;
  }

  // Takes the image at a place of the data set; the next one that is shown, going up or down.
  find(place) {
    if (!Number.isFinite(place)) return;
    const { places } = this.model;
    const down = this.image >= 0 && place < places[this.image];
    const next = down ? places.findLastIndex((p) => p <= place) : places.findIndex((p) => p >= place);
    if (next >= 0) this.take(next);
    else this.take(down ? 0 : places.length - 1);
  }

  // Takes the code of a test image, and its class, as it is a code of that.
  async takeImage(image) {
    const { latent } = this.model;
    const original = await this.picture(image);
    const code = this.codes.slice(image * latent, (image + 1) * latent);
    await this.set(code, { image, original, caption: this.named(image), told: toldOf(this.model, image) });
  }

  async preview(image, x, y) {
    const box = element("preview");
    if (image < 0) {
      box.hidden = true;
      return;
    }
    paint(box.querySelector("canvas"), await this.picture(image), this.model);
    box.querySelector("span").textContent = this.named(image);
    box.hidden = false;
    const { clientWidth: width, clientHeight: height } = element("points");
    box.style.left = `${Math.min(Math.max(x + 14, 0), width - box.offsetWidth)}px`;
    box.style.top = `${y > height / 2 ? y - box.offsetHeight - 14 : y + 14}px`;
  }

  // Keeps the code.
  keep(name) {
    this.kept[name] = this.code;
    this.showKept(name);
    const both = this.keepsBoth();
    element("between-body").classList.toggle("ready", both);
    for (const control of document.querySelectorAll("#t, input[name=path]")) control.disabled = !both;
    if (both) this.showStrip();
  }

  keepsBoth() {
    return Boolean(this.kept.a && this.kept.b);
  }

  // Decodes a code that is kept, also where it is the page's: the picture that is shown may be on its way.
  showKept(name) {
    const { told } = this;
    const code = this.kept[name];
    const kept = this.by((decoder) => decoder.decode(code, told));
    kept.then((picture) => {
      if (this.kept[name] === code && this.told === told) paint(element(`kept-${name}`), picture, this.model);
    }).catch(report);
  }

  at(t) {
    const path = document.querySelector("input[name=path]:checked").value === "linear" ? linear : spherical;
    return path(this.kept.a, this.kept.b, t);
  }

  // Pictures on the way from A to B.
  async strip() {
    const count = 9;
    const steps = Array.from({ length: count }, (_, i) => i / (count - 1));
    const codes = new Float32Array(count * this.model.latent);
    steps.forEach((t, i) => codes.set(this.at(t), i * this.model.latent));
    await this.fill(element("strip"), codes, (i) => `${Math.round(100 * steps[i])} % of the way from A to B`, (i) => {
      element("t").value = steps[i];
      this.set(this.at(steps[i]));
    });
  }

  // Draws codes from the prior.
  drawSamples() {
    const { grid_rows, latent } = this.model;
    this.drawn = new Float32Array(grid_rows * latent).map(normal);
    return this.showSamples();
  }

  async samples() {
    const { latent } = this.model;
    const codes = this.drawn;
    await this.fill(element("samples"), codes, (i) => `Sample ${i + 1}`, (i) => {
      this.set(codes.slice(i * latent, (i + 1) * latent));
    });
  }

  // Buttons with the pictures of codes.
  async fill(place, codes, name, chosen) {
    const { latent, values } = this.model;
    const pictures = await this.by((decoder) => decoder.decode(codes, this.told));
    const buttons = Array.from({ length: codes.length / latent }, (_, i) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "thumbnail";
      button.setAttribute("aria-label", name(i));
      const canvas = pictureCanvas();
      paint(canvas, pictures.subarray(i * values, (i + 1) * values), this.model);
      button.append(canvas);
      button.addEventListener("click", () => chosen(i));
      return button;
    });
    place.replaceChildren(...buttons);
  }

  listen() {
    const on = (id, type, act) => element(id).addEventListener(type, act);
    on("reset", "click", () => this.set(new Float32Array(this.model.latent).map((_, i) => this.usual(i))));
    on("random", "click", () => this.set(this.random()));
    on("keep-a", "click", () => this.keep("a"));
    on("keep-b", "click", () => this.keep("b"));
    on("t", "input", () => this.set(this.at(element("t").valueAsNumber)));
    on("new-samples", "click", () => this.drawSamples());
    on("class", "change", () => this.tell(Number(element("class").value)));
    on("which", "change", () => this.find(element("which").valueAsNumber));
    for (const radio of document.querySelectorAll("input[name=path]")) {
      radio.addEventListener("change", () => {
        this.showStrip();
        this.set(this.at(element("t").valueAsNumber));
      });
    }
  }
}

let app = null;

(async () => {
  try {
    const from = await source();
    Object.assign(from.model, {
      values: from.model.image.height * from.model.image.width * from.model.image.channels,
      check: Object.fromEntries(Object.entries(from.model.check).map(([name, text]) => [name, floatsOf(text)])),
    });
    app = new App(from, await firstDecoder(from.model, from.weights));
    document.body.classList.remove("loading");
    app.found(await webgpu(from.model, from.weights));
  } catch (error) {
    element("decoder").textContent = "";
    element("subtitle").textContent = "";
    report(error);
  }
})();
