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
let shown = null;
let returning = 0;

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
  local = given = account = held = shown = null;
  caption.reset();
  hint($("why"));
  for (const id of ["result", "actions", "developers"]) show($(id), false);
}

/** Ends what runs and has the server forget. What was still being sent it forgets by itself. */
function drop() {
  running?.abort();
  running = null;
  progress.end();
  $("work").classList.remove("busy");
  if (given) server.forget(given.key);
}

// --- one recording ---------------------------------------------------------------------------------------------------

async function start(recording) {
  drop();
  what = recording;
  clear();
  screen("work");
  $("name").firstElementChild.textContent = what.name;
  $("name").focus();
  document.title = `${what.name} – Earwitness`;
  if (what.file && what.file.size > about.limits.file_bytes) return fail(new Refused(413, { code: "TooLarge.too_large", limit: about.limits.file_bytes }));
  if (about.key_needed && !server.keyed) return fail(new Refused(401, { code: "NotAllowed.key_missing" }));
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
      if (given) server.forget(given.key);
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

/** Shows what belongs to a sentence or a note; nothing for null. It stays until something else is pointed at. */
function point(target) {
  clearTimeout(returning);
  if (target && shown && target.sentence === shown.sentence && target.note === shown.note) return;
  shown = target;
  const play = (spans) => player.spans(spans);
  if (!target) {
    timeline.light([]);
    caption.light([]);
    hint($("why"));
  } else if (target.sentence) {
    const notes = account.evidence(target.sentence);
    timeline.light(notes);
    caption.light([target.sentence], held?.sentence);
    because($("why"), target.sentence, notes, play);
  } else {
    const sentences = account.restingOn(target.note);
    timeline.light([target.note]);
    caption.light(sentences, held?.sentence);
    resting($("why"), target.note, sentences, play);
  }
}

/** What was chosen comes back when the pointer has left, unless it went to read the evidence. */
function left() {
  clearTimeout(returning);
  if (!held) return;
  returning = setTimeout(() => {
    if (held && !$("why").matches(":hover, :focus-within")) point(held);
  }, 300);
}

function choose(target) {
  held = target;
  shown = null;
  point(held);
}

caption.addEventListener("over", ({ detail }) => point({ sentence: detail }));
caption.addEventListener("out", left);
caption.addEventListener("choose", ({ detail }) => {
  choose({ sentence: detail });
  const spans = account.spans(detail);
  if (spans.length) timeline.view.reveal(spans[0][0], spans[0][1]);
  player.spans(spans.length ? spans : [[0, given.facts.seconds]]);
});
timeline.lanes.addEventListener("over", ({ detail }) => point({ note: detail }));
timeline.lanes.addEventListener("out", left);
timeline.lanes.addEventListener("choose", ({ detail }) => {
  choose({ note: detail });
  player.seek(detail.start);
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !shown) return;
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
