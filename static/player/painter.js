// Puts a frame on the screen, pixel for pixel: by a shader where there is a graphics card, else as
// pixels that were computed ahead of their time. Draws no text and keeps no time.

import { factors, formatOf, planesOf, SCALE_BITS } from "./colour.js";

/**
 * @typedef {import("./colour.js").Picture} Picture
 * @typedef {{name: string, wants: "planes"|"pixels", canvas: HTMLCanvasElement,
 *   prepare(picture: Picture): void, paint(frame: ArrayBuffer): void, grey(): void, finish(): void,
 *   pixels(): Uint8ClampedArray}} Painter
 *   wants: what a frame's buffer holds, planes as decoded or RGBA;
 *   finish: returns when what was painted is painted; pixels: those now on the canvas, for tests
 */

const GREY = 128; // as luma code 126 gives it: the same as the surround of the page

const VERTEX = `#version 300 es
in vec2 corner;
void main() { gl_Position = vec4(corner, 0, 1); }`;

// 4:2:0 chroma is sited left: level with the even columns, midway between the rows.
const FRAGMENT = `#version 300 es
precision highp float;
precision highp int;
precision highp usampler2D;
uniform usampler2D planeY, planeU, planeV;
uniform ivec2 size;
uniform int black, middle, y1, rv, gu, gv, bu;
out vec4 colour;
int at(usampler2D plane, int x, int y) {
  ivec2 last = (size + 1) / 2 - 1;
  return int(texelFetch(plane, clamp(ivec2(x, y), ivec2(0), last), 0).r);
}
int chroma(usampler2D plane, ivec2 p) {
  int x = p.x >> 1, y = p.y >> 1, right = x + (p.x & 1);
  int far = (p.y & 1) == 1 ? y + 1 : y - 1;
  return 3 * (at(plane, x, y) + at(plane, right, y)) + at(plane, x, far) + at(plane, right, far);
}
void main() {
  ivec2 p = ivec2(int(gl_FragCoord.x), size.y - 1 - int(gl_FragCoord.y));
  int y = (int(texelFetch(planeY, p, 0).r) - black) * y1;
  int u = chroma(planeU, p) - 8 * middle, v = chroma(planeV, p) - 8 * middle;
  ivec3 rgb = ivec3(y + rv * v, y - gu * u - gv * v, y + bu * u);
  rgb = clamp((rgb + ${2 ** (SCALE_BITS - 1)}) >> ${SCALE_BITS}, 0, 255);
  colour = vec4(vec3(rgb) / 255.0, 1);
}`;

/** @param {WebGL2RenderingContext} gl */
function buildProgram(gl) {
  const program = /** @type {WebGLProgram} */ (gl.createProgram());
  for (const [kind, source] of /** @type {[number, string][]} */ ([
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ])) {
    const shader = /** @type {WebGLShader} */ (gl.createShader(kind));
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) {
      throw new Error(`The colour shader does not compile: ${gl.getShaderInfoLog(shader)}`);
    }
    gl.attachShader(program, shader);
  }
  gl.bindAttribLocation(program, 0, "corner");
  gl.linkProgram(program);
  return program;
}

/** @param {HTMLCanvasElement} canvas one that has not been drawn on @returns {Painter} */
export function makePainter(canvas) {
  const card = graphicsCard();
  return card ? new ShaderPainter(canvas, card) : new PixelPainter(canvas);
}

/** Emulated on the processor, a shader takes longer than a frame lasts. */
const EMULATED = /swiftshader|llvmpipe|softpipe|software|basic render|warp/i;

