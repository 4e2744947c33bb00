"""What stands before every page: host, origin, session, role, token, size and headers (reliability notes, 3.1).

Every route says who may come in (``open_to``); a route that says nothing lets nobody in. Every change needs a token
that our own page gave out, bound to a cookie.
"""

from __future__ import annotations

import hmac
import logging
import secrets
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlencode

from flask import Flask, Response, abort, g, jsonify, make_response, redirect, render_template, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from alerts.mail import error_place
from alerts.takeover import Refused
from connectors.addresses import host_of, parts_of
from monitor.actions import NotAllowed
from monitor.web import kept
from monitor.web.house import house_of, page_of
from monitor.web.visitor import Visitor, read_visitor

log = logging.getLogger(__name__)
View = TypeVar("View", bound=Callable[..., Any])

ALL = frozenset({"ceo", "chair", "operator", "poster", "staff"})
LEADERS = frozenset({"ceo", "chair"})
KEEPERS = frozenset({"ceo", "chair", "operator"})
PUBLIC: frozenset[str] = frozenset({"*"})
"""Pages that need no sign-in: they show nothing of a person, or carry a proof of their own."""

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), browsing-topics=()",
}
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def open_to(roles: frozenset[str]) -> Callable[[View], View]:
    """Who may use a route."""

    def mark(view: View) -> View:
        view.doors = roles  # type: ignore[attr-defined]
        return view

    return mark


def under_any_name(view: View) -> View:
    """A page that tells everybody the same and is asked by programs, which know the machine by whatever name."""
    view.any_host = True  # type: ignore[attr-defined]
    return view


def proves_itself(view: View) -> View:
    """A route whose changes carry a proof of their own (a link's page token, a tool's token)."""
    view.proves_itself = True  # type: ignore[attr-defined]
    return view


def stand_at(flask: Flask) -> None:
    """Put the guard before all routes of ``flask``."""
    flask.before_request(_check)
    flask.after_request(_finish)
    flask.register_error_handler(HTTPException, _say_error)
    flask.register_error_handler(NotAllowed, _say_refusal)
    flask.register_error_handler(Refused, _say_refusal)
    flask.register_error_handler(Exception, _say_fault)
    flask.jinja_env.globals.update(form_token=form_token, visitor=lambda: g.get("visitor"))


def page_nonce() -> str:
    """The random value that ties a form to the browser it was shown in; a cookie carries it back."""
    nonce = g.get("nonce") or request.cookies.get(cookie_name("page"), "")
    if len(nonce) < 20:
        nonce = secrets.token_urlsafe(18)
    g.nonce = nonce
    return str(nonce)


def form_token() -> str:
    """The token for a form on this page."""
    visitor: Visitor | None = g.get("visitor")
    keys = house_of().app.keys
    if visitor is not None:
        return kept.form_token_of(house_of(), visitor.session_id)
    return keys.digest("form", "page", page_nonce())[:40]


def is_https() -> bool:
    """Whether the browser came by https: a proxy that we believe says so, or it asked for the public address, which is
    one of https. So cookies are safe also where nobody told us of the proxy in front."""
    return request.is_secure or house_of().is_public_https(_host(request.host))


def cookie_name(what: str) -> str:
    """``__Host-`` on https, a plain name on loopback http (settled questions, 7)."""
    return f"__Host-earshot-{what}" if is_https() else f"earshot-{what}"


def set_cookie(response: BaseResponse, what: str, value: str, seconds: int | None = None) -> None:
    """A cookie that no script can read and no other site sends along with a change."""
    response.set_cookie(
        cookie_name(what), value, max_age=seconds, secure=is_https(), httponly=True, samesite="Lax", path="/"
    )


def drop_cookie(response: BaseResponse, what: str) -> None:
    """Let the browser forget a cookie."""
    response.delete_cookie(cookie_name(what), secure=is_https(), httponly=True, samesite="Lax", path="/")


def say(title: str, *lines: str, status: int = 200, links: Mapping[str, str] | None = None, **more: Any) -> Response:
    """A plain page with a title and a few sentences."""
    page = render_template("message.html", title=title, lines=lines, links=links or {}, **more)
    return make_response(page, status)


# ── before ──────────────────────────────────────────────────────────────────────────────────────────


def _check() -> BaseResponse | None:
    g.visitor = None
    view = house_of_view(request.endpoint) if request.endpoint is not None else None
    if _host(request.host) not in house_of().hosts and not getattr(view, "any_host", False):
        abort(421)
    if any("\x00" in value for value in (request.path, *request.args.values(), *request.form.values())):
        abort(400)  # PostgreSQL cannot even be asked for it
    if view is None:
        return None  # the router answers: not found, or a wrong method
    doors: frozenset[str] = getattr(view, "doors", frozenset())
    if request.method not in SAFE and not _is_own_origin():
        abort(403, "This did not come from a page of Earshot.")
    if getattr(view, "for_tools", False):
        return None
    g.visitor = read_visitor(request.cookies.get(cookie_name("session"), ""))
    if "*" not in doors:
        if g.visitor is None:
            return _to_the_door()
        if g.visitor.role not in doors:
            abort(403, "Your role does not open this page.")
    if request.method not in SAFE and not getattr(view, "proves_itself", False) and not _token_holds():
        abort(403, "This page was open for too long, or in another browser. Go back, load it again, and try once more.")
    return None


