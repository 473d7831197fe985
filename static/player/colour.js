// Planes to colours by integer arithmetic, the same on every machine: the factors for the graphics
// card's shader, and for the converter that does its sum where there is no graphics card.

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

/** What pictures of the same size and colour have in common. @param {Picture} picture */
export const formatOf = ({ width, height, matrix, range, depth = 8 }) =>
  [width, height, matrix, range, depth].join();
