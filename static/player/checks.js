// What a display must be able to do before a session is shown on it, each thing measured.
// Decides nothing about a session: it reports, and the server and the coordinator decide.

import { Arrivals } from "./arrivals.js";
import { HEADROOM, measureRefresh, refreshesPerFrame } from "./clock.js";
import { greyFrame } from "./decoding.js";
import { LEAST_MEMORY, memoryTold } from "./frames.js";

/**
 * @typedef {{id: string, label: string, value: string, ok: boolean, advice: string}} Check
 * @typedef {import("./frames.js").Clip} Clip
 */

const BROWSERS = "Use Chrome or Edge 94 or newer on a computer, opened over https or on localhost.";

/** What no coordinator can overrule: without it nothing can be shown. @returns {string} */
export function whyImpossible() {
  if (!window.isSecureContext) {
    return "This page must come over https (or from localhost): browsers give no exact video " +
      "decoding to any other.";
  }
  if (!("VideoDecoder" in window)) return `This browser has no WebCodecs. ${BROWSERS}`;
  if (!navigator.storage?.getDirectory) return `This browser has no file storage. ${BROWSERS}`;
  return "";
}

/** @param {Clip[]} clips @param {import("./painter.js").Painter} painter
 * @param {Arrivals} arrivals @param {number} fps slowest proof
 * @param {import("../live/socket.js").ServerClock} time */
export async function runChecks(clips, painter, arrivals, fps, time) {
  const refreshed = await refresh(clips);
  return [
    fullScreen(),
    visible(),
    fits(clips),
    await oneToOne(painter.canvas),
    cursor(painter.canvas),
    refreshed,
    await codec(clips),
    speed(clips, fps),
    painting(clips, painter, refreshed.hz),
    await arriving(arrivals, refreshed.hz),
    memory(),
    await room(clips),
    colour(clips),
    await clock(time),
    await wakeLock(),
  ];
}

/** @returns {Check} */
function fullScreen() {
  const [width, height] = devicePixels();
  const whole = width === screenPixels()[0] && height === screenPixels()[1];
  return {
    id: "fullscreen", label: "Full screen", ok: whole,
    value: `${width} × ${height} of ${screenPixels().join(" × ")} pixels`,
    advice: "Press “Full screen” or F11 on the display, and set the browser's zoom to 100 %.",
  };
}

/** @returns {[number, number]} */
function devicePixels() {
  return [Math.round(innerWidth * devicePixelRatio), Math.round(innerHeight * devicePixelRatio)];
}

/** @returns {[number, number]} */
function screenPixels() {
  return [
    Math.round(screen.width * devicePixelRatio), Math.round(screen.height * devicePixelRatio),
  ];
}

/** A hidden page gets no refreshes, so nothing else can be measured on it. @returns {Check} */
export function visible() {
  return {
    id: "visible", label: "Page visible", ok: document.visibilityState === "visible",
    value: document.visibilityState,
    advice: "Give the display a window of its own, in front of all others.",
  };
}

/** @param {Clip[]} clips @returns {Check} */
function fits(clips) {
  const [width, height] = devicePixels();
  const widest = Math.max(...clips.map(({ manifest }) => manifest.width));
  const highest = Math.max(...clips.map(({ manifest }) => manifest.height));
  return {
    id: "fits", label: "Clips fit the screen", ok: widest <= width && highest <= height,
    value: `clips ${widest} × ${highest}, window ${width} × ${height}`,
    advice: "Show the session full screen on a display with at least the clips' resolution.",
  };
}

/** One pixel of a clip on one pixel of the screen, as the browser itself lays the canvas out.
 * @param {HTMLCanvasElement} canvas @returns {Promise<Check>} */
async function oneToOne(canvas) {
  const box = await deviceBox(canvas);
  const same = box !== null && box[0] === canvas.width && box[1] === canvas.height;
  return {
    id: "pixels", label: "One pixel on one pixel", ok: same,
    value: box === null ? "cannot be measured"
      : `${canvas.width} × ${canvas.height} shown on ${box.join(" × ")}`,
    advice: "Set the browser's zoom to 100 % and the system's display scaling to a whole number.",
  };
}

