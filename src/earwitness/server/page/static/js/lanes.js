// The lanes: each a list of notes along time. One stop of the tab key a lane, arrows within it.

import { LANES, laneOf } from "./account.js";
import { make, place } from "./dom.js";
import { named, when } from "./words.js";

const SURENESS = { sure: 1, likely: 0.58, possible: 0.26 };
const SPEECH_ROWS = { utterance: 0, voice: 1, emotion: 2, act: 3 };
const MOST_ROWS = 6;
const NARROW = 0.02;
const percent = (share) => `${share * 100}%`;

export class Lanes extends EventTarget {
  #box;
  #lanes = new Map();
  #spans = new Map();

  constructor(box) {
    super();
    this.#box = box;
  }

  reset() {
    this.#spans.clear();
    this.#lanes.clear();
    const lanes = Object.entries(LANES).map(([name, lane]) => {
      const list = make("ul", { role: "list", "aria-label": lane.title });
      const element = make("div", { className: "lane", data: { lane: name } }, make("h4", {}, lane.title), list);
      this.#lanes.set(name, { element, list, rows: [], used: 0 });
      this.#follow(list);
      return element;
    });
    this.#box.replaceChildren(...lanes);
    this.#box.classList.remove("choosing");
  }

  /** Adds notes; coverage is no happening and lies in no row. */
  add(notes, view) {
    for (const note of notes) {
      if (note.kind === "coverage") continue;
      const lane = this.#lanes.get(laneOf(note));
      const button = this.#button(note, view);
      button.tabIndex = lane.list.firstChild ? -1 : 0;
      place(button, { row: this.#row(lane, note) });
      const item = make("li", {}, button);
      const after = [...lane.list.children].findLast((other) => Number(other.dataset.start) <= note.start);
      item.dataset.start = note.start;
      if (after) after.after(item);
      else lane.list.prepend(item);
      place(lane.element, { rows: lane.used });
      this.#spans.set(note.id, button);
    }
  }

  #button(note, view) {
    const length = Math.max(note.end - note.start, 0);
    const text = named(note);
    const button = make("button", { type: "button", className: "span", title: `${text}\n${when(note)}`, "aria-label": `${text}, ${when(note)}` });
    if (length / view.total > NARROW / 3) button.append(make("bdi", {}, text));
    if (length / view.total < NARROW) button.classList.add("thin");
    place(button, { left: percent(note.start / view.total), wide: percent(length / view.total), sureness: SURENESS[note.certainty] ?? 0.58 });
    for (const [event, told] of [["pointerenter", "over"], ["focus", "over"], ["pointerleave", "out"], ["blur", "out"], ["click", "choose"]]) {
      button.addEventListener(event, () => this.dispatchEvent(new CustomEvent(told, { detail: note })));
    }
    return button;
  }

  #row(lane, note) {
    let row = SPEECH_ROWS[note.kind];
    if (row === undefined) {
      row = lane.rows.findIndex((end) => end <= note.start + 0.01);
      if (row < 0) row = lane.rows.length < MOST_ROWS ? lane.rows.length : lane.rows.indexOf(Math.min(...lane.rows));
      lane.rows[row] = Math.max(lane.rows[row] ?? 0, note.end);
    }
    lane.used = Math.max(lane.used, row + 1);
    return row;
  }

  /** Arrow keys, Home and End move within a lane. */
  #follow(list) {
    list.addEventListener("keydown", (event) => {
      const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity };
      if (!(event.key in steps)) return;
      event.preventDefault();
      const all = [...list.querySelectorAll(".span")];
      const at = all.indexOf(document.activeElement);
      const next = all[Math.min(all.length - 1, Math.max(0, at + steps[event.key]))];
      all[at].tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    });
  }

  /** Lights these notes, and the lanes where somebody listened. */
  light(notes) {
    this.#box.querySelectorAll(".lit, .listened").forEach((element) => element.classList.remove("lit", "listened"));
    for (const note of notes) {
      if (note.kind === "coverage") this.#lanes.get(laneOf(note)).element.classList.add("listened");
      else this.#spans.get(note.id)?.classList.add("lit");
    }
    this.#box.classList.toggle("choosing", notes.some((note) => note.kind !== "coverage"));
  }

  /** Shows the view's part: the lists are as long as all of the recording, and moved. */
  look(view) {
    for (const { list } of this.#lanes.values()) {
      list.style.width = percent(view.total / view.span);
      list.style.transform = `translateX(${percent(-view.from / view.total)})`;
    }
  }
}
