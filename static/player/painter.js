// Puts the planes of a frame on the screen, pixel for pixel, by integer arithmetic that gives
// the same colours on every graphics card. Draws no text and keeps no time.

/** @typedef {{width: number, height: number, matrix: string, range: string}} Picture */

/** Luma weights Kr, Kb of each matrix that we show. */
const WEIGHTS = {
  bt709: [0.2126, 0.0722],
  smpte170m: [0.299, 0.114],
  bt470bg: [0.299, 0.114],
};

const SCALE_BITS = 20; // of the luma factor; chroma arrives times 8, so its factors have 17 bits

/**
 * Integer factors of the shader for a matrix and a range.
 * @param {string} matrix @param {string} range "tv" or "pc"
 */
export function factors(matrix, range) {
  const weights = WEIGHTS[/** @type {keyof typeof WEIGHTS} */ (matrix)];
  if (!weights) throw new Error(`Clips with the colour matrix "${matrix}" cannot be shown.`);
  if (range !== "tv" && range !== "pc") throw new Error(`Unknown colour range "${range}".`);
  const [kr, kb] = weights;
  const kg = 1 - kr - kb;
  const luma = range === "tv" ? 255 / 219 : 1;
  const chroma = range === "tv" ? 255 / 224 : 1;
  const fix = (/** @type {number} */ x, /** @type {number} */ bits) => Math.round(x * 2 ** bits);
  return {
    black: range === "tv" ? 16 : 0,
    y: fix(luma, SCALE_BITS),
    rv: fix(2 * (1 - kr) * chroma, SCALE_BITS - 3),
    gu: fix((2 * (1 - kb) * kb * chroma) / kg, SCALE_BITS - 3),
    gv: fix((2 * (1 - kr) * kr * chroma) / kg, SCALE_BITS - 3),
    bu: fix(2 * (1 - kb) * chroma, SCALE_BITS - 3),
  };
}

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
uniform int black, y1, rv, gu, gv, bu;
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
  int u = chroma(planeU, p) - 1024, v = chroma(planeV, p) - 1024;
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

export class Painter {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    const gl = canvas.getContext("webgl2", {
      alpha: false, antialias: false, depth: false, stencil: false,
      powerPreference: "high-performance",
    });
    if (!gl) throw new Error("WebGL 2 is missing: use Chrome, Edge or Firefox with graphics on.");
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
    this.format = "";
  }

  /** Make ready for pictures of this size and colour. @param {Picture} picture */
  prepare(picture) {
    const { width, height, matrix, range } = picture;
    const format = [width, height, matrix, range].join();
    if (format === this.format) return;
    const { gl, program, canvas } = this;
    const { black, y, rv, gu, gv, bu } = factors(matrix, range);
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    gl.viewport(0, 0, width, height);
    const [halfWidth, halfHeight] = [(width + 1) >> 1, (height + 1) >> 1];
    const area = width * height;
    this.planes = [
      [width, height, 0],
      [halfWidth, halfHeight, area],
      [halfWidth, halfHeight, area + halfWidth * halfHeight],
    ];
    for (const texture of this.textures) gl.deleteTexture(texture);
    this.textures = this.planes.map(([w, h], unit) => this.planeTexture(unit, w, h));
    gl.uniform2i(gl.getUniformLocation(program, "size"), width, height);
    for (const [name, value] of Object.entries({ black, y1: y, rv, gu, gv, bu })) {
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
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.R8UI, width, height);
    return texture;
  }

  /** Paint a frame: its Y, U and V planes one after the other. @param {Uint8Array} frame */
  paint(frame) {
    const { gl } = this;
    this.planes.forEach(([width, height, offset], unit) => {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, width, height, gl.RED_INTEGER, gl.UNSIGNED_BYTE,
        frame.subarray(offset, offset + width * height));
    });
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  /** Mid-grey, as code value 126 gives it: the same as the surround of the page. */
  grey() {
    const { gl } = this;
    gl.clearColor(128 / 255, 128 / 255, 128 / 255, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
  }

  /** The pixels now on the canvas, top row first: for commissioning and tests. */
  pixels() {
    const { gl, canvas: { width, height } } = this;
    const upsideDown = new Uint8Array(width * height * 4);
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, upsideDown);
    const pixels = new Uint8Array(upsideDown.length);
    for (let row = 0; row < height; row++) {
      pixels.set(upsideDown.subarray(row * width * 4, (row + 1) * width * 4),
        (height - 1 - row) * width * 4);
    }
    return pixels;
  }
}
