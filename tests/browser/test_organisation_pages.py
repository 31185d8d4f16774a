"""The pages of organisations: a team is made, invited, changed and left there."""

import re

from playwright.async_api import Locator, Page, expect

from screenshots.viewports import EVERY, apply
from testing.axe import violations
from testing.browser_user import PASSWORD, BrowserUser, Meet
from testing.program import Program

PATH = "/settings/organisations"
INVITE = """async ([name, email]) => {
    const post = async (url, body) => (await (await fetch(url, { method: "POST",
        headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) })).json());
    const { id } = await post("/api/organisations", { name });
    return post(`/api/organisations/${id}/invitations`, { email });
}"""
NAME = """<img src=x onerror="document.title='run'"> "Acme" & 'Co'"""


async def _create(user: BrowserUser, name: str) -> str:
    """Create an organisation on the page, and open it; its path."""
    page = user.page
    await user.open(PATH)
    await expect(page.get_by_text("You don't belong to an organisation yet.")).to_be_visible()
    await page.get_by_label("Name").fill(name)
    await page.get_by_role("button", name="Create organisation").press("Enter")
    await page.get_by_role("link", name=f"Open {name}").click()
    await expect(_members(page)).to_have_count(1)
    return page.url.removeprefix(user.url)


def _members(page: Page) -> Locator:
    return page.locator("#members .entries > li")


async def _invite(page: Page, email: str, role: str) -> str:
    """Invite a user; the link that is shown once."""
    invite = page.locator("#invitations > details")
    if not await invite.evaluate("(one) => one.open"):
        await invite.locator("> summary").press("Enter")
    await page.get_by_label("Email", exact=True).fill(email)
    await page.locator("#invite-role").select_option(role)
    await page.get_by_role("button", name="Invite", exact=True).press("Enter")
    secret = page.locator("#invitations > details .secret")
    link = await secret.inner_text()
    await expect(page.get_by_role("heading", name=f"invitation link for {email}")).to_be_focused()
    await page.get_by_role("button", name="Done").click()
    await expect(secret).to_have_count(0)
    return link


async def _join(user: BrowserUser, link: str, path: str) -> None:
    """Accept an invitation on the page of its link, and open the organisation."""
    await user.page.goto(link)
    await user.page.get_by_role("button", name="Join the organisation").click()
    await user.page.wait_for_url(f"{user.url}/")
    await user.open(path)


async def _manage(page: Page, email: str) -> Locator:
    """The row of a member, with what can be done to them."""
    row = _members(page).locator(f'xpath=self::*[@data-email="{email}"]')
    details = row.locator("> details")
    if not await details.evaluate("(one) => one.open"):
        await details.locator("> summary").press("Enter")
    return row


async def _leave(page: Page) -> None:
    leave = page.locator('[data-action="Leave organisation"]')
    await leave.locator("> summary").press("Enter")
    await leave.get_by_role("button").press("Enter")


