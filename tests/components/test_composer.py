"""Nothing a person writes is lost, and nothing is sent twice."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, Route, expect

from testing.browser import close
from testing.script_page import HOST, dress

pytestmark = pytest.mark.asyncio(loop_scope="session")

Network = Callable[[bool], Awaitable[None]]

MOUNT = "(props) => { window.it = lab.mount('Composer', props, { events: ['onSend', 'onStop'] }); }"


async def _mount(page: Page, **props: object) -> Locator:
    await page.evaluate(MOUNT, props)
    return page.get_by_test_id("composer")


async def _sent(page: Page) -> list[list[str]]:
    return await page.evaluate(
        "it.calls.filter(([name]) => name === 'onSend').map((c) => c.slice(1))"
    )


async def _set(page: Page, **props: object) -> None:
    await page.evaluate("(props) => it.set(props)", props)


async def test_enter_sends_and_the_text_leaves_when_the_server_has_it(page: Page) -> None:
    field = await _mount(page)
    await expect(field).to_be_focused()
    await field.press_sequentially("Hello there")
    await field.press("Enter")
    ((client_id, text),) = await _sent(page)
    assert text == "Hello there"
    assert len(client_id) >= 22
    await expect(field).to_have_value("Hello there")
    await expect(page.locator(".ct-composer")).to_have_attribute("data-state", "sending")
    await _set(page, accepted=client_id)
    await expect(field).to_have_value("")
    await expect(page.locator(".ct-composer")).to_have_attribute("data-state", "idle")


async def test_shift_enter_is_a_new_line(page: Page) -> None:
    field = await _mount(page)
    await field.press_sequentially("one")
    await field.press("Shift+Enter")
    await field.press_sequentially("two")
    await expect(field).to_have_value("one\ntwo")
    assert await _sent(page) == []


async def test_on_a_keyboard_on_the_screen_enter_makes_a_new_line(
    browser: Browser, origin: str
) -> None:
    context = await browser.new_context(has_touch=True, is_mobile=True)
    page = await context.new_page()
    await page.goto(f"{origin}/")
    await page.wait_for_function("() => window.lab")
    field = await _mount(page)
    await expect(field).to_have_attribute("enterkeyhint", "enter")
    await field.press_sequentially("one")
    await field.press("Enter")
    await field.press_sequentially("two")
    await expect(field).to_have_value("one\ntwo")
    assert await _sent(page) == []
    await field.press("Control+Enter")
    assert (await _sent(page))[0][1] == "one\ntwo", "a tablet may have a keyboard of its own"
    await page.evaluate("it.unmount()")
    field = await _mount(page, draftKey="button")
    await field.fill("three")
    await page.get_by_role("button", name="Send message").tap()
    assert [text for _, text in await _sent(page)] == ["three"]
    await close(context)


async def test_enter_sends_where_keys_can_be_held(page: Page) -> None:
    field = await _mount(page)
    await expect(field).to_have_attribute("enterkeyhint", "send")


async def test_enter_that_ends_a_composition_does_not_send(page: Page) -> None:
    field = await _mount(page)
    await field.fill("にほん")
    for init in ({"isComposing": True}, {"keyCode": 229}):
        await field.dispatch_event("keydown", {"key": "Enter", "bubbles": True, **init})
    assert await _sent(page) == []
    await field.press("Enter")
    assert len(await _sent(page)) == 1


@pytest.mark.parametrize("text", ["", "   ", "\n\n\t"])
async def test_a_blank_text_does_nothing(page: Page, text: str) -> None:
    field = await _mount(page)
    await field.fill(text)
    await field.press("Enter")
    await page.get_by_test_id("send").click()
    assert await _sent(page) == []


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("    def f():\n        return 1", "    def f():\n        return 1"),
        ("\n \n\tkey: value\n\n  ", "\tkey: value"),
        ("  one line  ", "  one line"),
    ],
)
async def test_the_indent_of_the_first_line_is_kept(page: Page, written: str, sent: str) -> None:
    field = await _mount(page)
    await field.fill(written)
    await field.press("Enter")
    ((client_id, text),) = await _sent(page)
    assert text == sent
    await field.evaluate("(field, more) => { field.value += more; }", "\n\n    and then\n")
    await _set(page, accepted=client_id)
    await expect(field).to_have_value("    and then\n")


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (360, 640)])
async def test_more_than_ten_lines_are_in_sight(page: Page, width: int, height: int) -> None:
    await page.set_viewport_size({"width": width, "height": height})
    await dress(page, "composer")
    field = await _mount(page)
    await field.fill("\n".join(f"line {n}" for n in range(11)))
    assert await field.evaluate("(field) => field.scrollHeight - field.clientHeight") <= 0
    await field.fill("\n".join(f"line {n}" for n in range(99)))
    assert await field.evaluate("(field) => field.clientHeight < innerHeight / 2 + 1")


async def test_a_second_enter_before_the_answer_does_not_send_again(page: Page) -> None:
    field = await _mount(page)
    await field.fill("once")
    await field.press("Enter")
    await field.press("Enter")
    await page.get_by_test_id("send").click(force=True)
    assert len(await _sent(page)) == 1


async def test_a_text_above_the_limit_is_refused_with_a_sentence_and_kept(page: Page) -> None:
    field = await _mount(page, maxBytes=1000)
    await field.fill("é" * 501)
    await field.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("limit is 1 kB")
    assert await _sent(page) == []
    await expect(field).to_have_value("é" * 501)
    await field.fill("é" * 500)
    await expect(page.get_by_role("alert")).to_have_text("")
    await field.press("Enter")
    assert len(await _sent(page)) == 1


async def test_a_refused_text_stays_and_can_be_changed_and_sent(page: Page) -> None:
    field = await _mount(page)
    await field.fill("first try")
    await field.press("Enter")
    ((first, _),) = await _sent(page)
    await _set(page, refused=first, notice="Too many answers at once.")
    await expect(page.get_by_role("alert")).to_have_text("Too many answers at once.")
    await expect(field).to_have_value("first try")
    await field.press("Enter")
    await _set(page, refused="")
    await _set(page, refused=first)
    await field.fill("second try")
    await field.press("Enter")
    ids = [client_id for client_id, _ in await _sent(page)]
    assert ids[0] == ids[1] != ids[2]


async def test_words_written_after_sending_are_all_that_stays(page: Page) -> None:
    field = await _mount(page)
    await field.press_sequentially("sent")
    await field.press("Enter")
    await field.press_sequentially(" and the next")
    ((client_id, _),) = await _sent(page)
    await _set(page, accepted=client_id)
    await expect(field).to_have_value("and the next")


async def test_without_an_answer_it_offers_to_try_again_with_the_same_id(page: Page) -> None:
    await page.evaluate(
        """() => {
            const real = window.setTimeout;
            window.setTimeout = (work, ms) =>
                ms < 5000 ? real(work, ms) : ((window.late = work), 0);
        }"""
    )
    field = await _mount(page)
    await field.fill("into the tunnel")
    await field.press("Enter")
    await expect(page.get_by_text("Not sent yet.")).to_have_count(0)
    await page.evaluate("() => late()")
    await page.get_by_role("button", name="Try again").click()
    (first, second) = await _sent(page)
    assert first == second
    await _set(page, accepted=first[0])
    await expect(field).to_have_value("")
    await expect(page.get_by_text("Not sent yet.")).to_have_count(0)


async def test_while_an_answer_runs_the_button_stops_it_and_enter_sends_nothing(page: Page) -> None:
    field = await _mount(page, busy=True)
    await field.fill("next question")
    await field.press("Enter")
    await expect(page.get_by_test_id("send")).to_have_count(0)
    await page.get_by_role("button", name="Stop answer").click()
    assert await page.evaluate("it.calls") == [["onStop"]]
    await expect(field).to_have_value("next question")


async def test_a_double_press_on_stop_does_not_send_what_is_written(page: Page) -> None:
    await page.evaluate("() => { window.now = 10_000; performance.now = () => window.now; }")
    field = await _mount(page, busy=True)
    await field.fill("next question")
    await page.get_by_role("button", name="Stop answer").click()
    await _set(page, busy=False)
    send = page.get_by_test_id("send")
    await send.click()
    await field.press("Enter")
    assert await _sent(page) == []
    await page.evaluate("() => { window.now += 1000; }")
    await send.click()
    assert [text for _, text in await _sent(page)] == ["next question"]


async def test_what_is_written_after_a_stop_is_sent_at_once(page: Page) -> None:
    await page.evaluate("() => { performance.now = () => 10_000; }")
    field = await _mount(page, busy=True)
    await page.get_by_role("button", name="Stop answer").click()
    await _set(page, busy=False)
    await field.fill("next question")
    await field.press("Enter")
    assert [text for _, text in await _sent(page)] == ["next question"]


async def test_escape_stops_the_answer_and_the_focus_returns_to_the_composer(page: Page) -> None:
    field = await _mount(page, busy=True)
    await field.fill("next question")
    stop = page.get_by_role("button", name="Stop answer")
    for start in (field, stop):
        await start.focus()
        await page.keyboard.press("Escape")
        await expect(field).to_be_focused()
    await field.evaluate("(field) => field.blur()")
    await page.keyboard.press("Escape")
    await expect(field).to_be_focused()
    assert await page.evaluate("it.calls") == [["onStop"]] * 3
    await stop.click()
    await expect(field).to_be_focused()
    await _set(page, busy=False)
    await page.keyboard.press("Escape")
    assert await page.evaluate("it.calls") == [["onStop"]] * 4
    await expect(field).to_have_value("next question")


@pytest.mark.parametrize(
    "html",
    [
        "<div popover id=other><button>in a menu</button></div>",
        "<dialog id=other><button>in a dialog</button></dialog>",
        "<input type=search id=other>",
    ],
)
async def test_escape_first_closes_or_clears_what_is_in_front(page: Page, html: str) -> None:
    await _mount(page, busy=True)
    await page.evaluate(
        """(html) => {
            const place = document.createElement("div");
            place.innerHTML = html;
            document.body.append(place);
            if (other.popover) other.showPopover();
            else if (other.showModal) other.showModal();
            else other.focus();
        }""",
        html,
    )
    await page.keyboard.press("Escape")
    assert await page.evaluate("it.calls") == []
    await page.evaluate("document.activeElement.blur()")
    await page.keyboard.press("Escape")
    assert await page.evaluate("it.calls") == [["onStop"]]


async def test_a_draft_survives_a_reload_and_belongs_to_its_thread(page: Page) -> None:
    field = await _mount(page, draftKey="one")
    await field.fill("for one")
    await _set(page, draftKey="two")
    await expect(field).to_have_value("")
    await field.fill("for two")
    await page.reload()
    await page.wait_for_function("() => window.lab")
    field = await _mount(page, draftKey="one")
    await expect(field).to_have_value("for one")
    await _set(page, draftKey="two")
    await expect(field).to_have_value("for two")


async def test_the_draft_of_another_user_is_removed_and_not_shown(page: Page) -> None:
    field = await _mount(page, owner="ada")
    await field.fill("what Ada might say")
    await page.reload()
    await page.wait_for_function("() => window.lab")
    field = await _mount(page, owner="ada")
    await expect(field).to_have_value("what Ada might say")
    await page.reload()
    await page.wait_for_function("() => window.lab")
    field = await _mount(page, owner="bob")
    await expect(field).to_have_value("")
    assert await _drafts(page) == []


async def test_a_reload_while_sending_keeps_the_id_so_that_nothing_is_sent_twice(
    page: Page,
) -> None:
    field = await _mount(page)
    await field.fill("sent, then reloaded")
    await field.press("Enter")
    ((first, _),) = await _sent(page)
    await page.reload()
    await page.wait_for_function("() => window.lab")
    field = await _mount(page)
    await field.press("Enter")
    ((second, _),) = await _sent(page)
    assert first == second


async def test_a_text_accepted_on_another_page_is_no_draft_any_more(page: Page) -> None:
    field = await _mount(page, draftKey="new")
    await field.fill("opens a thread")
    await field.press("Enter")
    ((client_id, _),) = await _sent(page)
    await page.evaluate("it.unmount()")
    field = await _mount(page, draftKey="thread", accepted=client_id)
    await expect(field).to_have_value("")
    await _set(page, accepted="another")
    await _set(page, draftKey="new")
    await expect(field).to_have_value("")
    assert await _drafts(page) == []


async def test_the_same_words_sent_after_an_answer_are_a_new_message(page: Page) -> None:
    field = await _mount(page)
    ids = []
    for _ in range(2):
        await field.fill("again")
        await field.press("Enter")
        ids.append((await _sent(page))[-1][0])
        await _set(page, accepted=ids[-1])
    assert ids[0] != ids[1]
    await expect(field).to_have_value("")


async def test_a_half_emoji_is_not_sent(page: Page) -> None:
    field = await _mount(page)
    await field.evaluate("(e) => { e.value = 'a\\ud83d'; }")
    await field.press("Enter")
    assert (await _sent(page))[0][1] == "a\ufffd"


EVENTS = "{ events: ['onSend', 'onOpen'] }"


async def _begin_chat(page: Page, kind: str = "Composer", **props: object) -> None:
    mount = f"(props) => {{ window.it = lab.mount('{kind}', props, {EVENTS}); }}"
    await page.evaluate(mount, {"opensChat": True, **props})


async def _opened(page: Page) -> int:
    return await page.evaluate("it.calls.filter(([name]) => name === 'onOpen').length")


async def test_a_new_chat_is_opened_once_when_its_first_message_is_accepted(page: Page) -> None:
    await _begin_chat(page)
    await page.get_by_test_id("composer").fill("opens a chat")
    await page.get_by_test_id("composer").press("Enter")
    ((client_id, _),) = await _sent(page)
    await _set(page, accepted="another", draftKey="new")
    assert await _opened(page) == 0
    await _set(page, accepted=client_id, draftKey="thread", opensChat=False)
    await _set(page, accepted="", draftKey="new", opensChat=True)
    await _set(page, accepted=client_id)
    assert await _opened(page) == 1


async def test_a_new_chat_is_opened_after_a_reload_or_a_lost_connection(page: Page) -> None:
    await _begin_chat(page)
    await page.get_by_test_id("composer").fill("sent, then reloaded")
    await page.get_by_test_id("composer").press("Enter")
    ((client_id, _),) = await _sent(page)
    await page.reload()
    await page.wait_for_function("() => window.lab")
    await _begin_chat(page, accepted=client_id, draftKey="thread")
    assert await _opened(page) == 1


async def test_what_is_written_while_a_chat_begins_goes_on_in_it(page: Page) -> None:
    await _begin_chat(page)
    field = page.get_by_test_id("composer")
    await field.fill("begins a chat")
    await field.press("Enter")
    ((client_id, _),) = await _sent(page)
    await field.press_sequentially(" and goes on")
    await _set(page, accepted=client_id, draftKey="thread", opensChat=False)
    await expect(field).to_have_value("and goes on")
    await _set(page, draftKey="new", opensChat=True)
    await expect(field).to_have_value("")
    await _set(page, draftKey="thread", opensChat=False)
    await expect(field).to_have_value("and goes on")


async def test_a_user_who_has_moved_on_is_not_called_back_to_a_new_chat(page: Page) -> None:
    await _begin_chat(page)
    await page.get_by_test_id("composer").fill("opens a chat")
    await page.get_by_test_id("composer").press("Enter")
    ((client_id, _),) = await _sent(page)
    await page.evaluate("history.pushState(null, '', '/c/another')")
    await _set(page, accepted=client_id, draftKey="another", opensChat=False)
    assert await _opened(page) == 0
    await expect(page.get_by_test_id("composer")).to_have_value("")


async def test_a_message_of_an_open_chat_opens_none(page: Page) -> None:
    await _begin_chat(page, opensChat=False)
    await page.get_by_test_id("composer").fill("goes on")
    await page.get_by_test_id("composer").press("Enter")
    ((client_id, _),) = await _sent(page)
    await _set(page, accepted=client_id)
    assert await _opened(page) == 0


async def test_a_suggestion_opens_its_chat_too(page: Page) -> None:
    await _begin_chat(page)
    await _begin_chat(page, "Starter", text="Write a haiku")
    await page.locator(".starter").click()
    ((client_id, _),) = await _sent(page)
    await _begin_chat(page, accepted=client_id)
    assert await _opened(page) == 1


@pytest_asyncio.fixture(loop_scope="session")
async def network(page: Page) -> AsyncIterator[Network]:
    """Takes the browser's network away, and gives it back."""

    async def set_network(is_there: bool) -> None:
        await page.context.set_offline(not is_there)

    yield set_network
    await set_network(True)


