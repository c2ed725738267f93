// Pictures: values to pixels and back.

// Paints values `[height, width, channels]` on a canvas, a pixel a value. One channel is grey, three are RGB, four RGB
// and alpha, two grey and alpha if the run was made so; of any other number the first one is shown.
function paint(canvas, values, model) {
  const { height, width, channels } = model.image;
  const [low, high] = model.range;
  const inColour = channels === 3 || channels === 4;
  const image = new ImageData(width, height);
  // The array rounds, and bounds to 0 to 255.
  const level = (value) => ((value - low) / (high - low)) * 255;
  for (let pixel = 0; pixel < width * height; pixel++) {
    for (let c = 0; c < 3; c++) {
      image.data[4 * pixel + c] = level(values[pixel * channels + (inColour ? c : 0)]);
    }
    image.data[4 * pixel + 3] = model.setting.alpha ? level(values[(pixel + 1) * channels - 1]) : 255;
  }
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d").putImageData(image, 0, 0);
}

// A canvas for a picture.
function pictureCanvas() {
  const canvas = document.createElement("canvas");
  canvas.className = "picture";
  return canvas;
}

// A part of a picture's pixels as bytes `[height, width, channels]`: what is transparent is laid on `[red, green, blue]`,
// grey by the weights of BT.709, as the program reads pictures. By indices alone, as a photograph has millions of pixels.
function channelsOf({ data, width }, { left, top, across, down }, channels, [r, g, b]) {
  const bytes = new Float64Array(across * down * channels);
  const opaque = (at, alpha, under) => Math.floor((data[at] * alpha + under * (255 - alpha) + 127) / 255);
  let out = 0;
  for (let y = 0; y < down; y++) {
    for (let x = 0, at = 4 * ((top + y) * width + left); x < across; x++, at += 4) {
      const alpha = data[at + 3];
      const red = opaque(at, alpha, r), green = opaque(at + 1, alpha, g), blue = opaque(at + 2, alpha, b);
      if (channels === 1) bytes[out++] = Math.floor((2126 * red + 7152 * green + 722 * blue) / 10000);
      else {
        bytes[out++] = red;
        bytes[out++] = green;
        bytes[out++] = blue;
      }
    }
  }
  return bytes;
}

// Resizes one axis by Catmull and Rom's cubic, which spans as many pixels more as a picture shrinks. `[outer,
// length, inner]` becomes `[outer, wanted, inner]`.
function resizeAxis(values, outer, length, inner, wanted) {
  if (length === wanted) return values;
  const cubic = (x) => {
    const a = Math.abs(x);
    if (a < 1) return 1.5 * a ** 3 - 2.5 * a ** 2 + 1;
    return a < 2 ? -0.5 * a ** 3 + 2.5 * a ** 2 - 4 * a + 2 : 0;
  };
  const ratio = length / wanted;
  const scale = Math.max(ratio, 1);
  const resized = new Float64Array(outer * wanted * inner);
  for (let out = 0; out < wanted; out++) {
    const centre = (out + 0.5) * ratio;
    const left = Math.min(Math.max(Math.floor(centre - 2 * scale), 0), length - 1);
    const right = Math.min(Math.max(Math.ceil(centre + 2 * scale), left + 1), length);
    const weights = [];
    for (let i = left; i < right; i++) weights.push(cubic((i - (centre - 0.5)) / scale));
    const sum = weights.reduce((a, b) => a + b, 0);
    for (let o = 0; o < outer; o++) {
      for (let j = 0; j < inner; j++) {
        let value = 0;
        for (let i = left; i < right; i++) value += weights[i - left] * values[(o * length + i) * inner + j];
        resized[(o * wanted + out) * inner + j] = value / sum;
      }
    }
  }
  return resized;
}

// Pixels as the model takes them: cropped about the centre to its form, resized, within its range.
function fitted(pixels, model) {
  const { width, height } = pixels;
  const { channels, width: w, height: h } = model.image;
  const [low, high] = model.range;
  const scaled = (side, by, over) => Math.max(1, Math.floor((side * by + Math.floor(over / 2)) / over));
  const across = Math.min(scaled(height, w, h), width), down = Math.min(scaled(width, h, w), height);
  const left = Math.floor((width - across) / 2), top = Math.floor((height - down) / 2);
  let bytes = channelsOf(pixels, { left, top, across, down }, channels, model.setting.background);
  bytes = resizeAxis(bytes, 1, down, across * channels, h);
  bytes = resizeAxis(bytes, h, across, channels, w);
  return Float32Array.from(bytes, (v) => low + (Math.min(255, Math.max(0, Math.round(v))) / 255) * (high - low));
}

// Most pixels a side that are read of a file; a larger picture is brought to it by the browser.
const MOST_SIDE = 2048;

// The pixels of a picture file.
async function pixelsOf(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  } catch {
    throw new Error(`${file.name || "the file"} is not a picture that this browser can read`);
  }
  const shrink = Math.min(1, MOST_SIDE / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * shrink)));
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  return context.getImageData(0, 0, width, height);
}
