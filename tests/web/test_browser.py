"""The stories in a real browser: on a phone, with JavaScript off, with axe-core over every page.

``EARSHOT_PICTURES`` names a folder into which pictures for the documentation are written.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from house_pages import EMAILS, PagesHouse

from connectors.model import Kind
from monitor import doors, takeovers
from monitor.links import Purpose
from monitor.store.tables import DeafRow, IncidentRow, MentionRow, TallyRow
from monitor.web import start_web

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"

if not Path(CHROMIUM).exists():
    pytest.skip("NO BROWSER: chromium is not installed, so the browser tests are skipped", allow_module_level=True)

from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright  # noqa: E402

pytestmark = [
    pytest.mark.browser,
    pytest.mark.real,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 60_000
"""Milliseconds: a machine that also does other things is slow, not wrong."""

PHONE = {"width": 360, "height": 780}
PAGES = (
    "/",
    "/incidents",
    "/incidents/i1",
    "/incidents/i1/report",
    "/takeover",
    "/publishing",
    "/mentions",
    "/mentions?q=donations",
    "/unanswered",
    "/tell",
    "/digests",
    "/digests/next",
    "/rules",
    "/drill",
    "/accounts",
    "/access",
    "/engine",
    "/privacy",
    "/privacy/notice",
    "/privacy/assessment",
    "/privacy/dpia",
    "/audit?check=yes",
    "/nothing-here",
)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


OPEN: list[BrowserContext] = []
COMPLAINTS: list[str] = []
"""What browsers wrote to their consoles during a test."""


@pytest.fixture(autouse=True)
def _nothing_on_the_console() -> Iterator[None]:
    COMPLAINTS.clear()
    yield
    assert COMPLAINTS == []


@pytest.fixture
def site(tmp_path: Path) -> Iterator[PagesHouse]:
    house = PagesHouse(tmp_path, bind="127.0.0.1:0")
    pages = start_web(house.app)
    address = f"http://127.0.0.1:{pages.port}"
    object.__setattr__(house.app.settings.web, "public_url", address)
    house.app.links.public_url = address
    yield house
    while OPEN:
        OPEN.pop().close()  # before the server goes, for open pages look again by themselves
    pages.close()
    house.close()


def filled(house: PagesHouse) -> PagesHouse:
    """A house with something of everything."""
    house.incident(mentions=9, platforms=["facebook", "x"])
    house.incident("i2", category="safeguarding")
    for n in range(1, 10):
        house.mention(n, incident_id="i1", posted_at=house.now - timedelta(minutes=23 * n), question=n == 4)
    house.mention(20, "مرحبا، متى تفتحون؟", severity=0, question=True, categories=[], signals=[], language="ar")
    house.mention(21, None, status="forgotten", incident_id="i1")
    for name in ("facebook", "x", "youtube"):
        house.platform(name, first_poll_at=house.now - timedelta(days=20))
        for day in range(7):
            hour = (house.now - timedelta(days=day)).replace(minute=0)
            house.add(TallyRow(platform=name, hour=hour, severity=3 * (day % 2), category="*", count=3 + day))
    house.add(DeafRow(platform="x", began_at=house.now - timedelta(hours=30), ended_at=house.now - timedelta(hours=20), why="x"))  # fmt: skip
    return house


def phone(chromium: Browser, **more: Any) -> Page:
    """A phone that fails the test when a page writes an error to its console."""
    OPEN.append(chromium.new_context(viewport=PHONE, **more))  # type: ignore[arg-type]
    page = OPEN[-1].new_page()
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    page.on("pageerror", lambda error: COMPLAINTS.append(f"{page.url}: {error}"))
    page.on("console", lambda m: COMPLAINTS.append(f"{page.url}: {m.text}") if _is_our_fault(m) else None)
    return page


def _is_our_fault(message: Any) -> bool:
    """The browser itself writes a line for each answer such as 404 or 423; those are meant."""
    return message.type in {"error", "warning"} and "the server responded with a status of" not in message.text


def sign_in(page: Page, house: PagesHouse, role: str) -> None:
    link = doors.sign_in_link(house.app, EMAILS[role])
    page.goto(link)
    page.get_by_role("button", name="Sign in on this device").click()
    expect(page.get_by_role("heading", name="Now", exact=True)).to_be_visible()


def picture(page: Page, name: str) -> None:
    folder = os.environ.get("EARSHOT_PICTURES")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def test_from_the_first_alert_on_the_phone_to_takeover_in_three_presses(chromium: Browser, site: PagesHouse) -> None:
    filled(site)
    page = phone(chromium, java_script_enabled=False)

    page.goto(site.link(Purpose.TAKEOVER, "ceo", "i1"))  # the first press, in the mail
    picture(page, "takeover-link")
    page.get_by_role("button", name="Begin takeover").click()
    picture(page, "takeover-question")
    page.get_by_role("button", name="Yes, begin now").click()

    expect(page.get_by_role("heading", name="Takeover has begun")).to_be_visible()
    page.goto(f"{site.app.settings.public_url}/publishing")
    expect(page.get_by_role("heading", name="DO NOT POST")).to_be_visible()
    picture(page, "publishing-locked")
    with site.app.database.read() as session:
        since = takeovers.current(session).since
    assert since is not None
    page.goto(site.link(Purpose.END, "ceo", since.isoformat()))
    page.get_by_role("button", name="End takeover").click()
    expect(page.get_by_role("heading", name="Takeover has ended")).to_be_visible()


def test_a_staff_tip_reaches_the_ceo_who_acknowledges_it(chromium: Browser, site: PagesHouse) -> None:
    page = phone(chromium)
    page.goto(site.app.settings.public_url + site.tip_path())
    page.get_by_label("What worries you?").fill("Somebody uses our logo for a collection")
    page.get_by_label("The link of the post").fill("https://social.example/collection")
    picture(page, "tell-the-ceo")
    page.get_by_role("button", name="Tell the CEO now").click()
    expect(page.get_by_role("heading", name="The CEO is being told now")).to_be_visible()
    incident = site.alerts("tip")[0].incident_id
    assert incident

    page.goto(site.link(Purpose.ACKNOWLEDGE, "ceo", incident))
    page.get_by_role("button", name="I have seen it").click()

    expect(page.get_by_role("heading", name="Thank you, you have it")).to_be_visible()
    assert site.row(IncidentRow, incident).state == "acknowledged"


def test_a_page_that_cannot_look_again_says_that_it_may_be_out_of_date(chromium: Browser, site: PagesHouse) -> None:
    page = phone(chromium)
    page.clock.install()
    page.goto(f"{site.app.settings.public_url}/publishing")
    page.route("**/publishing", lambda route: route.fulfill(status=503))
    page.clock.run_for(21_000)
    expect(page.get_by_role("alert")).to_contain_text("may be out of date")

    page.unroute("**/publishing")
    page.clock.run_for(21_000)

    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_breach_is_seen_and_marked_as_in_order(chromium: Browser, site: PagesHouse) -> None:
    with site.app.database.write() as session:
        takeovers.begin(session, site.app.desk, by="Rowan Ashdown (CEO)", reason="A story", now=site.now)
    site.mention(kind=Kind.OWN_POST.value)
    page = phone(chromium)

    page.goto(site.link(Purpose.ALLOW, "ceo", "1"))
    page.get_by_role("button", name="Yes, it was in order").click()

    expect(page.get_by_role("heading", name="Noted")).to_be_visible()
    assert site.row(MentionRow, 1).allowed_at is not None


def test_a_drill_is_begun_acknowledged_and_measured(chromium: Browser, site: PagesHouse) -> None:
    page = phone(chromium)
    sign_in(page, site, "ceo")
    page.goto(f"{site.app.settings.public_url}/drill")
    page.get_by_role("button", name="Begin a drill now").click()
    expect(page.get_by_text("This is a rehearsal")).to_be_visible()
    page.get_by_role("button", name="I have seen it").click()
    page.get_by_label("How did it end?").fill("Rehearsed")
    page.get_by_role("button", name="Close the incident").click()
    page.goto(f"{site.app.settings.public_url}/drill")

    expect(page.get_by_text("Acknowledged by Rowan Ashdown (CEO)")).to_be_visible()
    picture(page, "drill")


def test_a_person_asks_and_is_erased(chromium: Browser, site: PagesHouse) -> None:
    site.mention(1, "My own words", author_handle="sam_example")
    page = phone(chromium)
    sign_in(page, site, "operator")
    page.goto(f"{site.app.settings.public_url}/privacy")
    page.get_by_label("Handle, name, or link").fill("sam_example")
    page.get_by_role("button", name="Find what is kept").click()
    expect(page.get_by_text("1 posts of theirs")).to_be_visible()
    page.get_by_label('Write the word "erase"').fill("erase")
    page.get_by_role("button", name="Erase for good").click()

    expect(page.get_by_role("heading", name="Erased")).to_be_visible()
    assert site.row(MentionRow, 1) is None


def test_the_digest_is_read_before_it_leaves(chromium: Browser, site: PagesHouse) -> None:
    filled(site)
    page = phone(chromium)
    sign_in(page, site, "staff")
    page.get_by_text("More", exact=True).click()
    page.get_by_role("link", name="Digests").click()
    page.get_by_role("link", name="See what the next one would say").click()

    expect(page.get_by_role("heading", name="Questions without an answer")).to_be_visible()


def test_signing_in_works_with_javascript_off_and_leads_on(chromium: Browser, site: PagesHouse) -> None:
    filled(site)
    page = phone(chromium, java_script_enabled=False)
    page.goto(f"{site.app.settings.public_url}/incidents/i1")
    page.get_by_label("Your e-mail address").fill(EMAILS["chair"])
    page.get_by_role("button", name="Send me a link").click()
    expect(page.get_by_role("heading", name="Look into your mailbox")).to_be_visible()
    while not (mailed := site.alerts("sign_in")):  # the link is owed after the answer has left
        page.wait_for_timeout(50)
    alert = mailed[0]
    page.goto(site.link(Purpose.SIGN_IN, "chair", alert.facts["subject"]))
    page.get_by_role("button", name="Sign in on this device").click()

    expect(page.get_by_role("heading", name="A false story about us")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_free_of_axe_violations_and_fits_a_phone(
    chromium: Browser, site: PagesHouse, scheme: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    filled(site)
    page = phone(chromium, color_scheme=scheme, reduced_motion="reduce")
    base = site.app.settings.public_url
    found: list[str] = []
    public = [f"{base}/sign-in", f"{base}/publishing", base + site.tip_path()]
    public += [site.link(p, "ceo", "i1") for p in (Purpose.SEE, Purpose.CALM, Purpose.TAKEOVER)]
    for url in public:
        page.goto(url)
        found += _violations(Axe(), page, url)
    sign_in(page, site, "ceo")
    for path in PAGES:
        page.goto(base + path)
        for details in page.locator("main details").all():
            details.evaluate("d => d.open = true")
        found += _violations(Axe(), page, path)
        if scheme == "light":
            picture(page, f"page-{path.strip('/').replace('/', '-').split('?')[0] or 'now'}")
    with site.app.database.write() as session:
        takeovers.begin(session, site.app.desk, by="Rowan Ashdown (CEO)", reason="A story", now=site.now)
    for path in ("/", "/takeover", "/publishing", "/incidents/i1"):
        page.goto(base + path)
        found += _violations(Axe(), page, f"{path} during takeover")

    assert not found, "\n".join(found)


def _violations(axe: Any, page: Page, where: str) -> list[str]:
    tags = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
    found = axe.run(page, options=tags).response["violations"]
    lines = [f"{where}: {v['id']}: {v['nodes'][0]['html'][:150]}" for v in found]
    if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
        lines.append(f"{where}: wider than a phone")
    return lines


def test_the_whole_way_to_acknowledging_can_be_gone_with_the_keyboard(chromium: Browser, site: PagesHouse) -> None:
    filled(site)
    page = phone(chromium)
    page.goto(site.link(Purpose.ACKNOWLEDGE, "ceo", "i1"))
    for _ in range(12):
        page.keyboard.press("Tab")
        if "I have seen it" in page.evaluate("document.activeElement.textContent"):
            break
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", name="Thank you, you have it")).to_be_visible()


def test_the_first_view_is_small(chromium: Browser, site: PagesHouse) -> None:
    filled(site)
    page = phone(chromium)
    sizes: list[int] = []
    page.on("response", lambda r: sizes.append(len(r.body()) if r.status == 200 else 0))
    sign_in(page, site, "ceo")
    page.wait_for_load_state("networkidle")

    assert sum(sizes) < 60_000


def test_the_page_puts_in_what_is_new_without_being_loaded_again(chromium: Browser, site: PagesHouse) -> None:
    page = phone(chromium)
    page.clock.install()
    sign_in(page, site, "ceo")
    expect(page.get_by_text("ALL QUIET")).to_have_count(0)
    site.incident()
    page.clock.fast_forward(21_000)

    expect(page.get_by_text("1 OPEN")).to_be_visible()
