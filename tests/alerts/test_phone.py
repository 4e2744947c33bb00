from __future__ import annotations

import logging

import apprise
import pytest

from alerts import phone
from alerts.model import DeliveryFailed

SECRET = "tk_verysecret"


class _Fake(apprise.NotifyBase):
    """A stranger's channel that does as its host says."""

    service_name = "Fake"
    secure_protocol = "earshotfake"
    heard: list[tuple[str, str]] = []  # noqa: RUF012

    def send(self, body: str, title: str = "", **kwargs: object) -> bool:
        logging.getLogger("apprise").warning("could not reach %s", SECRET)
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


def test_a_text_is_short_and_on_one_line() -> None:
    phone.ring(["earshotfake://works"], "CRISIS:\nA threat", "Please read\nthe e-mail. " + "x" * 999)

    ((title, body),) = _Fake.heard
    assert title == "CRISIS: A threat"
    assert "\n" not in body.strip()
    assert len(body) <= phone.MAX_BODY


def test_one_channel_that_took_it_is_enough() -> None:
    phone.ring(["earshotfake://raises", "earshotfake://fails", "earshotfake://works"], "a", "b")

    assert len(_Fake.heard) == 1


def test_when_none_took_it_no_secret_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(DeliveryFailed) as caught:
        phone.ring([f"earshotfake://raises?token={SECRET}", "earshotfake://fails"], "a", "b")

    assert not caught.value.permanent
    assert SECRET not in f"{caught.value!r} {caught.value.why}"
    assert SECRET not in caplog.text


def test_addresses_that_apprise_does_not_know_are_named_by_place_only() -> None:
    urls = ["earshotfake://works", f"nosuch://{SECRET}"]

    assert phone.unusable(urls) == (2,)
    with pytest.raises(DeliveryFailed) as caught:
        phone.ring(urls[1:], "a", "b")
    assert caught.value.permanent
    assert SECRET not in str(caught.value)
