// The official OpenAI SDK over Responses: `node responses.mjs UPSTREAM...`.

import { BOTH, City, HELLO, TOOLS, done, key, load, main, thrown, url } from "./common.mjs";

const OpenAI = load("openai");
const { zodTextFormat } = load("openai/helpers/zod");

const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
const stranger = new OpenAI({ baseURL: `${url}/v1`, apiKey: "sk-air-unknown", maxRetries: 0 });
const { responses } = client;

const asked = [{ role: "user", content: BOTH }];
const tools = TOOLS.map(({ name, description, schema }) => ({
  type: "function",
  name,
  description,
  parameters: schema,
  strict: true,
}));

const calls = ({ output }) => output.filter((item) => item.type === "function_call");

const report = (response) => ({
  model: response.model,
  text: response.output_text,
  end: response.status,
  input: response.usage?.input_tokens,
  output: response.usage?.output_tokens,
  calls: calls(response).map((call) => ({
    id: call.call_id,
    name: call.name,
    arguments: JSON.parse(call.arguments),
  })),
});

const results = (response) =>
  calls(response).map((call) => ({ type: "function_call_output", call_id: call.call_id, output: done(call.name) }));

const twoTurns = async (ask) => {
  const first = await ask({ input: asked });
  // `parsed_arguments` is the helper's own, and refused by providers.
  const output = first.output.map(({ parsed_arguments, ...item }) => item);
  const input = [...asked, ...output, ...results(first)];
  return { first: report(first), second: report(await ask({ input })) };
};

// The second turn only names the first.
const continued = async (ask) => {
  const first = await ask({ input: asked });
  const second = await ask({ previous_response_id: first.id, input: results(first) });
  return { first: report(first), second: report(second), stored: report(await responses.retrieve(first.id)) };
};

const include = ["reasoning.encrypted_content"];
const create = (model, more) => (turn) => responses.create({ model, tools, ...more, ...turn });
const stream = (model, more) => (turn) => responses.stream({ model, tools, ...more, ...turn }).finalResponse();

const throughout = async (model, before = []) => {
  for await (const event of await responses.create({ model, input: HELLO, stream: true })) {
    if (event.type === "response.output_text.delta") before.push(event.delta);
    if (event.type === "response.failed") before.push({ failed: event.response.error });
  }
  return before;
};

const refused = (model, more) => thrown(() => responses.create({ model, input: HELLO, ...more }));

await main(
  {
    plain: async (up) => report(await responses.create({ model: `${up}/chat`, input: HELLO })),
    pieces: (up) => throughout(`${up}/chat`),
    stream: async (up) => report(await responses.stream({ model: `${up}/chat`, input: HELLO }).finalResponse()),
    tools: (up) => twoTurns(create(`${up}/chat`)),
    "tools-stream": (up) => twoTurns(stream(`${up}/chat`)),
    "thinker-tools": (up) => twoTurns(create(`${up}/thinker`, { include, store: false })),
    "thinker-tools-stream": (up) => twoTurns(stream(`${up}/thinker`, { include, store: false })),
    loop: (up) => continued(create(`${up}/thinker`)),
    "loop-stream": (up) => continued(stream(`${up}/thinker`)),
    structured: async (up) => {
      const format = zodTextFormat(City, "City");
      return (await responses.parse({ model: `${up}/chat`, input: HELLO, text: { format } })).output_parsed;
    },
    count: async (up) => (await responses.inputTokens.count({ model: `${up}/chat`, input: HELLO })).input_tokens,
    limited: (up) => refused(`${up}/429`),
    "limited-stream": (up) => refused(`${up}/429`, { stream: true }),
    failed: (up) => refused(`${up}/500`),
    cut: (up) => throughout(`${up}/cut`),
    "error-event": (up) => throughout(`${up}/error-event`),
  },
  {
    key: () => thrown(() => stranger.responses.create({ model: "chat/chat", input: HELLO })),
    model: () => refused("no/such"),
    shape: () => refused("chat/chat", { input: 7 }),
  },
);
