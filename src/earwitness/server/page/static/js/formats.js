// The description as files: the same JSON object, subtitles and text that the command line writes.

const LEAST_S = 0.5;

/** The object of `earwitness caption --json`. */
export function record(source, model, account) {
  return {
    source, model, caption: account.text, finish_reason: account.reason, usage: account.usage, error: null,
    engine: account.engine, summary: account.summary, facts: account.facts,
    sentences: account.sentences.map(({ paragraph, index, ...told }) => told),
    notes: [...account.notes.values()],
  };
}

/** Utterances, and sounds that are sure, in order of time. */
export function cues(notes) {
  const found = [];
  for (const note of notes) {
    let text = "";
    if (note.kind === "utterance") text = String(note.attributes?.text ?? "");
    else if (note.kind === "sound" && note.certainty === "sure") text = `[${note.label.replaceAll("_", " ")}]`;
    text = text.split(/\s+/u).filter(Boolean).join(" ");
    if (text) found.push({ start: note.start, end: note.end, text });
  }
  return found.sort((a, b) => a.start - b.start || a.end - b.end || (a.text < b.text ? -1 : a.text > b.text ? 1 : 0));
}

function stamp(seconds, point) {
  const ms = Math.round(seconds * 1000);
  const two = (value) => String(value).padStart(2, "0");
  return `${two(Math.floor(ms / 3600000))}:${two(Math.floor(ms / 60000) % 60)}:${two(Math.floor(ms / 1000) % 60)}${point}${String(ms % 1000).padStart(3, "0")}`;
}

const times = (cue, point) => `${stamp(cue.start, point)} --> ${stamp(Math.max(cue.end, cue.start + LEAST_S), point)}`;

export function srt(notes) {
  return cues(notes).map((cue, i) => `${i + 1}\n${times(cue, ",")}\n${cue.text}\n`).join("\n");
}

/** `&`, `<` and `>` are escaped, so that no cue can open a tag or close itself. */
export function vtt(notes) {
  const safe = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return ["WEBVTT\n", ...cues(notes).map((cue) => `${times(cue, ".")}\n${safe(cue.text)}\n`)].join("\n");
}

/** { text, type } of a format by the ending of its files. */
export function written(format, source, model, account) {
  const notes = [...account.notes.values()];
  if (format === "json") return { text: `${JSON.stringify(record(source, model, account), null, 2)}\n`, type: "application/json" };
  if (format === "srt") return { text: srt(notes), type: "application/x-subrip" };
  if (format === "vtt") return { text: vtt(notes), type: "text/vtt" };
  return { text: `${account.text}\n`, type: "text/plain" };
}

/** Hands the browser a file to save. */
export function save(name, { text, type }) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
