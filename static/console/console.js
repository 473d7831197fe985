// The coordinator's console: shows the server's snapshot and sends wishes. It keeps no state of
// its own, so that any number of consoles agree.

import { LiveSocket } from "../live/socket.js";

/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

const FAILURES_IN_A_ROW = 2; // then the screen, not chance, is to blame
const PHASE_NAMES = {
  grey: "grey", reference: "reference", "announce-a": "“A”", a: "box A", "announce-b": "“B”",
  b: "box B", vote: "vote",
};

const STATE_BADGES = {
  planned: "muted", ready: "ok", running: "live", paused: "warn", finished: "ok", aborted: "muted",
};

const COMMISSIONED = {
  agrees: ["ok", "commissioned"], differs: ["bad", "light differs from log"],
  unmeasured: ["warn", "not measured"], never: ["muted", "not commissioned"],
};

/** @param {number} seconds */
export function clockTime(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** @param {string} tag @param {string} className @param {...(Node|string)} children */
function element(tag, className, ...children) {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...children);
  return made;
}

/** Makes a list's items like those made anew, touching only what differs: what has the focus, or is
 * being clicked, stays. Items with a key are matched by it.
 * @param {Element} list @param {HTMLElement[]} items */
export function redraw(list, items) {
  const keys = new Set(items.map(({ dataset }) => dataset.key));
  let next = /** @type {HTMLElement|null} */ (list.firstElementChild);
  const drop = () => {
    const gone = next;
    next = /** @type {HTMLElement|null} */ (next?.nextElementSibling ?? null);
    gone?.remove();
  };
  for (const item of items) {
    while (next && !keys.has(next.dataset.key)) drop();
    if (!next || next.dataset.key !== item.dataset.key) {
      list.insertBefore(item, next);
      continue;
    }
    const was = next;
    next = /** @type {HTMLElement|null} */ (was.nextElementSibling);
    if (was.isEqualNode(item)) continue;
    if (was.querySelector("button") && item.querySelector("button")) {
      was.className = item.className;
      redraw(was, /** @type {HTMLElement[]} */ ([...item.children]));
    } else was.replaceWith(item);
  }
  while (next) drop();
}

class Console {
  /** @param {DOMStringMap} data */
  constructor(data) {
    /** @type {any} */
    this.state = null;
    this.received = 0;
    this.wish = 0;
    /** @type {number|null} */
    this.seat = null; // the one a dialog is about
    /** @type {number|null} */
    this.cell = null; // likewise
    this.socket = new LiveSocket(String(data.socket), {
      onstate: (state) => this.follow(state),
      onlink: (online) => { byId("link").hidden = online; },
      onrefused: ({ reason }) => this.notice(reason),
      onerror: (reason) => this.notice(reason),
      onack: () => this.notice(""),
    });
    document.addEventListener("click", (event) => this.clicked(event));
    byId("add-seat").addEventListener("submit", (event) => this.addSeat(event));
    byId("add-note").addEventListener("submit", (event) => this.addNote(event));
    byId("overrule").addEventListener("submit", (event) => this.overrule(event));
    setInterval(() => this.tick(), 200);
  }

  /** @param {{type: string, [key: string]: any}} wish @returns {boolean} whether it went out */
  send(wish) {
    this.notice("");
    const sent = this.socket.online && this.socket.say({ ...wish, n: ++this.wish });
    if (!sent) {
      this.notice("There is no connection to the server: nothing was done. Try again shortly.");
    }
    return Boolean(sent);
  }

  /** @param {string} text */
  notice(text) {
    byId("notice").hidden = !text;
    byId("notice").firstElementChild.textContent = text;
  }

  /** @param {MouseEvent} event */
  clicked(event) {
    const button = /** @type {HTMLElement} */ (event.target).closest("button");
    if (!button) return;
    const { act, dialog, seat, show, cell } = button.dataset;
    if (dialog === "repeat-dialog") {
      this.aboutCell(cell ? Number(cell) : this.state.latest_cell, "repeat-name");
    }
    if (dialog === "skip-dialog") this.aboutCell(this.skippable().id, "skip-name");
    if (dialog === "go-on-dialog") byId("go-on-names").textContent = this.state.awaited.join(", ");
    if (dialog) /** @type {HTMLDialogElement} */ (byId(dialog)).showModal();
    if (show) this.openSeatDialog(show, Number(seat));
    if ("closeDialog" in button.dataset) button.closest("dialog")?.close();
    if (!act) return;
    if (act === "repeat" || act === "skip") this.send({ type: act, cell: this.cell });
    else if (act === "instructions") this.send({ type: act, shown: button.dataset.shown === "true" });
    else if (act === "revoke-seat") this.send({ type: act, seat: this.seat });
    else this.send({ type: act });
    button.closest("dialog")?.close();
  }

