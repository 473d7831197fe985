// The display page: prepares itself, then shows what the server asks for, and reports.
// It decides nothing. While a cell is on, a lost connection changes nothing on the screen.

import { Arrivals } from "./arrivals.js";
import { LiveSocket, Outbox } from "../live/socket.js";
import { runChecks, visible, whyImpossible } from "./checks.js";
import { measureRefresh } from "./clock.js";
import { FrameQueue } from "./frames.js";
import { Keypad } from "./keypad.js";
import { makePainter } from "./painter.js";
import { Power } from "./power.js";
import { preloadClips } from "./preload.js";
import { showCell } from "./show.js";
import { displayLabel, placeCanvas, view, watchPage } from "./view.js";

/**
 * @typedef {import("./clock.js").Phase} Phase
 * @typedef {import("./frames.js").Clip} Clip
 * @typedef {import("./evidence.js").Evidence} Evidence
 * @typedef {{id: string, phases: Phase[]}} Order
 */

const RETRY_CLIPS = 3000;
const REPORT_EVERY = 1000;

/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

class Display {
  /** @param {DOMStringMap} data */
  constructor(data) {
    this.clipsUrl = String(data.clips);
    this.canvas = /** @type {HTMLCanvasElement} */ (byId("picture"));
    this.painter = makePainter(this.canvas);
    this.arrivals = new Arrivals(this.canvas);
    /** @type {Map<string, Clip>} */
    this.clips = new Map();
    /** @type {FrameQueue|null} */
    this.frames = null;
    this.power = new Power();
    this.keypad = new Keypad(byId("keypad"), (seat, showing, slot, score) => {
      this.keep({ type: "vote", seat, showing, slot, score, at: this.socket.clock.now() });
    });
    this.preparing = false;
    this.loaded = false;
    this.progress = "";
    this.speed = 0;
    this.hz = 0;
    /** @type {Promise<void>|null} */
    this.checking = null;
    this.checked = ""; // the window of the last checks
    this.ahead = ""; // the clips that are decoded ahead for a cell to come
    this.reported = -Infinity;
    this.loading = { at: NaN, bytes: 0 }; // when and with what loading began
    /** @type {import("./checks.js").Check[]} */
    this.checks = [];
    /** @type {any} */
    this.state = null;
    /** @type {{order: Order, abort: AbortController, shown: boolean}|null} shown: all of its clips */
    this.playing = null;
    this.takeOver = false;
    this.telling = Promise.resolve();
    this.outbox = new Outbox(String(data.token).slice(0, 12), sessionStorage);
    this.finishInterrupted();
    /** Cells that this page has shown, whether or not the server has heard of it yet. */
    this.shown = new Set(this.cellNews().map(({ message: said }) => said.showing));
    this.socket = new LiveSocket(String(data.socket), {
      outbox: this.outbox,
      hello: () => this.hello(),
      onstate: (state) => this.follow(state),
      onrefused: (refusal) => this.refused(refusal),
      onlink: (online) => this.linkChanged(online),
      onanswer: ({ message: said }, error) => this.answered(said, error),
      onerror: (reason) => console.warn(reason),
    });
    this.listen();
  }

  /** What a reload left behind. A cell whose evidence is still to be delivered was shown to the
   * end; news of any other cell is void, since that one will be shown again. */
  finishInterrupted() {
    const kept = this.cellNews().map(({ message: said }) => said);
    const judged = kept.find(({ type }) => type === "evidence" || type === "ended")?.showing;
    for (const { n, message: said } of this.cellNews()) {
      if (said.showing !== judged) this.outbox.remove(n);
    }
    if (judged && !kept.some((said) => said.type === "ended" && said.showing === judged)) {
      this.outbox.add({ type: "ended", showing: judged, at: Date.now() });
    }
  }

  /** What of the outbox tells how a cell went; votes typed here are delivered whatever happens. */
  cellNews() {
    return this.outbox.kept.filter(({ message: said }) => said.type !== "vote");
  }

  hello() {
    const display = (sessionStorage["midgrey-display"] ??= crypto.randomUUID());
    const undelivered = this.cellNews().at(-1)?.message.showing ?? null;
    const showing = this.playing?.order.id ?? undelivered;
    const fresh = !this.checks.length; // whatever was checked was checked by a page before
    return { type: "hello", display, showing, take_over: this.takeOver, fresh };
  }

