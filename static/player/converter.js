// Planes to pixels on the processor, eight at a time, where there is no graphics card: the sum that
// the shader does, to the last bit.

import { factors, formatOf, planesOf, SCALE_BITS } from "./colour.js";
import { assemble } from "./wasm.js";

/** @typedef {import("./colour.js").Picture} Picture */

const ABREAST = 8; // samples that are computed at once
const SLACK = 4 * 4 * ABREAST; // bytes: rows are computed to their end and a little beyond

/** Planes to pixels, both in a memory of its own. */
export class Converter {
  /** @param {Picture} picture */
  constructor(picture) {
    const { width, height, depth = 8 } = picture;
    this.format = formatOf(picture);
    this.layout = planesOf(picture);
    this.bytes = depth > 8 ? 2 : 1; // of a sample
    const [, [half], [, rows, atV]] = this.layout;
    this.size = [width, height];
    let end = 0;
    const place = (/** @type {number} */ bytes) => {
      const at = end;
      end = Math.ceil((at + bytes + SLACK) / 16) * 16;
      return at;
    };
    const [planeBytes, pixelBytes] = [this.bytes * (atV + half * rows), 4 * width * height];
    place(planeBytes); // at 0, where the functions look for them
    // What the chroma of a row adds to red, green and blue; one more, for the neighbour of the last.
    const terms = [0, 1, 2].map(() => place(4 * (half + 1)));
    this.pixelsAt = place(pixelBytes);
    const { memory, call } = assemble(end, {
      chroma: chromaCode(picture, this.bytes, terms), luma: lumaCode(picture, this.bytes, terms),
    });
    this.call = call;
    this.terms = terms.map((at) => new Int32Array(memory, at, half + 1));
    /** To be filled with the samples of a frame. */
    this.planes = new Uint8Array(memory, 0, planeBytes);
    this.pixels = new Uint8Array(memory, this.pixelsAt, pixelBytes);
  }

  /** @param {Picture} picture */
  fits(picture) {
    return this.format === formatOf(picture);
  }

  /** @returns {Uint8Array} the planes as RGBA, until they are converted again */
  convert() {
    const [width, height] = this.size;
    const [, [half, rows, atU], [, , atV]] = this.layout;
    for (let row = 0; row < height; row++) {
      // 4:2:0 chroma lies midway between the rows.
      const near = row >> 1;
      const far = Math.min(Math.max(near + (row & 1 ? 1 : -1), 0), rows - 1);
      const places = [atU + near * half, atU + far * half, atV + near * half, atV + far * half];
      const [nearU, farU, nearV, farV] = places.map((place) => this.bytes * place);
      this.call.chroma(nearU, farU, nearV, farV, 0, 4 * half);
      for (const term of this.terms) term[half] = term[half - 1];
      const start = row * width;
      this.call.luma(this.bytes * start, 0, this.pixelsAt + 4 * start,
        this.pixelsAt + 4 * (start + width));
    }
    return this.pixels;
  }
}

/** Eight samples, as numbers of 16 bits. @param {number} bytes of a sample */
const load = (bytes) => (bytes === 1 ? "v128.load8x8_u" : "v128.load");

/** @param {string} name of a local @param {number} bytes */
const advance = (name, bytes) => `
  local.get ${name}
  i32.const ${bytes}
  i32.add
  local.set ${name}`;

/** Go on with the loop. @param {string} name @param {string} end */
const until = (name, end) => `
  local.get ${name}
  local.get ${end}
  i32.lt_u
  br_if 0`;

const HALVES = ["low", "high"];

/** The terms of a row of chroma, from the rows nearest to it in the planes.
 * @param {Picture} picture @param {number} bytes of a sample @param {number[]} terms
 * @returns {import("./wasm.js").WasmFunction} */
