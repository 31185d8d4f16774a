"""No word of one person reaches the next in the same tab; `make scenario` does it thirty times."""

from resilience.attack_content_flash import WAYS, flash


async def test_the_first_persons_words_never_flash() -> None:
    result = await flash(runs=2, delay=0.4, ways=(WAYS[0], WAYS[-1]))
    assert result.failed == 0, result.figures
