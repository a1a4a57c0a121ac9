// @anthropic-ai/sdk as a client.

import Anthropic from "@anthropic-ai/sdk";
import { betaTool } from "@anthropic-ai/sdk/helpers/beta/json-schema";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { IMAGE_URL, PNG, Weather } from "./shared.mjs";

const IMAGE = { type: "image", source: { type: "base64", media_type: "image/png", data: PNG } };

export function anthropicClient({ base, key }) {
  return new Anthropic({ baseURL: base, apiKey: key, maxRetries: 0, timeout: 20_000 });
}

export async function runAnthropic(client, ask, turns, seen) {
  const messages = [user(ask)];
  if (ask.mode.startsWith("loop")) {
    turns.push(await loop(client, ask, messages));
    return;
  }
  turns.push(await turn(client, ask, messages, seen));
  if (Object.keys(ask.results).length > 0) turns.push(await turn(client, ask, messages, seen));
}

function user(ask) {
  if (!ask.image) return { role: "user", content: ask.prompt };
  const url = { type: "image", source: { type: "url", url: IMAGE_URL } };
  return { role: "user", content: [{ type: "text", text: ask.prompt }, IMAGE, url] };
}

function options(ask) {
  const chosen = { model: ask.model, max_tokens: 4096, system: ask.system };
  if (ask.tools) {
    chosen.tools = ask.toolset.map(({ name, description, schema }) => ({
      name,
      description,
      input_schema: schema,
    }));
  }
  if (ask.thinking) {
    chosen.thinking = { type: "adaptive", display: "summarized" };
    chosen.output_config = { effort: "high" };
  }
  if (ask.schema) chosen.output_config = { format: zodOutputFormat(Weather) };
  return chosen;
}

/** One answer; appends it and the results of its calls to `messages`. */
async function turn(client, ask, messages, seen) {
  seen.length = 0;
  const body = { ...options(ask), messages };
  let answer;
  if (ask.mode === "iterate") return iterate(client, body, seen);
  if (ask.mode === "helper") {
    const stream = client.messages.stream(body);
    stream.on("text", (delta) => seen.push(delta));
    answer = await stream.finalMessage();
  } else if (ask.schema) {
    answer = await client.messages.parse(body);
  } else {
    answer = await client.messages.create(body);
  }
  messages.push({ role: "assistant", content: answer.content });
  const results = answer.content
    .filter((block) => block.type === "tool_use" && ask.results[block.name])
    .map((call) => result(call.id, ask.results[call.name]));
  if (results.length > 0) messages.push({ role: "user", content: results });
  return note(answer, seen);
}

function result(call, { text, is_error, picture }) {
  const block = { type: "tool_result", tool_use_id: call, content: text };
  if (is_error) block.is_error = true;
  if (picture) block.content = [{ type: "text", text }, IMAGE];
  return block;
}

async function iterate(client, body, seen) {
  let finish = null;
  let model = "";
  for await (const event of await client.messages.create({ ...body, stream: true })) {
    if (event.type === "message_start") model = event.message.model;
    if (event.type === "content_block_delta" && event.delta.type === "text_delta") {
      seen.push(event.delta.text);
    }
    if (event.type === "message_delta") finish = event.delta.stop_reason;
  }
  return {
    text: seen.join(""),
    finish,
    model,
    calls: [],
    thinking: null,
    redacted: [],
    usage: null,
    parsed: null,
    request_id: null,
    pieces: seen.length,
  };
}

/** The tool runner of the beta methods, which send `?beta=true`. */
async function loop(client, ask, messages) {
  const tools = ask.toolset.map(({ name, description, schema }) =>
    betaTool({ name, description, inputSchema: schema, run: () => ask.results[name].text }),
  );
  const stream = ask.mode === "loop-stream";
  const runner = client.beta.messages.toolRunner({ ...options(ask), tools, messages, stream });
  return note(await runner.runUntilDone(), []);
}

function note(answer, seen) {
  const blocks = (kind) => answer.content.filter((block) => block.type === kind);
  const thoughts = blocks("thinking").map((block) => block.thinking);
  const { usage } = answer;
  const cached = usage.cache_read_input_tokens ?? 0;
  return {
    text: blocks("text").map((block) => block.text).join(""),
    finish: answer.stop_reason,
    model: answer.model,
    calls: blocks("tool_use").map(({ id, name, input }) => ({ id, name, arguments: input })),
    thinking: thoughts.length > 0 ? thoughts.join("") : null,
    redacted: blocks("redacted_thinking").map((block) => block.data),
    usage: {
      input: usage.input_tokens + cached + (usage.cache_creation_input_tokens ?? 0),
      cached,
      output: usage.output_tokens,
    },
    parsed: answer.parsed_output ?? null,
    request_id: answer._request_id ?? null,
    pieces: seen.length,
  };
}
