"""The demo's mailbox in the browser: every mail that left, as the CEO's phone would show it."""

from __future__ import annotations

from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, redirect, render_template, url_for
from waitress.server import create_server
from werkzeug.wrappers import Response as BaseResponse

from alerts.mailbox import Kept, Mailbox
from monitor import web


def make_page(mailbox: Mailbox, console: str, send_digest: Callable[[], str]) -> Flask:
    """The mailbox's pages; for the demo on loopback only."""
    page = Flask("earshot-demo", root_path=str(Path(__file__).parent))

    def letter_of(number: int) -> EmailMessage:
        letters = mailbox.letters
        if not 0 <= number < len(letters):
            abort(404)
        return letters[number].message

    @page.get("/")
    def index() -> str:
        letters: list[tuple[int, EmailMessage]] = [(n, kept.message) for n, kept in enumerate(mailbox.letters)]
        return render_template("mailbox.html", letters=letters[::-1], console=console)

    @page.get("/mail/<int:number>")
    def letter(number: int) -> str:
        message = letter_of(number)
        body = message.get_body(("plain",))
        return render_template("letter.html", letter=message, n=number, text=body.get_content() if body else "")

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
        return Response("no picture", 404)

    @page.post("/digest")
    def digest() -> BaseResponse:
        send_digest()
        return redirect(url_for("index"))

    return page


class Pages:
    """A small web server in a thread; it ends as quietly as the pages of the house."""

    def __init__(self, app: Flask, port: int) -> None:
        sockets: dict[int, Any] = {}
        self._pages = web.Pages(create_server(app, map=sockets, host="127.0.0.1", port=port, threads=2), sockets)

    def close(self) -> None:
        """Stop serving."""
        self._pages.close()


def say_letter(kept: Kept) -> str:
    """One line for the terminal."""
    message = kept.message
    return f"mail to {message['To']}: {message['Subject']}"