/** @returns {string} the name of the graphics card, or "" where the processor would do its work */
function graphicsCard() {
  const gl = document.createElement("canvas").getContext("webgl2");
  if (!gl) return "";
  const told = gl.getExtension("WEBGL_debug_renderer_info");
  const name = String(gl.getParameter(told ? told.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return EMULATED.test(name) ? "" : name;
}

/** @implements {Painter} */
export class ShaderPainter {
  /** @param {HTMLCanvasElement} canvas @param {string} [card] its name */
  constructor(canvas, card = "") {
    this.name = card ? `graphics card (${card})` : "graphics card";
    this.wants = /** @type {const} */ ("planes");
    this.canvas = canvas;
    const gl = canvas.getContext("webgl2", {
      alpha: false, antialias: false, depth: false, stencil: false,
      powerPreference: "high-performance",
    });
    if (!gl) throw new Error("WebGL 2 is missing: use Chrome or Edge with graphics on.");
    this.gl = gl;
    gl.disable(gl.DITHER);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    this.program = buildProgram(gl);
    gl.useProgram(this.program);
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-1, -1, 3, -1, -1, 3]), gl.STATIC_DRAW);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
    /** @type {WebGLTexture[]} */
    this.textures = [];
    /** @type {[number, number, number][]} */
    this.planes = [];
    this.depth = 8;
    this.format = "";
  }

  /** Make ready for pictures of this size and colour. @param {Picture} picture */
  prepare(picture) {
    const { width, height, matrix, range, depth = 8 } = picture;
    const format = formatOf(picture);
    if (format === this.format) return;
    const { gl, program, canvas } = this;
    const { y, ...others } = factors(matrix, range, depth);
    resize(canvas, picture);
    gl.viewport(0, 0, width, height);
    this.depth = depth;
    this.planes = planesOf(picture);
    for (const texture of this.textures) gl.deleteTexture(texture);
    this.textures = this.planes.map(([w, h], unit) => this.planeTexture(unit, w, h));
    gl.uniform2i(gl.getUniformLocation(program, "size"), width, height);
    for (const [name, value] of Object.entries({ y1: y, ...others })) {
      gl.uniform1i(gl.getUniformLocation(program, name), value);
    }
    ["planeY", "planeU", "planeV"].forEach((name, unit) =>
      gl.uniform1i(gl.getUniformLocation(program, name), unit));
    this.format = format;
  }

  /** @param {number} unit @param {number} width @param {number} height */
  planeTexture(unit, width, height) {
    const { gl } = this;
    const texture = /** @type {WebGLTexture} */ (gl.createTexture());
    gl.activeTexture(gl.TEXTURE0 + unit);
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    gl.texStorage2D(gl.TEXTURE_2D, 1, this.depth > 8 ? gl.R16UI : gl.R8UI, width, height);
    return texture;
  }

  /** @param {ArrayBuffer} frame its Y, U and V planes one after the other */
  paint(frame) {
    const { gl, depth } = this;
    const samples = depth > 8 ? new Uint16Array(frame) : new Uint8Array(frame);
    const type = depth > 8 ? gl.UNSIGNED_SHORT : gl.UNSIGNED_BYTE;
    this.planes.forEach(([width, height, offset], unit) => {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, width, height, gl.RED_INTEGER, type,
        samples.subarray(offset, offset + width * height));
    });
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  grey() {
    const { gl } = this;
    gl.clearColor(GREY / 255, GREY / 255, GREY / 255, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
  }

  finish() {
    const { gl } = this;
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
  }

  pixels() {
    const { gl, canvas: { width, height } } = this;
    const upsideDown = new Uint8Array(width * height * 4);
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, upsideDown);
    const pixels = new Uint8ClampedArray(upsideDown.length);
    for (let row = 0; row < height; row++) {
      pixels.set(upsideDown.subarray(row * width * 4, (row + 1) * width * 4),
        (height - 1 - row) * width * 4);
    }
    return pixels;
  }
}

/** @implements {Painter} */
export class PixelPainter {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.name = "processor";
    this.wants = /** @type {const} */ ("pixels");
    this.canvas = canvas;
    // Read often: a canvas in main memory, which is where the pixels come from.
    const to = canvas.getContext("2d", {
      alpha: false, colorSpace: "srgb", willReadFrequently: true,
    });
    if (!to) throw new Error("This browser cannot draw: use Chrome or Edge.");
    this.to = to;
  }

  /** @param {Picture} picture */
  prepare(picture) {
    resize(this.canvas, picture);
  }

  /** @param {ArrayBuffer} frame its pixels */
  paint(frame) {
    const { width, height } = this.canvas;
    const pixels = new Uint8ClampedArray(frame, 0, 4 * width * height);
    this.to.putImageData(new ImageData(pixels, width, height), 0, 0);
  }

  grey() {
    this.to.fillStyle = `rgb(${GREY}, ${GREY}, ${GREY})`;
    this.to.fillRect(0, 0, this.canvas.width, this.canvas.height);
  }

  finish() {
    this.to.getImageData(0, 0, 1, 1);
  }

  pixels() {
    return this.to.getImageData(0, 0, this.canvas.width, this.canvas.height).data;
  }
}

/** To the same size again would clear it. @param {HTMLCanvasElement} canvas
 * @param {Picture} picture */
function resize(canvas, { width, height }) {
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
}
