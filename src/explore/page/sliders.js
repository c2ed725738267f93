// A slider for each latent dimension, the most active first.

// Sliders that are shown at first.
const FIRST_SLIDERS = 32;

class Sliders {
  // Calls `moved(code)` with a new code whenever a slider moves.
  constructor(model, moved) {
    this.model = model;
    this.moved = moved;
    this.code = new Float32Array(model.latent);
    this.rows = new Map();
    this.list = element("sliders");
    const active = model.dimensions.filter((d) => d.active).length;
    const order = model.variational ? "by KL" : "by variance";
    const used = model.variational ? `, ${active} of ${model.latent} active` : "";
    element("order").textContent = model.latent > 1 ? `Most active first, ${order}${used}` : "";
    const first = model.dimensions.slice(0, FIRST_SLIDERS);
    this.add(first);
    const more = element("more");
    more.hidden = first.length === model.dimensions.length;
    more.textContent = `Show all ${model.latent}`;
    more.addEventListener("click", () => {
      more.hidden = true;
      this.add(model.dimensions.slice(FIRST_SLIDERS));
      this.set(this.code);
      this.rows.get(model.dimensions[FIRST_SLIDERS].index).range.focus();
    });
  }

  add(dimensions) {
    const most = this.model.dimensions[0].activity || 1;
    const unit = this.model.variational ? "nats of KL" : "variance";
    for (const { index, activity, active, low, high } of dimensions) {
      const row = document.createElement("div");
      row.className = "dimension";
      row.classList.toggle("idle", !active);
      const label = document.createElement("label");
      label.htmlFor = `z${index}`;
      label.textContent = `z${index}`;
      label.title = `${activity.toFixed(3)} ${unit}${active ? "" : ", idle: about the same for all images"}`;
      const bar = document.createElement("span");
      bar.className = "activity";
      bar.style.width = `${Math.max(2, (100 * activity) / most)}%`;
      label.append(bar);
      const range = document.createElement("input");
      Object.assign(range, { type: "range", id: `z${index}`, min: low, max: high, step: (high - low) / 400 });
      const output = document.createElement("output");
      output.htmlFor = range.id;
      range.addEventListener("input", () => {
        const code = this.code.slice();
        code[index] = range.valueAsNumber;
        this.moved(code);
      });
      row.append(label, range, output);
      this.list.append(row);
      this.rows.set(index, { range, output });
    }
  }

  // Shows a code. One beyond a slider's end stays what it is.
  set(code) {
    this.code = code;
    for (const [index, { range, output }] of this.rows) {
      const text = code[index].toFixed(2);
      if (output.textContent !== text) output.textContent = text;
      if (document.activeElement !== range || Math.abs(range.valueAsNumber - code[index]) > range.step) {
        range.value = code[index];
      }
    }
  }
}
