"""A house with pages over a real SQLite file, for tests: settings of Tessellate UK, a clock that can be moved."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask.testing import FlaskClient
from makers import NOW
from sqlalchemy import text

from alerts.model import Severity
from monitor import doors, people
from monitor.app import App
from monitor.keys import make_keys
from monitor.links import Holder, Purpose
from monitor.model import IncidentState
from monitor.settings import read
from monitor.store.tables import AlertRow, Base, IncidentRow, LogRow, MentionRow, PlatformRow
from monitor.web import create_app
from monitor.web.house import house_of

PEOPLE = {
    "ceo": {"name": "Rowan Ashdown", "email": "rowan@tessellateuk.example"},
    "chair": {"name": "Imogen Vale", "email": "chair@tessellateuk.example"},
    "operator": {"name": "Kit Marlow", "email": "it@tessellateuk.example"},
    "poster": [{"name": "Ade Lowe", "email": "ade@tessellateuk.example", "platforms": ["x"]}],
    "staff": [{"name": "Sol Perry", "email": "sol@tessellateuk.example"}],
}
EMAILS = {
    "ceo": "rowan@tessellateuk.example",
    "chair": "chair@tessellateuk.example",
    "operator": "it@tessellateuk.example",
    "poster": "ade@tessellateuk.example",
    "staff": "sol@tessellateuk.example",
}


class PagesHouse:
    """One installation with its pages, and short ways to put things into it."""

    def __init__(
        self,
        folder: Path,
        *,
        bind: str = "127.0.0.1:8080",
        public_url: str = "",
        store: str = "",
        runner: Any = None,
        **tables: Any,
    ) -> None:
        self.now = NOW
        raw: dict[str, Any] = {
            "organisation": {
                "name": "Tessellate UK",
                "aliases": ["TessellateUK", "Tessellate UK", "TUK"],
                "handles": {"x": "TessellateUK", "facebook": "Tessellate UK"},
                "domains": ["tessellateuk.example"],
                "people": ["Rowan Ashdown"],
                "campaigns": ["#TrustTalk"],
                "languages": ["en", "so", "ar", "ur", "pl", "cy", "fr"],
                "timezone": "Europe/London",
            },
            "people": PEOPLE,
            "store": {"url": store or f"sqlite:///{folder / 'earshot.db'}", "state_dir": str(folder)},
            "mail": {
                "host": "127.0.0.1",
                "port": 25,
                "security": "none",
                "from": "Earshot <earshot@tessellateuk.example>",
            },
            "web": {"bind": bind, "public_url": public_url or "https://earshot.tessellateuk.example"},
            **tables,
        }
        self.app = App(read(raw, folder / "earshot.toml", {}), clock=lambda: self.now, runner=runner)
        self.app.database.make()
        make_keys(self.app.settings.state_dir)
        Base.metadata.create_all(self.app.database.engine)
        if self.app.database.is_sqlite:
            with self.app.database.write() as session:
                session.execute(text("CREATE VIRTUAL TABLE IF NOT EXISTS mention_search USING fts5(words)"))
        self.flask = create_app(self.app)
        self.house = house_of(self.flask)

    def close(self) -> None:
        self.app.close()

    def later(self, **time: float) -> None:
        """Let time pass."""
        self.now += timedelta(**time)

    def browser(self) -> Browser:
        """Somebody who has not signed in."""
        return Browser(self)

    def signed_in(self, role: str) -> Browser:
        """Somebody who has signed in by a mailed link."""
        browser = Browser(self)
        browser.sign_in(role)
        return browser

    def token(self, purpose: Purpose, role: str = "ceo", subject: str = "i1") -> str:
        """A link's token as a mail to whoever holds the role would carry it."""
        return self.app.links.token(purpose, self.holder(role), subject, self.now)

    def link(self, purpose: Purpose, role: str = "ceo", subject: str = "i1") -> str:
        """The whole address of the same."""
        return f"{self.app.settings.public_url}/a/{self.token(purpose, role, subject)}"

    def holder(self, role: str) -> Holder:
        """Whose a link is that is mailed to the person in a role."""
        with self.app.database.read() as session:
            return people.holder_of(session, self.app.keys, role, EMAILS[role])

    def tip_path(self, *, renew: bool = False) -> str:
        """The path of the link to "Tell the CEO" that is handed out."""
        with self.app.database.write() as session:
            return urlsplit(doors.tip_link(session, self.app, self.now, renew=renew)).path

    def add(self, *rows: Any) -> None:
        with self.app.database.write() as session:
            session.add_all(rows)

    def incident(self, id: str = "i1", **changes: Any) -> str:
        values: dict[str, Any] = {
            "id": id,
            "category": "misinformation",
            "severity": int(Severity.CRISIS),
            "state": IncidentState.OPEN.value,
            "opened_at": self.now,
            "last_seen_at": self.now,
            "platforms": ["facebook"],
            "next_step": 1,
            "next_step_at": self.now + timedelta(minutes=15),
        }
        self.add(IncidentRow(**{**values, **changes}))
        return id

    def mention(self, id: int = 1, text: str | None = "They keep the donations for themselves", **changes: Any) -> int:
        values: dict[str, Any] = {
            "id": id,
            "platform": "facebook",
            "external_id": f"p{id}",
            "kind": "comment",
            "text": text,
            "url": f"https://social.example/p{id}",
            "author_name": "Sam Example",
            "posted_at": self.now,
            "first_seen_at": self.now,
            "verified_at": self.now,
            "severity": 2,
            "categories": ["misinformation"],
            "signals": [
                {
                    "rule": "claims-fraud",
                    "sentence": "It claims fraud.",
                    "clause": "6.3",
                    "words": "keep the donations",
                    "weight": 2.0,
                }
            ],
            "incident_id": None,
        }
        self.add(MentionRow(**{**values, **changes}))
        if text:
            from monitor.store import search

            with self.app.database.write() as session:
                search.index(session, id, text)
        return id

    def platform(self, name: str = "facebook", **changes: Any) -> None:
        values: dict[str, Any] = {
            "name": name, "due_at": self.now, "polled_at": self.now, "heard_at": self.now, "heard_until": self.now,
            "something_at": self.now, "never_shows": ["untagged posts"],
        }  # fmt: skip
        self.add(PlatformRow(**{**values, **changes}))

    def row(self, kind: type[Any], key: Any) -> Any:
        with self.app.database.read() as session:
            return session.get(kind, key)

    def alerts(self, template: str = "") -> list[AlertRow]:
        with self.app.database.read() as session:
            rows = session.query(AlertRow).order_by(AlertRow.made_at).all()
        return [row for row in rows if not template or row.template == template]

    def log(self, incident: str = "i1") -> list[str]:
        with self.app.database.read() as session:
            return [r.what for r in session.query(LogRow).filter_by(incident_id=incident).order_by(LogRow.id)]

    def snapshot(self) -> dict[str, list[Any]]:
        """Every row of every table: to prove that nothing changed."""
        with self.app.database.read() as session:
            return {t.name: [tuple(r) for r in session.execute(t.select())] for t in Base.metadata.sorted_tables}