@pytest_asyncio.fixture(loop_scope="session")
async def away(page: Page, network: Network, site: Path) -> Network:
    """The same for a page that comes from another machine, as far as the browser knows."""

    async def answer(route: Route) -> None:
        name = urlsplit(route.request.url).path.strip("/") or "index.html"
        await route.fulfill(path=site / name)

    await page.route(f"{HOST}/**", answer)
    await page.goto(f"{HOST}/")
    await page.wait_for_function("() => window.lab")
    return network


async def test_without_a_network_a_message_says_that_it_waits_and_is_sent_once_it_is_back(
    page: Page, away: Network
) -> None:
    field = await _mount(page)
    status = page.locator(".ct-composer-late")
    await away(False)
    await field.fill("into the tunnel")
    await expect(status).to_have_text("")
    await field.press("Enter")
    await expect(status).to_contain_text("Waiting for the connection")
    await expect(page.get_by_role("button", name="Try again")).to_have_count(0)
    (first,) = await _sent(page)
    await away(True)
    await expect(status).to_have_text("")
    assert await _sent(page) == [first, first]
    await _set(page, accepted=first[0])
    await expect(field).to_have_value("")


async def test_a_message_waits_for_a_server_that_is_gone(page: Page) -> None:
    field = await _mount(page, isDisconnected=True)
    await field.fill("anybody there?")
    await field.press("Enter")
    await expect(page.locator(".ct-composer-late")).to_contain_text("Waiting for the connection")
    await _set(page, isDisconnected=False)
    assert len(await _sent(page)) == 2


