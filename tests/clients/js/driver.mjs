// One JSON command per line in, one JSON outcome per line out. See ../sdk.py for both shapes.

import { createInterface } from "node:readline";
import { runAnthropic } from "./anthropic.mjs";
import { runOpenAI } from "./openai.mjs";

const SDKS = { "openai-node": runOpenAI, "anthropic-ts": runAnthropic };

/** What the SDK raised; anything that is not an error of the network or the SDK is a bug here. */
function failed(problem, text) {
  if (problem instanceof TypeError && problem.message !== "terminated") throw problem;
  if (problem instanceof ReferenceError) throw problem;
  const inner = problem.error?.error ?? problem.error ?? {};
  return {
    name: problem.constructor.name,
    status: problem.status ?? null,
    message: problem.message,
    type: inner.type ?? null,
    code: problem.code ?? null,
    request_id: problem.requestID ?? null,
    retry_after: problem.headers?.get?.("retry-after") ?? null,
    text,
  };
}

async function outcome({ sdk, ask }) {
  const turns = [];
  const seen = [];
  try {
    await SDKS[sdk](ask, turns, seen);
  } catch (problem) {
    return { turns, failed: failed(problem, seen.join("")) };
  }
  return { turns, failed: null };
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = await outcome(JSON.parse(line));
  } catch (problem) {
    answer = { broken: problem.stack };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
