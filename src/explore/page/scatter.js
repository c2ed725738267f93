// The images of the data set as points: two axes of their codes. The points are drawn once for each view, the
// marks above them whenever something moves.

// Pixels of CSS: radius of a point, distances at which a point and the cross are hit by a pointer and a finger, room
// around all.
const RADIUS = 2.4, REACH = 18, GRIP = 12, FINGER = 28, MARGIN = 14;

// Shapes of the points of classes: where there are more classes than colours, these come again in another shape.
const SHAPES = ["disc", "square", "triangle"];

// Most classes in the legend: as many as differ in colour or shape.
const MOST_CHIPS = 30;

// What stands for an axis that is no dimension: the room that points of a single latent dimension are spread over.
const ROWS = "rows";

const darkness = matchMedia("(prefers-color-scheme: dark)");

// The colour of a class, on white paper or lightened for dark paper.
function classColour(colours, number, dark) {
  const parts = colours[number % colours.length].map((part) => (dark ? Math.round(part + 0.35 * (255 - part)) : part));
  return `rgb(${parts.join(" ")})`;
}

function classShape(colours, number) {
  return SHAPES[Math.floor(number / colours.length) % SHAPES.length];
}

// Adds a point to a context's path. The shapes have about the same area.
function addPoint(context, shape, x, y) {
  const r = RADIUS;
  if (shape === "square") context.rect(x - 0.9 * r, y - 0.9 * r, 1.8 * r, 1.8 * r);
  else if (shape === "triangle") {
    context.moveTo(x, y - 1.5 * r);
    context.lineTo(x + 1.3 * r, y + 0.75 * r);
    context.lineTo(x - 1.3 * r, y + 0.75 * r);
    context.closePath();
  } else {
    context.moveTo(x + r, y);
    context.arc(x, y, r, 0, 2 * Math.PI);
  }
}

