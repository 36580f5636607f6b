// The same call as the page's own, for programs.

import { asked } from "./server.js";

const PLACE = "oss://here";
const quoted = (text) => `'${text.replaceAll("'", String.raw`'\''`)}'`;

/** A value as Python writes it. */
function python(value, indent = "") {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value !== "object") return JSON.stringify(value);
  const inner = `${indent}    `;
  const items = Array.isArray(value)
    ? value.map((item) => `${inner}${python(item, inner)},`)
    : Object.entries(value).map(([name, item]) => `${inner}${JSON.stringify(name)}: ${python(item, inner)},`);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  return `${open}\n${items.join("\n")}\n${indent}${close}`;
}

/**
 * Programs for the recording on the page.
 * what: { url } or { name }, base: address of the server's interface, key: whether the server wants one.
 */
export function programs(what, base, model, keyed) {
  return { curl: curl(what, base, model, keyed), python: inPython(what, base, model, keyed), node: inNode(what, base, model, keyed) };
}

function curl(what, base, model, keyed) {
  const key = keyed ? ` \\\n  -H "Authorization: Bearer $EARWITNESS_API_KEY"` : "";
  const head = `curl -sN ${quoted(`${base}/chat/completions`)} \\\n  -H 'Content-Type: application/json'${key} \\\n`;
  if (what.url) return `${head}  -d ${quoted(JSON.stringify(asked(model, what.url)))}`;
  const [before, after] = JSON.stringify(asked(model, PLACE)).split(PLACE);
  return `{ printf %s ${quoted(`${before}data:;base64,`)}; base64 -w0 ${quoted(`./${what.name}`)}; printf %s ${quoted(after)}; } |\n${head}  --data-binary @-`;
}

/** The fields of the call as the Python client takes them: what is not the protocol's own goes apart. */
function fieldsInPython(model) {
  const { earwitness, ...rest } = asked(model, PLACE);
  return Object.entries({ ...rest, extra_body: { earwitness } });
}

function inPython(what, base, model, keyed) {
  const lines = ["import base64", "import os", "", "from openai import OpenAI", ""];
  const key = keyed ? 'os.environ["EARWITNESS_API_KEY"]' : '"any"';
  if (what.url) lines.splice(0, keyed ? 1 : 3);
  else if (!keyed) lines.splice(1, 1);
  const source = what.url
    ? `audio = ${JSON.stringify(what.url)}`
    : `with open(${JSON.stringify(what.name)}, "rb") as file:\n    audio = "data:;base64," + base64.b64encode(file.read()).decode()`;
  const fields = fieldsInPython(model).map(([name, value]) => `    ${name}=${python(value, "    ").replace(`"${PLACE}"`, "audio")},`);
  return [
    ...lines, `client = OpenAI(base_url=${JSON.stringify(base)}, api_key=${key})`, source,
    `stream = client.chat.completions.create(\n${fields.join("\n")}\n)`,
    "for chunk in stream:", "    if chunk.choices:", '        print(chunk.choices[0].delta.content, end="", flush=True)',
    '    evidence = (chunk.model_extra or {}).get("earwitness")  # notes, sentences, facts, as they come', "print()",
  ].join("\n");
}

function inNode(what, base, model, keyed) {
  const key = keyed ? "process.env.EARWITNESS_API_KEY" : '"any"';
  const read = what.url ? [] : ['import { readFile } from "node:fs/promises";'];
  const source = what.url ? JSON.stringify(what.url) : `"data:;base64," + (await readFile(${JSON.stringify(what.name)})).toString("base64")`;
  const body = JSON.stringify(asked(model, PLACE), null, 2).replace(`"${PLACE}"`, "audio");
  return [
    ...read, 'import OpenAI from "openai";', "",
    `const client = new OpenAI({ baseURL: ${JSON.stringify(base)}, apiKey: ${key} });`, `const audio = ${source};`,
    `const stream = await client.chat.completions.create(${body});`,
    "for await (const chunk of stream) {", '  process.stdout.write(chunk.choices[0]?.delta.content ?? "");',
    "  const evidence = chunk.earwitness; // notes, sentences, facts, as they come", "}", "console.log();",
  ].join("\n");
}

/** What to say beside the programs; base64 has a limit that a file of this size may pass. */
export function remark(what, size, limit) {
  if (what.url || Math.ceil(size / 3) * 4 < limit) return "";
  return "This file is too large to be sent within a call (10 MB as base64). Put it where the server can fetch it and give its address in place of the data, or make it smaller with “earwitness fit”.";
}