class Browser:
    """A browser that keeps its cookies, speaks to the public address, and can press buttons."""

    def __init__(self, house: PagesHouse) -> None:
        self.house = house
        self.base = house.app.settings.public_url
        self.arrives_as = self.base
        """The address as Earshot hears it; behind a proxy that is not believed, not the browser's own."""
        self.client: FlaskClient = house.flask.test_client()

    def get(self, path: str, **more: Any) -> Any:
        return self.client.get(path, base_url=self.arrives_as, **more)

    def post(self, path: str, data: dict[str, str] | None = None, **more: Any) -> Any:
        headers = {"Origin": self.base, **more.pop("headers", {})}
        return self.client.post(path, base_url=self.arrives_as, data=data or {}, headers=headers, **more)

    def press(self, page: Any, do: str, **fields: str) -> Any:
        """Press the button ``do`` of a page, as a browser would: with the hidden fields of its form."""
        form = form_with(page.text, do)
        return self.post(form.action, {**form.fields, "do": do, **fields})

    def sign_in(self, role: str) -> None:
        token = self.house.token(Purpose.SIGN_IN, role, "/")
        answer = self.press(self.get(f"/a/{token}"), "sign-in")
        assert answer.status_code == 303, answer.text

    def token(self, path: str = "/tell") -> str:
        """The token of the forms of a signed-in visitor."""
        found = re.search(r'name="token" value="([^"]+)"', self.get(path).text)
        assert found, "the page has no form"
        return found[1]


class Form:
    def __init__(self, action: str, fields: dict[str, str]) -> None:
        self.action, self.fields = action, fields


def forms(html: str) -> Iterator[tuple[str, str]]:
    for match in re.finditer(r'<form[^>]*action="([^"]+)"[^>]*>(.*?)</form>', html, re.S):
        yield match[1], match[2]


def form_with(html: str, do: str) -> Form:
    import html as entities

    for action, body in forms(html):
        if f'value="{do}"' in body:
            fields = {
                name: entities.unescape(value)
                for name, value in re.findall(r'<input[^>]*?name="([^"]+)"[^>]*?value="([^"]*)"', body)
            }
            for name, value in re.findall(r'<textarea[^>]*?name="([^"]+)"[^>]*>(.*?)</textarea>', body, re.S):
                fields[name] = entities.unescape(value)
            return Form(action, fields)
    raise AssertionError(f"no button {do!r} on this page")
