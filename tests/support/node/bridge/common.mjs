// What the four clients share: where to and as whom, the tool they offer, and how what they saw is reported.

import { createRequire } from "node:module";

// The SDKs are installed in the folder where this runs, not beside this file.
export const load = createRequire(`${process.cwd()}/`);

export const { NEXUSFLOW_URL: url, NEXUSFLOW_KEY: key } = process.env;

export const HELLO = "Hello wörld 漢字";
export const BOTH = "get_weather and get_time, in parallel";

const schema = (argument) => ({
  type: "object",
  properties: { [argument]: { type: "string" } },
  required: [argument],
  additionalProperties: false,
});

export const TOOLS = [
  { name: "get_weather", description: "The weather of a city", schema: schema("city") },
  { name: "get_time", description: "The time in a zone", schema: schema("zone") },
];

export const { z } = load("zod");
export const City = z.object({ name: z.string(), people: z.number().int() });

// What a tool of that name answers.
export const done = (name) => `${name} is done`;

// What `call` threw, as far as a program would look at it, and `before`, which it had seen until then.
export const thrown = async (call, before) => {
  try {
    await call();
  } catch (error) {
    const { status, code, type, requestID } = error;
    return { class: error.constructor.name, status, code, type, message: error.message, requestID, before };
  }
  return null;
};

// Each scenario for each provider, all at once for one provider, then the scenarios that ask for no model.
export const main = async (scenarios, once) => {
  const seen = {};
  const note = async (upstream, name, scenario) => {
    try {
      seen[upstream][name] = { value: (await scenario(upstream)) ?? null };
    } catch (error) {
      seen[upstream][name] = { thrown: error.stack ?? String(error) };
    }
  };
  for (const [upstream, chosen] of [...process.argv.slice(2).map((name) => [name, scenarios]), ["", once]]) {
    seen[upstream] = {};
    await Promise.all(Object.entries(chosen).map(([name, scenario]) => note(upstream, name, scenario)));
  }
  console.log(JSON.stringify(seen));
};
