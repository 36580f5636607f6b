// The page: what is shown when, and what belongs together.

import { CaptionText } from "./caption.js";
import { developers, showPrograms } from "./developers.js";
import { $, show } from "./dom.js";
import { plain } from "./errors.js";
import { save, written } from "./formats.js";
import { ways } from "./giving.js";
import { Player } from "./player.js";
import { Refused, Server } from "./server.js";
import { Timeline } from "./timeline.js";
import { because, facts, hint, resting, showFacts } from "./why.js";
import { bytes, length } from "./words.js";
import { Progress, listen } from "./work.js";

const server = new Server();
const player = new Player();
const timeline = new Timeline(server, player);
const caption = new CaptionText($("caption"), $("told"));
const progress = new Progress();

let about = { model: "", limits: { seconds: 2400, file_bytes: 2 ** 30, base64_chars: 10_485_760 }, formats: "", price: {} };
let what = null;
let given = null;
let account = null;
let running = null;
let local = null;
let held = null;

// --- what is shown ---------------------------------------------------------------------------------------------------

function screen(name) {
  show($("intake"), name === "intake");
  show($("work"), name === "work");
  show($("problem"), false);
}

function fail(error) {
  const { title, help, detail } = plain(error, about);
  $("problem-title").textContent = title;
  $("problem-help").textContent = help;
  $("problem-detail").textContent = detail;
  show($("problem-detail"), detail !== "");
  show($("again"), what !== null);
  show($("other"), what !== null);
  show($("work"), given !== null);
  show($("problem"));
  if (what) $("again").focus();
  if (/^NotAllowed\.key|invalid_api_key/.test(error.code)) $("key-box").open = true;
}

function clear() {
  player.unload();
  timeline.unload();
  if (local) URL.revokeObjectURL(local);
  local = given = account = held = null;
  caption.reset();
  hint($("why"));
  for (const id of ["result", "actions", "developers"]) show($(id), false);
}

/** Ends what runs and has the server forget. */
function drop() {
  running?.abort();
  running = null;
  progress.end();
  $("work").classList.remove("busy");
  server.forget();
}

// --- one recording ---------------------------------------------------------------------------------------------------

async function start(recording) {
  if (running || given) drop();
  what = recording;
  clear();
  screen("work");
  $("name").firstElementChild.textContent = what.name;
  $("name").focus();
  document.title = `${what.name} – Earwitness`;
  if (what.file && what.file.size > about.limits.file_bytes) return fail(new Refused(413, { code: "TooLarge.too_large", limit: about.limits.file_bytes }));
  if (what.file && what.file.size === 0) return fail(new Refused(400, { code: "NoSound.no_sound" }));
  const mine = (running = new AbortController());
  progress.begin();
  $("work").classList.add("busy");
  try {
    const told = { taken, event: hear };
    account = await listen(server, about.model, what, progress, told, mine.signal);
    finished();
  } catch (error) {
    if (!mine.signal.aborted) {
      server.forget();
      fail(error);
    }
  } finally {
    if (running === mine) {
      running = null;
      progress.end();
      $("work").classList.remove("busy");
    }
  }
}

function taken(answer) {
  given = answer;
  const recorded = what.file?.type.startsWith("audio/webm");
  if (what.file && !recorded) local = URL.createObjectURL(what.file);
  player.load(local ?? given.sound, local ? given.sound : "");
  timeline.load(given);
  show($("result"));
  factsSoFar({ notes: new Map(), facts: {}, usage: null, engine: "" });
  showPrograms(what, about, about.key_needed || server.keyed);
}

function hear({ notes, sentence }, so) {
  account = so;
  if (notes.length) timeline.add(notes);
  if (sentence) caption.add(sentence);
  else caption.opened(so.open);
}

function factsSoFar(so) {
  showFacts($("facts"), facts(given.facts, so, about));
}

function finished() {
  factsSoFar(account);
  show($("actions"));
  $("done").textContent = `Heard in ${length(progress.seconds)}.`;
}

// --- sentences and evidence ------------------------------------------------------------------------------------------

function point(target) {
  const now = target ?? held;
  if (!now) {
    timeline.light([]);
    caption.light([]);
    return hint($("why"));
  }
  if (now.sentence) {
    const notes = account.evidence(now.sentence);
    timeline.light(notes);
    caption.light([now.sentence], held?.sentence ?? null);
    return because($("why"), now.sentence, notes, (spans) => player.spans(spans));
  }
  const sentences = account.restingOn(now.note);
  timeline.light([now.note]);
  caption.light(sentences, held?.sentence ?? null);
  return resting($("why"), now.note, sentences, (spans) => player.spans(spans));
}

caption.addEventListener("over", ({ detail }) => point({ sentence: detail }));
caption.addEventListener("out", () => point(null));
caption.addEventListener("choose", ({ detail }) => {
  held = { sentence: detail };
  point(held);
  const spans = account.spans(detail);
  if (spans.length) timeline.view.reveal(spans[0][0], spans[0][1]);
  player.spans(spans.length ? spans : [[0, given.facts.seconds]]);
});
timeline.lanes.addEventListener("over", ({ detail }) => point({ note: detail }));
timeline.lanes.addEventListener("out", () => point(null));
timeline.lanes.addEventListener("choose", ({ detail }) => {
  held = { note: detail };
  player.seek(detail.start);
  point(held);
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !held) return;
  held = null;
  point(null);
});

// --- buttons ---------------------------------------------------------------------------------------------------------

async function copy(text, button) {
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not allowed to copy";
  }
  setTimeout(() => { button.textContent = label; }, 2000);
}

$("copy").addEventListener("click", () => copy(account.text, $("copy")));
for (const button of document.querySelectorAll("[data-format]")) {
  button.addEventListener("click", () => {
    const { format } = button.dataset;
    const base = what.name.replace(/\.[^.]{1,5}$/, "") || "recording";
    save(`${base}.${format}`, written(format, what.url ?? what.name, about.model, account));
  });
}

function home() {
  drop();
  clear();
  what = null;
  screen("intake");
  document.title = "Earwitness";
  $("pick").focus();
}

for (const id of ["cancel", "fresh", "other"]) $(id).addEventListener("click", home);
$("again").addEventListener("click", () => start(what));
$("key").addEventListener("input", () => { server.key = $("key").value; });
developers(copy);
ways(start, fail, () => about.limits.seconds ?? 3600);
window.addEventListener("pagehide", () => (running || given) && server.forget());
window.addEventListener("pageshow", (event) => event.persisted && location.reload());

hint($("why"));
server.about().then((told) => {
  about = told;
  const longest = about.limits.seconds ? `up to ${length(about.limits.seconds)} and ` : "up to ";
  $("limits").textContent = `${about.formats}; ${longest}${bytes(about.limits.file_bytes)}.`;
  $("engine").textContent = about.engine;
  if (about.key_needed) $("key-box").open = true;
}).catch(fail);
