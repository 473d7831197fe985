// Votes typed at the display's own keyboard, by up to three viewers one after another.
// A score is hidden as soon as it is complete: those beside shall not be swayed.

/**
 * @typedef {"A"|"B"} Slot
 * @typedef {{seat: number, label: string, showing: string|null, given: Slot[]}} KeypadSeat
 * @typedef {{seat: KeypadSeat, slot: Slot, given: boolean, refused: boolean}} Field
 */

const SLOTS = /** @type {Slot[]} */ (["A", "B"]);
const SECOND_DIGIT_WITHIN = 1000;

export class Keypad {
  /** @param {HTMLElement} panel
   * @param {(seat: number, showing: string, slot: Slot, score: number) => void} cast */
  constructor(panel, cast) {
    this.panel = panel;
    this.cast = cast;
    /** @type {KeypadSeat[]} */
    this.seats = [];
    /** @type {Field[]} */
    this.fields = [];
    this.showing = "";
    this.at = 0; // the field that is typed into
    this.typed = "";
    this.timer = 0;
    document.addEventListener("keydown", (event) => this.key(event));
  }

  get open() {
    return this.showing !== "" && this.fields.length > 0;
  }

  /** @param {KeypadSeat[]} seats as the server knows them */
  know(seats) {
    this.seats = seats;
    if (!this.open) return;
    for (const field of this.fields) {
      const known = seats.find(({ seat }) => seat === field.seat.seat);
      if (known?.showing === this.showing && known.given.includes(field.slot)) field.given = true;
    }
    this.draw();
  }

  /** @param {string} showing */
  begin(showing) {
    this.showing = showing;
    this.fields = this.seats.flatMap((seat) => SLOTS.map((slot) => {
      const given = seat.showing === showing && seat.given.includes(slot);
      return { seat, slot, given, refused: false };
    }));
    this.at = Math.max(0, this.fields.findIndex(({ given }) => !given));
    this.typed = "";
    this.draw();
  }

  end() {
    this.complete(); // a 1 that might have become a 10
    this.showing = "";
    this.panel.hidden = true;
  }

  /** @param {number} seat @param {string} showing @param {Slot} slot */
  refused(seat, showing, slot) {
    const field = this.fields.find((one) => one.seat.seat === seat && one.slot === slot);
    if (!field || showing !== this.showing) return;
    field.refused = true;
    field.given = false;
    this.draw();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (!this.open || event.ctrlKey || event.altKey || event.metaKey) return;
    if (/^[0-9]$/.test(event.key)) this.digit(event.key);
    else if (event.key === "Enter" || event.key === "ArrowRight") this.complete() || this.move(1);
    else if (event.key === "ArrowLeft") this.move(-1);
    else if (event.key === "Backspace") this.typed ? this.clear() : this.move(-1);
    else return;
    event.preventDefault();
    this.draw();
  }

  /** @param {string} digit */
  digit(digit) {
    if (this.typed === "1" && digit !== "0") this.complete();
    this.typed += digit;
    clearTimeout(this.timer);
    if (this.typed !== "1") this.complete();
    else this.timer = window.setTimeout(() => { this.complete(); this.draw(); }, SECOND_DIGIT_WITHIN);
  }

  clear() {
    clearTimeout(this.timer);
    this.typed = "";
  }

  /** @param {number} step */
  move(step) {
    this.clear();
    this.at = Math.max(0, Math.min(this.fields.length - 1, this.at + step));
  }

  /** What was typed is the score. @returns {boolean} whether there was anything */
  complete() {
    const field = this.fields[this.at];
    if (!this.typed || !field) return false;
    const score = Number(this.typed);
    this.clear();
    field.given = true;
    field.refused = false;
    this.cast(field.seat.seat, this.showing, field.slot, score);
    this.move(1);
    return true;
  }

  draw() {
    this.panel.hidden = !this.open;
    this.panel.replaceChildren(...this.seats.map((seat) => {
      const row = document.createElement("p");
      row.append(`${seat.label} `);
      for (const field of this.fields.filter((one) => one.seat.seat === seat.seat)) {
        const here = field === this.fields[this.at];
        const mark = document.createElement("span");
        mark.className = `${here ? "is-here" : ""} ${field.refused ? "is-refused" : ""}`.trim();
        const shown = here && this.typed ? this.typed : field.refused ? "too late"
          : field.given ? "✓" : "–";
        mark.textContent = `${field.slot} ${shown}`;
        row.append(mark);
      }
      return row;
    }));
  }
}