/** As it will be while a cell is on. @param {HTMLCanvasElement} canvas @returns {Check} */
function cursor(canvas) {
  const { classList } = document.body;
  const on = classList.contains("is-on");
  classList.add("is-on");
  const found = getComputedStyle(canvas).cursor;
  classList.toggle("is-on", on); // before anything of it is painted
  return {
    id: "cursor", label: "Cursor hidden", ok: found === "none",
    value: found === "none" ? "while a cell is on" : `“${found}” over the picture`.slice(0, 200),
    advice: "Switch off what changes the mouse pointer (extensions, the system's pointer trails), " +
      "and push the mouse to the screen's edge.",
  };
}

/** @param {Element} element @returns {Promise<[number, number]|null>} */
function deviceBox(element) {
  return new Promise((resolve) => {
    const observer = new ResizeObserver(([entry]) => {
      observer.disconnect();
      const size = entry.devicePixelContentBoxSize?.[0];
      resolve(size ? [size.inlineSize, size.blockSize] : null);
    });
    observer.observe(element, { box: "device-pixel-content-box" });
    setTimeout(() => resolve(null), 1000);
  });
}

/** @param {Clip[]} clips @returns {Promise<Check & {hz: number}>} */
async function refresh(clips) {
  const hz = await measureRefresh();
  const rates = [...new Map(clips.map(({ manifest: { rate } }) => [rate.join("/"), rate])).values()];
  const whole = rates.every((rate) => refreshesPerFrame(hz, rate).whole);
  const frames = rates.map(([num, den]) => +(num / den).toFixed(3)).join(", ");
  return {
    id: "refresh", label: "Refresh rate", ok: whole, hz,
    value: `${hz.toFixed(2)} Hz for clips of ${frames} fps`,
    advice: "Set the display to a whole multiple of the clips' frame rate (50 Hz for 25 fps) in " +
      "the system's settings.",
  };
}

/** @param {Clip[]} clips @returns {Promise<Check>} */
async function codec(clips) {
  const configs = new Map(clips.map(({ manifest: m }) => [
    `${m.codec} ${m.width}×${m.height}`,
    { codec: m.codec, codedWidth: m.width, codedHeight: m.height },
  ]));
  let supported = true;
  for (const config of configs.values()) {
    const answer = await VideoDecoder.isConfigSupported(config).catch(() => null);
    supported &&= answer?.supported ?? false;
  }
  return {
    id: "codec", label: "Decoder", ok: supported, value: [...configs.keys()].join(", ").slice(0, 200),
    advice: "Lossless H.264 is needed: use Chrome or Edge.",
  };
}

/** @param {Clip[]} clips @param {number} fps @returns {Check} */
function speed(clips, fps) {
  const needed = HEADROOM * Math.max(...clips.map(({ manifest: { rate } }) => rate[0] / rate[1]));
  return {
    id: "speed", label: "Decoding speed", ok: fps >= needed,
    value: `${fps.toFixed(0)} frames/s, ${needed.toFixed(0)} needed`,
    advice: "Close other programs, reload this page, or use a faster computer.",
  };
}

const PAINTED = 9; // times, to find the usual one

/** With a grey frame on the grey page. @param {Clip[]} clips
 * @param {import("./painter.js").Painter} painter @param {number} hz @returns {Check} */
function painting(clips, painter, hz) {
  const { manifest } = clips.reduce((most, clip) => (area(clip) > area(most) ? clip : most));
  const frame = greyFrame(manifest, painter.wants);
  painter.prepare(manifest);
  const took = Array.from({ length: PAINTED }, () => {
    const began = performance.now();
    painter.paint(frame);
    painter.finish();
    return performance.now() - began;
  }).sort((a, b) => a - b)[PAINTED >> 1];
  const most = 500 / hz; // half of a refresh: what is painted later may be seen a refresh late
  return {
    id: "painting", label: "Painting", ok: took <= most,
    value: `${took.toFixed(1)} ms a frame, ${most.toFixed(1)} allowed, by the ${painter.name}`,
    advice: "Switch graphics acceleration on in the browser's settings, or use a computer with a " +
      "graphics card.",
  };
}

const MARKED = 30; // refreshes

/** What the browser does not tell to have been on the screen may have been lost unseen.
 * @param {Arrivals} arrivals @param {number} hz @returns {Promise<Check>} */
