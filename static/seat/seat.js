// The seat: two boxes, eleven grades each, while a vote is open. A score is called saved only when
// the server has committed it; until then it is kept on this device and sent again and again. So is
// what the server said last, and by a service worker the page itself: it opens without the server.

import { LiveSocket, Outbox } from "../live/socket.js";

/** @typedef {"A"|"B"} Slot */

/** @type {Slot[]} */
const SLOTS = ["A", "B"];
const CALLED_OFFLINE = 2000; // ms without a connection; less is nothing to worry a viewer with
const SECOND_DIGIT_WITHIN = 800;
const REMEMBERED = 12 * 3600e3; // ms after which what the server said is of no use to anybody
const NEWS_WITHIN = 1500; // a display that is connected tells of its vote phase at once
const VOTE_SECONDS = 5; // where the server has told of no cell yet
const STAYS_IN_VIEW = 2000; // ms beyond a vote phase: then the next vote is for another cell

/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** When voting for a cell is open, as far as this device can know.
 * @param {any} cell @param {boolean} online with the server @param {boolean} displayOnline
 * @returns {{opens: number, closes: number}} */
export function voteWindow(cell, online, displayOnline) {
  // Without news from the display its plan is the best guess: it goes on without the network.
  const heard = online && displayOnline;
  const late = cell.begun ? cell.planned_at + NEWS_WITHIN : Infinity;
  const guess = heard ? late : cell.planned_at;
  const opens = cell.opened_at ?? guess;
  const plannedEnd = opens + cell.vote_seconds * 1000;
  return { opens, closes: cell.closed_at ?? (online ? Infinity : plannedEnd) };
}

class SeatPage {
  /** @param {DOMStringMap} data */
  constructor(data) {
    /** @type {any} */
    this.state = null;
    /** @type {Map<string, number>} scores the server has, by showing and slot */
    this.saved = new Map();
    /** @type {Map<string, number>} when a box was last tapped, by showing and slot */
    this.tapped = new Map();
    /** @type {Map<Slot, string>} */
    this.refusals = new Map();
    this.open = false;
    this.adrift = false; // without a connection for longer than may happen
    this.cutOff = false; // adrift beyond the last cell that this device knows of
    /** @type {string[]} */
    this.uncounted = []; // why votes given while cut off were refused
    this.digit = { value: "", at: 0 };
    this.worker = String(data.worker);
    this.memory = `midgrey-seat-${data.token}`;
    this.linked = performance.now(); // when the connection came or went
    this.stays = false; // whether this device keeps the page
    this.outbox = new Outbox(String(data.token));
    for (const { message: vote } of this.outbox.kept) this.wasTapped(vote.showing, vote.slot, vote.at);
    this.socket = new LiveSocket(String(data.socket), {
      outbox: this.outbox,
      onstate: (state) => this.hear(state),
      onlink: () => {
        this.linked = performance.now();
        this.render();
      },
      onrefused: ({ reason }) => this.close(reason),
      onanswer: ({ message }, error, answer) => this.answered(message, error, answer),
    });
    this.remember();
    for (const slot of SLOTS) {
      byId(`box-${slot}`).addEventListener("change", (event) => {
        this.vote(slot, Number(/** @type {HTMLInputElement} */ (event.target).value));
      });
    }
    document.addEventListener("keydown", (event) => this.key(event));
    document.addEventListener("visibilitychange", () => this.keepAwake());
    setInterval(() => this.render(), 200);
    this.keepAwake();
  }

  /** A phone that locks itself between two votes makes its viewer late. */
  async keepAwake() {
    if (document.visibilityState === "visible") {
      await navigator.wakeLock?.request("screen").catch(() => null);
    }
  }

  // ---- what outlives the page

  /** @param {any} state fresh from the server */
  hear(state) {
    this.follow(state);
    if (!this.isOver()) this.stay();
    if (this.stays) this.keep();
  }

  stay() {
    this.stays = true;
    // Over plain http, and in some private windows, there is none: the page needs the server to open.
    if (this.worker) navigator.serviceWorker?.register(this.worker).catch(() => null);
    this.worker = "";
  }

  keep() {
    const kept = { state: this.state, offset: this.socket.clock.offset, at: Date.now() };
    localStorage.setItem(this.memory, JSON.stringify(kept));
  }

  /** Where the server was when this page was open last. */
  remember() {
    const kept = JSON.parse(localStorage.getItem(this.memory) ?? "null");
    if (!kept || Math.abs(Date.now() - kept.at) > REMEMBERED) return;
    this.socket.clock.offset = kept.offset;
    this.stays = true;
    this.follow(kept.state);
  }

  /** Nothing is left to vote or to deliver. */
  async letGo() {
    this.stays = false;
    localStorage.removeItem(this.memory);
    const registration = await navigator.serviceWorker?.getRegistration();
    registration?.active?.postMessage({ over: location.pathname });
  }

  isOver() {
    return this.state?.state === "finished" || this.state?.state === "aborted";
  }