function chromaCode({ matrix, range, depth }, bytes, [red, green, blue]) {
  const { rv, gu, gv, bu, middle } = factors(matrix, range, depth);
  const between = (/** @type {string} */ near, /** @type {string} */ far) => `
    local.get ${near}
    ${load(bytes)}
    i32.const 3
    i16x8.splat
    i16x8.mul
    local.get ${far}
    ${load(bytes)}
    i16x8.add
    i32.const ${4 * middle}
    i16x8.splat
    i16x8.sub`;
  const times = (/** @type {string} */ chroma, /** @type {string} */ half,
    /** @type {number} */ factor) => `
    local.get ${chroma}
    i32x4.extend_${half}_i16x8_s
    i32.const ${factor}
    i32x4.splat
    i32x4.mul`;
  const stored = HALVES.map((half, i) => `
    local.get $term
    ${times("$v", half, rv)}
    v128.store offset=${red + 16 * i}
    local.get $term
    ${times("$u", half, -gu)}
    ${times("$v", half, -gv)}
    i32x4.add
    v128.store offset=${green + 16 * i}
    local.get $term
    ${times("$u", half, bu)}
    v128.store offset=${blue + 16 * i}`);
  const pointers = ["$nearU", "$farU", "$nearV", "$farV"];
  return {
    parameters: [...pointers, "$term", "$end"],
    vectors: ["$u", "$v"],
    body: `
      loop
      ${between("$nearU", "$farU")}
      local.set $u
      ${between("$nearV", "$farV")}
      local.set $v
      ${stored.join("")}
      ${pointers.map((pointer) => advance(pointer, ABREAST * bytes)).join("")}
      ${advance("$term", 4 * ABREAST)}
      ${until("$term", "$end")}
      end`,
  };
}

/** The pixels of a row. Chroma is level with the even columns, and between two for the odd ones.
 * @param {Picture} picture @param {number} bytes of a sample @param {number[]} terms
 * @returns {import("./wasm.js").WasmFunction} */
function lumaCode({ matrix, range, depth }, bytes, terms) {
  const { y, black } = factors(matrix, range, depth);
  const scaled = HALVES.map((half) => `
    local.get $y
    i32x4.extend_${half}_i16x8_s
    i32.const ${y}
    i32x4.splat
    i32x4.mul
    i32.const ${2 ** (SCALE_BITS - 1) - black * y}
    i32x4.splat
    i32x4.add
    local.set $${half}`);
  const termAt = (/** @type {number} */ at) => `
    local.get $term
    v128.load offset=${at}`;
  const COLUMNS = { // of even and odd ones, as bytes
    low: "0 1 2 3 16 17 18 19 4 5 6 7 20 21 22 23",
    high: "8 9 10 11 24 25 26 27 12 13 14 15 28 29 30 31",
  };
  const codes = terms.map((at) => `
    ${termAt(at)}
    ${termAt(at)}
    i32x4.add
    local.set $even
    ${termAt(at)}
    ${termAt(at + 4)}
    i32x4.add
    local.set $odd
    ${Object.entries(COLUMNS).map(([half, columns]) => `
    local.get $even
    local.get $odd
    i8x16.shuffle ${columns}
    local.get $${half}
    i32x4.add
    i32.const ${SCALE_BITS}
    i32x4.shr_s`).join("")}
    i16x8.narrow_i32x4_s`);
  const opaque = `
    i32.const 255
    i16x8.splat`;
  return {
    parameters: ["$luma", "$term", "$pixel", "$end"],
    vectors: ["$y", "$low", "$high", "$even", "$odd", "$redBlue", "$greenAlpha"],
    body: `
      loop
      local.get $luma
      ${load(bytes)}
      local.set $y
      ${scaled.join("")}
      ${codes[0]}
      ${codes[2]}
      i8x16.narrow_i16x8_u
      local.set $redBlue
      ${codes[1]}
      ${opaque}
      i8x16.narrow_i16x8_u
      local.set $greenAlpha
      local.get $pixel
      local.get $redBlue
      local.get $greenAlpha
      i8x16.shuffle 0 16 8 24 1 17 9 25 2 18 10 26 3 19 11 27
      v128.store
      local.get $pixel
      local.get $redBlue
      local.get $greenAlpha
      i8x16.shuffle 4 20 12 28 5 21 13 29 6 22 14 30 7 23 15 31
      v128.store offset=16
      ${advance("$luma", ABREAST * bytes)}
      ${advance("$term", 2 * ABREAST)}
      ${advance("$pixel", 4 * ABREAST)}
      ${until("$pixel", "$end")}
      end`,
  };
}