async def test_that_there_is_no_network_is_said_before_the_socket_knows(
    page: Page, away: Network
) -> None:
    await page.evaluate("() => { window.it = lab.mount('OfflineBar', {}); }")
    bar = page.locator(".offline")
    await expect(bar).to_have_count(0)
    await away(False)
    await expect(bar).to_have_text("You're offline.")
    await _set(page, isDisconnected=True)
    await away(True)
    await expect(bar).to_have_text("Connection lost. Reconnecting…")
    await _set(page, isDisconnected=False)
    await expect(bar).to_have_count(0)


async def test_a_server_on_the_same_machine_needs_no_network(page: Page, network: Network) -> None:
    await page.evaluate("() => { window.it = lab.mount('OfflineBar', {}); }")
    await network(False)
    assert not await page.evaluate("navigator.onLine")
    bar = page.locator(".offline")
    await expect(bar).to_have_count(0)
    await _set(page, isDisconnected=True)
    await expect(bar).to_have_text("Connection lost. Reconnecting…")


@pytest.mark.parametrize(
    ("hostname", "is_loopback"),
    [
        ("localhost", True),
        ("chat.localhost", True),
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("[::1]", True),
        ("localhost.example.org", False),
        ("notlocalhost", False),
        ("127.0.0.1.example.org", False),
        ("128.0.0.1", False),
        ("[2001:db8::1]", False),
    ],
)
async def test_which_hosts_are_the_same_machine(
    page: Page, hostname: str, is_loopback: bool
) -> None:
    assert await page.evaluate("lab.isLoopback", hostname) == is_loopback


