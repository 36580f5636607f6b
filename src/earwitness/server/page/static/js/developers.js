// The panel for programmers: the same call in three languages.

import { $, show } from "./dom.js";
import { programs, remark } from "./snippets.js";

const LANGUAGES = ["curl", "python", "node"];
let shown = {};

function choose(name, focus = false) {
  for (const language of LANGUAGES) {
    const tab = $(`tab-${language}`);
    const on = language === name;
    tab.setAttribute("aria-selected", on);
    tab.tabIndex = on ? 0 : -1;
    if (on && focus) tab.focus();
  }
  $("code-box").setAttribute("aria-labelledby", `tab-${name}`);
  $("code").textContent = shown[name] ?? "";
}

/** Makes the panel work; `copied` tells the reader that something was copied. */
export function developers(copy) {
  LANGUAGES.forEach((name, at) => {
    $(`tab-${name}`).addEventListener("click", () => choose(name));
    $(`tab-${name}`).addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) choose(LANGUAGES[(at + step + LANGUAGES.length) % LANGUAGES.length], true);
    });
  });
  $("copy-code").addEventListener("click", () => copy($("code").textContent, $("copy-code")));
}

/** Shows the calls for a recording: { url } or { file, name }. */
export function showPrograms(what, about, keyed) {
  const base = new URL("v1", document.baseURI).href;
  shown = programs(what, base, about.model, keyed);
  $("code-note").textContent = remark(what, what.file?.size ?? 0, about.limits.base64_chars);
  choose("curl");
  show($("developers"));
}
