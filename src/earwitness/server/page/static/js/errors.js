// What went wrong in plain words, and what to do about it.

import { bytes, length } from "./words.js";

const WORDS = {
  "TooLarge.too_large": (e, about) => ["The file is too large.", `A recording may have ${bytes(e.limit ?? about.limits.file_bytes)}. Send a part of it, or make it smaller first: “earwitness fit FILE” writes a small file of the same sound.`],
  "TooLong.too_long": (e, about) => ["The recording is too long.", `It may last ${length(about.limits.seconds ?? 2400)} here. Cut it, or ask whoever runs the server to start it with a larger --max-minutes.`],
  "NotAudio.not_audio": (e, about) => ["No sound was found in this file.", `It seems to be something else, or damaged. These can be opened: ${about.formats}.`],
  "NotAudio.decode_failed": () => ["The file is damaged.", "It begins like a recording, but nothing of it could be opened. Export or download it once more."],
  "Unsupported.unsupported": (e, about) => ["This kind of sound file is not known here.", `Convert it to one of these first: ${about.formats}.`],
  "NoSound.no_sound": () => ["The file is empty.", "It holds not a single moment of sound. Check that it was saved or downloaded completely."],
  "Unreachable.not_found": () => ["There is nothing at this address.", "The other server says that it has no such file (404). Check the address for a slip."],
  "Unreachable.access_denied": () => ["The file at this address is not public.", "The other server refuses to hand it out. Download it yourself and drop the file here."],
  "Unreachable.timed_out": () => ["The address answers too slowly.", "The file did not come in time. Try again later, or download it yourself and drop the file here."],
  "Unreachable.unreachable": () => ["The address cannot be reached.", "Check it for a slip, and that it can be opened by anybody. Or download the file and drop it here."],
  "Unreachable.incomplete": () => ["The file came only in part.", "The other server broke off. Try again, or download the file yourself and drop it here."],
  "Forbidden.forbidden": () => ["This address is not fetched.", "Only files on the public internet are. Download the file yourself and drop it here."],
  "BadRequest.invalid_url": () => ["This is no address of a file.", "An address begins with https:// or http://, like https://example.org/street.mp3."],
  "NotAllowed.key_missing": () => ["This server wants a key.", "Enter yours under “API key” at the top, then try again. Whoever runs the server makes one with “earwitness keys create”."],
  "NotAllowed.key_wrong": () => ["The key is not accepted.", "Check it for a slip under “API key” at the top; it may also have been revoked."],
  "NotAllowed.rate_requests": () => ["Too many requests with this key.", "Wait a minute, then try again."],
  "NotAllowed.rate_tokens": () => ["The quota of this key is used up for now.", "Wait a minute, then try again."],
  "NotAllowed.budget": () => ["The budget of this key is used up.", "Ask whoever runs the server."],
  "NotAllowed.blocked_content": () => ["The server does not tell what was heard.", "Its operator blocks certain content."],
  "NotAllowed.foreign_origin": () => ["The server does not take this page for its own.", "Open it by one of the server’s own names, such as localhost."],
  "Busy.busy": () => ["The server has its hands full.", "Wait a moment, then try again."],
  "NotReady.not_ready": () => ["The server is not ready yet.", "It is starting or shutting down. Try again in a moment."],
  "Expired.expired": () => ["The server no longer has the recording.", "It is kept for an hour at most. Try again: it will be sent anew."],
  "TimedOut.deadline": () => ["It took too long.", "The server gave up. Try again when it has less to do, or send a shorter part."],
  network: () => ["The connection to the server broke.", "Check that it is still running and that you are online, then try again."],
  microphone_denied: () => ["The microphone may not be used.", "Allow it for this page in your browser’s settings (beside the address), then try again. Or drop a file."],
  microphone_missing: () => ["No microphone was found.", "Plug one in, or drop a file."],
  microphone_insecure: () => ["The microphone works only over a secure connection.", "Open this page as https:// or on localhost, or drop a file."],
  nothing_recorded: () => ["Nothing was recorded.", "Let it run for a moment before you stop."],
  many_files: () => ["One recording at a time.", "Drop a single file."],
  no_file: () => ["This was not a file.", "Drop a sound file from your computer, or paste its address into the field."],
};

/** Names of the public interface, which words its errors by status and code. */
const PUBLIC = {
  invalid_api_key: "NotAllowed.key_wrong",
  limit_requests: "Busy.busy",
  insufficient_quota: "NotAllowed.rate_tokens",
  Arrearage: "NotAllowed.budget",
  data_inspection_failed: "NotAllowed.blocked_content",
  access_denied: "NotAllowed.foreign_origin",
  service_unavailable: "NotReady.not_ready",
  RequestTimeOut: "TimedOut.deadline",
};

/** { title, help, detail } of whatever was thrown. */
export function plain(error, about) {
  const name = nameOf(error);
  const say = WORDS[name];
  const detail = error.detail ?? "";
  if (say) {
    const [title, help] = say(error, about);
    return { title, help, detail };
  }
  const told = error.message && error.status < 500 ? `The server says: ${error.message}` : "";
  return { title: "It did not work.", help: "Something broke on the server. Try again; if it stays so, tell whoever runs it.", detail: detail || told };
}

function nameOf(error) {
  if (error.status === 0) return "network";
  if (error.code in WORDS) return error.code;
  if (error.code === "invalid_api_key" && /No API-key/.test(error.message)) return "NotAllowed.key_missing";
  if (/^Failed to find the requested/.test(error.message)) return "Expired.expired";
  if (error.code === "limit_requests" && /rate limit/i.test(error.message)) return "NotAllowed.rate_requests";
  if (error.code in PUBLIC) return PUBLIC[error.code];
  return error.status === 503 ? "NotReady.not_ready" : "";
}
