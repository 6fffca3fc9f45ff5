// Sources that are pictures: a picture for each word, bright where the word looked; slices of a drawn sentence as heads.

const DARKEST = 0.12;

// The red, green and blue of a region, or of all, on a canvas; brightness is a number for each region, or nothing.
function paint(picture, region, brightness) {
  const [left, top, right, bottom] = region ?? [0, 0, picture.width, picture.height];
  const canvas = make("canvas", { className: "pixels", width: right - left, height: bottom - top });
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  const bytes = atob(picture.pixels);
  const light = new Float32Array(picture.width * picture.height).fill(brightness ? DARKEST : 1);
  for (const [place, share] of (brightness ?? []).entries()) {
    const [x0, y0, x1, y1] = picture.regions[place];
    for (let y = y0; y < y1; y += 1) light.fill(DARKEST + (1 - DARKEST) * share, y * picture.width + x0, y * picture.width + x1);
  }
  for (let place = 0, y = top; y < bottom; y += 1) {
    for (let x = left; x < right; x += 1, place += 4) {
      const from = y * picture.width + x;
      for (const colour of [0, 1, 2]) image.data[place + colour] = bytes.charCodeAt(3 * from + colour) * light[from];
      image.data[place + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

// Whether positions stand side by side, as the slices of a drawn sentence do.
function isStrip(picture) {
  return picture.regions.every(([, top, , bottom]) => top === 0 && bottom === picture.height);
}

// The picture and a picture for each word of {target, weights}; the last column is the end, which is no part of it.
function gallery(picture, { target, weights }) {
  const shown = (canvas, text, note) => {
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${text}: ${note}`);
    return make("figure", { className: "thumb" }, make("figcaption", {}, word(text)), canvas, make("p", { className: "hint" }, note));
  };
  const panels = target.map((text, row) => {
    const own = weights[row].slice(0, picture.regions.length);
    const largest = Math.max(...own, 0);
    const canvas = paint(picture, null, own.map((weight) => (largest > 0 ? weight / largest : 0)));
    return shown(canvas, text, `largest ${largest.toFixed(2)}`);
  });
  return [shown(paint(picture), "\u00a0", "the picture"), ...panels];
}