class Scatter {
  // `codes` is `[images, latent]`. Calls `chosen(image)` for a click or a key, `hovered(image, x, y)` for a pointer
  // above a point, with -1 where there is none; `moved(code)` where the cross is dragged.
  constructor(model, codes, { chosen, hovered, moved }) {
    Object.assign(this, { model, codes, chosen, hovered, moved, image: -1, hover: -1, only: null });
    this.points = element("points");
    this.marks = element("marks");
    this.code = new Float32Array(model.latent);
    this.classes = model.classes;
    this.axes = ["x-axis", "y-axis"].map((id, i) => this.axis(id, i));
    this.legend();
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.points);
    darkness.addEventListener("change", () => this.draw());
    this.project();
  }

  // A choice of axis: every dimension by activity, then the principal ones. A single dimension lies across.
  axis(id, i) {
    const select = element(id);
    const { dimensions, plane, latent } = this.model;
    if (i >= latent) {
      select.add(new Option("", ROWS));
      select.parentElement.hidden = true;
      return select;
    }
    for (const { index } of dimensions) select.add(new Option(`z${index}`, index));
    plane?.shares.forEach((share, k) => {
      select.add(new Option(`PC ${k + 1}, ${(100 * share).toFixed(0)} %`, `p${k}`));
    });
    select.selectedIndex = i;
    select.addEventListener("change", () => this.project());
    return select;
  }

  legend() {
    const list = element("legend");
    const { colours, labels } = this.model;
    const seen = new Set(labels ?? []);
    list.hidden = seen.size === 0;
    for (const label of this.classes.filter((label) => seen.has(label)).slice(0, MOST_CHIPS)) {
      const number = this.classes.indexOf(label);
      const chip = document.createElement("button");
      chip.type = "button";
      chip.className = "chip";
      chip.setAttribute("aria-pressed", "false");
      const dot = document.createElement("span");
      dot.className = classShape(colours, number);
      dot.style.setProperty("--light", classColour(colours, number, false));
      dot.style.setProperty("--dark", classColour(colours, number, true));
      chip.append(dot, this.model.setting.classes[label] ?? String(label));
      chip.addEventListener("click", () => {
        this.only = this.only === label ? null : label;
        for (const other of list.querySelectorAll(".chip")) {
          other.setAttribute("aria-pressed", String(other === chip && this.only !== null));
        }
        this.draw();
      });
      list.append(chip);
    }
    const more = seen.size - MOST_CHIPS;
    if (more > 0) list.append(`and ${more} more`);
  }

  // A class in words.
  named(label) {
    return this.model.setting.classes[label] ?? `class ${label}`;
  }

  // Coordinates of a code along the chosen axes; that of an image, where it is one.
  along(code, image = -1) {
    return this.axes.map(({ value }) => {
      if (value === ROWS) return this.row(image);
      if (!value.startsWith("p")) return code[Number(value)];
      const { mean, axes } = this.model.plane;
      const axis = axes[Number(value.slice(1))];
      return dot(code, axis) - dot(mean, axis);
    });
  }

  // A row for each class, the first on top, in which images lie above each other by multiples of the golden ratio,
  // which leave no gaps. What is no image is in the middle of all.
  row(image) {
    if (image < 0) return (1 - Math.max(1, this.classes.length)) / 2;
    const place = ((image * 0.6180339887) % 1) - 0.5;
    return 0.8 * place - (this.model.labels ? this.classes.indexOf(this.model.labels[image]) : 0);
  }

  // Whether the axes are dimensions of the code, and not the same one twice.
  get plain() {
    const [x, y] = this.axes.map(({ value }) => value);
    return !x.startsWith("p") && !y.startsWith("p") && x !== y;
  }

  // The code with the dimensions of the axes at a place in pixels.
  codeAt(x, y) {
    const { clientWidth: w, clientHeight: h } = this.points;
    const shares = [(x - MARGIN) / (w - 2 * MARGIN), (h - MARGIN - y) / (h - 2 * MARGIN)];
    const code = this.code.slice();
    shares.forEach((share, axis) => {
      if (this.axes[axis].value === ROWS) return;
      const [low, high] = this.bounds[axis];
      code[Number(this.axes[axis].value)] = low + Math.min(1, Math.max(0, share)) * (high - low);
    });
    return code;
  }

  project() {
    element("drag").hidden = !this.plain;
    const { latent } = this.model;
    const count = this.codes.length / latent;
    this.places = Array.from({ length: count }, (_, i) => this.along(this.codes.subarray(i * latent, (i + 1) * latent), i));
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
    const { labels, colours } = this.model;
    this.pixels = this.places.map((place) => this.pixel(place));
    const origin = this.pixel([0, 0]);
    context.strokeStyle = style.getPropertyValue("--line");
    context.beginPath();
    context.moveTo(origin[0], 0);
    context.lineTo(origin[0], this.points.clientHeight);
    if (this.axes[1].value !== ROWS) {
      context.moveTo(0, origin[1]);
      context.lineTo(this.points.clientWidth, origin[1]);
    }
    context.stroke();
    const groups = labels ? this.classes : [null];
    groups.forEach((label, number) => {
      context.fillStyle = label === null
        ? style.getPropertyValue("--accent") : classColour(colours, number, darkness.matches);
      const shape = classShape(colours, number);
      context.globalAlpha = this.only !== null && this.only !== label ? 0.08 : 0.75;
      context.beginPath();
      this.pixels.forEach(([x, y], i) => {
        if (label === null || labels[i] === label) addPoint(context, shape, x, y);
      });
      context.fill();
    });
    context.globalAlpha = 1;
    this.mark();
  }

  // The chosen image, the one below the pointer, and where the code is.
  mark() {
    if (!this.pixels) return;
    const context = this.context(this.marks);
    const style = getComputedStyle(this.points);
    // In ink with an edge of paper, as points may be as dark.
    const stroke = (width, path) => {
      for (const [colour, wide] of [["--paper", width + 3], ["--ink", width]]) {
        context.strokeStyle = style.getPropertyValue(colour);
        context.lineWidth = wide;
        context.beginPath();
        path();
        context.stroke();
      }
    };
    const ring = ([x, y], radius, width) => stroke(width, () => context.arc(x, y, radius, 0, 2 * Math.PI));
    if (this.hover >= 0) ring(this.pixels[this.hover], 5, 1.5);
    if (this.image >= 0) ring(this.pixels[this.image], 6, 2);
    const [x, y] = this.pixel(this.along(this.code));
    stroke(2, () => {
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        context.moveTo(x + 4 * dx, y + 4 * dy);
        context.lineTo(x + 11 * dx, y + 11 * dy);
      }
    });
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
  at(x, y, reach = REACH) {
    let [best, nearest] = [-1, reach * reach];
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

  // Whether a place in pixels is on the cross, and the cross can be moved.
  grips(x, y, grip) {
    const [cx, cy] = this.pixel(this.along(this.code));
    return this.plain && Math.hypot(x - cx, y - cy) <= grip;
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
    // A finger on the cross draws it; anywhere else it scrolls the page.
    marks.addEventListener("touchstart", (event) => {
      const { left, top } = marks.getBoundingClientRect();
      const [{ clientX, clientY }] = event.targetTouches;
      if (event.targetTouches.length === 1 && this.grips(clientX - left, clientY - top, FINGER)) event.preventDefault();
    }, { passive: false });
    marks.addEventListener("pointerdown", ({ button, offsetX, offsetY, pointerId, pointerType }) => {
      if (button !== 0) return;
      dragged = false;
      dragging = this.grips(offsetX, offsetY, pointerType === "touch" ? FINGER : GRIP);
      if (dragging) marks.setPointerCapture(pointerId);
    });
    marks.addEventListener("pointermove", ({ offsetX, offsetY }) => {
      if (dragging) {
        dragged = true;
        hover(-1, 0, 0);
        this.moved(this.codeAt(offsetX, offsetY));
      } else hover(this.at(offsetX, offsetY), offsetX, offsetY);
    });
    const choose = ({ offsetX, offsetY }) => {
      const image = dragged ? -1 : this.at(offsetX, offsetY);
      if (image >= 0) this.chosen(image);
    };
    marks.addEventListener("pointerup", (event) => {
      // A finger that only touched the cross: no click follows what was kept from scrolling.
      if (dragging && event.pointerType === "touch") choose(event);
      dragging = false;
    });
    marks.addEventListener("pointercancel", () => (dragging = false));
    marks.addEventListener("pointerleave", () => hover(-1, 0, 0));
    marks.addEventListener("click", choose);
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    marks.addEventListener("keydown", (event) => {
      const arrow = arrows[event.key];
      if (!arrow || !this.pixels) return;
      event.preventDefault();
      // At first to the image that is nearest to the cross.
      const image = this.image < 0
        ? this.at(...this.pixel(this.along(this.code)), Infinity) : this.beside(this.image, ...arrow);
      if (image >= 0) this.chosen(image);
    });
  }
}
