"""A team's day: the first admin, an organisation and its members, and what ends with a role."""

import re

from playwright.async_api import Locator, Page, expect

from testing.browser_user import (
    PASSWORD,
    SIGN_IN,
    BrowserUser,
    Meet,
    ask_model,
    composer,
    until_text,
)
from testing.program import Program

NAME = "Rivers"
QUESTION = "How deep is the river?"


async def _become_admin(ada: BrowserUser, link: str) -> None:
    """Open the link that the first start has printed, and create the account there."""
    page = ada.page
    await page.goto(link)
    await expect(page).to_have_url(re.compile(r"/setup/?$"))  # the token is out of it
    await page.get_by_role("link", name="Create account").click()
    await page.get_by_label("Email").fill(ada.email)
    await page.get_by_label(re.compile("Name")).fill(ada.name)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Create account").click()
    await page.get_by_role("button", name="Become the admin").click()
    await expect(page.get_by_role("heading", name="Overview")).to_be_visible()


async def _make_organisation(ada: BrowserUser) -> str:
    """Make it in the settings, and open it; its path."""
    page = ada.page
    await ada.open("/settings/organisations")
    await page.get_by_label("Name").fill(NAME)
    await page.get_by_role("button", name="Create organisation").click()
    await page.get_by_role("link", name=f"Open {NAME}").click()
    await expect(page.get_by_role("heading", name=NAME, level=1)).to_be_visible()
    return page.url.removeprefix(ada.url)


async def _invite(page: Page, email: str, role: str) -> str:
    """Invite a user; the link that is shown once, as there is no mail server."""
    if not await page.get_by_label("Email", exact=True).is_visible():
        await page.get_by_text("Invite someone").click()
    await page.get_by_label("Email", exact=True).fill(email)
    await page.locator("#invite-role").select_option(role)
    await page.get_by_role("button", name="Invite", exact=True).click()
    link = await page.locator("#invitations > details .secret").inner_text()
    await page.get_by_role("button", name="Done").click()
    return link


async def _join(user: BrowserUser, link: str) -> None:
    await user.page.goto(link)
    await user.page.get_by_role("button", name="Join the organisation").click()
    await expect(composer(user.page)).to_be_visible()
    await expect(user.page.get_by_test_id("organisation")).to_contain_text(NAME)


async def _manage(page: Page, email: str) -> Locator:
    """The row of a user, with what can be done to them."""
    row = page.get_by_role("listitem").filter(has_text=email)
    await expect(row).to_have_count(1)
    if not await row.locator("> details").evaluate("(one) => one.open"):
        await row.get_by_text("Manage").first.click()
    return row


async def _do(row: Locator, action: str) -> None:
    """Do something to a user that says first what it will do."""
    await row.locator(f'[data-action="{action}"] > summary').click()
    await row.locator(f'[data-action="{action}"]').get_by_role("button").click()


async def test_a_teams_day(first_program: Program, meet: Meet) -> None:
    ada, bob, eve = [await meet(name, first_program.url) for name in ("Ada", "Bob", "Eve")]
    link = re.search(r"http://\S+/setup#\S+", first_program.log.read_text())
    assert link
    await _become_admin(ada, link[0])

    # an organisation, and two who are invited before they have an account
    path = await _make_organisation(ada)
    page = ada.page
    links = [await _invite(page, bob.email, "admin"), await _invite(page, eve.email, "member")]
    for user, invitation in zip((bob, eve), links, strict=True):
        await user.page.goto(invitation)
        await expect(user.page.get_by_text("Sign in with this email, or create")).to_be_visible()
        await user.sign_up_on_page()
        await _join(user, invitation)

    # the link of the first start makes no second admin
    await eve.page.goto(link[0])
    await eve.page.get_by_role("button", name="Become the admin").click()
    await expect(eve.page.get_by_role("alert")).to_contain_text("doesn't work any more")
    assert (await eve.context.request.get(f"{first_program.url}/admin")).status == 404
    await eve.open("/")

    # a member chats in the organisation; an admin's list has nothing of it
    await eve.ask(QUESTION)
    thread = await eve.thread()
    await until_text(eve.page)
    await bob.open("/")
    await expect(bob.page.get_by_text("Your chats will appear here.")).to_be_visible()
    await bob.open(f"/c/{thread}")
    await expect(bob.page.get_by_text("Chat not found")).to_be_visible()
    assert QUESTION not in await bob.page.content()

    # who is demoted loses at once what only admins are shown
    await bob.open(path)
    await expect(bob.page.get_by_text("Invite someone")).to_be_visible()
    await ada.open(path)
    row = await _manage(page, bob.email)
    await row.get_by_label("Role").select_option("Member")
    await row.get_by_role("button", name="Save role").click()
    await expect(bob.page.get_by_text("Invite someone")).to_have_count(0)

    # a member is disabled while an answer is made: it ends, and the page is signed out
    await eve.open(f"/c/{thread}")
    await expect(composer(eve.page)).to_be_visible()
    await ask_model(eve, "Go on and on", "fake:4000x20")
    await until_text(eve.page, 20)
    await ada.open("/admin/people")
    row = await _manage(page, eve.email)
    await _do(row, "Disable")
    await eve.page.wait_for_url(SIGN_IN)
    await expect(row.get_by_text("Disabled", exact=True)).to_be_visible()
    await _do(row, "Enable")
    await expect(row.get_by_text("Disabled", exact=True)).to_have_count(0)

    # who leaves no longer sees the chats there; they are back with the membership
    await eve.sign_in()
    await eve.open(f"/c/{thread}")
    assert (await eve.stored())[-1]["status"] == "revoked"
    await eve.open(path)
    await eve.page.get_by_text("Leave organisation").first.click()
    await eve.page.locator('[data-action="Leave organisation"]').get_by_role("button").click()
    await eve.page.wait_for_url(re.compile(r"/settings/organisations/?$"))
    await eve.open(f"/c/{thread}")
    await expect(eve.page.get_by_text("Chat not found")).to_be_visible()
    await ada.open(path)
    await expect(page.get_by_text("Invite someone")).to_be_visible()
    await _join(eve, await _invite(page, eve.email, "member"))
    await eve.open(f"/c/{thread}")
    await expect(eve.page.get_by_text(QUESTION).last).to_be_visible()
    assert ada.errors == bob.errors == eve.errors == []