  listen() {
    byId("fullscreen").addEventListener("click", () => this.goFullScreen());
    byId("recheck").addEventListener("click", () => this.check());
    byId("takeover").addEventListener("click", () => {
      this.takeOver = true;
      byId("refusal").hidden = true;
      this.socket.reopen();
    });
    let timer = 0;
    const later = () => {
      this.place();
      clearTimeout(timer);
      timer = window.setTimeout(() => this.check(), 400);
    };
    window.addEventListener("resize", later);
    document.addEventListener("fullscreenchange", later);
    document.addEventListener("visibilitychange", later);
  }

  async goFullScreen() {
    try {
      if (document.fullscreenElement) await document.exitFullscreen();
      else await document.documentElement.requestFullscreen({ navigationUI: "hide" });
    } catch {
      this.tell("The browser refused full screen: press F11 instead.");
    }
  }

  // ---- preparing

  async prepare() {
    if (this.preparing || this.loaded) return;
    this.preparing = true;
    try {
      const { session, clips } = await this.clipList();
      this.clips = new Map(clips.map((clip) => [clip.id, clip]));
      this.speed = await preloadClips(session, clips, (progress) => this.showProgress(progress));
      this.frames = new FrameQueue(session, this.painter.wants);
      this.painter.prepare(clips[0].manifest);
      this.painter.grey();
      this.place();
      this.loaded = true;
      this.progress = `${clips.length} clips stored and proved frame by frame`;
      byId("progress-text").textContent = this.progress;
      await this.check();
    } catch (error) {
      this.progress = message(error);
      this.tell(this.progress);
      this.report();
    } finally {
      this.preparing = false;
    }
  }

  /** @returns {Promise<{session: string, clips: Clip[]}>} */
  async clipList() {
    for (;;) {
      const answer = await fetch(this.clipsUrl).catch(() => null);
      if (answer?.ok) return answer.json();
      const reason = answer?.status === 409 ? (await answer.json()).reason
        : "The server does not answer; trying again.";
      this.tell(reason);
      this.progress = reason;
      this.report();
      await new Promise((resolve) => setTimeout(resolve, RETRY_CLIPS));
    }
  }

  /** @param {{bytes: number, total: number, ready: number, clips: number}} progress */
  showProgress({ bytes, total, ready, clips }) {
    const bar = /** @type {HTMLProgressElement} */ (byId("progress"));
    bar.max = total;
    bar.value = bytes;
    this.progress = `${(bytes / 1e6).toFixed(0)} of ${(total / 1e6).toFixed(0)} MB, ` +
      `${ready} of ${clips} clips proved${this.timeLeft(bytes, total)}`;
    byId("progress-text").textContent = this.progress;
    this.tell("Loading the clips. Leave this page open.");
    if (performance.now() - this.reported > REPORT_EVERY) this.report();
  }

  /** @param {number} bytes @param {number} total */
  timeLeft(bytes, total) {
    const now = performance.now();
    if (Number.isNaN(this.loading.at)) this.loading = { at: now, bytes }; // some were stored before
    const [passed, loaded] = [(now - this.loading.at) / 1000, bytes - this.loading.bytes];
    if (passed < 2 || !loaded) return "";
    const left = (passed * (total - bytes)) / loaded;
    return left < 90 ? `, about ${Math.ceil(left)} s left` : `, about ${Math.ceil(left / 60)} min left`;
  }

  async check() {
    if (!this.loaded || this.playing) return; // what changes during a cell is checked after it
    if (document.hidden || !this.checking) await this.measure(() => !this.playing);
  }

  /** @param {() => boolean} undisturbed whether what was measured meanwhile is worth reporting */
  async measure(undisturbed) {
    if (document.hidden) {
      this.accept([visible()]);
      return;
    }
    this.dropAhead(); // what is measured is the display at rest
    this.checking = this.runChecks(undisturbed);
    await this.checking.finally(() => { this.checking = null; });
    this.decodeAhead();
  }

  /** @param {() => boolean} undisturbed */
  async runChecks(undisturbed) {
    let seen, checks;
    do { // again where full screen was entered or left meanwhile
      seen = view();
      checks = await runChecks(
        [...this.clips.values()], this.painter, this.arrivals, this.speed, this.socket.clock,
      );
      if (!undisturbed()) return;
    } while (document.hidden || seen !== view());
    this.hz = checks.find((check) => "hz" in check)?.hz ?? 0;
    this.accept(checks);
  }

