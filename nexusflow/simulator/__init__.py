"""The simulated provider: a real HTTP server with deterministic replies in every wire form, and faults on request.

It speaks OpenAI Chat and Responses, Anthropic Messages in both API versions, Gemini with and without `alt=sse`,
embeddings, token counts and the lists of models, each as its vendor does, and refuses what that vendor refuses.
There is one reply (`reply`) to one request (`asked`); the forms (`openai`, `anthropic`, `gemini`) read and write them.

It needs no key, marks every answer with `x-simulated: true`, and is never used in place of another provider. A model
name may carry options behind an `@`, separated by commas: `chat@delay=5,ttfb=50,events=64`.

Pace, for every model that answers in full:

- `ttfb`: milliseconds before the status line (every model takes this one)
- `delay`: milliseconds between two events of a stream
- `events`: how many deltas the text of a stream has
- `size`: bytes of the reply's text

What it was charged with, for the models that answer well:

- `cached`, `written`: tokens of the prompt that came from a cache or went into one, whatever the request marks
- `redacted`: with Anthropic, thinking in redacted form (for the models that think)

Faults are models of their own, `fault-cut` for one; `nexusflow.simulator.models.MODELS` is the table of all of them,
with the row of the fault matrix each one serves and the further options it takes.
"""
