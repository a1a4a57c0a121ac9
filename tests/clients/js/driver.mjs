// One JSON command per line in, one JSON outcome per line out. See ../sdk.py for both shapes.

import { createInterface } from "node:readline";
import { anthropicClient, runAnthropic } from "./anthropic.mjs";
import { genaiClient, genaiModels, runGenai } from "./genai.mjs";
import { openAIClient, runOpenAI } from "./openai.mjs";
import { runResponses } from "./responses.mjs";
import { runVercel } from "./vercel.mjs";

// Standard output has only outcomes.
console.log = console.info = console.error;

const SDKS = {
  "google-genai-js": [runGenai, genaiClient],
  "openai-node": [runOpenAI, openAIClient],
  "openai-node-responses": [runResponses, openAIClient],
  "anthropic-ts": [runAnthropic, anthropicClient],
};

/** What the SDK raised; anything that is not an error of the network or the SDK is a bug here. */
function failed(problem, text) {
  if (problem instanceof TypeError && problem.message !== "terminated") throw problem;
  if (problem instanceof ReferenceError) throw problem;
  const inner = problem.error?.error ?? problem.error ?? said(problem.message).error ?? {};
  return {
    name: problem.constructor.name,
    status: problem.status ?? null,
    message: problem.message,
    type: inner.type ?? inner.status ?? null,
    code: problem.code ?? null,
    request_id: problem.requestID ?? null,
    retry_after: problem.headers?.get?.("retry-after") ?? null,
    text,
  };
}

/** @google/genai puts the answer's body into its message, and nothing else anywhere. */
function said(message) {
  try {
    return JSON.parse(message);
  } catch {
    return {};
  }
}

async function outcome({ sdk, ask }) {
  const turns = [];
  const seen = [];
  try {
    const [run, connect] = SDKS[sdk];
    await run(connect(ask), ask, turns, seen);
  } catch (problem) {
    return { turns, failed: failed(problem, seen.join("")) };
  }
  return { turns, failed: null };
}

/** The ids that the SDK lists, all pages; then that of the model asked for by itself. */
async function models({ sdk, models: ask }) {
  const client = SDKS[sdk][1](ask);
  if (sdk === "google-genai-js") return { ids: await genaiModels(client, ask) };
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  ids.push((await client.models.retrieve(ask.model)).id);
  return { ids };
}

/** What openai-node makes of embeddings: it asks for base64 itself unless told a format. */
async function embeddings({ embed: { format, input, ...ask } }) {
  const asked = format ? { encoding_format: format } : {};
  const found = await openAIClient(ask).embeddings.create({ model: ask.model, input, ...asked });
  return { vectors: found.data.map(({ embedding }) => embedding), model: found.model };
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    const command = JSON.parse(line);
    const act = command.embed ? embeddings : command.models ? models : outcome;
    answer = await (command.client ? runVercel(command) : act(command));
  } catch (problem) {
    answer = { broken: `${problem.stack}\n${problem.cause ?? ""}` };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
