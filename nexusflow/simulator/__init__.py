"""The simulated provider: a real HTTP server that speaks OpenAI Chat with deterministic replies and faults on request.

It needs no key, marks every answer with `x-simulated: true`, and is never used in place of another provider. A model
name may carry options behind an `@`, separated by commas: `chat@delay=5,ttfb=50,events=64`.

Pace, for every model that answers in full:

- `ttfb`: milliseconds before the status line (every model takes this one)
- `delay`: milliseconds between two events of a stream
- `events`: how many content deltas a stream has
- `size`: bytes of the reply's text

Faults are models of their own, `fault-cut` for one; `nexusflow.simulator.models.MODELS` is the table of all of them,
with the row of the fault matrix each one serves and the further options it takes.
"""
