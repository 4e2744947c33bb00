"""Phones and chats: real requests to strict stand-ins on loopback, and secrets that are seen nowhere."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import apprise
import pytest
from phone_services import SECRETS, PhoneServices

from alerts import phone
from alerts.model import DeliveryFailed

LINK = "https://earshot.tessellateuk.example/a/" + "Il_-x" * 40
SERVICES = ("ntfy", "twilio", "slack", "teams")
SECRET = "tk_verysecret"


class _Fake(apprise.NotifyBase):
    """A stranger's channel that does as its host says."""

    service_name = "Fake"
    secure_protocol = "earshotfake"
    heard: list[tuple[str, str]] = []  # noqa: RUF012

    def send(self, body: str, title: str = "", **kwargs: object) -> bool:
        logging.getLogger("apprise").critical("could not reach %s", SECRET)
        logging.getLogger("apprise.plugins").critical("could not reach %s", SECRET)
        logging.getLogger("urllib3.connectionpool").warning("POST /%s", SECRET)
        warnings.warn(SECRET, UserWarning, stacklevel=1)
        if self.host == "raises":
            raise RuntimeError(SECRET)
        if self.host == "works":
            _Fake.heard.append((title, body))
        return self.host == "works"

    def url(self, privacy: bool = False, *args: object, **kwargs: object) -> str:
        return f"earshotfake://{self.host}"

    @staticmethod
    def parse_url(url: str) -> dict[str, object] | None:
        return apprise.NotifyBase.parse_url(url, verify_host=False)


@pytest.fixture(autouse=True)
def _channel() -> None:
    phone.unusable(["json://localhost"])  # loads the plug-ins
    from apprise.plugins import N_MGR

    _Fake.heard.clear()
    N_MGR.add(_Fake, schemas="earshotfake", force=True)


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PhoneServices]:
    with PhoneServices(tmp_path) as services:
        services.lead_here(monkeypatch)
        yield services


def failure_of(url: str) -> DeliveryFailed:
    with pytest.raises(DeliveryFailed) as caught:
        phone.ring(url, "CRISIS: A threat", "Please read the e-mail now.", LINK)
    assert caught.value.__cause__ is None
    seen = f"{caught.value!r} {caught.value.why}"
    assert [secret for secret in (*SECRETS, SECRET, LINK) if secret in seen] == []
    return caught.value


# ── the services ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.real
@pytest.mark.parametrize("name", SERVICES)
def test_a_text_arrives_with_the_whole_link(services: PhoneServices, name: str) -> None:
    phone.ring(services.urls[name], "CRISIS: A threat on Facebook", "Please read the e-mail from Earshot now.", LINK)

    (heard,) = services.heard[name]
    assert services.refused == []
    assert heard.title == "CRISIS: A threat on Facebook"
    assert heard.body.startswith("Please read the e-mail from Earshot now.")
    assert LINK in heard.body


@pytest.mark.real
@pytest.mark.parametrize("name", SERVICES)
def test_passwords_of_the_users_netrc_take_no_place_of_ours(
    services: PhoneServices, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))

    phone.ring(services.urls[name], "CRISIS: A threat", "Please read the e-mail from Earshot now.", LINK)

    assert services.refused == []
    assert len(services.heard[name]) == 1


@pytest.mark.real
def test_a_proxy_of_the_environment_is_the_way_out(services: PhoneServices, monkeypatch: pytest.MonkeyPatch) -> None:
    here = services.urls["ntfy"].partition("@")[2].partition("/")[0]
    monkeypatch.setenv("http_proxy", f"http://{here}")

    phone.ring(services.urls["ntfy"].replace(here, "ntfy.example"), "CRISIS: A threat", "Please read it now.", LINK)

    assert len(services.heard["ntfy"]) == 1


@pytest.mark.real
@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 410, 413, 429, 500, 502, 503])
def test_what_a_service_refuses_was_not_told(services: PhoneServices, name: str, status: int) -> None:
    services.answer_next(name, (status, "canary"), (status, "canary"), (status, "canary"))

    failure = failure_of(services.urls[name])

    assert not failure.permanent
    assert services.heard[name] == []


