// Anthropic's own SDK over Messages: `node messages.mjs UPSTREAM...`.

import { BOTH, City, HELLO, TOOLS, done, key, load, main, thrown, url } from "./common.mjs";

const Anthropic = load("@anthropic-ai/sdk");
const { zodOutputFormat } = load("@anthropic-ai/sdk/helpers/zod");

const client = new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0 });
const stranger = new Anthropic({ baseURL: url, apiKey: "sk-air-unknown", maxRetries: 0 });
const { messages } = client;

const said = [{ role: "user", content: HELLO }];
const asked = [{ role: "user", content: BOTH }];
const tools = TOOLS.map(({ name, description, schema }) => ({ name, description, input_schema: schema }));
const runnable = tools.map((tool) => ({ ...tool, run: () => done(tool.name), parse: (value) => value }));
const call = (model, conversation, more) => ({ model, max_tokens: 4096, messages: conversation, ...more });

const text = ({ content }) =>
  content
    .filter((block) => block.type === "text")
    .map((block) => block.text)
    .join("");

const calls = ({ content }) => content.filter((block) => block.type === "tool_use");

const report = (message) => ({
  model: message.model,
  text: text(message),
  end: message.stop_reason,
  input: message.usage.input_tokens,
  output: message.usage.output_tokens,
  calls: calls(message).map(({ id, name, input }) => ({ id, name, arguments: input })),
});

const twoTurns = async (ask) => {
  const first = await ask(asked);
  const { role, content } = first;
  const results = calls(first).map(({ id, name }) => ({ type: "tool_result", tool_use_id: id, content: done(name) }));
  const conversation = [...asked, { role, content }, { role: "user", content: results }];
  return { first: report(first), second: report(await ask(conversation)) };
};

const thinking = { thinking: { type: "adaptive", display: "summarized" }, output_config: { effort: "high" } };
const create = (model, more) => (turn) => messages.create(call(model, turn, { tools, ...more }));
const stream = (model, more) => (turn) => messages.stream(call(model, turn, { tools, ...more })).finalMessage();

const throughout = async (model, before = []) => {
  for await (const event of await messages.create(call(model, said, { stream: true }))) {
    if (event.type === "content_block_delta") before.push(event.delta.text);
  }
  return before;
};

const refused = (model, more) => thrown(() => messages.create(call(model, said, more)));

const broken = async (model) => {
  const before = [];
  return thrown(() => throughout(model, before), before);
};

const ids = async () => {
  const found = [];
  for await (const model of client.models.list({ limit: 20 })) found.push(model.id);
  return found;
};

await main(
  {
    plain: async (up) => report(await messages.create(call(`${up}/chat`, said))),
    pieces: (up) => throughout(`${up}/chat`),
    stream: async (up) => report(await messages.stream(call(`${up}/chat`, said)).finalMessage()),
    tools: (up) => twoTurns(create(`${up}/chat`)),
    "tools-stream": (up) => twoTurns(stream(`${up}/chat`)),
    "thinker-tools": (up) => twoTurns(create(`${up}/thinker`, thinking)),
    "thinker-tools-stream": (up) => twoTurns(stream(`${up}/thinker`, thinking)),
    loop: async (up) =>
      text(await client.beta.messages.toolRunner(call(`${up}/chat`, asked, { tools: runnable })).runUntilDone()),
    "loop-stream": async (up) => {
      const runner = client.beta.messages.toolRunner(
        call(`${up}/thinker`, asked, { tools: runnable, stream: true, ...thinking }),
      );
      let last;
      for await (const turn of runner) last = await turn.finalMessage();
      return text(last);
    },
    structured: async (up) => {
      const format = zodOutputFormat(City);
      return (await messages.parse(call(`${up}/chat`, said, { output_config: { format } }))).parsed_output;
    },
    count: async (up) => (await messages.countTokens({ model: `${up}/chat`, messages: said })).input_tokens,
    limited: (up) => refused(`${up}/429`),
    "limited-stream": (up) => refused(`${up}/429`, { stream: true }),
    failed: (up) => refused(`${up}/500`),
    cut: (up) => broken(`${up}/cut`),
    "error-event": (up) => broken(`${up}/error-event`),
  },
  {
    key: () => thrown(() => stranger.messages.create(call("chat/chat", said))),
    model: () => refused("no/such"),
    shape: () => refused("chat/chat", { messages: [{ role: "user", content: 7 }] }),
    models: ids,
    one: async () => (await client.models.retrieve("gemini/chat")).id,
  },
);
