"""What stands before every page, found from the router and not from a list."""

from __future__ import annotations

from pathlib import Path

import pytest
from house_pages import EMAILS, PagesHouse

from monitor.links import Purpose
from monitor.web.guard import PUBLIC

VALUES = {"incident_id": "i1", "token": "abc", "name": "earshot.css"}


def routes(house: PagesHouse, *, changing: bool) -> list[tuple[str, frozenset[str], bool, bool]]:
    """Path, who may come, whether it proves itself, whether it is for tools."""
    found = []
    for rule in house.flask.url_map.iter_rules():
        methods = set(rule.methods or ()) - {"GET", "HEAD", "OPTIONS"}
        if bool(methods) is changing:
            view = house.flask.view_functions[rule.endpoint]
            path = house.flask.url_map.bind("localhost").build(
                rule.endpoint, {a: VALUES.get(a, "1") for a in rule.arguments}, method=(sorted(methods) or ["GET"])[0]
            )
            doors = getattr(view, "doors", None)
            assert doors, f"{rule.rule} does not say who may use it"
            found.append((path, doors, getattr(view, "proves_itself", False), getattr(view, "for_tools", False)))
    return found


def test_every_change_is_refused_without_a_session(house: PagesHouse) -> None:
    house.incident()
    before = house.snapshot()
    for path, doors, _proves, tools in routes(house, changing=True):
        answer = house.browser().post(path, {"do": "begin", "words": "x", "reason": "x"})
        assert answer.status_code in {401, 403, 404}, path
        assert tools or doors == PUBLIC or answer.status_code == 401, path
    assert house.snapshot() == before


