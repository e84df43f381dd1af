"""The gateway.yaml that `nexusflow init` writes. A test builds it."""

STARTER = """\
# yaml-language-server: $schema=schemas/gateway.v1.schema.json
# One file describes the whole gateway. `nexusflow check` explains mistakes, `nexusflow build` compiles it.
version: 1

gateway:
  name: my-gateway
  port: 8080          # clients use http://127.0.0.1:8080/v1 as their base URL

providers:
  # A real provider. The key is read from the environment when the gateway starts and never stored.
  openai:
    title: OpenAI
    protocol: openai/chat-completions
    base_url: https://api.openai.com/v1
    credential: {env: OPENAI_API_KEY}

  # The built-in simulated provider: `nexusflow simulate` or `nexusflow dev --mock` runs it. It needs no key.
  simulator:
    title: Simulated provider
    protocol: openai/chat-completions
    base_url: http://127.0.0.1:8089/v1
    simulated: true

models:
  gpt-4o-mini:                    # the name that your clients use
    owner: openai
    category: language
    supported_protocols: [openai/chat-completions]
    context_tokens: 128000
    max_output_tokens: 16384
    input: [text, image]
    price:                        # per million tokens, in quotes so that no digit is lost
      input: "0.15"
      output: "0.60"
      cache_read: "0.075"
    lanes:                        # who serves it, in order of priority
      - provider: openai

  simulator/chat:
    owner: nexusflow
    category: language
    supported_protocols: [openai/chat-completions]
    input: [text, image]
    free: true                    # without a price a model must say so
    lanes:
      - provider: simulator
        model: chat
"""
