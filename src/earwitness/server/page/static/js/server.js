// All that is asked of the server. Captions come by the public interface, as for any other client.

import { events } from "./stream.js";

const random = crypto.getRandomValues(new Uint8Array(16));
const session = Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** An answer that is an error: `code`, `message`, `detail`, `limit` as the server says, and the status (0: no answer). */
export class Refused extends Error {
  constructor(status, told = {}) {
    super(told.message ?? "");
    Object.assign(this, { status, code: told.code ?? "", detail: told.detail ?? "", limit: told.limit });
  }
}

export class Server {
  #key = "";

  /** The key of this tab; empty for none. */
  set key(text) {
    this.#key = text.trim();
  }

  get keyed() {
    return this.#key !== "";
  }

  #headers(more = {}) {
    const key = this.#key ? { Authorization: `Bearer ${this.#key}` } : {};
    return { "X-Earwitness-Session": session, ...key, ...more };
  }

  async #ask(path, options = {}, signal = undefined) {
    let answer;
    try {
      answer = await fetch(path, { cache: "no-store", ...options, headers: this.#headers(options.headers), signal });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new Refused(0);
    }
    if (!answer.ok) throw await refused(answer);
    return answer;
  }

  async about() {
    return (await this.#ask("page/about")).json();
  }

  /** Sends a file as it is; `progress` hears the share that has left. */
  send(file, name, progress, signal) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open("POST", `page/audio?name=${encodeURIComponent(name)}`);
      for (const [header, value] of Object.entries(this.#headers())) request.setRequestHeader(header, value);
      request.responseType = "json";
      request.upload.onprogress = (event) => progress(event.total ? event.loaded / event.total : 0);
      request.upload.onload = () => progress(1);
      request.onload = () => {
        if (request.status === 200) resolve(request.response);
        else reject(new Refused(request.status, request.response?.error));
      };
      request.onerror = () => reject(new Refused(0));
      request.onabort = () => reject(new DOMException("cancelled", "AbortError"));
      signal.addEventListener("abort", () => request.abort(), { once: true });
      request.send(file);
    });
  }

  /** Has the server fetch a recording. */
  async fetch(url, signal) {
    const headers = { "Content-Type": "application/json" };
    return (await this.#ask("page/address", { method: "POST", headers, body: JSON.stringify({ url }) }, signal)).json();
  }

  /** The caption, event by event, as the public interface streams it. */
  async *caption(model, key, signal) {
    const headers = { "Content-Type": "application/json", "X-DashScope-OssResourceResolve": "enable" };
    const body = JSON.stringify(asked(model, key));
    const answer = await this.#ask("v1/chat/completions", { method: "POST", headers, body }, signal);
    let ended = false;
    try {
      for await (const data of events(answer.body)) {
        if (data === "[DONE]") {
          ended = true;
          break;
        }
        const event = JSON.parse(data);
        if (event.error) throw new Refused(500, event.error);
        yield event;
      }
    } catch (error) {
      if (error instanceof Refused || signal.aborted) throw error;
      throw new Refused(0);
    }
    if (!ended) throw new Refused(0);
  }

  async peaks(key, from, to, columns, signal) {
    return (await this.#ask(`page/peaks?${view(key, from, to, columns)}`, {}, signal)).json();
  }

  /** Levels of a part: `bytes[band * columns + column]`, lowest band first. */
  async spectrogram(key, from, to, columns, signal) {
    const answer = await this.#ask(`page/spectrogram?${view(key, from, to, columns)}`, {}, signal);
    const levels = new Uint8Array(await answer.arrayBuffer());
    return { levels, bands: Number(answer.headers.get("x-bands")), columns: Number(answer.headers.get("x-columns")) };
  }

  /** Has the server forget a recording, or all that this tab brought; also works while the tab is being closed. */
  forget(key = "") {
    const options = { method: "DELETE", headers: this.#headers(), keepalive: true };
    fetch(`page/audio?${new URLSearchParams({ key })}`, options).catch(() => {});
  }
}

/** The body of a caption call. */
export function asked(model, audio) {
  return {
    model,
    messages: [{ role: "user", content: [{ type: "input_audio", input_audio: { data: audio } }] }],
    stream: true,
    stream_options: { include_usage: true },
    earwitness: { evidence: true, summary: true, timeline: true },
  };
}

const view = (key, start, end, columns) => new URLSearchParams({ key, start, end, columns: Math.round(columns) });

async function refused(answer) {
  try {
    return new Refused(answer.status, (await answer.json()).error);
  } catch {
    return new Refused(answer.status);
  }
}
