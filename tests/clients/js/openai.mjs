// openai-node as a client.

import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { IMAGE_URL, PNG, Weather } from "./shared.mjs";

export function openAIClient({ base, key }) {
  return new OpenAI({ baseURL: base, apiKey: key, maxRetries: 0, timeout: 20_000 });
}

export async function runOpenAI(client, ask, turns, seen) {
  const messages = [{ role: "system", content: ask.system }, user(ask)];
  if (ask.mode.startsWith("loop")) {
    turns.push(await loop(client, ask, messages));
    return;
  }
  turns.push(await turn(client, ask, messages, seen));
  if (Object.keys(ask.results).length > 0) turns.push(await turn(client, ask, messages, seen));
}

function user(ask) {
  if (!ask.image) return { role: "user", content: ask.prompt };
  const urls = [`data:image/png;base64,${PNG}`, IMAGE_URL];
  const images = urls.map((url) => ({ type: "image_url", image_url: { url } }));
  return { role: "user", content: [{ type: "text", text: ask.prompt }, ...images] };
}

function options(ask) {
  const chosen = { model: ask.model };
  if (ask.tools) {
    chosen.tools = ask.toolset.map(({ name, description, schema }) => ({
      type: "function",
      function: { name, description, parameters: schema },
    }));
  }
  if (ask.thinking) chosen.reasoning_effort = "high";
  if (ask.schema) chosen.response_format = zodResponseFormat(Weather, "weather");
  return chosen;
}

/** One answer; appends it and the results of its calls to `messages`. */
async function turn(client, ask, messages, seen) {
  seen.length = 0;
  const body = { ...options(ask), messages };
  let answer;
  if (ask.mode === "iterate") return iterate(client, body, seen);
  if (ask.mode === "helper") {
    const stream = client.chat.completions.stream({
      ...body,
      stream_options: { include_usage: true },
    });
    stream.on("content", (delta) => seen.push(delta));
    answer = await stream.finalChatCompletion();
  } else if (ask.schema) {
    answer = await client.chat.completions.parse(body);
  } else {
    answer = await client.chat.completions.create(body);
  }
  const message = answer.choices[0].message;
  messages.push(message);
  for (const call of message.tool_calls ?? []) {
    const result = ask.results[call.function.name];
    if (result) messages.push({ role: "tool", tool_call_id: call.id, content: result.text });
  }
  return note(answer, seen);
}

async function iterate(client, body, seen) {
  let finish = null;
  let model = "";
  let usage = null;
  for await (const chunk of await client.chat.completions.create({ ...body, stream: true })) {
    model = chunk.model;
    usage = chunk.usage ?? usage;
    for (const choice of chunk.choices) {
      finish = choice.finish_reason ?? finish;
      if (choice.delta.content) seen.push(choice.delta.content);
    }
  }
  return {
    text: seen.join(""),
    finish,
    model,
    calls: [],
    thinking: null,
    redacted: [],
    usage: usageOf(usage),
    parsed: null,
    request_id: null,
    pieces: seen.length,
  };
}

/** The helper that calls the tools by itself. */
async function loop(client, ask, messages) {
  const tools = ask.toolset.map(({ name, description, schema }) => ({
    type: "function",
    function: {
      name,
      description,
      parameters: schema,
      parse: JSON.parse,
      function: () => ask.results[name].text,
    },
  }));
  const stream = ask.mode === "loop-stream";
  const more = stream ? { stream, stream_options: { include_usage: true } } : {};
  const runner = client.chat.completions.runTools({ ...options(ask), ...more, tools, messages });
  return note(await runner.finalChatCompletion(), []);
}

function note(answer, seen) {
  const { message, finish_reason } = answer.choices[0];
  return {
    text: message.content ?? "",
    finish: finish_reason,
    model: answer.model,
    calls: (message.tool_calls ?? []).map((call) => ({
      id: call.id,
      name: call.function.name,
      arguments: JSON.parse(call.function.arguments),
    })),
    thinking: message.reasoning_content ?? null,
    redacted: (message.reasoning_details ?? [])
      .filter((entry) => entry.type === "reasoning.encrypted")
      .map((entry) => entry.data),
    usage: usageOf(answer.usage),
    parsed: message.parsed ?? null,
    request_id: answer._request_id ?? null,
    pieces: seen.length,
  };
}

function usageOf(usage) {
  if (!usage) return null;
  return {
    input: usage.prompt_tokens,
    cached: usage.prompt_tokens_details?.cached_tokens ?? 0,
    output: usage.completion_tokens,
  };
}
