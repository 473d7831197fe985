// WebAssembly from its text form, as far as the arithmetic of pixels needs it: functions of
// integers, one instruction to a line, assembled where they run, so that nothing has to be built.

const I32 = 0x7f, V128 = 0x7b, BLOCK = 0x40;
const PAGE = 65536; // bytes, the unit of its memory
const TYPES = 1, FUNCTIONS = 3, MEMORY = 5, EXPORTS = 7, CODE = 10; // sections

/** @type {Record<string, number>} */
const OPCODES = {
  "loop": 0x03, "end": 0x0b, "br_if": 0x0d, "local.get": 0x20, "local.set": 0x21,
  "i32.const": 0x41, "i32.lt_u": 0x49, "i32.add": 0x6a,
};
/** With a prefix in front. @type {Record<string, number>} */
const VECTOR_OPCODES = {
  "v128.load": 0x00, "v128.load8x8_u": 0x02, "v128.store": 0x0b, "i8x16.shuffle": 0x0d,
  "i16x8.splat": 0x10, "i32x4.splat": 0x11, "i8x16.narrow_i16x8_u": 0x66,
  "i16x8.narrow_i32x4_s": 0x85, "i16x8.add": 0x8e, "i16x8.sub": 0x91, "i16x8.mul": 0x95,
  "i32x4.extend_low_i16x8_s": 0xa7, "i32x4.extend_high_i16x8_s": 0xa8, "i32x4.shr_s": 0xac,
  "i32x4.add": 0xae, "i32x4.mul": 0xb5,
};
const VECTOR = 0xfd;

/**
 * @typedef {{parameters: string[], vectors: string[], body: string}} WasmFunction
 *   parameters: integers; vectors: further locals, of 128 bits
 * @param {number} bytes of memory @param {Record<string, WasmFunction>} functions
 * @returns {{memory: ArrayBuffer, call: Record<string, (...numbers: number[]) => void>}}
 */
export function assemble(bytes, functions) {
  const all = Object.entries(functions);
  const module = new WebAssembly.Module(Uint8Array.from([
    0, ...text("asm"), 1, 0, 0, 0,
    ...section(TYPES, all.map(([, { parameters }]) =>
      [0x60, ...list(parameters.map(() => [I32])), 0])),
    ...section(FUNCTIONS, all.map((_, i) => unsigned(i))),
    ...section(MEMORY, [[0, ...unsigned(Math.ceil(bytes / PAGE))]]),
    ...section(EXPORTS, [
      [...sized(text("memory")), 2, 0],
      ...all.map(([name], i) => [...sized(text(name)), 0, ...unsigned(i)]),
    ]),
    ...section(CODE, all.map(([, body]) => sized(code(body)))),
  ]));
  const { memory, ...call } = /** @type {any} */ (new WebAssembly.Instance(module).exports);
  return { memory: memory.buffer, call };
}

/** @param {WasmFunction} described */
function code({ parameters, vectors, body }) {
  const locals = [...parameters, ...vectors];
  return [
    ...list([[...unsigned(vectors.length), V128]]),
    ...body.split("\n").map((line) => line.trim()).filter(Boolean)
      .flatMap((line) => instruction(line, locals)),
    OPCODES.end,
  ];
}

/** @param {string} line @param {string[]} locals */
function instruction(line, locals) {
  const [name, ...operands] = line.split(/ +/);
  if (name in VECTOR_OPCODES) {
    const opcode = [VECTOR, ...unsigned(VECTOR_OPCODES[name])];
    if (name === "i8x16.shuffle") return [...opcode, ...operands.map(Number)];
    if (!/load|store/.test(name)) return opcode;
    return [...opcode, 0, ...unsigned(Number(operands[0]?.replace("offset=", "") ?? 0))];
  }
  const opcode = OPCODES[name];
  if (opcode === undefined) throw new Error(`There is no instruction ${line}.`);
  if (name === "loop") return [opcode, BLOCK];
  if (name === "i32.const") return [opcode, ...signed(Number(operands[0]))];
  if (name === "br_if") return [opcode, ...unsigned(Number(operands[0]))];
  if (!name.startsWith("local")) return [opcode];
  const place = locals.indexOf(operands[0]);
  if (place < 0) throw new Error(`There is no local ${operands[0]}.`);
  return [opcode, ...unsigned(place)];
}

/** @param {number} id @param {number[][]} items */
const section = (id, items) => [id, ...sized(list(items))];
/** @param {number[][]} items */
const list = (items) => [...unsigned(items.length), ...items.flat()];
/** @param {number[]} bytes */
const sized = (bytes) => [...unsigned(bytes.length), ...bytes];
/** @param {string} ascii */
const text = (ascii) => Array.from(ascii, (letter) => letter.charCodeAt(0));

/** LEB128. @param {number} value @returns {number[]} */
const unsigned = (value) =>
  (value < 128 ? [value] : [(value & 127) | 128, ...unsigned(value >>> 7)]);
/** @param {number} value @returns {number[]} */
const signed = (value) =>
  (value >= -64 && value < 64 ? [value & 127] : [(value & 127) | 128, ...signed(value >> 7)]);
