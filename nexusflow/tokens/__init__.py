"""A local estimate of token counts, for where nobody counts: a provider without a counter, an answer without usage.

No tokenizer is bundled: each model has its own, most are not published, and the published ones take megabytes. Instead
`text` weighs characters by class, `media` goes by kind and size, and `chat` adds what the wire forms cost. `METHOD`
names the rules and changes with them. An estimate is rather too high than too low, since a limit or a reservation is
held against it: on recorded conversations in English, with and without tools, it came to 1.0 to 1.6 times what the
provider counted. It knows nothing of what a provider adds of its own, such as the results of its own searches.
"""

from nexusflow.tokens.chat import estimate
from nexusflow.tokens.text import METHOD, tokens, weigh

__all__ = ["METHOD", "estimate", "tokens", "weigh"]
