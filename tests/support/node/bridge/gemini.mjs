// Google's own SDK over generateContent: `node gemini.mjs UPSTREAM...`.

import { BOTH, City, HELLO, TOOLS, done, key, load, main, thrown, url, z } from "./common.mjs";

const { GoogleGenAI } = load("@google/genai");

const { models, chats } = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: url } });
const stranger = new GoogleGenAI({ apiKey: "sk-air-unknown", httpOptions: { baseUrl: url } });

const asked = [{ role: "user", parts: [{ text: BOTH }] }];
const declarations = TOOLS.map(({ name, description, schema }) => ({
  name,
  description,
  parametersJsonSchema: schema,
}));
const config = { tools: [{ functionDeclarations: declarations }] };

const responded = (calls) =>
  calls.map(({ id, name }) => ({ functionResponse: { id, name, response: { output: done(name) } } }));

// What the SDK's own loop calls.
const callable = {
  tool: async () => config.tools[0],
  callTool: async (calls) => responded(calls),
};

const report = ({ modelVersion, text, candidates, usageMetadata, functionCalls = [] }) => ({
  model: modelVersion,
  text: text ?? "",
  end: candidates[0].finishReason,
  input: usageMetadata?.promptTokenCount,
  output: (usageMetadata?.candidatesTokenCount ?? 0) + (usageMetadata?.thoughtsTokenCount ?? 0),
  calls: functionCalls.map(({ id, name, args }) => ({ id, name, arguments: args })),
});

const twoTurns = async (model) => {
  const first = await models.generateContent({ model, contents: asked, config });
  const results = { role: "user", parts: responded(first.functionCalls) };
  const contents = [...asked, first.candidates[0].content, results];
  return { first: report(first), second: report(await models.generateContent({ model, contents, config })) };
};

// The pieces of a stream: its text joined, and the last piece.
const collect = async (stream, before = []) => {
  let last;
  const functionCalls = [];
  for await (const piece of stream) {
    if (piece.text) before.push(piece.text);
    functionCalls.push(...(piece.functionCalls ?? []));
    last = piece;
  }
  const { modelVersion, candidates, usageMetadata } = last;
  return report({ modelVersion, candidates, usageMetadata, functionCalls, text: before.join("") });
};

// The SDK's chat keeps the history of a stream by itself.
const chatted = async (model) => {
  const chat = chats.create({ model, config });
  const first = await collect(await chat.sendMessageStream({ message: BOTH }));
  return { first, second: await collect(await chat.sendMessageStream({ message: responded(first.calls) })) };
};

const throughout = async (model, before = []) => {
  await collect(await models.generateContentStream({ model, contents: HELLO }), before);
  return before;
};

const broken = async (model) => {
  const before = [];
  return thrown(() => throughout(model, before), before);
};

const refused = (model, contents = HELLO) => thrown(() => models.generateContent({ model, contents }));

const ids = async () => {
  const found = [];
  for await (const model of await models.list({ config: { pageSize: 20 } })) found.push(model.name);
  return found;
};

const loop = { tools: [callable] };

await main(
  {
    plain: async (up) => report(await models.generateContent({ model: `${up}/chat`, contents: HELLO })),
    pieces: (up) => throughout(`${up}/chat`),
    stream: async (up) => collect(await models.generateContentStream({ model: `${up}/chat`, contents: HELLO })),
    tools: (up) => twoTurns(`${up}/chat`),
    "tools-stream": (up) => chatted(`${up}/chat`),
    "thinker-tools": (up) => twoTurns(`${up}/thinker`),
    "thinker-tools-stream": (up) => chatted(`${up}/thinker`),
    loop: async (up) =>
      (await models.generateContent({ model: `${up}/thinker`, contents: BOTH, config: loop })).text,
    "loop-stream": async (up) => {
      const stream = await models.generateContentStream({ model: `${up}/thinker`, contents: BOTH, config: loop });
      return (await collect(stream)).text;
    },
    structured: async (up) => {
      const typed = { responseMimeType: "application/json", responseJsonSchema: z.toJSONSchema(City) };
      const answer = await models.generateContent({ model: `${up}/chat`, contents: HELLO, config: typed });
      return City.parse(JSON.parse(answer.text));
    },
    count: async (up) => (await models.countTokens({ model: `${up}/chat`, contents: HELLO })).totalTokens,
    limited: (up) => refused(`${up}/429`),
    "limited-stream": (up) => thrown(() => throughout(`${up}/429`)),
    failed: (up) => refused(`${up}/500`),
    cut: (up) => broken(`${up}/cut`),
    "error-event": (up) => broken(`${up}/error-event`),
    embeddings: async (up) => {
      if (up === "messages") return null;
      const call = { model: `${up}/embedding`, contents: [HELLO, BOTH], config: { outputDimensionality: 8 } };
      return (await models.embedContent(call)).embeddings.map(({ values }) => values);
    },
  },
  {
    key: () => thrown(() => stranger.models.generateContent({ model: "chat/chat", contents: HELLO })),
    model: () => refused("no/such"),
    shape: () => refused("chat/chat", [{ role: "user", parts: [{ text: 7 }] }]),
    models: ids,
    one: async () => (await models.get({ model: "gemini/chat" })).name,
  },
);
