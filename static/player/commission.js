// The commissioning page: has a counter clip made, plays it as a cell is played, and tells the
// server what the log says. What light the screen gave is measured elsewhere.

import { Arrivals } from "./arrivals.js";
import { whyImpossible } from "./checks.js";
import { measureRefresh, refreshesPerFrame } from "./clock.js";
import { FrameQueue } from "./frames.js";
import { makePainter } from "./painter.js";
import { preloadClips } from "./preload.js";
import { RunLog } from "./run_log.js";
import { showCell } from "./show.js";
import { displayLabel, nameDisplay, placeCanvas, watchPage } from "./view.js";

/** @typedef {import("./frames.js").Clip} Clip */

const ASK_EVERY = 700;
const GREY_SECONDS = 2; // before and after the clip
const SETTLING = 1000; // of a window that becomes full screen
const FOLDER = "commissioning"; // of the clip in this browser's storage

/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
/** @param {number} ms */
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

class CommissioningPage {
  /** @param {HTMLFormElement} form */
  constructor(form) {
    this.form = form;
    this.canvas = /** @type {HTMLCanvasElement} */ (byId("picture"));
    this.painter = makePainter(this.canvas);
    this.arrivals = new Arrivals(this.canvas);
    this.hz = 0;
    /** @type {Clip|null} */
    this.clip = null;
    this.field("display").value = displayLabel();
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.trying(() => this.load());
    });
    form.addEventListener("change", () => this.offer());
    byId("play").addEventListener("click", () => this.trying(() => this.play()));
    window.addEventListener("resize", () => placeCanvas(this.canvas));
    this.trying(() => this.measure());
  }

  /** @param {string} name @returns {HTMLInputElement|HTMLSelectElement} */
  field(name) {
    return /** @type {any} */ (this.form.elements.namedItem(name));
  }

  /** @param {() => Promise<void>} act */
  async trying(act) {
    const buttons = [...document.querySelectorAll("#commission button")];
    for (const button of buttons) /** @type {HTMLButtonElement} */ (button).disabled = true;
    try {
      await act();
    } catch (error) {
      this.tell(error instanceof Error ? error.message : String(error), true);
    }
    byId("prepare").toggleAttribute("disabled", !this.field("rate").value || !this.field("size").value);
    byId("play").toggleAttribute("disabled", !this.clip);
  }

  /** @param {string} text @param {boolean} [bad] */
  tell(text, bad = false) {
    byId("status").textContent = text;
    byId("status").className = bad ? "error" : "muted";
  }

  async measure() {
    this.tell("Measuring the refresh rate…");
    this.hz = await measureRefresh();
    byId("hz").textContent = `${this.hz.toFixed(2)} Hz`;
    byId("screen").textContent = `${this.screen().join(" × ")} pixels`;
    this.restrict("size", (value) => value.split("x").every((side, i) => Number(side) <= this.screen()[i]));
    this.restrict("rate", (value) => refreshesPerFrame(this.hz, [Number(value), 1]).whole);
    if (!this.field("size").value) this.tell("The clip fits no screen as small as this.", true);
    else this.tell(this.field("rate").value ? "" : "No frame rate of the clip divides this refresh " +
      "rate: set the screen to 50, 60, 100 or 120 Hz and reload the page.", true);
  }

  /** @returns {[number, number]} */
  screen() {
    return [Math.round(screen.width * devicePixelRatio), Math.round(screen.height * devicePixelRatio)];
  }

  /** The last choice that fits is made. @param {string} name @param {(value: string) => boolean} fits */
  restrict(name, fits) {
    const select = /** @type {HTMLSelectElement} */ (this.field(name));
    for (const option of select.options) option.disabled = !fits(option.value);
    const fitting = [...select.options].filter((option) => !option.disabled);
    select.value = fitting.at(-1)?.value ?? "";
  }

  /** Another choice wants another clip. */
  offer() {
    this.clip = null;
    byId("play").toggleAttribute("disabled", true);
  }

  async load() {
    nameDisplay(this.field("display").value.trim().replace(/\s+/g, " ")); // as the server keeps it
    const clip = await this.made();
    const speed = await preloadClips(FOLDER, [clip], ({ bytes, total }) => {
      this.progress(bytes, total, "Loading the clip and proving it frame by frame…");
    }, true);
    this.progress(1, 1, "");
    this.clip = clip;
    const needed = clip.manifest.rate[0] / clip.manifest.rate[1];
    this.tell(`Ready: ${clip.manifest.frames} frames proved, decoded at ${speed.toFixed(0)} fps ` +
      `(played at ${needed}). Start the instrument, then play.`);
  }

  /** @returns {Promise<Clip>} */
  async made() {
    for (;;) {
      const answer = await this.ask(String(this.form.dataset.clip), new FormData(this.form));
      if (answer.ready) return answer.clip;
      if (answer.state === "failed" || answer.state === "cancelled") {
        throw new Error("The clip was not made: the page Jobs says why.");
      }
      this.progress(answer.done, answer.total, answer.state === "waiting"
        ? "Waiting for a worker to make the clip: see Jobs." : "Making the clip…");
      await wait(ASK_EVERY);
    }
  }

  /** @param {number} done @param {number} total @param {string} text */
  progress(done, total, text) {
    const bar = /** @type {HTMLProgressElement} */ (byId("progress"));
    [bar.hidden, bar.max, bar.value] = [!text, total || 1, done];
    if (text) this.tell(text);
  }

  /** @param {string} url @param {BodyInit} body @returns {Promise<any>} */
  async ask(url, body) {
    const token = this.field("csrfmiddlewaretoken").value;
    const answer = await fetch(url, {
      method: "POST", body, headers: { "X-CSRFToken": token }, redirect: "manual",
    });
    if (answer.type === "opaqueredirect") throw new Error("Sign in again in another tab, then try again.");
    const told = await answer.json().catch(() => ({ error: `The server answered ${answer.status}.` }));
    if (!answer.ok) throw new Error(told.error ?? `The server answered ${answer.status}.`);
    return told;
  }

  async play() {
    const clip = /** @type {Clip} */ (this.clip);
    const frames = new FrameQueue(FOLDER, this.painter.wants);
    this.painter.prepare(clip.manifest);
    this.painter.grey();
    document.body.classList.add("is-playing");
    let told;
    try {
      await document.documentElement.requestFullscreen({ navigationUI: "hide" }).catch(() => null);
      await wait(SETTLING);
      placeCanvas(this.canvas);
      this.hz = await measureRefresh();
      frames.start([clip]);
      await frames.filled();
      told = await this.show(clip, frames);
    } finally {
      frames.worker.terminate();
      document.body.classList.remove("is-playing");
      if (document.fullscreenElement) await document.exitFullscreen();
    }
    this.tell("Keeping the log…");
    const { url } = await this.ask(location.pathname, JSON.stringify(told));
    location.href = url;
  }

  /** @param {Clip} clip @param {FrameQueue} frames */
  async show(clip, frames) {
    const grey = { seconds: GREY_SECONDS, message: "", clip: null, votes: false };
    const phases = [
      { ...grey, name: "grey before" },
      { ...grey, name: "clip", seconds: null, clip: clip.id },
      { ...grey, name: "grey after" },
    ];
    const log = new RunLog();
    const evidence = await showCell(phases, {
      painter: this.painter, frames, hz: this.hz, clips: new Map([[clip.id, clip]]),
      arrivals: this.arrivals,
      message: () => {},
      onphase: (phase, stamp, refresh) => log.phase(phase === phases.length - 1, stamp, refresh),
      onframe: (painted) => log.frame(painted),
      watch: (collected) => watchPage(collected, this.canvas),
    });
    return {
      display: displayLabel(), clip: clip.sha256, browser: navigator.userAgent,
      screen: this.screen().join(" × "),
      window: [innerWidth, innerHeight].map((side) => Math.round(side * devicePixelRatio)).join(" × "),
      evidence: {
        ...evidence.report(), clips: { clip: clip.sha256 }, painter: this.painter.name,
        full_screen: Boolean(document.fullscreenElement),
      },
      log: log.report(this.hz, evidence),
    };
  }
}

const impossible = whyImpossible();
const form = /** @type {HTMLFormElement} */ (byId("commission"));
if (impossible) {
  byId("status").textContent = impossible;
  byId("status").className = "error";
  for (const button of form.querySelectorAll("button")) button.disabled = true;
} else new CommissioningPage(form);
