// Vercel's AI SDK, with its tool loop, on its four providers.

import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const PROVIDERS = {
  "vercel-anthropic": ({ base, key, model }) =>
    createAnthropic({ baseURL: `${base}/v1`, apiKey: key })(model),
  "vercel-google": ({ base, key, model }) =>
    createGoogleGenerativeAI({ baseURL: `${base}/v1beta`, apiKey: key })(model),
  "vercel-openai": ({ base, key, model }) =>
    createOpenAI({ baseURL: `${base}/v1`, apiKey: key })(model),
  "vercel-openai-chat": ({ base, key, model }) =>
    createOpenAI({ baseURL: `${base}/v1`, apiKey: key }).chat(model),
  "vercel-openai-compatible": ({ base, key, model }) =>
    createOpenAICompatible({ name: "plexus", baseURL: `${base}/v1`, apiKey: key })(model),
};

/** See the class Job of ../py/driver.py. */
export async function runVercel(job) {
  const called = [];
  const get_weather = tool({
    description: "The weather of a city.",
    inputSchema: z.object({ city: z.string(), unit: z.string().default("celsius") }),
    execute: async (input) => {
      called.push(input);
      return job.result;
    },
  });
  const asked = {
    model: PROVIDERS[job.client](job),
    tools: { get_weather },
    stopWhen: stepCountIs(3),
    prompt: job.prompt,
    maxRetries: 0,
    // Or it names earlier items by the id under which OpenAI stored them.
    providerOptions: { openai: { store: false } },
  };
  if (!job.stream) return { text: (await generateText(asked)).text, called };
  const answer = streamText(asked);
  for await (const part of answer.fullStream) if (part.type === "error") throw part.error;
  return { text: await answer.text, called };
}
