// Numbers and notes in plain words.

const LANGUAGES = new Intl.DisplayNames(["en"], { type: "language" });

/** Seconds as 1:02:03, with tenths where asked for. */
export function clock(seconds, tenths = false) {
  const all = tenths ? Math.floor(seconds * 10 + 1e-6) / 10 : Math.floor(seconds + 1e-6);
  const hours = Math.floor(all / 3600);
  const minutes = Math.floor(all / 60) % 60;
  const rest = (all % 60).toFixed(tenths ? 1 : 0).padStart(tenths ? 4 : 2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/** A length as people say it: 12.2 s, 3 min 20 s. */
export function length(seconds) {
  if (seconds < 60) return `${Number(seconds.toFixed(seconds < 10 ? 2 : 1))} s`;
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  const rest = whole % 60 ? ` ${whole % 60} s` : "";
  return minutes < 60 ? `${minutes} min${rest}` : `${Math.floor(minutes / 60)} h ${minutes % 60} min${rest}`;
}

/** Bytes in the unit that people read: 3.2 MB. */
export function bytes(count) {
  if (count >= 2 ** 30) return `${Number((count / 2 ** 30).toFixed(2))} GB`;
  if (count >= 2 ** 20) return `${Number((count / 2 ** 20).toFixed(1))} MB`;
  return count >= 1024 ? `${Math.round(count / 1024)} kB` : `${count} bytes`;
}

export function language(code) {
  try {
    return LANGUAGES.of(code) ?? code;
  } catch {
    return code;
  }
}

const spaced = (label) => String(label).replaceAll("_", " ");
const capital = (text) => text.slice(0, 1).toUpperCase() + text.slice(1);
export const speaker = (label) => capital(spaced(label));

const NAMED = {
  utterance: (n, a) => (a.text ? a.text : `${language(n.label)}, words unclear`),
  voice: (n, a) => [speaker(n.label), a.sex].filter(Boolean).join(", "),
  emotion: (n, a) => a.named ?? (a.activation > 0.25 ? "animated" : a.activation < -0.25 ? "subdued" : "even"),
  music: (n, a) => ["music", a.tempo_bpm && `${Math.round(a.tempo_bpm)} bpm`, a.key].filter(Boolean).join(", "),
  level: (n, a) => ["level", a.lufs !== undefined && `${a.lufs} LUFS`].filter(Boolean).join(" "),
  space: (n, a) => ["room", a.room && `: ${spaced(a.room)}`].filter(Boolean).join(""),
  pattern: (n, a) => [spaced(a.of ?? n.label), spaced(a.form ?? ""), a.count && `${a.count} ×`].filter(Boolean).join(", "),
  coverage: (n, a) => `${a.state === "ran" ? "listened for" : `not listened for (${spaced(a.state)})`}: ${spaced(n.label)}`,
};

/** A note in a few words. */
export function named(note) {
  const say = NAMED[note.kind];
  return say ? say(note, note.attributes ?? {}) : spaced(note.label);
}

/** When, and how sure: `0:01.7 – 0:06.7, sure (79 %)`. */
export function when(note) {
  const times = `${clock(note.start, true)} – ${clock(note.end, true)}`;
  if (!note.certainty) return times;
  const score = note.score === undefined ? "" : ` (${Math.round(note.score * 100)} %)`;
  return `${times}, ${note.certainty}${score}`;
}

const UNITS = {
  tempo_bpm: ["tempo", " bpm"], pitch_hz: ["pitch", " Hz"], range_st: ["melody", " semitones"], rate: ["rate", " syllables/s"],
  level_dbfs: ["level", " dBFS"], peak_dbfs: ["peak", " dBFS"], decay_s: ["decay", " s"], noise_dbfs: ["noise", " dBFS"],
  snr_db: ["signal to noise", " dB"], period_s: ["every", " s"], count: ["count", ""], key: ["key", ""], lufs: ["loudness", " LUFS"],
  vocals: ["singing", ""], effort: ["effort", ""], register: ["register", ""], bandwidth_hz: ["bandwidth", " Hz"], reason: ["reason", ""],
};

/** What was measured of a note, as `pitch 214.5 Hz, melody 12.2 semitones`. */
export function measured(note) {
  const found = Object.entries(note.attributes ?? {}).filter(([name]) => name in UNITS);
  return found.map(([name, value]) => `${UNITS[name][0]} ${spaced(value)}${UNITS[name][1]}`).join(", ");
}
