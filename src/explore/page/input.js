// An image of one's own: drawn, dropped, pasted or chosen.

class Input {
  // Calls `given(picture, caption)` for every new picture, brought to what the model takes, `failed(error)` for a file
  // that is none.
  constructor(model, given, failed) {
    Object.assign(this, { model, given, failed });
    this.pad = element("pad");
    const { width, height } = model.image;
    // Large enough to draw on, of the model's form.
    const scale = Math.max(1, Math.ceil(280 / Math.max(width, height)));
    Object.assign(this.pad, { width: width * scale, height: height * scale });
    this.context = this.pad.getContext("2d", { willReadFrequently: true });
    this.pad.style.aspectRatio = `${width} / ${height}`;
    this.clear();
    this.draw();
    this.files();
    element("clear").addEventListener("click", () => this.clear());
  }

  clear() {
    this.context.fillStyle = "#000";
    this.context.fillRect(0, 0, this.pad.width, this.pad.height);
  }

  changed() {
    const pixels = this.context.getImageData(0, 0, this.pad.width, this.pad.height);
    this.given(fitted(pixels, this.model), "Your drawing");
  }

  draw() {
    const { pad, context } = this;
    let last = null;
    const point = (event) => {
      const box = pad.getBoundingClientRect();
      return [((event.clientX - box.left) / box.width) * pad.width, ((event.clientY - box.top) / box.height) * pad.height];
    };
    const stroke = (from, to) => {
      context.strokeStyle = element("ink").value;
      context.lineWidth = (element("brush").valueAsNumber / 100) * Math.max(pad.width, pad.height);
      context.lineCap = "round";
      context.beginPath();
      context.moveTo(...from);
      context.lineTo(...to);
      context.stroke();
      this.changed();
    };
    pad.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      pad.setPointerCapture(event.pointerId);
      // Beside an original the picture is smaller. A page that got shorter by it would move below the pointer.
      document.body.style.minHeight = `${document.body.offsetHeight}px`;
      last = point(event);
      stroke(last, last);
    });
    pad.addEventListener("pointermove", (event) => {
      if (!last) return;
      const next = point(event);
      stroke(last, next);
      last = next;
    });
    for (const type of ["pointerup", "pointercancel"]) pad.addEventListener(type, () => (last = null));
    addEventListener("resize", () => document.body.style.removeProperty("min-height"));
  }

  files() {
    const chooser = element("file");
    chooser.addEventListener("change", () => {
      this.take(chooser.files[0]);
      // The same file may be chosen again.
      chooser.value = "";
    });
    // Anywhere on the page: elsewhere a browser would leave it for the picture.
    const holds = (event) => event.dataTransfer?.types.includes("Files");
    addEventListener("dragover", (event) => {
      if (!holds(event)) return;
      event.preventDefault();
      document.body.classList.add("dropping");
    });
    addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) document.body.classList.remove("dropping");
    });
    addEventListener("drop", (event) => {
      document.body.classList.remove("dropping");
      if (!holds(event)) return;
      event.preventDefault();
      this.take(event.dataTransfer.files[0]);
    });
    addEventListener("paste", (event) => this.take(event.clipboardData?.files[0]));
  }

  async take(file) {
    if (!file) return;
    try {
      const picture = fitted(await pixelsOf(file), this.model);
      this.show(picture);
      await this.given(picture, file.name || "Your picture");
    } catch (error) {
      this.failed(error);
    }
  }

  // Lays a picture on the pad, so that one can draw on it.
  show(picture) {
    const canvas = document.createElement("canvas");
    paint(canvas, picture, this.model);
    this.clear();
    this.context.imageSmoothingEnabled = false;
    this.context.drawImage(canvas, 0, 0, this.pad.width, this.pad.height);
  }
}