async function arriving(arrivals, hz) {
  const stamps = /** @type {Map<number, number>} */ (new Map());
  arrivals.clear();
  while (Arrivals.told && stamps.size < MARKED) {
    const stamp = await new Promise((resolve) => requestAnimationFrame(resolve));
    stamps.set(arrivals.mark(), stamp);
  }
  await arrivals.settled();
  const delays = [...stamps].flatMap(([mark, stamp]) => {
    const at = arrivals.at(mark);
    return at === null ? [] : [((at - stamp) * hz) / 1000];
  }).sort((a, b) => a - b);
  return {
    id: "arrival", label: "Told of the screen", ok: delays.length === MARKED,
    value: Arrivals.told ? `${delays.length} of ${MARKED} pictures` + (delays.length
      ? `, on the screen ${delays[delays.length >> 1].toFixed(1)} refreshes later` : "")
      : "this browser does not tell when a picture is on the screen",
    advice: "Frames could be lost between browser and screen without a trace: use a current Chrome " +
      "or Edge, its window in front.",
  };
}

/** @param {Clip} clip */
const area = ({ manifest }) => manifest.width * manifest.height;

/** @returns {Check} */
function memory() {
  const found = memoryTold();
  return {
    id: "memory", label: "Memory", ok: found === undefined || found >= LEAST_MEMORY,
    value: found === undefined ? "not told by this browser"
      : `${found >= 8 ? "8 GB or more" : `${found} GB`}, ${LEAST_MEMORY} needed`,
    advice: "Use a computer with more memory; where it is short, playback stutters.",
  };
}

/** The clips are stored by now; what is left shows how close that was. @param {Clip[]} clips
 * @returns {Promise<Check>} */
async function room(clips) {
  const stored = clips.reduce((sum, clip) => sum + clip.bytes, 0);
  const { quota = 0, usage = 0 } = await navigator.storage.estimate();
  const kept = await navigator.storage.persisted?.().catch(() => false);
  const gigabytes = (/** @type {number} */ bytes) => `${(bytes / 1e9).toFixed(2)} GB`;
  return {
    id: "room", label: "Storage", ok: usage <= quota,
    value: `clips ${gigabytes(stored)}, ${gigabytes(Math.max(0, quota - usage))} left` +
      (kept ? "" : ", not protected from the browser's own clearing"),
    advice: "Free disk space on the display's computer, and use a normal (not private) window.",
  };
}

/** Clips are shown as sRGB codes of 8 bits in standard dynamic range. @param {Clip[]} clips
 * @returns {Check} */
function colour(clips) {
  const fits = (/** @type {string} */ query) => matchMedia(query).matches;
  const gamut = ["rec2020", "p3", "srgb"].find((name) => fits(`(color-gamut: ${name})`));
  const high = fits("(dynamic-range: high)");
  return {
    id: "colour", label: "Colour", ok: gamut !== undefined,
    value: `${gamut ?? "less than sRGB"}, ${screen.colorDepth} bits a pixel, ` +
      (clips.some(({ manifest: { depth = 8 } }) => depth > 8)
        ? "clips of 10 bits rounded to the nearest code of 8, " : "") +
      (high ? "high dynamic range: switch HDR off unless the screen is calibrated so"
        : "standard dynamic range"),
    advice: "Use a screen that shows sRGB (BT.709), and calibrate it to that.",
  };
}

const WORST_CLOCK = 250; // ms; votes are judged by times with a tolerance of 500

const CLOCK_WAIT = 6000; // the first answers may be slow where everything is starting

/** @param {import("../live/socket.js").ServerClock} time @returns {Promise<Check>} */
async function clock(time) {
  const good = () => time.trip / 2 <= WORST_CLOCK;
  for (const end = performance.now() + CLOCK_WAIT; !good() && performance.now() < end;) {
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const { offset, trip } = time;
  const known = Number.isFinite(trip);
  return {
    id: "clock", label: "Clock", ok: good(),
    value: known ? `${offset.toFixed(0)} ms from the server's, known to ± ${(trip / 2).toFixed(0)} ms`
      : "not compared with the server's yet",
    advice: "The network is slow or busy: use a cable, or another network.",
  };
}

/** @type {any} */
let lock = null;

/** @returns {Promise<Check>} */
async function wakeLock() {
  let value = "held";
  if (!("wakeLock" in navigator)) value = "not offered by this browser";
  else if (!lock || lock.released) {
    lock = await navigator.wakeLock.request("screen").catch(() => null);
    if (!lock) value = "refused by the system";
  }
  // Best effort: a screen that sleeps is seen by the evidence.
  return {
    id: "awake", label: "Screen kept awake", ok: true, value,
    advice: "Switch the screen saver and power saving off.",
  };
}