@pytest.mark.real
def test_a_page_that_greets_everybody_is_no_proof_that_slack_was_told(services: PhoneServices) -> None:
    services.answer_next("slack", (200, "<html>Welcome to the free network of this café</html>"))

    failure_of(services.urls["slack"])


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("ntfy", "tk_ntfysecret", "tk_other"),
        ("ntfy", "tuk-secret-topic", "another-topic"),
        ("twilio", "twiliosecret", "othersecret"),
        ("slack", "TIiajkdnlazkcOXrIdevi7FQ", "TIiajkdnlazkcOXrIdevi7FX"),
        ("teams", "secret", "other"),
    ],
)
def test_a_wrong_secret_is_noticed(services: PhoneServices, name: str, right: str, wrong: str) -> None:
    failure_of(services.urls[name].replace(right, wrong))

    assert services.heard[name] == []
    assert len(services.refused) == 1


@pytest.mark.real
@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_reaches_logs_or_terminal(
    services: PhoneServices, name: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    services.answer_next(name, (500, "canary"), (401, "canary"))
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, "urllib3"):
        failure_of(services.urls[name])
        failure_of(services.urls[name])
        phone.ring(services.urls[name], "a", "b", LINK)
        phone.unusable([services.urls[name], services.urls[name].replace("://", "nosuch://")])

    out, err = capfd.readouterr()
    assert [secret for secret in (*SECRETS, LINK) if secret in caplog.text + out + err] == []


@pytest.mark.real
def test_a_service_that_is_away_is_tried_again(tmp_path: Path) -> None:
    with PhoneServices(tmp_path) as services:
        url = services.urls["ntfy"]

    assert not failure_of(url).permanent


# ── any channel ─────────────────────────────────────────────────────────────────────────────────


def test_a_text_is_short_and_on_one_line_before_its_link() -> None:
    phone.ring("earshotfake://works", "CRISIS:\nA threat " + "x" * 999, "Please read\nthe e-mail. " + "x" * 999, LINK)

    ((title, body),) = _Fake.heard
    assert title.startswith("CRISIS: A threat")
    assert len(title) <= phone.MAX_TITLE
    words, _, link = body.strip().rpartition("\n")
    assert link == LINK
    assert "\n" not in words.strip()
    assert len(words) <= phone.MAX_BODY


def test_without_a_link_there_is_none() -> None:
    phone.ring("earshotfake://works", "a", "b")

    assert _Fake.heard == [("a", "b")]


def test_when_a_channel_breaks_down_no_secret_is_told(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        assert not failure_of(f"earshotfake://raises?token={SECRET}").permanent
        assert not failure_of("earshotfake://fails").permanent

    out, err = capfd.readouterr()
    assert SECRET not in caplog.text + out + err


def test_the_loggers_are_as_loud_as_before_afterwards() -> None:
    before = logging.getLogger("urllib3").level

    phone.ring("earshotfake://works", "a", "b")

    assert logging.getLogger("urllib3").level == before


def test_addresses_that_apprise_does_not_know_are_named_by_place_only() -> None:
    assert phone.unusable(["earshotfake://works", f"nosuch://{SECRET}", "", "ntfy"]) == (2, 3, 4)
    assert failure_of(f"nosuch://{SECRET}").permanent


def test_the_kind_of_an_address_tells_no_secret(tmp_path: Path) -> None:
    with PhoneServices(tmp_path) as services:
        urls = services.urls

    assert [phone.kind_of(urls[name]) for name in SERVICES] == ["ntfy", "Twilio", "Slack", "Teams"]
    assert phone.kind_of("https://hooks.slack.com/services/T1/A1/secret") == "web"
    assert phone.kind_of(SECRET) == "unknown"


def test_the_addresses_that_the_documentation_shows_are_known() -> None:
    page = (Path(__file__).parents[2] / "docs" / "credentials.md").read_text("utf-8").partition("## Phones")[2]
    shown = re.findall(r"`((?:ntfys|twilio|slack|workflows)://[^`]+)`", page)
    real = {
        "TOKEN": "tk_abc", "TOPIC": "a-long-topic", "ACCOUNT_SID": "AC" + "a" * 32, "AUTH_TOKEN": "b" * 32,
        "FROM_NUMBER": "447700900100", "TO_NUMBER": "447700900123", "T…/B…/…": "T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXr",
        "HOST": "prod-1.uksouth.logic.azure.com", "WORKFLOW": "643e69f8", "SIGNATURE": "KODuebWbD",
    }  # fmt: skip
    urls = [re.sub(r"\{([^}]+)\}", lambda m: real[m[1]], url) for url in shown]

    assert len(urls) >= 5
    assert phone.unusable(urls) == ()