  /** @param {any} state */
  follow(state) {
    if (state.cell?.showing !== this.state?.cell?.showing) this.refusals.clear();
    this.state = state;
    for (const [slot, { score, at }] of Object.entries(state.cell?.votes ?? {})) {
      this.saved.set(`${state.cell.showing}/${slot}`, score);
      this.wasTapped(state.cell.showing, slot, at);
    }
    this.render();
  }

  /** @param {Slot} slot @param {number} score */
  vote(slot, score) {
    if (!this.open) return this.render();
    // Cut off, it is for whatever the display asks for now: the server knows by the time.
    const showing = this.cutOff ? null : this.state.cell.showing;
    this.refusals.delete(slot);
    this.uncounted = [];
    // The later tap wins, so a change is later than what it changes, even where the clock was
    // put back meanwhile.
    const before = this.tapped.get(`${showing}/${slot}`) ?? 0;
    const at = Math.max(this.socket.clock.now(), before + 1);
    this.wasTapped(showing, slot, at);
    this.socket.keep({ type: "vote", showing, slot, score, at });
    navigator.vibrate?.(15); // felt without looking down, where phones allow it
    return this.render();
  }

  /** @param {string|null} showing @param {string} slot @param {number} at */
  wasTapped(showing, slot, at) {
    const box = `${showing}/${slot}`;
    this.tapped.set(box, Math.max(at, this.tapped.get(box) ?? 0));
  }

  /** @param {any} vote @param {string|null} error @param {any} answer with the score kept */
  answered(vote, error, answer) {
    const { cell } = this.state ?? {};
    if (!error) {
      const { showing, score } = answer;
      this.saved.set(`${showing}/${vote.slot}`, score);
      this.wasTapped(showing, vote.slot, vote.at);
      if (showing === cell?.showing) cell.votes[vote.slot] = { score, at: vote.at };
      if (this.stays) this.keep();
    } else if (vote.showing === null) this.uncounted.push(error);
    else if (vote.showing === cell?.showing) this.refusals.set(vote.slot, error);
    this.render();
  }

  /** The last score that is still on its way. @param {string} showing @param {Slot} slot */
  pending(showing, slot) {
    return this.latestKept((vote) => vote.showing === showing && vote.slot === slot);
  }

  /** Given for the cell that is on, as far as can be known while cut off. @param {Slot} slot */
  givenUnheard(slot) {
    const seconds = this.state.cell?.vote_seconds ?? VOTE_SECONDS;
    const since = this.socket.clock.now() - 1000 * seconds - STAYS_IN_VIEW;
    return this.latestKept((vote) => vote.showing === null && vote.slot === slot && vote.at > since);
  }

  /** @param {(vote: any) => boolean} wanted @returns {number|undefined} its score */
  latestKept(wanted) {
    return this.outbox.kept.map(({ message }) => message).findLast(wanted)?.score;
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (!/^[0-9]$/.test(event.key) || event.ctrlKey || event.altKey || event.metaKey) return;
    const slot = document.activeElement?.closest("#box-B") ? "B" : "A";
    const ten = this.digit.value === `${slot}1` && event.key === "0" &&
      event.timeStamp - this.digit.at < SECOND_DIGIT_WITHIN;
    this.digit = { value: slot + event.key, at: event.timeStamp };
    const score = ten ? 10 : Number(event.key);
    const input = byId(`box-${slot}`).querySelector(`input[value="${score}"]`);
    if (!this.open || !(input instanceof HTMLInputElement)) return;
    event.preventDefault();
    input.focus();
    this.vote(slot, score);
  }

  render() {
    const { online } = this.socket;
    const cell = this.state?.cell;
    const calm = online || performance.now() - this.linked < CALLED_OFFLINE;
    this.adrift = !calm;
    byId("link").className = calm ? "link" : "link is-off";
    setText("link", online ? "connected" : calm ? "connecting…" : "offline, trying again");
    if (!this.state) return;
    const over = this.isOver();
    byId("asleep").hidden = over || "wakeLock" in navigator; // which takes https
    const now = this.socket.clock.now();
    const { opens, closes } = cell ? voteWindow(cell, online, this.state.display_online)
      : { opens: Infinity, closes: 0 };
    this.cutOff = this.adrift && !over && now >= closes;
    this.open = this.cutOff || (now >= opens && now < closes);
    document.body.classList.toggle("is-open", this.open);
    const place = cell && !this.cutOff;
    byId("place").textContent = place ? `Cell ${cell.number} of ${this.state.cells}` : "";
    byId("uncounted").hidden = !this.uncounted.length;
    setText("uncounted", this.tellUncounted());
    this.headline(cell, over, now, opens, closes);
    for (const slot of SLOTS) this.renderBox(slot, cell);
    if (over && !this.open && this.stays && !this.outbox.kept.length) this.letGo();
  }

