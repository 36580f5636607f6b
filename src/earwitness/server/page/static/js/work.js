// One recording from giving to told: sent, opened, heard; with stage, time and a way out.

import { Account } from "./account.js";
import { $, show } from "./dom.js";
import { clock } from "./words.js";

/** Where the work is: stage in words, share that is done (null: not known), and the time since it began. */
export class Progress {
  #began = 0;
  #timer = 0;

  begin() {
    this.#began = performance.now();
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#tick(), 250);
    this.#tick();
    show($("progress"));
  }

  stage(text, share = null) {
    if ($("stage").textContent !== text) $("stage").textContent = text;
    if (share === null) $("bar").removeAttribute("value");
    else $("bar").value = share;
  }

  end() {
    clearInterval(this.#timer);
    show($("progress"), false);
  }

  get seconds() {
    return (performance.now() - this.#began) / 1000;
  }

  #tick() {
    $("clock").textContent = clock(this.seconds);
  }
}

/**
 * Sends or fetches `what` ({ file, name } or { url }), then asks for its caption.
 * told: { taken(taken), event({ notes, sentence }, account) }; what it throws is shown by the caller.
 */
export async function listen(server, model, what, progress, told, signal) {
  const taken = await bring(server, what, progress, signal);
  if (signal.aborted) server.forget(taken.key);
  signal.throwIfAborted();
  told.taken(taken);
  const account = new Account();
  const { seconds } = taken.facts;
  progress.stage("Listening", null);
  for await (const event of server.caption(model, taken.key, signal)) {
    told.event(account.take(event), account);
    if (account.heardTo > 0 && account.heardTo < seconds - 0.5) {
      progress.stage(`Listening: heard up to ${clock(account.heardTo)} of ${clock(seconds)}`, account.heardTo / seconds);
    }
  }
  told.event({ notes: [], sentence: account.rest() }, account);
  return account;
}

async function bring(server, what, progress, signal) {
  if (what.url) {
    progress.stage("The server fetches and opens the file", null);
    return server.fetch(what.url, signal);
  }
  progress.stage("Sending the file", 0);
  return server.send(what.file, what.name, (share) => {
    if (share < 1) progress.stage("Sending the file", share);
    else progress.stage("Opening the file", null);
  }, signal);
}
