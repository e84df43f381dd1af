"""The simulated provider: a real HTTP server that speaks OpenAI Chat with deterministic replies and faults on request.

It needs no key, marks everything as simulated, and is never used in place of another provider.
"""