  /** @param {any} cell @param {boolean} over @param {number} now @param {number} opens
   * @param {number} closes */
  headline(cell, over, now, opens, closes) {
    const left = cell ? Math.ceil(cell.vote_seconds - (now - opens) / 1000) : 0;
    let [title, hint, count] = ["Wait", "The session has not begun yet.", ""];
    const paused = this.state.state === "paused";
    if (this.cutOff) {
      [title, hint] = ["Offline", "When the display says “Vote”, vote here all the same." +
        " Your votes are kept on this device and sent when the connection is back."];
    } else if (this.open && !this.state.display_online && !over) {
      [title, hint] = [`Vote ${cell.number}`,
        "The display has lost its connection. Vote if you have seen both clips."];
    } else if (this.open && left > 0) {
      [title, hint, count] = [`Vote ${cell.number}`, "", `${left} s`];
    } else if (this.open && over) {
      const last = Math.max(0, Math.ceil((closes - now) / 1000));
      [title, hint] = ["Thank you", `The session is over. You can change your last votes for ${last} s.`];
    } else if (this.open) {
      const until = paused ? "until the session goes on" : "until the next clips begin";
      [title, hint] = [paused ? "Pause" : `Vote ${cell.number}`,
        `You can still change your votes for cell ${cell.number} ${until}.`];
    } else if (over) [title, hint] = ["Thank you", "The session is over. You can close this page."];
    else if (paused) [title, hint] = ["Pause", "The session goes on shortly."];
    else if (cell) [title, hint] = ["Watch the screen", "You can vote after box B."];
    if (this.state.training && this.open && !this.cutOff) hint = this.feedback(cell) + hint;
    setText("title", title);
    setText("hint", hint);
    setText("count", count);
    const link = /** @type {HTMLAnchorElement} */ (byId("next"));
    link.hidden = !(over && !this.open && this.state.next);
    if (this.state.next) link.href = this.state.next;
  }

  /** Of the votes that were given while cut off. */
  tellUncounted() {
    const [first, ...others] = this.uncounted;
    if (!first) return "";
    const which = others.length ? `${others.length + 1} taps while offline were`
      : "A tap while offline was";
    return `${which} not counted: ${[...new Set(this.uncounted)].join(" ")}`;
  }

  /** In a training viewers learn that their buttons are understood. @param {any} cell */
  feedback(cell) {
    const said = SLOTS.flatMap((slot) => {
      const score = this.saved.get(`${cell.showing}/${slot}`);
      return score === undefined ? [] : [`${slot} is ${score}`];
    });
    const understood = said.length ? `Understood: ${said.join(", ")}.` : "Tap a number for A and one for B.";
    return `Training, nothing counts. ${understood} `;
  }

  /** @param {Slot} slot @param {any} cell */
  renderBox(slot, cell) {
    const box = /** @type {HTMLFieldSetElement} */ (byId(`box-${slot}`));
    box.disabled = !this.open;
    const known = this.cutOff ? null : cell;
    const pending = this.cutOff ? this.givenUnheard(slot)
      : known ? this.pending(known.showing, slot) : undefined;
    const saved = known ? this.saved.get(`${known.showing}/${slot}`) : undefined;
    const score = pending ?? saved;
    for (const input of box.querySelectorAll("input")) {
      const checked = score !== undefined && Number(input.value) === score;
      if (input.checked !== checked) input.checked = checked;
    }
    const chosen = score === undefined ? null : box.querySelector(`input[value="${score}"]`);
    setText(`words-${slot}`, chosen instanceof HTMLElement ? String(chosen.dataset.words) : "");
    const [kind, text] = this.status(slot, pending, saved);
    setText(`status-${slot}`, text);
    byId(`status-${slot}`).className = `status is-${kind}`;
  }

  /** @param {Slot} slot @param {number|undefined} pending @param {number|undefined} saved
   * @returns {[string, string]} */
  status(slot, pending, saved) {
    const refusal = this.refusals.get(slot);
    if (pending !== undefined) {
      return this.socket.online ? ["sending", "sending…"]
        : ["offline", "kept on this device, sent when connected"];
    }
    if (refusal && saved !== undefined) {
      return ["refused", `your earlier vote, ${saved}, counts; the change came too late`];
    }
    if (refusal) return ["refused", `not counted: ${refusal}`];
    if (saved !== undefined) return ["saved", "saved"];
    return this.open ? ["none", "no vote yet"] : ["none", ""];
  }

  /** @param {string} reason */
  close(reason) {
    this.open = false;
    for (const slot of SLOTS) /** @type {HTMLFieldSetElement} */ (byId(`box-${slot}`)).disabled = true;
    this.state = null;
    this.letGo();
    setText("title", "Seat closed");
    setText("hint", reason);
    setText("count", "");
    setText("link", "");
  }
}

/** Only when it changes, so that a screen reader says it once. @param {string} id
 * @param {string} text */
function setText(id, text) {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
}

const page = document.getElementById("seat");
if (page) new SeatPage(page.dataset);
