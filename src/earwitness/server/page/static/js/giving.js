// The ways to give a recording: drop, pick, address, microphone.

import { $, show } from "./dom.js";
import { Recorder } from "./recorder.js";
import { clock } from "./words.js";

const problem = (code) => Object.assign(new Error(), { code });

/** Calls `given` with { file, name } or { url }, and `refused` with what went wrong before that. */
export function ways(given, refused, longest) {
  const file = (one) => given({ file: one, name: one.name });

  $("pick").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", () => {
    const one = $("file").files[0];
    $("file").value = "";
    if (one) file(one);
  });
  $("address").addEventListener("submit", (event) => {
    event.preventDefault();
    const url = $("url").value.trim();
    if (/^https?:\/\/[^/\s]+/i.test(url)) given({ url, name: nameOf(url) });
    else refused(problem("BadRequest.invalid_url"));
  });
  dropping(file, refused);
  speaking(file, refused, longest);
}

function nameOf(url) {
  const last = url.split(/[?#]/)[0].split("/").filter(Boolean).at(-1) ?? url;
  try {
    return decodeURIComponent(last);
  } catch {
    return last;
  }
}

function dropping(file, refused) {
  const root = document.documentElement;
  let depth = 0;
  const carries = (event) => event.dataTransfer?.types.length > 0;
  const over = (on) => root.classList.toggle("over", on);
  window.addEventListener("dragenter", (event) => carries(event) && over((depth += 1) > 0));
  window.addEventListener("dragleave", (event) => carries(event) && over((depth = Math.max(0, depth - 1)) > 0));
  window.addEventListener("dragover", (event) => carries(event) && event.preventDefault());
  window.addEventListener("drop", (event) => {
    event.preventDefault();
    over((depth = 0) > 0);
    const { files } = event.dataTransfer;
    if (files.length === 1) file(files[0]);
    else refused(problem(files.length ? "many_files" : "no_file"));
  });
}

function speaking(file, refused, longest) {
  const recorder = new Recorder();
  const shown = (on) => {
    show($("recording"), on);
    show($("drop"), !on);
    ($(on ? "stop" : "record")).focus();
  };
  recorder.addEventListener("level", ({ detail }) => {
    $("loudness").value = detail.level;
    $("recorded").textContent = clock(detail.seconds);
  });
  const stop = async () => {
    const recorded = await recorder.stop();
    shown(false);
    if (recorded.size) file(recorded);
    else refused(problem("nothing_recorded"));
  };
  recorder.addEventListener("full", stop);
  $("record").addEventListener("click", async () => {
    try {
      await recorder.start(longest());
      shown(true);
    } catch (error) {
      refused(error);
    }
  });
  $("stop").addEventListener("click", stop);
  $("discard").addEventListener("click", () => {
    recorder.discard();
    shown(false);
  });
}
