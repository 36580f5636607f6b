// The description as it is told: a sentence is something to point at, to focus and to press.

import { make } from "./dom.js";

export class CaptionText extends EventTarget {
  #box;
  #live;
  #open = null;
  #elements = [];

  constructor(box, live) {
    super();
    this.#box = box;
    this.#live = live;
  }

  reset() {
    this.#box.replaceChildren();
    this.#live.replaceChildren();
    this.#elements = [];
    this.#open = null;
  }

  /** Shows text whose sentence is not complete yet. */
  opened(text) {
    if (!text.trim()) return;
    if (!this.#open) {
      this.#open = make("span", { className: "open" });
      this.#paragraph(text.includes("\n\n") || !this.#box.lastChild).append(" ", this.#open);
    }
    this.#open.textContent = text.trim();
  }

  add(sentence) {
    this.#open?.remove();
    this.#open = null;
    const element = make("span", { className: "sentence", role: "button", tabIndex: 0, dir: "auto" }, sentence.text);
    const tell = (name) => () => this.dispatchEvent(new CustomEvent(name, { detail: sentence }));
    element.addEventListener("pointerenter", tell("over"));
    element.addEventListener("pointerleave", tell("out"));
    element.addEventListener("focus", tell("over"));
    element.addEventListener("blur", tell("out"));
    element.addEventListener("click", tell("choose"));
    element.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      tell("choose")();
    });
    const last = this.#box.lastElementChild;
    const paragraph = this.#paragraph(sentence.paragraph && last?.hasChildNodes());
    if (paragraph.hasChildNodes()) paragraph.append(" ");
    paragraph.append(element);
    this.#elements[sentence.index] = element;
    this.#live.append(make("p", {}, sentence.text));
  }

  #paragraph(fresh) {
    if (fresh || !this.#box.lastElementChild) this.#box.append(make("p"));
    return this.#box.lastElementChild;
  }

  /** Lights some sentences; `held` stays until another is chosen. */
  light(sentences, held = null) {
    const lit = new Set(sentences.map((s) => s.index));
    this.#elements.forEach((element, index) => {
      element.classList.toggle("lit", lit.has(index));
      element.classList.toggle("held", held?.index === index);
      if (held?.index === index) element.setAttribute("aria-current", "true");
      else element.removeAttribute("aria-current");
    });
  }
}
