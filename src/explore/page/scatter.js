// The images of the data set as points: two axes of their codes. The points are drawn once for each view, the
// marks above them whenever something moves.

// Pixels of CSS: radius of a point, distances at which a point and the cross are hit, room around all.
const RADIUS = 2.4, REACH = 18, GRIP = 12, MARGIN = 14;

// Colours of classes apart from each other, ten and then more.
function classColour(label, classes) {
  const hue = classes <= 10 ? label * 36 + 20 : (label * 137.508) % 360;
  return `oklch(${label % 2 ? 0.74 : 0.6} 0.17 ${hue})`;
}

class Scatter {
  // `codes` is `[images, latent]`. Calls `chosen(image)` for a click or a key, `hovered(image, x, y)` for a pointer
  // above a point, with -1 where there is none; `moved(code)` where the cross is dragged.
  constructor(model, codes, { chosen, hovered, moved }) {
    Object.assign(this, { model, codes, chosen, hovered, moved, image: -1, hover: -1, only: null });
    this.points = element("points");
    this.marks = element("marks");
    this.code = new Float32Array(model.latent);
    this.classes = model.labels ? [...new Set(model.labels)].sort((a, b) => a - b) : [];
    this.axes = ["x-axis", "y-axis"].map((id, i) => this.axis(id, i));
    this.legend();
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.points);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    this.project();
  }

  // A choice of axis: every dimension by activity, then the principal ones.
  axis(id, i) {
    const select = element(id);
    for (const { index } of this.model.dimensions) select.add(new Option(`z${index}`, index));
    if (this.model.latent > 2) for (const k of [0, 1]) select.add(new Option(`PC ${k + 1}`, `p${k}`));
    select.selectedIndex = Math.min(i, this.model.latent - 1);
    select.addEventListener("change", () => this.project());
    return select;
  }

  legend() {
    const list = element("legend");
    list.hidden = this.classes.length === 0;
    for (const label of this.classes.slice(0, 24)) {
      const chip = document.createElement("button");
      chip.type = "button";
      chip.className = "chip";
      chip.setAttribute("aria-pressed", "false");
      const dot = document.createElement("span");
      dot.style.background = classColour(label, this.classes.length);
      chip.append(dot, String(label));
      chip.addEventListener("click", () => {
        this.only = this.only === label ? null : label;
        for (const other of list.children) other.setAttribute("aria-pressed", String(other === chip && this.only !== null));
        this.draw();
      });
      list.append(chip);
    }
  }

  // Coordinates of a code along the chosen axes.
  along(code) {
    return this.axes.map(({ value }) => {
      if (!value.startsWith("p")) return code[Number(value)];
      const { mean, axes } = (this.principal ??= principal(this.codes, this.model.latent));
      const axis = axes[Number(value.slice(1))];
      return dot(code, axis) - dot(mean, axis);
    });
  }

  // Whether both axes are dimensions of the code, and not the same one.
  get plain() {
    const [x, y] = this.axes.map(({ value }) => value);
    return !x.startsWith("p") && !y.startsWith("p") && x !== y;
  }

  // The code with the two dimensions of the axes at a place in pixels.
  codeAt(x, y) {
    const { clientWidth: w, clientHeight: h } = this.points;
    const shares = [(x - MARGIN) / (w - 2 * MARGIN), (h - MARGIN - y) / (h - 2 * MARGIN)];
    const code = this.code.slice();
    shares.forEach((share, axis) => {
      const [low, high] = this.bounds[axis];
      code[Number(this.axes[axis].value)] = low + Math.min(1, Math.max(0, share)) * (high - low);
    });
    return code;
  }

  project() {
    element("drag").hidden = !this.plain;
    const { latent } = this.model;
    const count = this.codes.length / latent;
    this.places = Array.from({ length: count }, (_, i) => this.along(this.codes.subarray(i * latent, (i + 1) * latent)));
    this.bounds = [0, 1].map((axis) => {
      let [low, high] = [Infinity, -Infinity];
      for (const place of this.places) {
        low = Math.min(low, place[axis]);
        high = Math.max(high, place[axis]);
      }
      return high > low ? [low, high] : [low - 1, high + 1];
    });
    this.draw();
  }

  // A place in pixels of CSS.
  pixel(place) {
    const { clientWidth: w, clientHeight: h } = this.points;
    const share = (axis) => (place[axis] - this.bounds[axis][0]) / (this.bounds[axis][1] - this.bounds[axis][0]);
    return [MARGIN + share(0) * (w - 2 * MARGIN), h - MARGIN - share(1) * (h - 2 * MARGIN)];
  }

  context(canvas) {
    const scale = devicePixelRatio || 1;
    const [w, h] = [Math.round(canvas.clientWidth * scale), Math.round(canvas.clientHeight * scale)];
    if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
    const context = canvas.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
    return context;
  }

  draw() {
    if (!this.places || !this.points.clientWidth) return;
    const context = this.context(this.points);
    const style = getComputedStyle(this.points);
    const { labels } = this.model;
    this.pixels = this.places.map((place) => this.pixel(place));
    const origin = this.pixel([0, 0]);
    context.strokeStyle = style.getPropertyValue("--line");
    context.beginPath();
    context.moveTo(origin[0], 0);
    context.lineTo(origin[0], this.points.clientHeight);
    context.moveTo(0, origin[1]);
    context.lineTo(this.points.clientWidth, origin[1]);
    context.stroke();
    const groups = labels ? this.classes : [null];
    for (const label of groups) {
      context.fillStyle = label === null ? style.getPropertyValue("--accent") : classColour(label, this.classes.length);
      context.globalAlpha = this.only !== null && this.only !== label ? 0.08 : 0.75;
      context.beginPath();
      this.pixels.forEach(([x, y], i) => {
        if (label !== null && labels[i] !== label) return;
        context.moveTo(x + RADIUS, y);
        context.arc(x, y, RADIUS, 0, 2 * Math.PI);
      });
      context.fill();
    }
    context.globalAlpha = 1;
    this.mark();
  }

  // The chosen image, the one below the pointer, and where the code is.
  mark() {
    if (!this.pixels) return;
    const context = this.context(this.marks);
    const ink = getComputedStyle(this.points).getPropertyValue("--ink");
    const ring = ([x, y], radius, width) => {
      context.lineWidth = width;
      context.beginPath();
      context.arc(x, y, radius, 0, 2 * Math.PI);
      context.stroke();
    };
    context.strokeStyle = ink;
    if (this.hover >= 0) ring(this.pixels[this.hover], 5, 1.5);
    if (this.image >= 0) ring(this.pixels[this.image], 6, 2);
    const [x, y] = this.pixel(this.along(this.code));
    context.lineWidth = 2;
    context.beginPath();
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.moveTo(x + 4 * dx, y + 4 * dy);
      context.lineTo(x + 11 * dx, y + 11 * dy);
    }
    context.stroke();
  }

  set(code, image) {
    this.code = code;
    this.image = image;
    this.mark();
  }

  shown(i) {
    return this.only === null || this.model.labels[i] === this.only;
  }

  // The nearest point within reach, or -1.
  at(x, y) {
    let [best, nearest] = [-1, REACH * REACH];
    this.pixels?.forEach(([px, py], i) => {
      const distance = (px - x) ** 2 + (py - y) ** 2;
      if (distance < nearest && this.shown(i)) [best, nearest] = [i, distance];
    });
    return best;
  }

  // The nearest point in a direction: one step aside counts as two ahead.
  beside(from, dx, dy) {
    const [x, y] = this.pixels[from];
    let [best, nearest] = [-1, Infinity];
    this.pixels.forEach(([px, py], i) => {
      const ahead = (px - x) * dx + (py - y) * dy;
      const aside = Math.abs((px - x) * dy) + Math.abs((py - y) * dx);
      const distance = ahead + 2 * aside;
      if (ahead > 0.5 && distance < nearest && this.shown(i)) [best, nearest] = [i, distance];
    });
    return best;
  }

  listen() {
    const { marks } = this;
    const hover = (image, x, y) => {
      this.hovered(image, x, y);
      if (image === this.hover) return;
      this.hover = image;
      this.mark();
    };
    let dragging = false, dragged = false;
    marks.addEventListener("pointerdown", ({ offsetX, offsetY, pointerId }) => {
      dragged = false;
      const [x, y] = this.pixel(this.along(this.code));
      dragging = this.plain && Math.hypot(offsetX - x, offsetY - y) <= GRIP;
      if (dragging) marks.setPointerCapture(pointerId);
    });
    marks.addEventListener("pointermove", ({ offsetX, offsetY }) => {
      if (dragging) {
        dragged = true;
        hover(-1, 0, 0);
        this.moved(this.codeAt(offsetX, offsetY));
      } else hover(this.at(offsetX, offsetY), offsetX, offsetY);
    });
    for (const type of ["pointerup", "pointercancel"]) marks.addEventListener(type, () => (dragging = false));
    marks.addEventListener("pointerleave", () => hover(-1, 0, 0));
    marks.addEventListener("click", ({ offsetX, offsetY }) => {
      const image = dragged ? -1 : this.at(offsetX, offsetY);
      if (image >= 0) this.chosen(image);
    });
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    marks.addEventListener("keydown", (event) => {
      const arrow = arrows[event.key];
      if (!arrow || !this.pixels) return;
      event.preventDefault();
      const image = this.image < 0 ? 0 : this.beside(this.image, ...arrow);
      if (image >= 0) this.chosen(image);
    });
  }
}