async def test_a_team_is_made_changed_and_deleted(program: Program, meet: Meet) -> None:
    ada, bob, carl = [await meet(name, program.url) for name in ("Ada", "Bob", "Carl")]
    for user in (ada, bob, carl):
        await user.sign_up()
    page = ada.page
    path = await _create(ada, NAME)
    await expect(page.get_by_role("heading", level=1)).to_have_text(NAME)
    to_bob = await _invite(page, bob.email, "admin")
    to_carl = await _invite(page, carl.email, "member")
    waiting = page.locator("#invitations .entries > li")
    await expect(waiting).to_have_count(2)
    await page.get_by_label("Email", exact=True).fill(bob.email)
    await page.get_by_role("button", name="Invite", exact=True).press("Enter")
    await expect(page.get_by_role("alert").filter(has_text="already invited")).to_be_visible()

    # the link is for the one it was made for
    await carl.page.goto(to_bob)
    await expect(carl.page.get_by_text("This link is for another user")).to_be_visible()
    await _join(bob, to_bob, path)
    await _join(carl, to_carl, path)
    await expect(_members(carl.page)).to_have_count(3)
    await expect(carl.page.get_by_text("Admins can't read your chats.")).to_be_visible()
    for one in ("Invite someone", "Open the audit log", "Delete organisation", "Turn on"):
        await expect(carl.page.get_by_text(one)).to_have_count(0)
    await expect(carl.page.get_by_text("Manage")).to_have_count(0)

    # an admin gives no higher role than their own, and does not touch an owner
    await bob.page.reload()
    await expect(_members(bob.page)).to_have_count(3)
    await expect(bob.page.locator(f'[data-email="{ada.email}"] details')).to_have_count(0)
    row = await _manage(bob.page, carl.email)
    await expect(row.locator("option")).to_have_text(["Member", "Admin"])

    # a switch of the owner is told in words; a change of the role reaches the open page
    await page.reload()
    await page.get_by_role("button", name="Turn on").press("Enter")
    await expect(page.get_by_text("Admins can read chats of members")).to_be_visible()
    row = await _manage(page, carl.email)
    await row.locator("select").select_option("Admin")
    await row.get_by_role("button", name="Save role").press("Enter")
    await expect(row).to_contain_text("Admin ·")
    await expect(carl.page.get_by_text("Invite someone")).to_be_visible()
    await expect(carl.page.get_by_text("Admins can read chats of members")).to_be_visible()

    # two admins at once: the second is told
    await bob.page.reload()
    of_bob = await _manage(bob.page, carl.email)
    row = await _manage(page, carl.email)
    for one in (row, of_bob):
        await one.locator('[data-action="Remove"] > summary').press("Enter")
    await row.get_by_role("button", name="Remove member").press("Enter")
    await expect(_members(page)).to_have_count(2)
    missing = carl.page.get_by_role("heading", name="Organisation not found")
    await expect(missing).to_be_visible()
    await of_bob.get_by_role("button", name="Remove member").press("Enter")
    await expect(of_bob.get_by_role("alert").last).to_contain_text("isn't a member any more")

    # the only owner stays, until there is another one; a member leaves
    await expect(page.get_by_text("You are the only owner.")).to_be_visible()
    await expect(page.get_by_text("Leave organisation")).to_have_count(0)
    await expect(page.get_by_text("Remove the other members first")).to_be_visible()
    other_tab = await ada.tab()
    await other_tab.goto(page.url)
    for role in ("Owner", "Admin"):
        row = await _manage(other_tab, bob.email)
        await row.locator("select").select_option(role)
        await row.get_by_role("button", name="Save role").press("Enter")
        await expect(row).to_contain_text(f"{role} ·")
        count = 1 if role == "Owner" else 0
        await expect(page.get_by_text("Leave organisation")).to_have_count(count)
    await other_tab.close()
    await _leave(bob.page)
    await bob.page.wait_for_url(re.compile(f"{PATH}/?$"))
    await expect(bob.page.get_by_text("You don't belong to an organisation")).to_be_visible()

    await expect(page.get_by_text("You are the only member.")).to_be_visible()
    await page.get_by_text("Delete organisation").press("Enter")
    field = page.locator("#delete input")
    await field.fill("Acme")
    await page.get_by_role("button", name="Delete for good").press("Enter")
    assert await field.evaluate("(one) => one.validationMessage") != ""
    await field.fill(NAME)
    await page.get_by_role("button", name="Delete for good").press("Enter")
    await page.wait_for_url(re.compile(f"{PATH}/?$"))
    await expect(page.get_by_text("You don't belong to an organisation yet.")).to_be_visible()
    assert "run" not in {await one.page.title() for one in (ada, bob, carl)}
    assert ada.errors == bob.errors == carl.errors == []


async def test_an_invitation_leads_its_recipient_to_an_account_and_back(
    program: Program, meet: Meet, axe: str
) -> None:
    ada, bob = await meet("Ada", program.url), await meet("Bob", program.url)
    for user in (ada, bob):
        await user.sign_up()
    email, page = f"new-{bob.email}", bob.page
    link = (await ada.page.evaluate(INVITE, ["Acme", email]))["link"]
    await page.goto(link)
    await expect(page.get_by_text(f"You are signed in as {bob.email}")).to_be_visible()
    assert await violations(page, axe) == []
    await page.get_by_role("button", name="Sign out").press("Enter")
    await expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    assert await violations(page, axe) == []
    await page.get_by_role("link", name="Create account").press("Enter")
    await page.fill("[name=email]", email)
    await page.fill("[name=password]", PASSWORD)
    await page.get_by_role("button", name="Create account").press("Enter")
    await page.get_by_role("button", name="Join the organisation").press("Enter")
    await expect(page.get_by_test_id("organisation")).to_have_text("Acme")

    # it joins once, but the response may be lost: its user may open it again, and others may not
    await page.goto(link)
    await page.get_by_role("button", name="Join the organisation").press("Enter")
    await expect(page.get_by_test_id("organisation")).to_have_text("Acme")
    await ada.page.goto(link)
    await expect(ada.page.get_by_role("alert")).to_contain_text("Ask for a new one.")
    await ada.page.get_by_role("link", name="Go to your chats").press("Enter")
    await ada.page.wait_for_url(f"{ada.url}/")

    # this tab has forgotten it
    await bob.open("/confirm")
    await expect(page.get_by_role("alert")).to_have_text("Open the whole link again.")
    assert bob.errors == []