  /** The dialog stays with its cell, whatever is shown meanwhile.
   * @param {number} pk @param {string} name where it is named */
  aboutCell(pk, name) {
    this.cell = pk;
    const { number } = this.state.cells.find((/** @type {any} */ one) => one.id === pk);
    byId(name).textContent = `cell ${number}`;
  }

  /** The cell that is on, unless its clips were shown already, else the next one. */
  skippable() {
    const open = (/** @type {any} */ cell) => !cell.skipped && cell.valid === null;
    return this.state.cells.find(open);
  }

  /** @param {SubmitEvent} event */
  addSeat(event) {
    event.preventDefault();
    const input = /** @type {HTMLInputElement} */ (byId("viewer"));
    const { value: kind } = /** @type {HTMLSelectElement} */ (byId("seat-kind"));
    this.send({ type: "add-seat", viewer: input.value, kind });
    input.value = "";
    input.focus();
  }

  /** @param {SubmitEvent} event */
  addNote(event) {
    event.preventDefault();
    const input = /** @type {HTMLInputElement} */ (byId("note"));
    if (this.send({ type: "note", text: input.value })) input.value = "";
    input.focus();
  }

  /** @param {SubmitEvent} event */
  overrule(event) {
    event.preventDefault();
    const input = /** @type {HTMLInputElement} */ (byId("reason"));
    this.send({ type: "overrule", reason: input.value });
    /** @type {HTMLDialogElement} */ (byId("overrule-dialog")).close();
  }

  /** @param {string} show @param {number} pk */
  openSeatDialog(show, pk) {
    const seat = this.state.seats.find((/** @type {any} */ one) => one.id === pk);
    this.seat = pk;
    if (show === "revoke-dialog") byId("revoke-name").textContent = seat.viewer;
    else {
      const link = /** @type {HTMLAnchorElement} */ (byId("qr-link"));
      byId("qr-title").textContent = `Seat of ${seat.viewer}`;
      byId("qr-code").textContent = seat.code;
      /** @type {HTMLImageElement} */ (byId("qr-image")).src = seat.qr;
      link.href = seat.url;
      link.textContent = link.href;
    }
    /** @type {HTMLDialogElement} */ (byId(show)).showModal();
  }

  // ---- the snapshot

  /** @param {any} state */
  follow(state) {
    this.state = state;
    this.received = performance.now();
    byId("state").textContent = state.state_label;
    byId("state").className = "badge badge--" +
      STATE_BADGES[/** @type {keyof typeof STATE_BADGES} */ (state.state)];
    this.offer();
    this.renderCells();
    this.renderDisplay();
    this.renderSeats();
    this.renderNotes();
    this.tick();
  }

  /** Only what can be done now. */
  offer() {
    const { state, display, latest_cell: latest, cells, awaited, instructions, showing } = this.state;
    const live = state === "running" || state === "paused";
    const over = state === "finished" || state === "aborted";
    const last = cells.find((/** @type {any} */ cell) => cell.id === latest);
    const offered = {
      start: state === "planned" || state === "ready", pause: state === "running",
      resume: state === "paused", repeat: live && last, end: !over,
      overrule: !over && display.failed.length && display.loaded,
      skip: live && this.skippable(), "go-on": state === "running" && awaited.length,
    };
    for (const button of document.querySelectorAll("#console > * [data-act], [data-needs]")) {
      if (!(button instanceof HTMLButtonElement) || button.closest("dialog")) continue;
      const wish = /** @type {keyof typeof offered} */ (button.dataset.act ?? button.dataset.needs);
      if (wish in offered) button.hidden = !offered[wish];
      if (wish === "instructions") {
        const shown = button.dataset.shown === "true";
        button.hidden = shown === instructions || over || (shown && (state === "running" || showing));
      }
      if (wish === "start") button.disabled = !display.ready || !display.online;
    }
    byId("results").hidden = !over;
    byId("add-seat").hidden = over;
    const judged = cells.filter((/** @type {any} */ cell) => typeof cell.valid === "boolean");
    byId("drops").hidden = over || judged.length < FAILURES_IN_A_ROW
      || judged.slice(-FAILURES_IN_A_ROW).some((/** @type {any} */ cell) => cell.valid);
    byId("display-link").hidden = over;
  }

