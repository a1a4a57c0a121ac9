// @google/genai as a client; its chat object keeps the history by itself.

import { GoogleGenAI } from "@google/genai";
import { z } from "zod";
import { IMAGE_URL, PNG, Weather } from "./shared.mjs";

export function genaiClient({ base, key }) {
  return new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: base, timeout: 20_000 } });
}

export async function genaiModels(client, ask) {
  const names = [];
  for await (const model of await client.models.list()) names.push(model.name);
  names.push((await client.models.get({ model: ask.model })).name);
  return names.map((name) => name.replace(/^models\//, ""));
}

export async function runGenai(client, ask, turns, seen) {
  const talk = ask.mode === "helper" ? chat : contents;
  await talk(client, ask, turns, seen);
}

function user(ask) {
  if (!ask.image) return [{ text: ask.prompt }];
  return [
    { text: ask.prompt },
    { inlineData: { data: PNG, mimeType: "image/png" } },
    { fileData: { fileUri: IMAGE_URL, mimeType: "image/png" } },
  ];
}

function config(ask) {
  const chosen = { systemInstruction: ask.system };
  const functionDeclarations = ask.toolset.map(({ name, description, schema }) => ({
    name,
    description,
    parametersJsonSchema: schema,
  }));
  if (ask.mode.startsWith("loop")) {
    chosen.tools = [{ tool: async () => ({ functionDeclarations }), callTool: callTool(ask) }];
  } else if (ask.tools) {
    chosen.tools = [{ functionDeclarations }];
  }
  if (ask.thinking) chosen.thinkingConfig = { includeThoughts: true, thinkingLevel: "HIGH" };
  if (ask.schema) {
    chosen.responseMimeType = "application/json";
    chosen.responseJsonSchema = z.toJSONSchema(Weather);
  }
  return chosen;
}

/** The tool that the SDK calls by itself. */
const callTool = (ask) => async (calls) =>
  calls.map(({ id, name }) => ({
    functionResponse: { id, name, response: { output: ask.results[name].text } },
  }));

/** The history kept by the caller. */
async function contents(client, ask, turns, seen) {
  const history = [{ role: "user", parts: user(ask) }];
  const rounds = ask.mode === "json" && Object.keys(ask.results).length > 0 ? 2 : 1;
  for (let round = 0; round < rounds; round += 1) {
    seen.length = 0;
    const asked = { model: ask.model, contents: history, config: config(ask) };
    const stream = ask.mode === "iterate" || ask.mode === "loop-stream";
    const chunks = stream
      ? await read(await client.models.generateContentStream(asked), seen)
      : [await client.models.generateContent(asked)];
    turns.push(note(ask, chunks, seen));
    if (ask.mode !== "json") return;
    const { content } = chunks[0].candidates[0];
    history.push(content, { role: "user", parts: results(ask, content.parts) });
  }
}

async function chat(client, ask, turns, seen) {
  const talk = client.chats.create({ model: ask.model, config: config(ask) });
  let message = user(ask);
  const rounds = Object.keys(ask.results).length > 0 ? 2 : 1;
  for (let round = 0; round < rounds; round += 1) {
    seen.length = 0;
    const chunks = await read(await talk.sendMessageStream({ message }), seen);
    turns.push(note(ask, chunks, seen));
    message = results(ask, chunks.flatMap(partsOf));
  }
}

const partsOf = (chunk) => chunk.candidates?.[0]?.content?.parts ?? [];
const textsOf = (chunk, thought) =>
  partsOf(chunk)
    .filter((part) => part.text && Boolean(part.thought) === thought)
    .map((part) => part.text);

async function read(stream, seen) {
  const chunks = [];
  for await (const chunk of stream) {
    chunks.push(chunk);
    seen.push(...textsOf(chunk, false));
  }
  return chunks;
}

/** The answers to the calls among `parts`. */
function results(ask, parts) {
  const found = [];
  for (const { functionCall } of parts) {
    const result = functionCall && ask.results[functionCall.name];
    if (!result) continue;
    const { id, name } = functionCall;
    const functionResponse = {
      id,
      name,
      response: { [result.is_error ? "error" : "output"]: result.text },
    };
    if (result.picture) {
      functionResponse.parts = [{ inlineData: { mimeType: "image/png", data: PNG } }];
    }
    found.push({ functionResponse });
  }
  return found;
}

function note(ask, chunks, seen) {
  const last = chunks.at(-1);
  const thoughts = chunks.flatMap((chunk) => textsOf(chunk, true));
  const text = chunks.flatMap((chunk) => textsOf(chunk, false)).join("");
  const usage = last.usageMetadata;
  return {
    text,
    finish: last.candidates?.[0]?.finishReason ?? null,
    model: last.modelVersion ?? "",
    calls: chunks
      .flatMap(partsOf)
      .filter((part) => part.functionCall)
      .map(({ functionCall: { id, name, args } }) => ({ id, name, arguments: args ?? {} })),
    thinking: thoughts.length > 0 ? thoughts.join("") : null,
    redacted: [],
    usage: usage && {
      input: usage.promptTokenCount,
      cached: usage.cachedContentTokenCount ?? 0,
      output: (usage.candidatesTokenCount ?? 0) + (usage.thoughtsTokenCount ?? 0),
    },
    parsed: ask.schema ? Weather.parse(JSON.parse(text)) : null,
    request_id: last.sdkHttpResponse?.headers?.["x-request-id"] ?? null,
    pieces: seen.length,
  };
}
