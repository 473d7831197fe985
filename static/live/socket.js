// A WebSocket that comes back by itself, knows the server's clock, and keeps what was said until
// the server has acknowledged it. Shared by the display, the seat and the console.

const PING_EVERY = 4000;
const FIRST_PINGS = [0, 300, 600, 900, 1200]; // several, since the shortest trip tells the time best
const SILENCE = 12000; // a socket that says nothing for so long is dead, whatever it claims
const LONGEST_WAIT = 5000;
const NOT_YOURS = 4403;

/**
 * @typedef {{[key: string]: any, type: string}} Message
 * @typedef {{message: Message, n: number}} Kept
 */

/** The server's clock, from the round trip that was shortest so far. */
export class ServerClock {
  constructor() {
    this.offset = 0;
    this.trip = Infinity;
  }

  /** @param {number} sent @param {number} now by the server @param {number} received */
  learn(sent, now, received) {
    const trip = received - sent;
    // An old best is forgotten slowly, since clocks drift.
    this.trip = this.trip * 1.05 + 0.1;
    if (trip > this.trip) return;
    this.trip = trip;
    this.offset = now - (sent + received) / 2;
  }

  now() {
    return Date.now() + this.offset;
  }

  /** @param {number} stamp of performance.now or requestAnimationFrame */
  at(stamp) {
    return this.now() - (performance.now() - stamp);
  }
}

/** Messages that must arrive, in their order, over any number of reloads. */
export class Outbox {
  /** @param {string} name @param {Storage} [storage] */
  constructor(name, storage = localStorage) {
    this.name = `midgrey-outbox-${name}`;
    this.storage = storage;
    /** @type {Kept[]} */
    this.kept = JSON.parse(storage.getItem(this.name) ?? "[]");
    this.next = this.kept.reduce((most, { n }) => Math.max(most, n), 0) + 1;
  }

  /** @param {Message} message @returns {Kept} */
  add(message) {
    const kept = { message, n: this.next++ };
    this.kept.push(kept);
    this.save();
    return kept;
  }

  /** @param {number} n @returns {Kept|undefined} */
  remove(n) {
    const found = this.kept.find((kept) => kept.n === n);
    this.kept = this.kept.filter((kept) => kept.n !== n);
    this.save();
    return found;
  }

  save() {
    this.storage.setItem(this.name, JSON.stringify(this.kept));
  }
}

export class LiveSocket {
  /**
   * @param {string} path
   * @param {{outbox?: Outbox, hello?: () => Message, onstate?: (state: Message) => void,
   *   onrefused?: (refusal: Message) => void, onlink?: (online: boolean) => void,
   *   onanswer?: (kept: Kept, error: string|null, answer: Message) => void,
   *   onerror?: (reason: string, n: number|null) => void,
   *   onack?: (n: number) => void}} given
   */
  constructor(path, given) {
    this.url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;
    this.given = given;
    this.clock = new ServerClock();
    this.online = false;
    this.wait = 250;
    this.heard = 0;
    this.over = false;
    /** @type {WebSocket|null} */
    this.socket = null;
    this.open();
    setInterval(() => this.ping(), PING_EVERY);
    window.addEventListener("online", () => this.open());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.open();
    });
  }

  open() {
    if (this.over || (this.socket && this.socket.readyState <= WebSocket.OPEN)) return;
    // The one before may still be closing, and nobody waits for that: what it did not have
    // acknowledged is sent again as soon as this one is heard.
    this.setOnline(false);
    const socket = new WebSocket(this.url);
    this.socket = socket;
    socket.onopen = () => {
      this.heard = performance.now();
      if (this.given.hello) socket.send(JSON.stringify(this.given.hello()));
      for (const wait of FIRST_PINGS) setTimeout(() => this.ping(), wait);
    };
    socket.onmessage = ({ data }) => {
      if (this.socket === socket) this.receive(JSON.parse(data));
    };
    socket.onclose = ({ code }) => {
      if (this.socket !== socket) return;
      this.setOnline(false);
      if (code === NOT_YOURS) this.over = true;
      if (this.over) return;
      setTimeout(() => this.open(), this.wait * (0.75 + Math.random() / 2));
      this.wait = Math.min(LONGEST_WAIT, this.wait * 2);
    };
  }

  /** Join anew after a refusal, with another hello. */
  reopen() {
    this.over = false;
    this.open();
  }

  ping() {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    if (performance.now() - this.heard > SILENCE) {
      this.socket.close();
      this.open();
      return;
    }
    this.socket.send(JSON.stringify({ type: "ping", t: Date.now() }));
  }

  /** @param {Message} message */
  receive(message) {
    this.heard = performance.now();
    switch (message.type) {
      case "pong":
        this.clock.learn(message.t, message.now, Date.now());
        break;
      case "state":
        this.wait = 250;
        if (this.clock.trip === Infinity) this.clock.offset = message.now - Date.now();
        this.setOnline(true);
        this.given.onstate?.(message);
        break;
      case "refused":
        this.over = true;
        this.setOnline(false);
        this.given.onrefused?.(message);
        break;
      case "ack":
        this.answered(message, null);
        break;
      case "error":
        this.answered(message, message.reason);
        break;
    }
  }

  /** @param {boolean} online */
  setOnline(online) {
    if (online === this.online) return;
    this.online = online;
    // First whatever the page says on this: a display how it stands, before what it has shown.
    this.given.onlink?.(online);
    if (online) for (const kept of this.given.outbox?.kept ?? []) this.transmit(kept);
  }

  /** @param {Message} answer @param {string|null} error */
  answered(answer, error) {
    const n = /** @type {number|null} */ (answer.n);
    const kept = n === null ? undefined : this.given.outbox?.remove(n);
    if (kept) this.given.onanswer?.(kept, error, answer);
    else if (error) this.given.onerror?.(error, n);
    else if (n !== null) this.given.onack?.(n);
  }

  /** Say something that must arrive. @param {Message} message @returns {Kept} */
  keep(message) {
    if (!this.given.outbox) throw new Error("This socket keeps nothing.");
    const kept = this.given.outbox.add(message);
    if (this.online) this.transmit(kept);
    return kept;
  }

  /** @param {Kept} kept */
  transmit({ message, n }) {
    this.say({ ...message, n });
  }

  /** Say something that matters only now. @param {Message} message @returns {boolean} */
  say(message) {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }
}
