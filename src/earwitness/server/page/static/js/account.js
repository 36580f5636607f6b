// What has been told so far: paragraphs of sentences, the notes they rest on, and both ways between them.

/** The lane that a kind of note lies in, and the row within the speech lane. */
export const LANES = {
  speech: { title: "Speech", kinds: ["utterance", "voice", "emotion", "act"], listeners: ["speech", "voice", "emotion", "act"] },
  sounds: { title: "Sounds", kinds: ["sound", "pattern"], listeners: ["sound", "tone"] },
  music: { title: "Music", kinds: ["music", "structure"], listeners: ["music"] },
  quality: { title: "Quality", kinds: ["level", "space", "quality", "flag"], listeners: ["level", "space", "sensitive"] },
};

export function laneOf(note) {
  const by = note.kind === "coverage" ? "listeners" : "kinds";
  const name = note.kind === "coverage" ? note.label : note.kind;
  return Object.keys(LANES).find((lane) => LANES[lane][by].includes(name)) ?? "quality";
}

export class Account {
  notes = new Map();
  sentences = [];
  text = "";
  open = "";
  facts = {};
  summary = "";
  engine = "";
  usage = null;
  reason = null;
  heardTo = 0;
  #paragraph = true;
  #rests = new Map();

  /** Takes one streamed event; what is new in it: notes, and the sentence that it completes. */
  take(event) {
    if (event.usage) this.usage = event.usage;
    const choice = event.choices?.[0];
    const told = event.earwitness ?? {};
    const fresh = (told.notes ?? []).filter((note) => !this.notes.has(note.id));
    for (const note of fresh) {
      this.notes.set(note.id, note);
      if (note.kind === "coverage") this.heardTo = Math.max(this.heardTo, note.end);
    }
    if (told.engine) Object.assign(this, { engine: told.engine, facts: told.facts ?? {}, summary: told.summary ?? "" });
    if (choice?.finish_reason) this.reason = choice.finish_reason;
    const piece = choice?.delta?.content ?? "";
    this.text += piece;
    this.open += piece;
    return { notes: fresh, sentence: told.sentence ? this.#close(told.sentence) : null };
  }

  /** What is left over once the stream has ended: text that no sentence claimed. */
  rest() {
    return this.open.trim() ? this.#close({ text: this.open.trim(), because: [] }) : null;
  }

  #close(told) {
    const before = this.open.slice(0, this.open.length - this.open.trimStart().length);
    const sentence = { ...told, paragraph: this.#paragraph || before.includes("\n\n"), index: this.sentences.length };
    this.#paragraph = false;
    this.open = "";
    this.sentences.push(sentence);
    for (const id of this.#all(sentence)) {
      if (!this.#rests.has(id)) this.#rests.set(id, []);
      this.#rests.get(id).push(sentence);
    }
    return sentence;
  }

  /** Ids that a sentence rests on, the events of a pattern with it. */
  #all(sentence) {
    const ids = new Set(sentence.because);
    for (const id of sentence.because) for (const event of this.notes.get(id)?.attributes?.events ?? []) ids.add(event);
    return ids;
  }

  /** The notes that a sentence rests on, in order of time. */
  evidence(sentence) {
    const found = [...this.#all(sentence)].map((id) => this.notes.get(id)).filter(Boolean);
    return found.sort((a, b) => a.start - b.start || a.end - b.end || (a.id < b.id ? -1 : 1));
  }

  /** The sentences that rest on a note. */
  restingOn(note) {
    return this.#rests.get(note.id) ?? [];
  }

  /** The seconds to play for a sentence: where its happenings lie, joined where they are close. */
  spans(sentence) {
    const happenings = this.evidence(sentence).filter((n) => !["coverage", "level", "space", "quality", "flag", "pattern"].includes(n.kind));
    const spans = happenings.map((n) => [n.start, n.end]);
    if (!spans.length && sentence.start !== undefined) return [[sentence.start, sentence.end]];
    return joined(spans, 1);
  }
}

/** Spans in order, those at most `gap` seconds apart as one. */
export function joined(spans, gap) {
  const out = [];
  for (const [start, end] of spans.sort((a, b) => a[0] - b[0])) {
    const last = out.at(-1);
    if (last && start <= last[1] + gap) last[1] = Math.max(last[1], end);
    else out.push([start, end]);
  }
  return out;
}
