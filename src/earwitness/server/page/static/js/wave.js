// The waveform, the ruler below it, and the spectrogram: drawn from what the server measured.

import { clock } from "./words.js";

const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];

/** A canvas in the pixels of the screen; its context, and its size in CSS pixels. */
function fitted(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  const ratio = Math.min(devicePixelRatio || 1, 2);
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  return { context, width, height };
}

const colours = new Map();

/** Forgets the colours, which another scheme has others of. */
export const repaint = () => colours.clear();

/** The colour that a custom property comes to; looked up once. */
function resolved(canvas, name) {
  if (!colours.has(name)) {
    canvas.style.color = `var(${name})`;
    colours.set(name, getComputedStyle(canvas).color);
    canvas.style.color = "";
  }
  return colours.get(name);
}

/**
 * Draws `peaks` ({ low, high, rms } over the seconds `from` to `to`) into the view, and the lit spans behind them.
 * Columns outside of the view are left out; those that share a pixel are drawn as one.
 */
export function drawWave(canvas, peaks, view, lit) {
  const { context, width, height } = fitted(canvas);
  const middle = height / 2;
  const x = (second) => ((second - view.from) / view.span) * width;
  context.fillStyle = resolved(canvas, "--sounds");
  context.globalAlpha = 0.28;
  for (const [start, end] of lit) context.fillRect(x(start), 0, Math.max(2, x(end) - x(start)), height);
  context.globalAlpha = 1;
  const columns = peaks.high.length;
  const each = (peaks.to - peaks.from) / columns;
  const scale = (middle - 3) / 127;
  const ink = resolved(canvas, "--accent");
  for (const [layer, alpha] of [["peak", 0.4], ["rms", 1]]) {
    context.fillStyle = ink;
    context.globalAlpha = alpha;
    for (let pixel = 0; pixel < width; pixel += 1) {
      const a = Math.floor((view.from + (pixel / width) * view.span - peaks.from) / each);
      const b = Math.max(a + 1, Math.floor((view.from + ((pixel + 1) / width) * view.span - peaks.from) / each));
      let top = 0, bottom = 0;
      for (let i = Math.max(0, a); i < Math.min(columns, b); i += 1) {
        if (layer === "rms") top = Math.max(top, peaks.rms[i]), bottom = -top;
        else top = Math.max(top, peaks.high[i]), bottom = Math.min(bottom, peaks.low[i]);
      }
      const high = Math.max(0.5, top * scale), low = Math.max(0.5, -bottom * scale);
      if (a < columns && b > 0) context.fillRect(pixel, middle - high, 1, high + low);
    }
  }
  context.globalAlpha = 1;
}

/** Draws seconds at round distances. */
export function drawRuler(canvas, view) {
  const { context, width, height } = fitted(canvas);
  const step = STEPS.find((s) => (s / view.span) * width >= 64) ?? STEPS.at(-1);
  context.fillStyle = resolved(canvas, "--soft");
  context.font = "11px system-ui, sans-serif";
  context.textBaseline = "middle";
  for (let i = Math.ceil(view.from / step - 1e-9); i * step <= view.to; i += 1) {
    const at = ((i * step - view.from) / view.span) * width;
    context.fillRect(at, 0, 1, 5);
    const text = clock(i * step, step < 1);
    if (at + 4 + context.measureText(text).width < width) context.fillText(text, at + 4, height / 2 + 2);
  }
}

/** Colours from dark over violet and orange to pale yellow, evenly growing in lightness. */
const STOPS = [[11, 16, 32], [54, 28, 92], [137, 42, 107], [214, 84, 72], [247, 157, 60], [250, 236, 170]];

function palette() {
  const out = new Uint32Array(256);
  for (let i = 0; i < 256; i += 1) {
    const at = (i / 255) * (STOPS.length - 1);
    const low = Math.min(STOPS.length - 2, Math.floor(at));
    const [r, g, b] = [0, 1, 2].map((c) => Math.round(STOPS[low][c] + (STOPS[low + 1][c] - STOPS[low][c]) * (at - low)));
    out[i] = (255 << 24) | (b << 16) | (g << 8) | r;
  }
  return out;
}

/** Draws levels as they come from the server. */
export function drawSpectrogram(canvas, { levels, bands, columns }) {
  canvas.width = columns;
  canvas.height = bands;
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, bands);
  const pixels = new Uint32Array(image.data.buffer);
  const shades = palette();
  for (let band = 0; band < bands; band += 1) {
    const row = (bands - 1 - band) * columns;
    for (let column = 0; column < columns; column += 1) pixels[row + column] = shades[levels[band * columns + column]];
  }
  context.putImageData(image, 0, 0);
}
