"""What a screen reader hears while an answer is made: sentences, never tokens, and its end."""

from testing.browser_user import Meet, ask_model, until_done, until_text
from testing.program import Program

SENTENCES = [
    f"This is sentence number {n} of a quiet little story about the sea." for n in range(9)
]
SLOW = "fake:1x80"
"""It speaks for ten seconds: a page that reads late hears the beginning, and several pieces."""
LISTEN = """() => {
    window.heard = [];
    new MutationObserver((changes) => {
        for (const change of changes) {
            const region = change.target.closest?.("[aria-live=polite]");
            if (!region?.matches("[aria-label='Spoken answer']")) continue;
            for (const node of change.addedNodes) heard.push(node.textContent);
        }
    }).observe(document, {subtree: true, childList: true});
}"""


async def test_sentences_are_announced_and_then_the_end(program: Program, meet: Meet) -> None:
    ada = await meet("Ada", program.url)
    await ada.context.add_init_script(f"({LISTEN})()")
    await ada.sign_up()
    await ask_model(ada, f"echo: {' '.join(SENTENCES)}", SLOW)
    await until_text(ada.page)
    await until_done(ada.page)
    await ada.page.wait_for_function("() => heard.at(-1) === 'Answer finished'")
    heard = await ada.page.evaluate("heard")
    said = heard[:-1]
    assert " ".join(said) == " ".join(SENTENCES)
    assert 2 <= len(said) <= len(SENTENCES)
    assert all(words.endswith(".") for words in said)


async def test_an_answer_read_before_is_not_announced(program: Program, meet: Meet) -> None:
    ada = await meet("Ada", program.url)
    await ada.context.add_init_script(f"({LISTEN})()")
    await ada.sign_up()
    await ada.ask("echo: It is done.")
    await until_text(ada.page)
    await until_done(ada.page)
    await ada.page.reload()
    await until_text(ada.page)
    await ada.ask("echo: It is done again.")
    await ada.page.wait_for_function("() => heard.at(-1) === 'Answer finished'")
    assert await ada.page.evaluate("heard") == ["It is done again.", "Answer finished"]