async def test_a_suggestion_waits_for_the_connection(page: Page, away: Network) -> None:
    await _begin_chat(page, "Starter", text="Write a haiku")
    await away(False)
    await expect(page.locator(".starter")).to_be_disabled()
    await away(True)
    await expect(page.locator(".starter")).to_be_enabled()


async def _drafts(page: Page) -> list[str]:
    """The names of the drafts that the tab holds."""
    return await page.evaluate(
        "Object.keys(sessionStorage).filter((name) => name.startsWith('ct-draft:'))"
    )


async def test_a_notice_that_is_dismissed_gives_the_keyboard_the_field_beside_it(
    page: Page,
) -> None:
    await page.evaluate(
        """() => {
            const onDismiss = () => it.set({ isShown: false });
            window.it = lab.mount("Dock", { isShown: true, onDismiss });
        }"""
    )
    button = page.get_by_role("button", name="Dismiss")
    await button.focus()
    await page.keyboard.press("Enter")
    await expect(button).to_have_count(0)
    field = page.get_by_role("textbox", name="Message")
    await expect(field).to_be_focused()
    # A finger would only bring up the keyboard of the screen.
    await page.evaluate("it.set({ isShown: true })")
    await field.blur()
    await button.click()
    await expect(button).to_have_count(0)
    await page.evaluate("new Promise(requestAnimationFrame)")
    await expect(field).not_to_be_focused()


async def test_the_notice_of_a_blocked_socket_leaves_the_buttons_of_a_phone_free(
    page: Page,
) -> None:
    await dress(page, "layout", "conversation")
    await page.set_viewport_size({"width": 360, "height": 640})
    await page.evaluate(
        """() => {
            document.body.innerHTML = '<div role="alert"><p class="socket-blocked">No.</p></div>' +
                '<main class="conversation"><header class="top-bar"></header></main>';
        }"""
    )
    bar = await page.locator(".top-bar").bounding_box()
    notice = await page.locator(".socket-blocked").bounding_box()
    assert bar
    assert notice
    assert notice["y"] >= bar["y"] + bar["height"]
