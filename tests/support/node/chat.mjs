// One chat through the official OpenAI SDK for Node: `node chat.mjs SCENARIO`, run in the folder where it is installed.
// NEXUSFLOW_URL, NEXUSFLOW_KEY and NEXUSFLOW_MODEL say where to and as whom. Prints what the SDK made of it, as JSON.

import { createRequire } from "node:module";

const OpenAI = createRequire(`${process.cwd()}/`)("openai");

const { NEXUSFLOW_URL: baseURL, NEXUSFLOW_KEY: apiKey, NEXUSFLOW_MODEL: model } = process.env;
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });

const PIXEL =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

const WEATHER = {
  type: "function",
  function: {
    name: "get_weather",
    description: "The weather of a city",
    parameters: {
      type: "object",
      properties: { city: { type: "string" } },
      required: ["city"],
      additionalProperties: false,
    },
  },
};

const ask = (content, more = {}) =>
  client.chat.completions.create({ model, messages: [{ role: "user", content }], ...more });

const scenarios = {
  plain: () => ask("Hello from Node"),

  async streamed() {
    const stream = await ask("Hello from Node", { stream: true, stream_options: { include_usage: true } });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    return chunks;
  },

  // The accumulating helper, which is stricter about the protocol than reading the chunks.
  helper: () =>
    client.chat.completions
      .stream({ model, messages: [{ role: "user", content: "Hello from Node" }] })
      .finalChatCompletion(),

  async tools() {
    const question = { role: "user", content: "What is the weather in Paris?" };
    const first = await client.chat.completions.create({ model, messages: [question], tools: [WEATHER] });
    const { message } = first.choices[0];
    const results = message.tool_calls.map(({ id }) => ({ role: "tool", tool_call_id: id, content: "18 degrees" }));
    const messages = [question, message, ...results];
    return { first, second: await client.chat.completions.create({ model, messages, tools: [WEATHER] }) };
  },

  image: () =>
    ask([
      { type: "text", text: "What is in this picture?" },
      { type: "image_url", image_url: { url: PIXEL } },
    ]),

  async models() {
    const ids = [];
    for await (const found of client.models.list()) ids.push(found.id);
    return { ids, one: await client.models.retrieve(model) };
  },

  async errors() {
    const seen = {};
    const note = async (name, call) => {
      try {
        await call();
      } catch (error) {
        seen[name] = { class: error.constructor.name, status: error.status, code: error.code, param: error.param };
      }
    };
    const stranger = new OpenAI({ baseURL, apiKey: "sk-air-unknown", maxRetries: 0 });
    await note("key", () => stranger.chat.completions.create({ model, messages: [{ role: "user", content: "x" }] }));
    await note("model", () => ask("x", { model: "no/such" }));
    await note("shape", () => ask(7));
    await note("range", () => ask("x", { temperature: 9 }));
    return seen;
  },
};

console.log(JSON.stringify(await scenarios[process.argv[2]]()));
