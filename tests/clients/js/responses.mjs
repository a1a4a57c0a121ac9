// openai-node's Responses API as a client; the items of a turn go back as they came.

import { zodTextFormat } from "openai/helpers/zod";
import { IMAGE_URL, PNG, Weather } from "./shared.mjs";

const IMAGE = {
  type: "input_image",
  image_url: `data:image/png;base64,${PNG}`,
  detail: "auto",
};

const WHOLE = ["response.completed", "response.incomplete"];

export async function runResponses(client, ask, turns, seen) {
  const items = [user(ask)];
  turns.push(await turn(client, ask, items, seen));
  if (Object.keys(ask.results).length > 0) turns.push(await turn(client, ask, items, seen));
}

function user(ask) {
  if (!ask.image) return { role: "user", content: ask.prompt };
  const url = { type: "input_image", image_url: IMAGE_URL, detail: "auto" };
  return { role: "user", content: [{ type: "input_text", text: ask.prompt }, IMAGE, url] };
}

function options(ask) {
  const chosen = { model: ask.model, instructions: ask.system };
  if (ask.tools) {
    chosen.tools = ask.toolset.map(({ name, description, schema }) => ({
      type: "function",
      name,
      description,
      parameters: schema,
      strict: false,
    }));
  }
  if (ask.thinking) {
    chosen.reasoning = { effort: "high", summary: "auto" };
    chosen.include = ["reasoning.encrypted_content"];
    chosen.store = false;
  }
  if (ask.schema) chosen.text = { format: zodTextFormat(Weather, "weather") };
  return chosen;
}

/** One answer; appends its items and the results of its calls to `items`. */
async function turn(client, ask, items, seen) {
  seen.length = 0;
  const body = { ...options(ask), input: items };
  let answer;
  if (ask.mode === "iterate") {
    return ended(await read(await client.responses.create({ ...body, stream: true }), seen), seen);
  } else if (ask.mode === "helper") {
    const stream = client.responses.stream(body);
    const last = await read(stream, seen);
    if (!WHOLE.includes(last?.type)) return ended(last, seen);
    answer = await stream.finalResponse();
  } else if (ask.schema) {
    answer = await client.responses.parse(body);
  } else {
    answer = await client.responses.create(body);
  }
  for (const item of answer.output) {
    const { parsed_arguments, ...plain } = item;
    items.push(plain);
  }
  for (const { type, call_id, name } of answer.output) {
    const result = ask.results[name];
    if (type === "function_call" && result) items.push(output(call_id, result));
  }
  return note(answer, seen);
}

function output(call_id, { text, picture }) {
  const said = picture ? [{ type: "input_text", text }, IMAGE] : text;
  return { type: "function_call_output", call_id, output: said };
}

async function read(stream, seen) {
  let last = null;
  for await (const event of stream) {
    if (event.type === "response.output_text.delta") seen.push(event.delta);
    last = event;
  }
  return last;
}

/** What a stream read to its end shows; a failure that the SDK hands out is thrown. */
function ended(last, seen) {
  const failure = last?.type === "error" ? last : last?.response?.error;
  if (failure) throw Object.assign(new Error(failure.message), { error: failure });
  const found = WHOLE.includes(last?.type) ? note(last.response, seen) : { finish: null, model: "", calls: [] };
  return {
    ...found,
    text: seen.join(""),
    calls: [],
    thinking: null,
    redacted: [],
    usage: null,
    parsed: null,
    request_id: null,
    pieces: seen.length,
  };
}

function note(answer, seen) {
  const of = (kind) => answer.output.filter((item) => item.type === kind);
  const texts = of("message").flatMap((item) => item.content.map((part) => part.text));
  const thoughts = of("reasoning").flatMap((item) => item.summary.map((part) => part.text));
  return {
    text: texts.join(""),
    finish: answer.incomplete_details?.reason ?? answer.status,
    model: answer.model,
    calls: of("function_call").map((item) => ({
      id: item.call_id,
      name: item.name,
      arguments: JSON.parse(item.arguments),
    })),
    thinking: thoughts.length > 0 ? thoughts.join("") : null,
    redacted: [],
    usage: {
      input: answer.usage.input_tokens,
      cached: answer.usage.input_tokens_details.cached_tokens,
      output: answer.usage.output_tokens,
    },
    parsed: answer.output_parsed ?? null,
    request_id: answer._request_id ?? null,
    pieces: seen.length,
  };
}
