"""OAuth2 for the mailbox that sends: a person or an administrator gives leave once, and tokens are fetched with it.

Microsoft 365 needs no person where the app has a secret (client credentials); Google, and Microsoft without a secret,
go by a refresh token, which a person gives in a browser. Like the mailer these are plain functions of plain values, so
that the daemon may run them in a process that it may kill. ``authlib`` is loaded only here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from alerts.mail_settings import LOOPBACK, MailSettings
from alerts.model import DeliveryFailed
from alerts.sign_in import STEPS, SignInRefused

TIMEOUT = (10.0, 20.0)
"""Seconds to connect, and to wait for an answer."""

UNSAID = timedelta(minutes=30)
"""How long a token holds whose end was not said; the two services say an hour."""

BACK_TO = "http://localhost"
"""Where the browser is sent afterwards. Nothing answers there: the person copies the address, which holds the code."""


@dataclass(frozen=True, slots=True)
class MailToken:
    """Leave to send for a while, and what fetches the next one (empty where the app's own secret does)."""

    access: str = field(repr=False)
    ends_at: datetime
    refresh: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Asking:
    """What a person is asked to open in a browser, and what belongs to the answer."""

    url: str
    state: str = field(repr=False)
    verifier: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Service:
    token: str
    authorise: str
    scope: str
    app_scope: str = ""
    """For the app by itself, without a person; empty where the service has no such thing."""


def fetch(settings: MailSettings, refresh_token: str, now: datetime) -> MailToken:
    """A fresh access token: by ``refresh_token``, or without one by the app's own secret.

    Raises ``SignInRefused`` where leave has ended or the app is not known, ``DeliveryFailed`` where nobody answers.
    """
    service = _service(settings)
    with _session(settings, service.scope if refresh_token else service.app_scope) as session:
        if refresh_token:
            answer = session.refresh_token(service.token, refresh_token=refresh_token, allow_redirects=False)
        else:
            answer = session.fetch_token(service.token, grant_type="client_credentials", allow_redirects=False)
    return _token(answer, refresh_token, now)


def needs_person(settings: MailSettings) -> bool:
    """Whether only a person can give leave: this app has no secret, or this service none for apps by themselves."""
    return not (settings.client_secret and _service(settings).app_scope)


def ask(settings: MailSettings) -> Asking:
    """What a person opens to give leave. Nothing is sent."""
    from authlib.common.security import generate_token

    service, verifier = _service(settings), generate_token(48)
    more = {"prompt": "consent", "login_hint": settings.username}
    if settings.sign_in == "google":
        more["access_type"] = "offline"  # else Google gives no refresh token
    with _session(settings, service.scope, redirect_uri=BACK_TO, code_challenge_method="S256") as session:
        url, state = session.create_authorization_url(service.authorise, code_verifier=verifier, **more)
    return Asking(str(url), str(state), verifier)


def redeem(settings: MailSettings, asking: Asking, answer: str, now: datetime) -> MailToken:
    """The token for the address that the browser ended at. Raises as ``fetch`` does."""
    service, answer = _service(settings), answer.partition("#")[0]
    said = dict(parse_qsl(answer.partition("?")[2]))
    if "error" in said:
        raise _meant(said["error"])
    if "code" not in said:
        raise SignInRefused("That address holds no leave to send: paste the whole of it, from http to its end.")
    with _session(settings, service.scope, redirect_uri=BACK_TO) as session:
        got = session.fetch_token(
            service.token, authorization_response=answer, state=asking.state, code_verifier=asking.verifier,
            allow_redirects=False,
        )  # fmt: skip
    token = _token(got, "", now)
    if not token.refresh:
        raise SignInRefused(f"Leave was given for an hour only, without a refresh token; {STEPS}.")
    return token


def _service(settings: MailSettings) -> _Service:
    base = settings.auth_base_url.rstrip("/")
    if settings.sign_in == "google":
        return _Service(
            f"{base or 'https://oauth2.googleapis.com'}/token",
            f"{base or 'https://accounts.google.com'}/o/oauth2/v2/auth",
            "https://mail.google.com/",
        )
    place = f"{base or 'https://login.microsoftonline.com'}/{settings.tenant}/oauth2/v2.0"
    return _Service(
        f"{place}/token",
        f"{place}/authorize",
        "https://outlook.office.com/SMTP.Send offline_access",
        "https://outlook.office365.com/.default",
    )


@contextmanager
def _session(settings: MailSettings, scope: str, **more: Any) -> Iterator[Any]:
    """An OAuth2 session whose faults leave as ours. No answer's own words are repeated."""
    import requests
    from authlib.common.errors import AuthlibBaseError
    from authlib.integrations.requests_client import OAuth2Session

    session = OAuth2Session(
        settings.client_id,
        settings.client_secret or None,
        scope=scope,
        token_endpoint_auth_method="client_secret_post" if settings.client_secret else "none",
        default_timeout=TIMEOUT,
        **more,
    )
    session.trust_env = urlsplit(_service(settings).token).hostname not in LOOPBACK
    try:
        yield session
    except AuthlibBaseError as error:
        raise _meant(str(error.error or "")) from None
    except requests.HTTPError as error:
        code = error.response.status_code if error.response is not None else 0
        raise DeliveryFailed(f"The sign-in service for mail answered {code}.", unanswered=code >= 500) from None
    except requests.exceptions.SSLError:
        raise DeliveryFailed("The sign-in service's certificate is not trusted.", operator=True) from None
    except (requests.RequestException, OSError) as error:
        why = f"The sign-in service for mail could not be reached ({type(error).__name__})."
        raise DeliveryFailed(why, unanswered=True) from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise DeliveryFailed("The sign-in service for mail gave an answer that is none.") from None
    finally:
        session.close()


def _token(answer: Any, refresh_token: str, now: datetime) -> MailToken:
    access, refresh = answer.get("access_token"), answer.get("refresh_token") or refresh_token
    if not _is_token(access) or (refresh and not _is_token(refresh)):
        raise DeliveryFailed("The sign-in service for mail gave an answer that is none.")
    try:
        lasts = timedelta(seconds=max(0, min(int(answer.get("expires_in") or UNSAID.total_seconds()), 86_400)))
    except (ValueError, TypeError):
        lasts = UNSAID
    return MailToken(access, now + lasts, refresh)


def _is_token(value: object) -> bool:
    """Visible ASCII: anything else would end a line or a field of the sign-in."""
    return isinstance(value, str) and re.fullmatch(r"[!-~]{1,20000}", value) is not None


def _meant(error: str) -> DeliveryFailed:
    if error in {"temporarily_unavailable", "server_error", "slow_down"}:
        return DeliveryFailed("The sign-in service for mail asks us to try later.")
    if error in _SAID:
        return SignInRefused(f"{_SAID[error]} ({error}; {STEPS}).")
    word = error if re.fullmatch(r"[a-z_]{1,40}", error) else "a refusal"
    return SignInRefused(f"The sign-in service for mail gave us no token ({word}); {STEPS}.")


_SAID = {
    "invalid_client": "The sign-in service for mail does not take client_id and client_secret. A secret of Microsoft's "
    "ends after at most two years: make a new one and put it into the settings",
    "invalid_grant": "The leave to send mail has ended: a password was changed, it was taken back, or not used for "
    "long. Give it anew with `earshot connect mail`",
    "unauthorized_client": "The app of [mail] client_id may not sign in to mail in this way",
    "invalid_scope": "The app of [mail] client_id has no permission to send mail",
    "access_denied": "Leave to send mail was not given",
    "mismatching_state": "That address belongs to another try. Begin again with `earshot connect mail`",
}
