"""No word of one user reaches the next in the same tab; `make resilience` does it thirty times."""

from resilience.attack_content_flash import WAYS, flash


async def test_the_first_users_words_never_flash() -> None:
    # The strictest browser: it keeps pages for the back button, and the program lets it.
    result = await flash(runs=1, delay=0.1, ways=WAYS[-1:])
    assert result.failed == 0, result.figures