def house_of_view(endpoint: str) -> Callable[..., Any]:
    """The function behind a route."""
    from flask import current_app

    return current_app.view_functions[endpoint]


def _to_the_door() -> BaseResponse:
    if request.method not in SAFE:
        return _kept_for_later()
    return redirect(f"/sign-in?{urlencode({'next': request.path})}", 303)


def _kept_for_later() -> BaseResponse:
    """Somebody's session ended while they wrote: their words are kept where we know whose they are, and shown to be
    copied where we do not."""
    if request.path.startswith("/api/"):
        abort(401, "Sign in first.")
    person = kept.keep(house_of(), request.cookies.get(cookie_name("session"), ""))
    page_nonce()
    page = page_of(request.path)
    words = kept.words_of(request.form.items(multi=True)) if person is None else ()
    return make_response(render_template("session_ended.html", person=person, onward=page, words=words), 401)


def _token_holds() -> bool:
    given = request.form.get("token", "")
    if g.visitor is None and not request.cookies.get(cookie_name("page")):
        return False
    return hmac.compare_digest(given.encode(), form_token().encode()) or _is_of_an_earlier_session(given)


def _is_of_an_earlier_session(given: str) -> bool:
    """Whether a form was made for an earlier session of the same person: a page that stood open while they signed in
    anew. Only pages of ours can know its token."""
    visitor: Visitor | None = g.visitor
    return visitor is not None and kept.is_token_of(house_of(), visitor.mark, given)


def _is_own_origin() -> bool:
    """Whether a change comes from our own page. A page under ``no-referrer`` sends ``Origin: null`` with a form; then
    the browser's own word (Sec-Fetch-Site) decides where it gives one, and the token in any case."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site not in {"same-origin", "none"}:
        return False
    origin = request.headers.get("Origin")
    if origin in {None, "null"}:
        return True
    ours = {f"{'https' if is_https() else request.scheme}://{request.host}"}
    if public := house_of().app.settings.public_url:
        parts = parts_of(public)
        ours.add(f"{parts.scheme}://{parts.netloc}")
    return origin in ours


def _host(host: str) -> str:
    return host_of(f"//{host}").rstrip(".")


# ── after ───────────────────────────────────────────────────────────────────────────────────────────


def _finish(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    if is_https():
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
        response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    if g.get("nonce"):
        set_cookie(response, "page", g.nonce)
    return response


_SENTENCES = {
    400: ("That could not be read", "Go back, and try once more."),
    401: ("Please sign in", "Sign in first, then try again."),
    403: ("This is not allowed", ""),
    404: ("There is nothing here", "Perhaps the address was cut off. Copy the whole of it, or go to the first page."),
    405: ("This works only by a button", "Open the page, and press its button."),
    410: ("This is over", ""),
    413: ("That is too long", "Please shorten it: a note may have 2,000 characters."),
    421: ("Wrong address", "Earshot does not answer under this name. Set [web] public_url to the one in use."),
    429: ("Too many tries", "Please wait a while. If it is urgent, ring the CEO or the Chair."),
}  # fmt: skip


def _say_error(error: HTTPException) -> Any:
    if error.response is not None:
        return error.response
    status = error.code or 500
    if status >= 500:
        return _say_fault(error)
    title, hint = _SENTENCES.get(status, ("That did not work", "Go back, and try once more."))
    standard = type(error).description or ""
    own = error.description if error.description and error.description != standard else ""
    return _answer(status, title, own or hint)


def _say_refusal(error: Exception) -> BaseResponse:
    still_there = "Nothing was changed. Your browser's Back button keeps what you wrote."
    return _answer(409, "This was not done", str(error), still_there, links=_way_back())


def _say_fault(error: Exception) -> BaseResponse:
    log.error("a page failed", extra={"page": request.endpoint, "error": error_place(error)})
    return _answer(
        500,
        "Something went wrong on our side",
        "Nothing was changed. Try again; if it is urgent, ring the CEO or the Chair, or use the command line.",
    )


def _way_back() -> dict[str, str]:
    """The page that a refused button stood on, for those who have signed in."""
    page = page_of(request.path)
    return {"Back to the page": page} if g.get("visitor") is not None and page != "/" else {}


def _answer(status: int, title: str, *lines: str, links: Mapping[str, str] | None = None) -> BaseResponse:
    if request.path.startswith("/api/") or request.path.endswith(".json"):
        response: BaseResponse = jsonify({"error": title, "what": lines[0]})
        response.status_code = status
        return response
    return say(title, *lines, status=status, links=links)
