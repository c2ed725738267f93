"use strict";
document.body.classList.add("js");

// Reads values out where the pointer is, or by the arrow keys where a chart has the focus.
for (const chart of document.querySelectorAll(".chart")) {
  const data = chart.querySelector("script");
  if (!data) continue;
  const series = JSON.parse(data.textContent);
  for (const plot of chart.querySelectorAll(".plot")) readOut(plot, series);
}

function readOut(plot, series) {
  const svg = plot.querySelector("svg");
  const numbers = (name) => plot.dataset[name].split(",").map(Number);
  const [x0, x1] = numbers("x"), [y0, y1] = numbers("y");
  const up = plot.dataset.log === "true" ? Math.log : (value) => value;
  const added = [];
  let at = x1;

  const add = (name) => {
    const element = document.createElement("div");
    element.className = name;
    plot.append(element);
    added.push(element);
    return element;
  };
  const clear = () => added.splice(0).forEach((element) => element.remove());
  const path = (one) => svg.querySelector("." + one.class.split(" ").join("."));
  const seen = () => series.filter((one) => {
    const drawn = path(one);
    return drawn && getComputedStyle(drawn).display !== "none";
  });

  function show(x) {
    clear();
    const shown = seen();
    if (!shown.length) return;
    const found = shown.map((one) => [one, nearest(one.x, x)]);
    const far = ([one, i]) => Math.abs(one.x[i] - x);
    const closest = found.reduce((a, b) => (far(b) < far(a) ? b : a));
    at = closest[0].x[closest[1]];
    const frame = plot.getBoundingClientRect(), box = svg.getBoundingClientRect();
    const left = box.left - frame.left, top = box.top - frame.top;
    const across = (value) => left + (box.width * (value - x0)) / (x1 - x0);
    const cross = add("cross");
    cross.style.cssText = `left:${across(at)}px;top:${top}px;height:${box.height}px`;
    const tip = add("tip");
    tip.setAttribute("role", "status");
    line(tip, `${plot.dataset.name} ${format(at)}`, "");
    for (const [one, i] of found) {
      const colour = getComputedStyle(path(one)).stroke;
      const share = (up(one.y[i]) - up(y0)) / (up(y1) - up(y0));
      if (share >= 0 && share <= 1) {
        const mark = add("mark");
        mark.style.cssText =
          `left:${across(one.x[i])}px;top:${top + box.height * (1 - share)}px;background:${colour}`;
      }
      line(tip, one.name, format(one.y[i]), colour);
    }
    const room = frame.width - tip.offsetWidth;
    const beside = across(at) + 12;
    const place = beside <= room ? beside : across(at) - 12 - tip.offsetWidth;
    tip.style.left = `${Math.max(0, Math.min(room, place))}px`;
  }

  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    show(x0 + ((x1 - x0) * (event.clientX - box.left)) / box.width);
  });
  svg.addEventListener("pointerleave", clear);
  svg.tabIndex = 0;
  svg.addEventListener("focus", () => svg.matches(":focus-visible") && show(at));
  svg.addEventListener("blur", clear);
  svg.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const all = [...new Set(seen().flatMap((one) => one.x))].sort((a, b) => a - b);
    show(all[Math.max(0, Math.min(all.length - 1, nearest(all, at) + by))]);
  });
}

function line(tip, name, value, colour) {
  const row = document.createElement("div");
  const label = document.createElement("span");
  if (colour) {
    const dot = document.createElement("i");
    dot.style.background = colour;
    label.append(dot);
  }
  label.append(name);
  const number = document.createElement("b");
  number.textContent = value;
  row.append(label, number);
  tip.append(row);
}

// The index of the value that is closest to x, in ascending order.
function nearest(values, x) {
  let low = 0, high = values.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (values[middle] < x) low = middle;
    else high = middle;
  }
  return Math.abs(values[low] - x) <= Math.abs(values[high] - x) ? low : high;
}

function format(value) {
  const size = Math.abs(value);
  if (size !== 0 && size < 1e-3) return value.toExponential(2);
  return value.toLocaleString("en", { maximumFractionDigits: size >= 1000 ? 0 : size >= 1 ? 2 : 4 });
}

// Makes a slider of the strip of pictures.
const steps = [...document.querySelectorAll(".step")];
if (steps.length) {
  const bar = document.createElement("div");
  bar.className = "slider";
  const play = document.createElement("button");
  play.type = "button";
  play.textContent = "Play";
  const slider = document.createElement("input");
  Object.assign(slider, { type: "range", min: 0, max: steps.length - 1, value: steps.length - 1 });
  slider.setAttribute("aria-label", "Epoch of the pictures");
  const output = document.createElement("output");
  bar.append(play, slider, output);
  if (steps.length > 1) document.querySelector(".strip").before(bar);
  let timer = 0;

  const show = () => {
    steps.forEach((step, i) => step.classList.toggle("shown", i === Number(slider.value)));
    const name = `Epoch ${steps[slider.value].dataset.epoch}`;
    output.textContent = name;
    slider.setAttribute("aria-valuetext", name);
  };
  const stop = () => {
    clearInterval(timer);
    timer = 0;
    play.textContent = "Play";
  };
  slider.addEventListener("input", () => { stop(); show(); });
  play.addEventListener("click", () => {
    if (timer) return stop();
    if (Number(slider.value) === steps.length - 1) slider.value = 0;
    else slider.value = Number(slider.value) + 1;
    show();
    play.textContent = "Pause";
    timer = setInterval(() => {
      slider.value = Number(slider.value) + 1;
      show();
      if (Number(slider.value) === steps.length - 1) stop();
    }, 600);
  });
  show();
}

// A page of a run that goes on is made anew after every epoch.
if (document.body.classList.contains("running")) {
  const label = document.createElement("label");
  label.className = "show";
  const box = document.createElement("input");
  box.type = "checkbox";
  box.checked = location.hash === "#follow";
  label.append(box, "reload every 5 s");
  document.querySelector(".badge").append(label);
  box.addEventListener("change", () => history.replaceState(null, "", box.checked ? "#follow" : "#"));
  setInterval(() => box.checked && !document.hidden && location.reload(), 5000);
}