  /** What moves by itself between two snapshots. */
  tick() {
    if (!this.state) return;
    const { showing, seconds_left: left, state, cells, seats, display } = this.state;
    const passed = showing && display.online ? (performance.now() - this.received) / 1000 : 0;
    byId("left").textContent = clockTime(left - passed);
    const shown = cells.filter((/** @type {any} */ cell) => cell.state === "shown").length;
    byId("shown").textContent = `${shown} of ${cells.length}`;
    const seated = seats.filter((/** @type {any} */ seat) => !seat.revoked && seat.kind !== "paper");
    const given = seated.reduce((/** @type {number} */ sum, /** @type {any} */ seat) =>
      sum + seat.slots.length, 0);
    byId("votes").textContent = seated.length ? `${given} of ${2 * seated.length}` : "–";
    const bar = /** @type {HTMLProgressElement} */ (byId("phase-bar"));
    bar.hidden = !showing?.phase;
    byId("now").textContent = this.nowLine(showing, state, display, bar);
  }

  /** @param {any} showing @param {string} state @param {any} display
   * @param {HTMLProgressElement} bar */
  nowLine(showing, state, display, bar) {
    if (state === "finished") return "All cells have been shown.";
    if (state === "aborted") return "The session was ended.";
    if (!showing) {
      if (state === "paused") return "Paused. Resume when everybody is ready.";
      if (state === "running") {
        const { awaited } = this.state;
        if (display.online && awaited.length) return `Waiting for the votes of ${awaited.join(", ")}.`;
        return display.online ? "Waiting for the display to be ready."
          : "The display is not connected: open it again, the session goes on from here.";
      }
      if (!display.online) return "Open the display to begin.";
      if (display.ready) return "Everything is ready to start.";
      return display.loaded ? "The display is not ready: see its checks."
        : "The display is loading the clips.";
    }
    const cell = `Cell ${showing.number} of ${this.state.cells.length}`;
    if (!display.online) {
      bar.hidden = true;
      return `${cell}: the display has lost its connection. It may still be playing: look at the ` +
        "screen. If it is not, open the display again; this cell is then shown anew.";
    }
    const phase = showing.phases.find((/** @type {any} */ one) => one.name === showing.phase);
    if (!phase) return `${cell}: about to begin.`;
    const elapsed = (this.socket.clock.now() - showing.phase_started_at) / 1000;
    bar.max = phase.seconds;
    bar.value = Math.min(phase.seconds, elapsed);
    const name = PHASE_NAMES[/** @type {keyof typeof PHASE_NAMES} */ (phase.name)] ?? phase.name;
    const pausing = state === "paused" ? " Pauses after this cell." : "";
    return `${cell}: ${name}, ${Math.max(0, phase.seconds - elapsed).toFixed(1)} s.${pausing}`;
  }

  renderCells() {
    const { cells, showing, state } = this.state;
    const live = state === "running" || state === "paused";
    redraw(byId("timeline"), cells.map((/** @type {any} */ cell) => {
      const classes = [];
      if (cell.kind !== "test") classes.push("is-stabilisation");
      if (cell.skipped) classes.push("is-skipped");
      if (cell.state === "shown") classes.push(cell.valid ? "is-shown" : "is-invalid");
      if (showing?.cell === cell.id) classes.push("is-current");
      const item = element("span", classes.join(" "), String(cell.number));
      item.setAttribute("role", "listitem");
      const verdict = cell.skipped ? "skipped" : cell.verdict;
      item.title = [cell.kind, verdict].filter(Boolean).join(": ");
      return item;
    }));
    const begun = cells.filter((/** @type {any} */ cell) => cell.showings);
    byId("no-cells").hidden = begun.length > 0;
    byId("cells-table").hidden = byId("evidence-link").hidden = !begun.length;
    redraw(byId("cells"), begun.reverse().map((/** @type {any} */ cell) => {
      const row = element("tr", "");
      row.dataset.key = String(cell.id);
      const repeated = cells.some((/** @type {any} */ one) => one.repeats === cell.number);
      const wish = element("td", "");
      if (live && !repeated && cell.state !== "interrupted") wish.append(this.repeatButton(cell));
      const kind = cell.repeats ? `${cell.kind}, repeats ${cell.repeats}` : cell.kind;
      row.append(element("td", "num", String(cell.number)), element("td", "", kind),
        element("td", "", this.verdict(cell)), wish);
      return row;
    }));
  }

  /** @param {any} cell */
  repeatButton(cell) {
    const button = element("button", "button button--small", "Repeat");
    button.setAttribute("type", "button");
    button.setAttribute("aria-label", `Repeat cell ${cell.number}`);
    Object.assign(button.dataset, { dialog: "repeat-dialog", cell: String(cell.id) });
    return button;
  }

