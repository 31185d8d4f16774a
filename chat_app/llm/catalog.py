"""What is known of models by their names: windows, images, tools, thinking.

A guess, for models of the large providers; an operator's word in `CHAT_PROVIDERS` goes before it.
Nothing is guessed of models that people run themselves: their window is what the server was started
with. Sources: the models' pages of each provider (platform.openai.com/docs/models,
platform.claude.com/docs/en/about-claude/models/overview, ai.google.dev/gemini-api/docs/models,
api-docs.deepseek.com/quick_start/pricing), read in November 2026.
"""

import re
from dataclasses import replace

from chat_app.llm.base import UNKNOWN_MODEL, Effort, ModelInfo

_LOW_TO_HIGH: tuple[Effort, ...] = ("low", "medium", "high")
BUDGET_CLAUDE = r"claude-(\d|[a-z]+-4(-[0-5])?(-\d{8}|[@:]|-v|$))"
"""The names of the Claude models up to 4.5, which think by a number of tokens."""
_CLAUDE = ModelInfo(200_000, 64_000, images=True, tools=True, efforts=("none", *_LOW_TO_HIGH))
_GPT_5 = ModelInfo(
    400_000,
    128_000,
    images=True,
    tools=True,
    efforts=("minimal", *_LOW_TO_HIGH),
    temperature=False,
)
_KNOWN: tuple[tuple[str, ModelInfo], ...] = (
    (r"claude-3-(5-)?haiku|claude-3-opus|claude-3-5", ModelInfo(200_000, 4_096, True, True)),
    (BUDGET_CLAUDE, _CLAUDE),
    (
        r"claude-[a-z]+-4-6",
        replace(_CLAUDE, efforts=("none", *_LOW_TO_HIGH, "max")),
    ),
    (
        r"claude-",
        replace(
            _CLAUDE,
            max_output=128_000,
            efforts=("none", *_LOW_TO_HIGH, "xhigh", "max"),
            temperature=False,
        ),
    ),
    (r"gpt-5\.\d+", replace(_GPT_5, efforts=("none", *_LOW_TO_HIGH, "xhigh"))),
    (r"gpt-5", _GPT_5),
    (r"gpt-4\.1", ModelInfo(1_047_576, 32_768, images=True, tools=True)),
    (r"gpt-4o", ModelInfo(128_000, 16_384, images=True, tools=True)),
    (r"gpt-oss", ModelInfo(131_072, tools=True, efforts=_LOW_TO_HIGH)),
    (
        r"(^|/)o[134](-|$)",
        ModelInfo(200_000, 100_000, True, True, efforts=_LOW_TO_HIGH, temperature=False),
    ),
    (
        r"gemini-(2\.5|[3-9])",
        ModelInfo(1_048_576, 65_536, images=True, tools=True, efforts=_LOW_TO_HIGH),
    ),
    (r"deepseek-(chat|reasoner|v)", ModelInfo(128_000, tools=True)),
)


def guess_info(model: str) -> ModelInfo:
    """What is known of a model.

    Args:
        model: Its name on the server.
    """
    name = model.lower()
    known = (info for pattern, info in _KNOWN if re.search(pattern, name))
    return next(known, UNKNOWN_MODEL)
