"""The text of the fake models: Markdown that looks like an answer, the same every time.

Its tokens have about the size of real ones, 4.6 bytes, so that costs per token compare.
"""

import re
from collections.abc import Iterator
from itertools import count

_TOKEN = re.compile(r"\s{0,8}[^\W_]{1,8}|\s{0,8}[^\w\s]{1,6}|\s{1,8}|.", re.DOTALL)

_SECTION = """\
## Part {n}: steady answers

Streaming keeps readers engaged while longer thoughts develop. Section {n} explains **another** \
detail with `inline_code_{n}`, some *emphasis* and a [reference](https://example.com/part/{n}).

- First consider what changes between versions
- Then measure throughput under realistic conditions
  - including latency percentiles
- Finally compare everything against expectations

| Measure | Before | After |
|---|---:|---:|
| Latency number {n} | {n}20 | {n}10 |
| Throughput number {n} | {n}50 | {n}75 |

```python
def measure_{n}(samples: list[float]) -> float:
    \"\"\"Return the average of several samples.\"\"\"
    total = sum(sample for sample in samples)
    return total / len(samples) if samples else {n}.0
```

> Remember: numbers without context mislead. Part {n} ends here.

"""


def tokens_of(text: str) -> Iterator[str]:
    """Cut a text into pieces of the size of tokens; joined they are the text again."""
    return (match.group() for match in _TOKEN.finditer(text))


def markdown_tokens() -> Iterator[str]:
    """The endless answer, token by token."""
    yield from tokens_of("# A deterministic answer\n\n")
    for n in count(1):
        yield from tokens_of(_SECTION.format(n=n))
