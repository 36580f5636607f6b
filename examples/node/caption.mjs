// Captions one recording through the OpenAI client: npm install openai
//
//   node caption.mjs https://example.com/birds.mp3    the server fetches it
//   node caption.mjs birds.mp3                        a file, sent as base64 (below 7.8 MB)
//   node caption.mjs --stream birds.mp3               words as they are found
//
// The server is the one of OPENAI_BASE_URL, else http://127.0.0.1:8000/v1. A server without keys takes any key.

import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";

import OpenAI from "openai";

const { values, positionals } = parseArgs({ options: { stream: { type: "boolean" } }, allowPositionals: true });
const [given] = positionals;
if (!given) {
  console.error("usage: node caption.mjs [--stream] PATH|URL");
  process.exit(2);
}
const isAddress = /^https?:\/\//.test(given);
const data = isAddress ? given : "data:;base64," + (await readFile(given)).toString("base64");

const client = new OpenAI({
  baseURL: process.env.OPENAI_BASE_URL ?? "http://127.0.0.1:8000/v1",
  apiKey: process.env.OPENAI_API_KEY ?? "any",
});
const call = {
  model: "qwen3-omni-30b-a3b-captioner",
  messages: [{ role: "user", content: [{ type: "input_audio", input_audio: { data } }] }],
};

if (values.stream) {
  for await (const chunk of await client.chat.completions.create({ ...call, stream: true })) {
    process.stdout.write(chunk.choices[0]?.delta.content ?? "");
  }
  process.stdout.write("\n");
} else {
  const reply = await client.chat.completions.create(call);
  console.log(reply.choices[0].message.content);
}
