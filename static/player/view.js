// The window that a clip is shown in: where the picture lies in it, and what happens to it.

/** The window as far as the checks depend on it. */
export const view = () => `${innerWidth} × ${innerHeight} × ${devicePixelRatio}`;

/** One pixel on one pixel, in the middle. @param {HTMLCanvasElement} canvas */
export function placeCanvas({ style, width, height }) {
  const middle = (/** @type {number} */ room, /** @type {number} */ size) =>
    `${Math.floor((Math.round(room * devicePixelRatio) - size) / 2) / devicePixelRatio}px`;
  style.width = `${width / devicePixelRatio}px`;
  style.height = `${height / devicePixelRatio}px`;
  style.left = middle(innerWidth, width);
  style.top = middle(innerHeight, height);
}

/** What would spoil a cell, noted as it happens.
 * @param {import("./evidence.js").Evidence} evidence
 * @param {HTMLCanvasElement} canvas @returns {() => void} */
export function watchPage(evidence, canvas) {
  const stop = new AbortController();
  const { signal } = stop;
  document.addEventListener("visibilitychange", () => {
    evidence.event(document.hidden ? "page hidden" : "page visible again");
  }, { signal });
  document.addEventListener("fullscreenchange", () => {
    evidence.event(document.fullscreenElement ? "fullscreen entered" : "fullscreen left");
  }, { signal });
  window.addEventListener("resize", () => {
    evidence.event(`window resized to ${innerWidth} × ${innerHeight}`);
  }, { signal });
  canvas.addEventListener("webglcontextlost", () => evidence.event("graphics lost"), { signal });
  return () => stop.abort();
}

const LABEL = "midgrey-display-label";

/** What the laboratory calls the display of this browser: given when it was commissioned. */
export const displayLabel = () => localStorage.getItem(LABEL) ?? "";

/** @param {string} label */
export const nameDisplay = (label) => localStorage.setItem(LABEL, label);