  /** @param {import("./checks.js").Check[]} checks */
  accept(checks) {
    this.checks = checks;
    this.checked = view();
    this.listChecks();
    this.report();
  }

  listChecks() {
    byId("checks").replaceChildren(...this.checks.map((check) => {
      const row = document.createElement("tr");
      row.className = check.ok ? "is-ok" : "is-bad";
      for (const text of [check.label, check.value, check.ok ? "pass" : "fail"]) {
        row.insertCell().textContent = text;
      }
      if (!check.ok) {
        const advice = document.createElement("small");
        advice.textContent = check.advice;
        row.cells[1].append(advice);
      }
      return row;
    }));
    this.describe();
  }

  report() {
    this.reported = performance.now();
    const checks = this.checks.map(({ id, label, value, ok, advice }) =>
      ({ id, label, value, ok, advice }));
    this.socket?.say({
      type: "report", checks, loaded: this.loaded, progress: this.progress, label: displayLabel(),
    });
  }

  place() {
    placeCanvas(this.canvas);
  }

  // ---- following the server

  /** @param {any} state */
  follow(state) {
    this.state = state;
    this.keypad.know(state.keypad ?? []);
    byId("instructions").hidden = !state.instructions;
    document.body.classList.toggle("is-instructing", state.instructions);
    this.takeOver = false;
    byId("refusal").hidden = true;
    this.prepare();
    const order = /** @type {Order|null} */ (state.showing);
    if (this.playing && order?.id !== this.playing.order.id) this.playing.abort.abort();
    else if (!this.playing && order && state.ready && this.loaded && !this.shown.has(order.id)) {
      this.play(order);
    } else this.decodeAhead();
    this.describe();
  }

  /** A cell whose evidence is not accepted cannot end by itself.
   * @param {import("../live/socket.js").Message} said @param {string|null} error */
  answered(said, error) {
    if (!error) return;
    console.warn(`${said.type} was refused: ${error}`);
    if (said.type === "vote") this.keypad.refused(said.seat, said.showing, said.slot);
    if (said.type !== "evidence" && said.type !== "ended") return;
    this.keep({ type: "failed", showing: said.showing, reason: error.slice(0, 300) });
  }

  /** @param {any} refusal */
  refused(refusal) {
    this.playing?.abort.abort();
    this.dropAhead();
    byId("refusal").hidden = false;
    byId("refusal-reason").textContent = refusal.reason;
    byId("takeover").hidden = !refusal.can_take_over && !this.state;
    document.body.classList.remove("is-on");
  }

  /** @param {boolean} online */
  linkChanged(online) {
    byId("offline").hidden = online;
    if (online && (this.checks.length || this.progress)) this.report();
  }

  /** What somebody at the display needs to know while no cell is on. */
  describe() {
    if (this.playing || !this.state) return;
    const { state, ready } = this.state;
    const started = state === "running" || state === "paused";
    const { instructions } = this.state;
    const failed = this.checks.filter((c) => !c.ok && !this.state.overruled.includes(c.id));
    byId("commissioning").textContent = this.state.commissioning;
    // Once started, the panel of the laboratory is for the coordinator only when something is wrong.
    document.body.classList.toggle("is-on", instructions || (started && ready) ||
      state === "finished" || state === "aborted");
    byId("message").textContent = {
      running: "", paused: "Pause", finished: "Thank you. The session is over.",
      aborted: "The session has ended.",
    }[/** @type {string} */ (state)] ?? "";
    byId("message").classList.toggle("is-quiet", true);
    if (!this.loaded) return;
    if (failed.length) this.tell("Not ready: put right what failed. The coordinator can also " +
      "start anyway from the console, with a reason.");
    else if (this.checks.length) this.tell("Ready. The coordinator can start the session.");
  }

  /** @param {string} text */
  tell(text) {
    byId("status").textContent = text;
  }

  // ---- showing

  /** @param {Phase[]} phases @returns {Clip[]} */
  clipsOf(phases) {
    return phases.flatMap(({ clip }) => {
      if (clip === null) return [];
      const found = this.clips.get(clip);
      if (!found) throw new Error("A clip of this cell was not loaded: reload the display page.");
      return [found];
    });
  }

  /** @param {Phase[]} phases decode ahead, unless that was begun already */
  ready(phases) {
    const clips = this.clipsOf(phases);
    const wanted = clips.map(({ id }) => id).join();
    const frames = /** @type {FrameQueue} */ (this.frames);
    if (this.ahead !== wanted || frames.failure) frames.start(clips);
    this.ahead = wanted;
    return clips;
  }

