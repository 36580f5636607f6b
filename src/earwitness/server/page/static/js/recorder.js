// Records from the microphone; nothing leaves the page before it is stopped.

const TYPES = ["audio/webm;codecs=opus", "audio/ogg;codecs=opus", "audio/mp4"];

export class Recorder extends EventTarget {
  #stream = null;
  #media = null;
  #context = null;
  #pieces = [];
  #began = 0;
  #timer = 0;

  /** Begins; throws an error whose `code` says why not. */
  async start(most) {
    if (!navigator.mediaDevices?.getUserMedia) throw Object.assign(new Error(), { code: "microphone_insecure" });
    try {
      const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
      this.#stream = await navigator.mediaDevices.getUserMedia({ audio });
    } catch (error) {
      const missing = error.name === "NotFoundError" || error.name === "DevicesNotFoundError";
      throw Object.assign(new Error(), { code: missing ? "microphone_missing" : "microphone_denied" });
    }
    const mimeType = TYPES.find((type) => MediaRecorder.isTypeSupported(type));
    this.#media = new MediaRecorder(this.#stream, { mimeType, audioBitsPerSecond: 128_000 });
    this.#pieces = [];
    this.#media.addEventListener("dataavailable", (event) => event.data.size && this.#pieces.push(event.data));
    this.#media.start(1000);
    this.#began = performance.now();
    this.#meter(most);
  }

  #meter(most) {
    this.#context = new AudioContext();
    const analyser = this.#context.createAnalyser();
    analyser.fftSize = 1024;
    this.#context.createMediaStreamSource(this.#stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    this.#timer = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      const rms = Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length);
      const level = Math.min(1, Math.max(0, (20 * Math.log10(rms + 1e-6) + 60) / 60));
      const seconds = (performance.now() - this.#began) / 1000;
      this.dispatchEvent(new CustomEvent("level", { detail: { level, seconds } }));
      if (seconds >= most) this.dispatchEvent(new Event("full"));
    }, 100);
  }

  /** Ends; the recording as a file. */
  async stop() {
    const media = this.#media;
    const ended = new Promise((resolve) => media.addEventListener("stop", resolve, { once: true }));
    media.stop();
    await ended;
    this.#release();
    const type = media.mimeType.split(";")[0];
    const ending = { "audio/webm": "webm", "audio/ogg": "ogg", "audio/mp4": "m4a" }[type] ?? "webm";
    const at = new Date().toISOString().slice(0, 16).replace("T", " ").replace(":", ".");
    return new File(this.#pieces, `Recording ${at}.${ending}`, { type });
  }

  discard() {
    if (this.#media?.state === "recording") this.#media.stop();
    this.#release();
    this.#pieces = [];
  }

  #release() {
    clearInterval(this.#timer);
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.#context?.close();
    this.#stream = this.#context = null;
  }
}
