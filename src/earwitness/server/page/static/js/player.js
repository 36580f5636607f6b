// Plays the recording: all of it, or spans one after the other.

export class Player extends EventTarget {
  #audio = new Audio();
  #queue = [];
  #until = Infinity;
  #spare = "";
  #frame = 0;

  constructor() {
    super();
    this.#audio.preload = "metadata";
    for (const name of ["play", "pause", "ended"]) this.#audio.addEventListener(name, () => this.#tell());
    for (const name of ["seeked", "timeupdate"]) this.#audio.addEventListener(name, () => this.dispatchEvent(new Event("time")));
    this.#audio.addEventListener("error", () => this.#fallBack());
  }

  /** Takes a recording: `source`, and the address to use where the browser cannot open that. */
  load(source, spare) {
    this.stop();
    this.#spare = spare;
    this.#audio.src = source;
  }

  unload() {
    this.stop();
    this.#spare = "";
    this.#audio.removeAttribute("src");
    this.#audio.load();
  }

  #fallBack() {
    if (!this.#spare) return;
    const at = this.#audio.currentTime;
    const going = this.#queue.length > 0 || this.#until < Infinity;
    this.#audio.src = this.#spare;
    this.#spare = "";
    this.#audio.currentTime = at;
    if (going) this.#audio.play().catch(() => {});
  }

  get time() {
    return this.#audio.currentTime;
  }

  get playing() {
    return !this.#audio.paused && !this.#audio.ended;
  }

  seek(seconds) {
    this.#queue = [];
    this.#until = Infinity;
    this.#audio.currentTime = Math.max(0, seconds);
    this.dispatchEvent(new Event("time"));
  }

  /** Plays the spans, pairs of seconds, one after the other. */
  spans(list) {
    this.#queue = list.map((span) => [...span]);
    this.#next();
  }

  toggle() {
    if (this.playing) return this.stop();
    this.#queue = [];
    this.#until = Infinity;
    this.#start();
  }

  stop() {
    this.#queue = [];
    this.#audio.pause();
  }

  #next() {
    const span = this.#queue.shift();
    if (!span) return this.#audio.pause();
    this.#audio.currentTime = span[0];
    this.#until = Math.max(span[1], span[0] + 0.35);
    this.#start();
  }

  #start() {
    this.#audio.play().catch(() => this.#tell());
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => this.#tick());
  }

  #tick() {
    this.dispatchEvent(new Event("time"));
    if (this.#audio.currentTime >= this.#until && !this.#audio.seeking) this.#next();
    if (this.playing || this.#audio.seeking) this.#frame = requestAnimationFrame(() => this.#tick());
  }

  #tell() {
    this.dispatchEvent(new Event("state"));
    this.dispatchEvent(new Event("time"));
  }
}