  /** @param {any} cell */
  verdict(cell) {
    const again = cell.showings > 1 ? ` (attempt ${cell.showings})` : "";
    if (cell.state === "playing" && cell.valid === null) {
      return element("span", "badge badge--live", `on now${again}`);
    }
    if (cell.state === "interrupted") {
      return element("span", "", element("span", "badge badge--warn", "interrupted"),
        ` ${cell.verdict}`);
    }
    return element("span", "", element("span", `badge badge--${cell.valid ? "ok" : "bad"}`,
      cell.valid ? (cell.kind === "test" ? "counts" : "as planned") : "does not count"), ` ${cell.verdict}${again}`);
  }

  renderDisplay() {
    const { display } = this.state;
    const [kind, text] = !display.online ? ["bad", "not connected"]
      : display.ready ? ["ok", "ready"] : display.loaded ? ["warn", "not ready"] : ["live", "loading"];
    byId("display-state").className = `badge badge--${kind}`;
    byId("display-state").textContent = text;
    byId("display-progress").textContent = display.online ? display.progress
      : "Open the display on the screen that the viewers watch.";
    const checks = display.online ? display.checks : []; // what a lost display measured is past
    redraw(byId("checks"), checks.map((/** @type {any} */ check) => {
      const verdict = check.ok ? "pass" : display.overruled.includes(check.id) ? "accepted" : "fail";
      const item = element("li", `is-${verdict}`, element("strong", "", check.label),
        element("span", "muted", check.value), element("span", "verdict", verdict));
      if (!check.ok) item.append(element("span", "advice", check.advice));
      return item;
    }));
    byId("commissioning-line").hidden = !display.online;
    this.renderCommissioning(display.commissioning);
    byId("overruled").hidden = !display.reason;
    byId("overruled").textContent = `Failed checks accepted: ${display.reason}`;
    redraw(byId("failed"), display.checks
      .filter((/** @type {any} */ check) => display.failed.includes(check.id))
      .map((/** @type {any} */ check) => element("li", "", `${check.label}: ${check.value}`)));
  }

  /** Information only: it keeps no session from being started. @param {any} known */
  renderCommissioning({ state, text, url }) {
    const [kind, word] = COMMISSIONED[/** @type {keyof typeof COMMISSIONED} */ (state)];
    byId("commissioning").className = `badge badge--${kind}`;
    byId("commissioning").textContent = word;
    const link = /** @type {HTMLAnchorElement} */ (byId("commissioning-link"));
    link.textContent = text;
    link.href = url;
  }

  renderNotes() {
    redraw(byId("notes"), this.state.notes.map((/** @type {any} */ note) => {
      const at = new Date(note.at).toLocaleTimeString([], { hour12: false });
      const place = note.cell ? `cell ${note.cell}` : "";
      const about = [at, place, note.author].filter(Boolean).join(" · ");
      const item = element("li", "", element("span", "muted small", about), note.text);
      item.dataset.key = String(note.id);
      return item;
    }));
  }

  renderSeats() {
    const { seats } = this.state;
    byId("no-seats").hidden = seats.length > 0;
    byId("paper-link").hidden = !seats.some((/** @type {any} */ { kind }) => kind === "paper");
    redraw(byId("seats"), seats.map((/** @type {any} */ seat) => this.seatItem(seat)));
  }

  /** @param {any} seat */
  seatItem(seat) {
    const [kind, text] = seat.revoked ? ["muted", "closed"]
      : seat.kind === "keypad" ? ["muted", "display's keyboard"]
        : seat.kind === "paper" ? ["muted", "paper"]
          : seat.online ? ["ok", "connected"] : ["warn", "not connected"];
    const ticks = ["A", "B"].map((slot) => {
      const given = seat.slots.includes(slot);
      const tick = element("span", given ? "tick is-given" : "tick", `${slot} ${given ? "✓" : "–"}`);
      tick.setAttribute("aria-label", `${slot}: ${given ? "voted" : "no vote yet"}`);
      return tick;
    });
    const item = element("li", "", element("strong", "", seat.viewer),
      element("span", `badge badge--${kind}`, text), element("span", "ticks", ...ticks),
      element("span", "muted small", `${seat.votes} votes in all`));
    item.dataset.key = String(seat.id);
    if (!seat.revoked) {
      const actions = element("span", "actions", this.seatButton("Close seat", "revoke-dialog", seat));
      if (seat.kind === "device") actions.prepend(this.seatButton("QR code", "qr-dialog", seat));
      item.append(actions);
    }
    return item;
  }

  /** @param {string} text @param {string} dialog @param {any} seat */
  seatButton(text, dialog, seat) {
    const button = element("button", "button button--small", text);
    button.setAttribute("type", "button");
    button.setAttribute("aria-label", `${text} of ${seat.viewer}`);
    Object.assign(button.dataset, { show: dialog, seat: String(seat.id) });
    return button;
  }
}

const page = document.getElementById("console");
if (page) new Console(page.dataset);