def test_every_change_is_refused_without_a_token_or_from_a_foreign_origin(house: PagesHouse) -> None:
    house.incident()
    browser = house.signed_in("ceo")
    token = browser.token()
    before = house.snapshot()
    for path, _doors, proves, tools in routes(house, changing=True):
        for origin in (
            "https://evil.example",
            "http://earshot.tessellateuk.example",
            "https://earshot.tessellateuk.example.evil.example",
        ):
            answer = browser.post(path, {"token": token, "words": "x", "reason": "x"}, headers={"Origin": origin})
            assert answer.status_code == 403, path
        answer = browser.post(path, {"token": token, "words": "x"}, headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 403, path
        for false in ("", "x" * 40):
            answer = browser.post(path, {"token": false, "words": "x", "reason": "x"})
            assert answer.status_code in ({401, 403, 404} if proves or tools else {403}), path
    assert house.snapshot() == before


def test_every_change_is_refused_to_a_role_that_may_not(house: PagesHouse) -> None:
    house.incident()
    for role in EMAILS:
        browser = house.signed_in(role)
        token = browser.token()
        before = house.snapshot()
        for path, doors, _proves, tools in routes(house, changing=True):
            if "*" not in doors and role not in doors and not tools:
                answer = browser.post(path, {"token": token, "words": "x", "reason": "x"})
                assert answer.status_code == 403, (role, path)
        assert house.snapshot() == before


def test_every_page_opens_for_its_roles_and_for_no_other(house: PagesHouse) -> None:
    house.incident()
    house.platform()
    before = house.snapshot()
    for path, doors, _proves, tools in routes(house, changing=False):
        if doors != PUBLIC and not tools:
            assert house.browser().get(path).status_code == 303, path
    assert house.snapshot() == before
    for role in EMAILS:
        browser = house.signed_in(role)
        before = house.snapshot()
        for path, doors, _proves, tools in routes(house, changing=False):
            if "*" in doors or tools:
                continue
            status = browser.get(path).status_code
            assert status == 403 if role not in doors else status in {200, 303, 404}, (role, path, status)
        assert house.snapshot() == before


def test_every_answer_carries_the_headers_that_keep_it_safe(house: PagesHouse) -> None:
    for path in ("/sign-in", "/publishing", "/nothing-here", f"/a/{house.token(Purpose.SEE)}"):
        headers = house.browser().get(path).headers
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Frame-Options"] == "DENY"
        assert "Strict-Transport-Security" in headers


def test_cookies_are_host_only_on_https_and_plain_on_loopback(house: PagesHouse) -> None:
    https = house.browser().get("/sign-in").headers["Set-Cookie"]
    plain = house.flask.test_client().get("/sign-in", base_url="http://localhost").headers["Set-Cookie"]

    assert https.startswith("__Host-earshot-page=")
    assert all(part in https for part in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"))
    assert plain.startswith("earshot-page=")
    assert "Secure" not in plain


@pytest.mark.parametrize(
    "host", ["evil.example", "earshot.tessellateuk.example.evil.example", "localhost.evil.example"]
)
def test_a_strange_host_is_not_answered(house: PagesHouse, host: str) -> None:
    assert house.flask.test_client().get("/publishing", base_url=f"http://{host}").status_code == 421


def test_a_form_that_is_too_large_is_refused(house: PagesHouse) -> None:
    browser = house.signed_in("staff")

    answer = browser.post("/tell", {"token": browser.token(), "words": "x" * 100_000})

    assert answer.status_code == 413


def test_forwarded_addresses_are_believed_only_behind_a_proxy_of_ours(house: PagesHouse) -> None:
    answer = house.flask.test_client().get(
        "/publishing",
        base_url="http://localhost",
        headers={"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"},
    )

    assert answer.status_code == 200
    assert "Strict-Transport-Security" not in answer.headers


def test_no_page_has_inline_script_or_style(house: PagesHouse) -> None:
    house.incident()
    browser = house.signed_in("ceo")
    for path, _doors, _proves, tools in routes(house, changing=False):
        if tools:
            continue
        text = browser.get(path).text
        assert "<style" not in text, path
        assert " style=" not in text, path
        assert "onclick" not in text, path


def test_behind_one_proxy_of_ours_its_word_is_believed_and_no_strangers(tmp_path: Path) -> None:
    house = PagesHouse(tmp_path, web={"bind": "127.0.0.1:8080", "public_url": "https://earshot.tessellateuk.example", "trusted_proxies": 1})  # fmt: skip
    client = house.flask.test_client()
    told = {
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "earshot.tessellateuk.example",
        "X-Forwarded-For": "203.0.113.9",
    }

    fine = client.get("/sign-in", base_url="http://127.0.0.1:8080", headers=told)
    foreign = client.get(
        "/sign-in", base_url="http://127.0.0.1:8080", headers={**told, "X-Forwarded-Host": "evil.example"}
    )
    house.close()

    assert fine.headers["Set-Cookie"].startswith("__Host-")
    assert foreign.status_code == 421


def test_the_way_to_the_door_carries_only_an_address_of_ours(house: PagesHouse) -> None:
    answer = house.browser().get("/incidents/a%26next=evil.example%20%23")

    assert answer.status_code == 303
    assert "\n" not in answer.headers["Location"]
    assert 'value="/"' in house.browser().get(answer.headers["Location"]).text


@pytest.mark.parametrize("path", ["/health", "/publishing.json"])
@pytest.mark.parametrize("host", ["10.0.0.7:8080", "earshot", "monitoring.internal:443", "[::1]:8080", "[", "a b", "%"])
def test_what_programs_ask_is_answered_under_any_name(house: PagesHouse, path: str, host: str) -> None:
    answer = house.flask.test_client().get(path, headers={"Host": host})

    assert answer.status_code in {200, 503}
    assert answer.is_json


@pytest.mark.parametrize("host", ["[", "[::", "a b", "%", "x" * 5000, "x:99999999"])
def test_a_host_that_is_none_is_refused_and_breaks_nothing(house: PagesHouse, host: str) -> None:
    assert house.flask.test_client().get("/publishing", headers={"Host": host}).status_code in {400, 421}


def test_cookies_are_safe_under_an_https_address_also_where_no_proxy_is_believed(house: PagesHouse) -> None:
    assert house.app.settings.web.trusted_proxies == 0

    behind_a_proxy = house.flask.test_client().get("/sign-in", base_url="http://earshot.tessellateuk.example")

    cookie = behind_a_proxy.headers["Set-Cookie"]
    assert cookie.startswith("__Host-earshot-page=")
    assert "Secure" in cookie
    assert "Strict-Transport-Security" in behind_a_proxy.headers


def test_one_can_sign_in_and_act_behind_a_proxy_that_is_not_believed(house: PagesHouse) -> None:
    house.incident()
    browser = house.browser()
    browser.arrives_as = "http://earshot.tessellateuk.example"

    browser.sign_in("ceo")
    answer = browser.post("/incidents/i1/note", {"token": browser.token(), "words": "I am on it"})

    assert answer.status_code == 303
    assert any("I am on it" in line for line in house.log())


BRACKETS = (
    "https://[",
    "https://[::1",
    "https://]",
    "http://x.com:port/",
    "https://a]b/",
    "//[",
    "https://\uff3b.example",
)


@pytest.mark.parametrize("url", BRACKETS)
def test_an_address_that_cannot_be_one_breaks_no_page(house: PagesHouse, url: str) -> None:
    house.incident()
    house.mention(url=url, incident_id="i1", kind="own_post")
    browser = house.signed_in("ceo")

    for path in ("/incidents/i1", "/mentions", "/unanswered", "/takeover", "/digests/next"):
        assert browser.get(path).status_code in {200, 303, 404}, path
    told = browser.post("/tell", {"token": browser.token(), "words": "Look at this", "link": url})
    added = browser.post("/accounts", {"token": browser.token(), "platform": "x", "url": url, "owner": "Ade Lowe"})
    found = browser.post("/privacy/find", {"token": browser.token(), "who": url})

    assert told.status_code == 200
    assert added.status_code in {303, 409}
    assert found.status_code == 200
    assert browser.get("/accounts").status_code == 200
    assert house.browser().get(f"/a/{house.token(Purpose.ALLOW, 'ceo', '1')}").status_code == 200