async def test_an_invitation_is_answered_in_the_settings(program: Program, meet: Meet) -> None:
    ada, bob = await meet("Ada", program.url), await meet("Bob", program.url)
    for user in (ada, bob):
        await user.sign_up()
    for name in ("Acme", "Other"):
        await ada.page.evaluate(INVITE, [name, bob.email])
    await bob.open(PATH)
    page = bob.page
    await expect(page.get_by_text("You don't belong to an organisation yet.")).to_be_visible()
    waiting = page.locator("#invitations")
    await expect(waiting).to_have_count(0)  # whoever signs up can type any email
    verified = "UPDATE user SET email_verified_at = created_at WHERE email = ?"
    program.behind_its_back(verified, bob.email)
    await page.reload()
    await expect(waiting.get_by_text(f"invited by {ada.email}")).to_have_count(2)
    await waiting.get_by_role("button", name="Accept Acme").press("Enter")
    await expect(page.get_by_role("link", name="Open Acme")).to_be_visible()
    await waiting.get_by_role("button", name="Decline Other").press("Enter")
    await expect(waiting).to_have_count(0)
    await expect(page.get_by_role("link", name="Open Other")).to_have_count(0)
    assert ada.errors == bob.errors == []


async def test_a_foreign_organisation_looks_like_a_missing_one(
    program: Program, meet: Meet
) -> None:
    ada, eve = await meet("Ada", program.url), await meet("Eve", program.url)
    for user in (ada, eve):
        await user.sign_up()
    path = await _create(ada, "Hidden team")
    seen = set[str]()
    nothing = f"{PATH}/00000000-0000-4000-8000-000000000000"
    for one in (path, nothing, f"{PATH}/nothing", f"{path}/audit", f"{nothing}/audit"):
        await eve.open(one)
        await expect(eve.page.get_by_text("There is no such organisation")).to_be_visible()
        await expect(
            eve.page.get_by_role("link", name="Organisations", exact=True)
        ).to_have_attribute("aria-current", "true")
        text = await eve.page.locator("main").inner_text()
        seen.add(text.removeprefix("Audit log").removeprefix("Organisation not found").strip())
    assert len(seen) == 1
    assert "Hidden team" not in await eve.page.content()


async def test_the_pages_are_accessible_and_fit_a_phone(
    program: Program, meet: Meet, axe: str
) -> None:
    ada = await meet("Ada", program.url)
    await ada.sign_up()
    page = ada.page
    await _create(ada, "W" * 100)
    link = await _invite(page, "invited@example.com", "owner")
    assert "/confirm#invitation." in link
    new = page.locator("#invitations .entries > li")
    await new.get_by_role("button", name="New link").press("Enter")
    await expect(new.locator(".secret")).to_contain_text("/confirm#invitation.")
    assert await new.locator(".secret").inner_text() != link
    await expect(new.get_by_role("heading", name="Copy the invitation link")).to_be_focused()
    row = await _manage(page, ada.email)
    await expect(row.get_by_label("Role")).to_be_visible()
    await page.get_by_text("Delete organisation").press("Enter")

    async def judge() -> None:
        for viewport in EVERY:
            await apply(page, viewport)
            width = await page.evaluate("document.documentElement.scrollWidth")
            assert (width, await violations(page, axe)) == (viewport.width, []), viewport.name

    await judge()
    await page.get_by_role("link", name="Open the audit log").press("Enter")
    events = page.locator("main .entries > li")
    await expect(events.first).to_contain_text("Invitation created")
    await expect(events.last).to_contain_text(ada.email)
    await page.get_by_label("Action").select_option("Organisation created")
    await page.get_by_role("button", name="Show", exact=True).press("Enter")
    await expect(events).to_have_count(1)
    await judge()
    await page.get_by_role("link", name="W" * 100).press("Enter")
    await expect(_members(page)).to_have_count(1)
    await ada.open(PATH)
    await expect(page.get_by_role("link", name="Open WWW")).to_be_visible()
    await judge()
    assert ada.errors == []
