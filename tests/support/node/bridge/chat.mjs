// The official OpenAI SDK over Chat Completions: `node chat.mjs UPSTREAM...`.

import { BOTH, City, HELLO, TOOLS, done, key, load, main, thrown, url } from "./common.mjs";

const OpenAI = load("openai");
const { zodResponseFormat } = load("openai/helpers/zod");

const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
const stranger = new OpenAI({ baseURL: `${url}/v1`, apiKey: "sk-air-unknown", maxRetries: 0 });
const chat = client.chat.completions;

const said = [{ role: "user", content: HELLO }];
const asked = [{ role: "user", content: BOTH }];
const tools = TOOLS.map(({ name, description, schema }) => ({
  type: "function",
  function: { name, description, parameters: schema },
}));
const runnable = TOOLS.map(({ name, description, schema }) => ({
  type: "function",
  function: { name, description, parameters: schema, parse: JSON.parse, function: () => done(name) },
}));

const report = ({ model, choices: [{ message, finish_reason }], usage }) => ({
  model,
  text: message.content,
  end: finish_reason,
  input: usage?.prompt_tokens,
  output: usage?.completion_tokens,
  calls: (message.tool_calls ?? []).map((call) => ({
    id: call.id,
    name: call.function.name,
    arguments: JSON.parse(call.function.arguments),
  })),
});

const twoTurns = async (ask) => {
  const first = await ask(asked);
  const { parsed, ...message } = first.choices[0].message; // `parsed` is the helper's own, and refused by providers
  const results = message.tool_calls.map((call) => ({
    role: "tool",
    tool_call_id: call.id,
    content: done(call.function.name),
  }));
  return { first: report(first), second: report(await ask([...asked, message, ...results])) };
};

const create = (model) => (messages) => chat.create({ model, messages, tools });
const stream = (model) => (messages) => chat.stream({ model, messages, tools }).finalChatCompletion();

const throughout = async (model, before = []) => {
  for await (const chunk of await chat.create({ model, messages: said, stream: true })) {
    const text = chunk.choices[0]?.delta.content;
    if (text) before.push(text);
  }
  return before;
};

const refused = (model, more) => thrown(() => chat.create({ model, messages: said, ...more }));

const broken = async (model) => {
  const before = [];
  return thrown(() => throughout(model, before), before);
};

const embed = async (model, more = {}) =>
  (await client.embeddings.create({ model, input: [HELLO, BOTH], dimensions: 8, ...more })).data.map(
    (one) => one.embedding,
  );

const ids = async () => {
  const found = [];
  for await (const model of client.models.list()) found.push(model.id);
  return found;
};

await main(
  {
    plain: async (up) => report(await chat.create({ model: `${up}/chat`, messages: said })),
    pieces: (up) => throughout(`${up}/chat`),
    stream: async (up) =>
      report(
        await chat
          .stream({ model: `${up}/chat`, messages: said, stream_options: { include_usage: true } })
          .finalChatCompletion(),
      ),
    tools: (up) => twoTurns(create(`${up}/chat`)),
    "tools-stream": (up) => twoTurns(stream(`${up}/chat`)),
    "thinker-tools": (up) => twoTurns(create(`${up}/thinker`)),
    "thinker-tools-stream": (up) => twoTurns(stream(`${up}/thinker`)),
    loop: (up) => chat.runTools({ model: `${up}/chat`, messages: asked, tools: runnable }).finalContent(),
    "loop-stream": (up) =>
      chat.runTools({ model: `${up}/chat`, messages: asked, tools: runnable, stream: true }).finalContent(),
    structured: async (up) => {
      const response_format = zodResponseFormat(City, "City");
      const answer = await chat.parse({ model: `${up}/chat`, messages: said, response_format });
      return answer.choices[0].message.parsed;
    },
    limited: (up) => refused(`${up}/429`),
    "limited-stream": (up) => refused(`${up}/429`, { stream: true }),
    failed: (up) => refused(`${up}/500`),
    cut: (up) => broken(`${up}/cut`),
    "error-event": (up) => broken(`${up}/error-event`),
    embeddings: (up) => (up === "messages" ? null : embed(`${up}/embedding`)),
    "embeddings-float": (up) => (up === "messages" ? null : embed(`${up}/embedding`, { encoding_format: "float" })),
  },
  {
    key: () => thrown(() => stranger.chat.completions.create({ model: "chat/chat", messages: said })),
    model: () => refused("no/such"),
    shape: () => refused("chat/chat", { messages: [{ role: "user", content: 7 }] }),
    models: ids,
    one: async () => (await client.models.retrieve("gemini/chat")).id,
  },
);
