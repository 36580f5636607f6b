// The timeline: what is shown of the recording, where it plays, what is lit.

import { joined } from "./account.js";
import { $, make, show } from "./dom.js";
import { Lanes } from "./lanes.js";
import { View } from "./view.js";
import { drawRuler, drawSpectrogram, drawWave, repaint } from "./wave.js";
import { clock } from "./words.js";

const CLOSER_S = 0.25;
const STEP_S = 5;

export class Timeline {
  lanes = new Lanes($("lanes"));
  view = new View();
  #server;
  #player;
  #taken = null;
  #peaks = null;
  #closer = null;
  #asking = null;
  #lit = [];
  #due = 0;
  #later = 0;

  constructor(server, player) {
    this.#server = server;
    this.#player = player;
    this.view.addEventListener("change", () => this.#looked());
    new ResizeObserver(() => this.#draw()).observe($("tracks"));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      repaint();
      this.#draw();
    });
    this.lanes.addEventListener("over", ({ detail }) => document.activeElement?.matches(".span") && this.view.reveal(detail.start, detail.end));
    player.addEventListener("time", () => this.#playhead());
    player.addEventListener("state", () => this.#state());
    this.#controls();
    this.#pointing();
  }

  /** Shows a recording that was taken in. */
  load(taken) {
    this.#taken = taken;
    this.#peaks = { ...taken.peaks, from: 0, to: taken.facts.seconds };
    this.#closer = null;
    this.#lit = [];
    $("total").textContent = clock(taken.facts.seconds);
    $("seek").setAttribute("aria-valuemax", taken.facts.seconds);
    this.lanes.reset();
    show($("timeline"));
    this.view.reset(taken.facts.seconds);
    this.#looked();
    this.#playhead();
  }

  unload() {
    this.#asking?.abort();
    this.#taken = null;
    show($("timeline"), false);
  }

  add(notes) {
    this.lanes.add(notes, this.view);
  }

  /** Lights notes, and their seconds on the waveform. */
  light(notes) {
    this.lanes.light(notes);
    this.#lit = joined(notes.filter((n) => n.kind !== "coverage").map((n) => [n.start, n.end]), 0);
    this.#draw();
  }

  #controls() {
    $("play").addEventListener("click", () => this.#player.toggle());
    $("in").addEventListener("click", () => this.view.zoom(0.5, this.#middle()));
    $("out").addEventListener("click", () => this.view.zoom(2, this.#middle()));
    $("fit").addEventListener("click", () => this.view.all());
    $("pan").addEventListener("input", () => this.view.pan(($("pan").value / 1000) * (this.view.total - this.view.span)));
    $("spectro").addEventListener("click", () => {
      const on = $("spectro-box").hidden;
      $("spectro").setAttribute("aria-pressed", on);
      show($("spectro-box"), on);
      if (on) this.#ask();
    });
    $("seek").addEventListener("keydown", (event) => {
      const steps = { ArrowRight: STEP_S, ArrowUp: STEP_S, ArrowLeft: -STEP_S, ArrowDown: -STEP_S, PageUp: 60, PageDown: -60, Home: -Infinity, End: Infinity };
      if (event.key === " " || event.key === "Enter") this.#player.toggle();
      else if (event.key in steps) this.#player.seek(Math.min(this.view.total - 0.05, Math.max(0, this.#player.time + steps[event.key])));
      else return;
      event.preventDefault();
    });
  }

  /** Looks closer around the playhead where that can be seen. */
  #middle() {
    const now = this.#player.time;
    return now >= this.view.from && now <= this.view.to ? now : undefined;
  }

  #pointing() {
    const seek = $("seek");
    const second = (event) => {
      const box = seek.getBoundingClientRect();
      return this.view.from + (Math.min(Math.max(0, event.clientX - box.left), box.width) / box.width) * this.view.span;
    };
    seek.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      seek.setPointerCapture(event.pointerId);
      this.#player.seek(second(event));
    });
    seek.addEventListener("pointermove", (event) => seek.hasPointerCapture(event.pointerId) && this.#player.seek(second(event)));
    $("tracks").addEventListener("wheel", (event) => {
      if (event.ctrlKey || event.metaKey) this.view.zoom(Math.exp(event.deltaY * 0.004), second(event));
      else if (!this.view.whole && Math.abs(event.deltaX) > Math.abs(event.deltaY)) this.view.pan(this.view.from + (event.deltaX / seek.clientWidth) * this.view.span);
      else return;
      event.preventDefault();
    }, { passive: false });
  }

  #looked() {
    this.lanes.look(this.view);
    show($("pan"), !this.view.whole);
    if (!this.view.whole) $("pan").value = Math.round((this.view.from / (this.view.total - this.view.span)) * 1000);
    $("pan").setAttribute("aria-valuetext", `${clock(this.view.from)} to ${clock(this.view.to)}`);
    $("out").disabled = $("fit").disabled = this.view.whole;
    this.#draw();
    this.#playhead();
    clearTimeout(this.#later);
    this.#later = setTimeout(() => this.#ask(), CLOSER_S * 1000);
  }

  /** Asks for finer peaks where the view has come close, and for the spectrogram where it is shown. */
  async #ask() {
    if (!this.#taken) return;
    this.#asking?.abort();
    this.#asking = new AbortController();
    const { key } = this.#taken;
    const { from, to, span, total, whole } = this.view;
    const columns = Math.min(2000, Math.max(200, Math.round($("seek").clientWidth)));
    const { signal } = this.#asking;
    try {
      if (!whole && span < total / 2) {
        this.#closer = { ...(await this.#server.peaks(key, from, to, columns, signal)), from, to };
        this.#draw();
      }
      if (!$("spectro-box").hidden) drawSpectrogram($("spectrogram"), await this.#server.spectrogram(key, from, to, Math.min(columns, 1200), signal));
    } catch (error) {
      if (error.name !== "AbortError") this.#gone();
    }
  }

  /** The server has no more of the recording: what is drawn stays, the rest says why. */
  #gone() {
    if (!$("spectro-box").hidden) $("spectro-box").replaceChildren(make("p", { className: "small" }, "The server no longer has the recording. Give it once more to look closer."));
  }

  #draw() {
    if (this.#due || !this.#peaks) return;
    this.#due = requestAnimationFrame(() => {
      this.#due = 0;
      if ($("timeline").hidden) return;
      const near = this.#closer && this.#closer.from <= this.view.from + 1e-6 && this.#closer.to >= this.view.to - 1e-6;
      drawWave($("wave"), near ? this.#closer : this.#peaks, this.view, this.#lit);
      drawRuler($("ruler"), this.view);
    });
  }

  #playhead() {
    const { time } = this.#player;
    const at = (time - this.view.from) / this.view.span;
    show($("head"), at >= 0 && at <= 1);
    $("head").style.transform = `translateX(${at * $("tracks").clientWidth}px)`;
    $("now").textContent = clock(time, true);
    $("seek").setAttribute("aria-valuenow", time.toFixed(1));
    $("seek").setAttribute("aria-valuetext", `${clock(time, true)} of ${clock(this.view.total)}`);
  }

  #state() {
    const { playing } = this.#player;
    $("play").setAttribute("aria-pressed", playing);
    $("play").setAttribute("aria-label", playing ? "Pause" : "Play");
  }
}
