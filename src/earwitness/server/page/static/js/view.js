// The part of the recording that is shown: all of it, or a closer look.

export class View extends EventTarget {
  from = 0;
  span = 1;
  total = 1;

  reset(total) {
    this.total = Math.max(total, 0.05);
    this.#set(0, this.total);
  }

  get to() {
    return this.from + this.span;
  }

  get whole() {
    return this.span >= this.total;
  }

  /** Looks closer (factor below 1) or from further away, holding the second `about` where it is. */
  zoom(factor, about = this.from + this.span / 2) {
    const span = Math.min(this.total, Math.max(Math.min(0.5, this.total), this.span * factor));
    const share = (about - this.from) / this.span;
    this.#set(about - share * span, span);
  }

  all() {
    this.#set(0, this.total);
  }

  pan(from) {
    this.#set(from, this.span);
  }

  /** Moves, if need be, so that the seconds from `start` on can be seen. */
  reveal(start, end = start) {
    if (start >= this.from && Math.min(end, start + this.span * 0.9) <= this.to) return;
    this.#set(start - this.span * 0.1, this.span);
  }

  #set(from, span) {
    const next = Math.min(Math.max(0, from), this.total - span);
    if (next === this.from && span === this.span) return;
    this.from = next;
    this.span = span;
    this.dispatchEvent(new Event("change"));
  }
}
