"""The demo's mailbox in the browser: every mail that left, as the CEO's phone would show it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from email.message import EmailMessage

from flask import Flask, Response, abort, redirect, render_template_string, url_for
from waitress.server import create_server
from werkzeug.wrappers import Response as BaseResponse

from alerts.mailbox import Kept, Mailbox

_PAGE = """<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width">
<title>Mailbox of the demo</title><meta http-equiv=refresh content=3>
<style>body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:60rem;padding:1rem;background:#f6f6f3;color:#1b1b1b}
a{color:#0b4f8a}li{background:#fff;margin:.4rem 0;padding:.6rem .8rem;border-left:.4rem solid #999;list-style:none}
li.crisis{border-color:#a3132b}li.alert{border-color:#b35900}li small{color:#555}ul{padding:0}
button{font:inherit;padding:.6rem 1rem;margin:.2rem .4rem .2rem 0;border:1px solid #333;background:#fff;border-radius:.3rem}
@media(prefers-color-scheme:dark){body{background:#161616;color:#eee}li,button{background:#242424;color:#eee}a{color:#8cc4ff}li small{color:#bbb}}
</style><h1>Mailbox of the demo</h1>
<p>{{ letters|length }} mails. This page renews itself. The house itself: <a href="{{ console }}">{{ console }}</a></p>
<form method=post action="{{ url_for('digest') }}"><button>Send the weekly digest now</button></form>
<ul>{% for n, letter in letters %}<li class="{{ letter['X-Earshot-Severity'] or '' }}">
<a href="{{ url_for('letter', number=n) }}">{{ letter.Subject }}</a><br>
<small>{{ letter['X-Earshot-Kind'] }} · to {{ letter.To }}</small></li>{% else %}<li>Nothing yet. The first alert comes within
the first half minute of the story.</li>{% endfor %}</ul></html>"""

_LETTER = """<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width">
<title>{{ letter.Subject }}</title><style>body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:50rem;padding:1rem}
iframe{width:100%;height:70vh;border:1px solid #999;background:#fff}pre{white-space:pre-wrap;overflow-wrap:anywhere}</style>
<p><a href="{{ url_for('index') }}">All mails</a></p><h1 style="font-size:1.2rem">{{ letter.Subject }}</h1>
<p>To {{ letter.To }}</p><iframe title="The mail" src="{{ url_for('html', number=n) }}"
sandbox="allow-top-navigation-by-user-activation allow-popups allow-popups-to-escape-sandbox"></iframe>
<h2>As text</h2><pre>{{ text }}</pre></html>"""


def make_page(mailbox: Mailbox, console: str, send_digest: Callable[[], str]) -> Flask:
    """The mailbox's pages; for the demo on loopback only."""
    page = Flask("earshot-demo")

    def letter_of(number: int) -> EmailMessage:
        letters = mailbox.letters
        if not 0 <= number < len(letters):
            abort(404)
        return letters[number].message

    @page.get("/")
    def index() -> str:
        letters: list[tuple[int, EmailMessage]] = [(n, kept.message) for n, kept in enumerate(mailbox.letters)]
        return render_template_string(_PAGE, letters=letters[::-1], console=console)

    @page.get("/mail/<int:number>")
    def letter(number: int) -> str:
        message = letter_of(number)
        body = message.get_body(("plain",))
        return render_template_string(_LETTER, letter=message, n=number, text=body.get_content() if body else "")

    @page.get("/mail/<int:number>/html")
    def html(number: int) -> Response:
        message = letter_of(number)
        body = message.get_body(("html", "plain"))
        content = body.get_content() if body else ""
        content = content.replace("cid:picture", url_for("picture", number=number)).replace("<a ", '<a target="_top" ')
        return Response(content, content_type="text/html; charset=utf-8")

    @page.get("/mail/<int:number>/picture")
    def picture(number: int) -> Response:
        for part in letter_of(number).walk():
            if part.get_content_type() == "image/png":
                return Response(part.get_payload(decode=True), content_type="image/png")
        abort(404)

    @page.post("/digest")
    def digest() -> BaseResponse:
        send_digest()
        return redirect(url_for("index"))

    return page


class Pages:
    """A small web server in a thread."""

    def __init__(self, app: Flask, port: int) -> None:
        self._server = create_server(app, host="127.0.0.1", port=port, threads=2)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.close()


def say_letter(kept: Kept) -> str:
    """One line for the terminal."""
    message = kept.message
    return f"mail to {message['To']}: {message['Subject']}"
