// Planes to colours by integer arithmetic, the same on every machine: the factors for the graphics
// card's shader, and the same sum for the processor where there is no graphics card.

/**
 * @typedef {{width: number, height: number, matrix: string, range: string, depth?: number}} Picture
 *   depth: bits of a sample, 8 where not told
 */

/** Luma weights Kr, Kb of each matrix that we show. */
const WEIGHTS = {
  bt709: [0.2126, 0.0722],
  smpte170m: [0.299, 0.114],
  bt470bg: [0.299, 0.114],
};

export const SCALE_BITS = 21; // of the luma factor; chroma arrives times 8: its factors have 18 bits

/**
 * Integer factors for a matrix, a range ("tv" or "pc") and a bit depth, to codes of 8 bits.
 * @param {string} matrix @param {string} range @param {number} [depth]
 */
export function factors(matrix, range, depth = 8) {
  const weights = WEIGHTS[/** @type {keyof typeof WEIGHTS} */ (matrix)];
  if (!weights) throw new Error(`Clips with the colour matrix "${matrix}" cannot be shown.`);
  if (range !== "tv" && range !== "pc") throw new Error(`Unknown colour range "${range}".`);
  const [kr, kb] = weights;
  const kg = 1 - kr - kb;
  const step = 2 ** (depth - 8);
  const luma = 255 / (range === "tv" ? 219 * step : 256 * step - 1);
  const chroma = 255 / (range === "tv" ? 224 * step : 256 * step - 1);
  const fix = (/** @type {number} */ x, /** @type {number} */ bits) => Math.round(x * 2 ** bits);
  return {
    black: range === "tv" ? 16 * step : 0,
    middle: 128 * step,
    y: fix(luma, SCALE_BITS),
    rv: fix(2 * (1 - kr) * chroma, SCALE_BITS - 3),
    gu: fix((2 * (1 - kb) * kb * chroma) / kg, SCALE_BITS - 3),
    gv: fix((2 * (1 - kr) * kr * chroma) / kg, SCALE_BITS - 3),
    bu: fix(2 * (1 - kb) * chroma, SCALE_BITS - 3),
  };
}

/** Places and sizes of the three planes in a frame, counted in samples.
 * @param {{width: number, height: number}} picture @returns {[number, number, number][]} */
export function planesOf({ width, height }) {
  const [half, area] = [(width + 1) >> 1, width * height];
  const rows = (height + 1) >> 1;
  return [[width, height, 0], [half, rows, area], [half, rows, area + half * rows]];
}

export class Converter {
  /** @param {Picture} picture */
  constructor(picture) {
    const { width, height, matrix, range, depth = 8 } = picture;
    [this.width, this.height] = [width, height];
    this.factors = factors(matrix, range, depth);
    this.planes = planesOf(picture);
    const { black, y } = this.factors;
    const rounding = 2 ** (SCALE_BITS - 1);
    this.luma = Int32Array.from({ length: 2 ** depth }, (_, code) => (code - black) * y + rounding);
    // What the chroma of a row adds to each colour; one more, for the neighbour of the last.
    this.terms = [0, 1, 2].map(() => new Int32Array(((width + 1) >> 1) + 1));
  }

  /** @param {Uint8Array|Uint16Array} frame its planes @param {Int32Array} pixels RGBA */
  convert(frame, pixels) {
    for (let row = 0; row < this.height; row++) {
      this.chromaRow(frame, row);
      this.row(frame, row * this.width, pixels);
    }
  }

  /** 4:2:0 chroma lies midway between the rows. @param {Uint8Array|Uint16Array} frame
   * @param {number} row */
  chromaRow(frame, row) {
    const { rv, gu, gv, bu, middle } = this.factors;
    const [red, green, blue] = this.terms;
    const [, [half, rows, atU], [, , atV]] = this.planes;
    const near = row >> 1;
    const far = Math.min(Math.max(near + (row & 1 ? 1 : -1), 0), rows - 1);
    const [nearU, farU, nearV, farV] =
      [atU + near * half, atU + far * half, atV + near * half, atV + far * half];
    const zero = 4 * middle;
    for (let x = 0; x < half; x++) {
      const u = 3 * frame[nearU + x] + frame[farU + x] - zero;
      const v = 3 * frame[nearV + x] + frame[farV + x] - zero;
      red[x] = rv * v;
      green[x] = -(gu * u + gv * v);
      blue[x] = bu * u;
    }
    for (const term of this.terms) term[half] = term[half - 1];
  }

  /** Chroma is level with the even columns, and between two for the odd ones.
   * @param {Uint8Array|Uint16Array} frame @param {number} start @param {Int32Array} pixels */
  row(frame, start, pixels) {
    const { width, luma } = this;
    const [red, green, blue] = this.terms;
    let r = red[0], g = green[0], b = blue[0];
    for (let x = 0, at = start; x < width; x += 2, at += 2) {
      const next = (x >> 1) + 1;
      const rNext = red[next], gNext = green[next], bNext = blue[next];
      const even = luma[frame[at]];
      pixels[at] = packed(even + 2 * r, even + 2 * g, even + 2 * b);
      if (x + 1 < width) {
        const odd = luma[frame[at + 1]];
        pixels[at + 1] = packed(odd + r + rNext, odd + g + gNext, odd + b + bNext);
      }
      r = rNext;
      g = gNext;
      b = bNext;
    }
  }
}

/** Three colours, scaled, as one opaque pixel. @param {number} r @param {number} g @param {number} b */
function packed(r, g, b) {
  r >>= SCALE_BITS;
  g >>= SCALE_BITS;
  b >>= SCALE_BITS;
  if ((r | g | b) & ~255) {
    r = limited(r);
    g = limited(g);
    b = limited(b);
  }
  return r | (g << 8) | (b << 16) | (255 << 24);
}

/** @param {number} code */
const limited = (code) => (code < 0 ? 0 : code > 255 ? 255 : code);
