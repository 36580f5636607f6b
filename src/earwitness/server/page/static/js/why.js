// Why a sentence stands there, or what rests on a note; and the facts of the recording.

import { laneOf } from "./account.js";
import { make, place } from "./dom.js";
import { bytes, language, length, measured, named, when } from "./words.js";

const TONES = { speech: "--speech", sounds: "--sounds", music: "--music", quality: "--quality" };
const MOST = 60;

function row(note, play) {
  const item = make("li", {});
  place(item, { tone: `var(${TONES[laneOf(note)]})` });
  const listen = make("button", { type: "button", "aria-label": `Play ${named(note)}`, textContent: "▶" });
  listen.addEventListener("click", () => play([[note.start, note.end]]));
  const more = measured(note);
  item.append(listen, make("bdi", {}, named(note)), make("span", { className: "of" }, more ? `${when(note)}; ${more}` : when(note)));
  return item;
}

/** The evidence of a sentence. */
export function because(box, sentence, notes, play) {
  const list = make("ul", {}, ...notes.slice(0, MOST).map((note) => row(note, play)));
  const more = notes.length > MOST ? [make("p", { className: "small" }, `and ${notes.length - MOST} more`)] : [];
  const none = notes.length ? [] : [make("p", { className: "small" }, "The engine gives no evidence for it.")];
  box.replaceChildren(make("blockquote", { dir: "auto" }, sentence.text), list, ...more, ...none);
}

/** A note and the sentences that rest on it. */
export function resting(box, note, sentences, play) {
  const said = sentences.map((s) => make("blockquote", { dir: "auto" }, s.text));
  const none = sentences.length ? [] : [make("p", { className: "small" }, "No sentence rests on it.")];
  box.replaceChildren(make("ul", {}, row(note, play)), make("p", { className: "small" }, sentences.length ? "It is said in:" : ""), ...said, ...none);
}

export function hint(box) {
  box.replaceChildren(make("p", { className: "small" }, "Point at a sentence or at something on the timeline. What they rest on stands here: who or what was heard, when, and how surely."));
}

const attributes = (notes, kind, name) => [...new Set(notes.filter((n) => n.kind === kind).map((n) => n.attributes?.[name]).filter((v) => v !== undefined && v !== null))];

/** Rows of the facts panel; only what is known. */
export function facts(given, account, about) {
  const notes = [...account.notes.values()];
  const loudness = attributes(notes, "level", "lufs");
  const tempi = attributes(notes, "music", "tempo_bpm").map((bpm) => `${Math.round(bpm)} bpm`);
  const usage = account.usage;
  const listed = {
    Length: length(given.seconds),
    Format: [`${given.codec} in ${given.container}`, `${given.sample_rate / 1000} kHz`, channels(given.channels)].join(", "),
    Size: given.size_bytes === undefined ? "" : bytes(given.size_bytes),
    Loudness: loudness.length ? `${loudness[0]} LUFS` : "",
    Language: attributes(notes, "utterance", "language").map(language).join(", "),
    Speakers: String(attributes(notes, "voice", "speaker").length || ""),
    Tempo: tempi.join(", "),
    Key: attributes(notes, "music", "key").join(", "),
    Remarks: (account.facts.problems ?? given.problems ?? []).map((p) => p.replaceAll("_", " ")).join(", "),
    Tokens: usage ? `${usage.prompt_tokens} in, ${usage.completion_tokens} out` : "",
    Cost: usage ? cost(usage, about.price) : "",
    Engine: account.engine,
  };
  return Object.entries(listed).filter(([, value]) => value);
}

const channels = (count) => ({ 1: "mono", 2: "stereo" })[count] ?? `${count} channels`;

/** What the tokens cost by the service's public list; here nothing is charged. */
function cost(usage, price) {
  const amount = (usage.prompt_tokens * price.input + usage.completion_tokens * price.output) / 1e6;
  return `${amount.toFixed(6)} ${price.currency} by the ${price.list} list`;
}

export function showFacts(box, rows) {
  box.replaceChildren(...rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, make("bdi", {}, value))]));
}