  /** What most likely comes next: before the session, and while viewers vote. */
  decodeAhead() {
    const upcoming = this.state?.upcoming;
    const idle = this.loaded && !this.checking && (!this.playing || this.playing.shown);
    if (upcoming && idle) this.ready(upcoming);
  }

  dropAhead() {
    this.frames?.stop();
    this.ahead = "";
  }

  /** @param {Order} order */
  async play(order) {
    const abort = new AbortController();
    this.playing = { order, abort, shown: false };
    document.body.classList.add("is-on");
    byId("message").textContent = "";
    const frames = /** @type {FrameQueue} */ (this.frames);
    try {
      const clips = this.ready(order.phases);
      this.ahead = ""; // from here on these frames are used up
      await frames.filled();
      if (!this.hz) this.hz = await measureRefresh(); // checks overruled before they could run
      this.painter.prepare(clips[0].manifest);
      this.painter.grey();
      this.place();
      const evidence = await this.show(order, abort.signal);
      await this.telling; // the evidence comes before the end
      if (document.hidden || view() !== this.checked) {
        await this.checking;
        await this.measure(() => true); // first, so that no cell follows on a display not ready
      }
      this.keep({ type: "ended", showing: order.id, at: this.socket.clock.at(Number(evidence.end)) });
    } catch (error) {
      this.dropAhead();
      if (!abort.signal.aborted) {
        this.keep({ type: "failed", showing: order.id, reason: message(error).slice(0, 300) });
      }
    }
    this.shown.add(order.id);
    this.playing = null;
    this.painter.grey();
    if (this.state) this.follow(this.state);
  }

  /** @param {Order} order @param {AbortSignal} signal */
  show(order, signal) {
    /** @type {Evidence} */
    let evidence;
    return showCell(order.phases, {
      painter: this.painter,
      frames: /** @type {FrameQueue} */ (this.frames),
      hz: this.hz,
      clips: this.clips,
      arrivals: this.arrivals,
      message: (text) => {
        byId("message").textContent = text;
        byId("message").classList.remove("is-quiet");
      },
      onphase: (index, stamp) => {
        const phase = order.phases[index];
        const at = this.socket.clock.at(stamp);
        if (phase.clip !== null) this.compare(evidence);
        if (index === 0) this.keypad.end();
        // Nothing but painting in the refresh itself.
        setTimeout(() => { this.telling = this.phaseBegan(order, phase, at, evidence, signal); });
      },
      watch: (collected) => {
        evidence = collected;
        return watchPage(collected, this.canvas);
      },
    }, signal);
  }

  /** A clip that begins in another window than the one checked is not shown as it was checked.
   * @param {Evidence} evidence */
  compare(evidence) {
    if (document.hidden) evidence.event("page hidden");
    if (view() !== this.checked) {
      evidence.event(`window is ${view()}, but ${this.checked || "none"} was checked`);
    }
  }

  /** @param {Order} order @param {Phase} phase @param {number} at @param {Evidence} evidence
   * @param {AbortSignal} signal */
  async phaseBegan(order, phase, at, evidence, signal) {
    this.keep({ type: "phase", showing: order.id, phase: phase.name, at });
    if (!phase.votes) return;
    this.keypad.begin(order.id);
    await this.arrivals.settled();
    if (signal.aborted) return;
    const clips = Object.fromEntries(order.phases.flatMap(({ name, clip }) =>
      clip === null ? [] : [[name, this.clips.get(clip)?.sha256]]));
    const report = {
      ...evidence.report(), clips, power: this.power.told(), painter: this.painter.name,
    };
    this.keep({ type: "evidence", showing: order.id, evidence: report });
    if (this.playing) this.playing.shown = true;
    this.decodeAhead();
  }

  /** @param {import("../live/socket.js").Message} said */
  keep(said) {
    this.socket.keep(said);
  }
}

/** @param {unknown} error */
const message = (error) => (error instanceof Error ? error.message : String(error));

const impossible = whyImpossible();
if (impossible) {
  byId("status").textContent = impossible;
  byId("preparing").classList.add("is-impossible");
} else {
  const display = new Display(byId("display").dataset);
  /** @type {any} */ (window).midgreyDisplay = display; // for commissioning in the laboratory
}
