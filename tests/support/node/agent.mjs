// The AI SDK, a framework on the vendors' protocols, as an agent with a tool: `node agent.mjs UPSTREAM...`.

import { key, load, main, url, z } from "./bridge/common.mjs";

const { generateText, stepCountIs, streamText, tool, Output } = load("ai");
const { createAnthropic } = load("@ai-sdk/anthropic");
const { createGoogle, createGoogleGenerativeAI } = load("@ai-sdk/google");
const { createOpenAI } = load("@ai-sdk/openai");

const openai = createOpenAI({ baseURL: `${url}/v1`, apiKey: key });
const anthropic = createAnthropic({ baseURL: `${url}/v1`, apiKey: key });
const google = (createGoogle ?? createGoogleGenerativeAI)({ baseURL: `${url}/v1beta`, apiKey: key });

const clients = {
  chat: (name) => openai.chat(name),
  responses: (name) => openai.responses(name),
  messages: (name) => anthropic(name),
  gemini: (name) => google(name), // asks at /v1beta/NAME where the name has a slash
};

const tools = {
  get_weather: tool({
    description: "The weather of a city",
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => `18 degrees in ${city}`,
  }),
};

const asked = (client, name) => ({
  model: clients[client](name),
  prompt: "What is the weather in Paris?",
  tools,
  stopWhen: stepCountIs(4),
  maxRetries: 0,
});

const whole = async (client, name) => {
  const { text, steps } = await generateText(asked(client, name));
  return { text, steps: steps.length };
};

const streamed = async (client, name) => {
  let failed;
  const stream = streamText({ ...asked(client, name), onError: ({ error }) => (failed = error) });
  const pieces = [];
  for await (const piece of stream.textStream) pieces.push(piece);
  if (failed) throw failed;
  return { text: pieces.join(""), steps: (await stream.steps).length, pieces: pieces.length };
};

const scenarios = {};
for (const client of Object.keys(clients)) {
  for (const model of ["chat", "thinker"]) {
    scenarios[`${client} ${model}`] = (up) => whole(client, `${up}/${model}`);
    scenarios[`${client} ${model} stream`] = (up) => streamed(client, `${up}/${model}`);
  }
  scenarios[`${client} object`] = async (up) => {
    const output = Output.object({ schema: z.object({ name: z.string(), people: z.number() }) });
    return (await generateText({ model: clients[client](`${up}/chat`), prompt: "Paris", output, maxRetries: 0 })).output;
  };
}

await main(scenarios, {});
