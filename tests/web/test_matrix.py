"""Every person, every kind of incident, every way to read or to act: found from the router and from the kinds of mails,
not from a list. For whom an incident is hidden, the world with it is the world without it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from house_pages import EMAILS, Browser, PagesHouse
from postgres import LONG, PostgreSQL
from secrets_of import KINDS, LINK, POST, REPLY, SECRET, WORDS, add_secret, furnish, marks
from werkzeug.test import TestResponse

from alerts.model import MailKind, Recipient, Severity
from monitor import digest, doors, takeovers
from monitor.actions import Actor
from monitor.links import Purpose
from monitor.notices import TEMPLATES
from monitor.store.tables import AlertRow, IncidentRow, LogRow, MentionRow, TakeoverRow
from monitor.visibility import LEADERS
from monitor.web.mailed import DOES

pytestmark = pytest.mark.timeout(3000)

_HOUR = timedelta(hours=1)
_LONG = pytest.mark.skipif(not LONG, reason="EARSHOT_PROVE=long asks it too")

PEOPLE = (*EMAILS, "tool", "nobody")

HIDES = {
    "about the CEO": {"ceo"},
    "perhaps about the CEO": {"ceo"},
    "about the Chair": {"chair"},
    "about both": {"ceo", "chair"},
    "about the operator": {"operator"},
    "about a poster": set(),
}
"""From which of those who decide each kind is hidden; what speaks of anybody is hidden from posters, staff, tools."""

CLOSED = frozenset(
    {"safeguarding", "self-harm", "a tip", *(kind for kind, roles in HIDES.items() if roles & {"ceo", "chair"})}
)
"""Kinds whose words are for CEO and Chair alone."""


def hidden(kind: str) -> set[str]:
    return HIDES[kind] | {"poster", "staff", "tool", "nobody"} if kind in HIDES else set()


# ── ways to read ────────────────────────────────────────────────────────────────────────────────────


class Client:
    """Somebody with whatever lets them in: a session, a token, nothing."""

    def __init__(self, house: PagesHouse, person: str) -> None:
        self.house, self.person = house, person
        self.browser = house.signed_in(person) if person in EMAILS else Browser(house)
        self.token = _tool(house) if person == "tool" else ""

    def get(self, path: str) -> TestResponse:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return self.browser.get(path, headers=headers)  # type: ignore[no-any-return]

    def post(self, path: str, fields: dict[str, str]) -> TestResponse:
        if path.startswith("/api/"):
            headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
            return self.browser.client.post(
                path, base_url=self.browser.base, json=_BODIES.get(path, {}), headers=headers
            )
        token = self.browser.token() if self.person in EMAILS else ""
        return self.browser.post(path, {**fields, "token": token})  # type: ignore[no-any-return]


_BODIES = {
    f"/api/incidents/{SECRET}/acknowledge": {"who": "Ade"},
    f"/api/incidents/{SECRET}/notes": {"who": "Ade", "words": "seen"},
    "/api/tips": {"words": "A plain tip"},
}


def _tool(house: PagesHouse) -> str:
    scopes = tuple(doors.SCOPES)
    return house.house.change(
        lambda s: doors.make_tool_token(s, house.app, "Desk", scopes, Actor("ceo", "Rowan"), house.now)
    )


QUERIES = {
    "/mentions": (
        "", f"?q={WORDS['post']}", "?level=crisis", "?category=safeguarding", "?category=staff_conduct", "?unanswered=yes",
        "?platform=facebook&language=unknown",
    ),
    "/audit": ("", "?check=yes", "?skip=1"),
    "/incidents": ("", f"?before={SECRET}"),
    "/api/incidents": ("", "?state=open"),
    "/api/mentions": ("", "?level=crisis"),
}  # fmt: skip
"""Ways to ask a page for more, besides asking for it at all."""


def pages(house: PagesHouse) -> Iterator[str]:
    """Every address that can be read, from the router: the secret incident, the plain one, one that never was."""
    values = {
        "incident_id": (SECRET, "aplain", "neverwas"), "name": ("earshot.css",), "week": ("next", "2026-W47"),
        "document": ("notice", "assessment", "dpia"),
    }  # fmt: skip
    for rule in house.flask.url_map.iter_rules():
        if "GET" not in (rule.methods or ()) or "token" in rule.arguments:
            continue
        assert set(rule.arguments) <= set(values), f"the matrix does not know how to ask for {rule.rule}"
        paths = [rule.rule]
        for argument in rule.arguments:
            paths = [re.sub(rf"<(?:\w+:)?{argument}>", value, p) for p in paths for value in values[argument]]
        for path in paths:
            yield from (f"{path}{query}" for query in QUERIES.get(rule.rule, ("",)))


def links(house: PagesHouse, role: str) -> Iterator[str]:
    """Every link that a mail to a role may carry: about the incident, its post, the takeover of now."""
    for purpose in Purpose:
        if purpose in {Purpose.TIP, Purpose.SIGN_IN}:
            continue
        for subject in (SECRET, "aplain", str(POST), house.now.isoformat()):
            yield f"/a/{house.token(purpose, role, subject)}"


_ALTERS = (
    (re.compile(r'(name="(?:token|page|person)" value=")[^"]+'), r"\1"),
    (re.compile(r"\b\d+:[0-9a-f]{16}\b"), "HEAD"),
    (re.compile(r"/a/[\w.~=-]{20,}"), "/a/LINK"),
    (re.compile(r"[\d,.]+ MB"), "MB"),
    (re.compile(r'"(?:made_at|checked_at|time)": ?"[^"]+"'), "WHEN"),
    (re.compile(re.escape(SECRET)), "neverwas"),
    (re.compile(r'(\{"incident":")\w{8}"'), r"\1"),
)
"""What differs from house to house for no reason that says anything: proofs, sizes, and the name that was asked for."""


def plain(answer: TestResponse) -> tuple[int, str]:
    text = answer.text
    for pattern, instead in _ALTERS:
        text = pattern.sub(instead, text)
    return answer.status_code, text


# ── the world with it is the world without it ───────────────────────────────────────────────────────


def short(kind: str) -> set[str]:
    """Of those from whom it is hidden, the ones that the short form asks for this kind: one of each way of hiding."""
    everybody = hidden(kind)
    return everybody if LONG or kind == "about the CEO" else everybody & (HIDES[kind] or {"poster", "tool"})


@pytest.mark.parametrize("kind", HIDES)
@pytest.mark.parametrize("proposal", [pytest.param(False, marks=_LONG), True], ids=["quiet", "with takeover proposed"])
def test_for_whom_it_is_hidden_every_page_is_the_same_as_if_it_had_never_been(
    tmp_path: Path, kind: str, proposal: bool
) -> None:
    without, with_it = (PagesHouse(_folder(tmp_path, name)) for name in ("without", "with"))
    try:
        furnish(without)
        furnish(with_it)
        add_secret(with_it, kind, proposal=proposal)
        for person in sorted(short(kind)):
            one, other = Client(without, person), Client(with_it, person)
            for path in pages(with_it):
                assert plain(other.get(path)) == plain(one.get(path)), (kind, person, path)
            for path in links(with_it, person) if person in {"ceo", "chair"} else ():
                for mark in marks()[1:]:
                    assert mark not in other.get(path).text, (kind, person, path)
    finally:
        without.close()
        with_it.close()


@pytest.mark.parametrize("kind", HIDES)
def test_for_whom_it_is_hidden_no_button_changes_it_or_says_that_it_is_there(tmp_path: Path, kind: str) -> None:
    without, with_it = (PagesHouse(_folder(tmp_path, name)) for name in ("without", "with"))
    try:
        furnish(without)
        furnish(with_it)
        add_secret(with_it, kind, proposal=True)
        for person in sorted(short(kind)):
            one, other = Client(without, person), Client(with_it, person)
            before = _state_of_secret(with_it)
            for path, fields in buttons(with_it):
                answer = other.post(path, fields)
                assert plain(answer) == plain(one.post(path, fields)), (kind, person, path)
                assert _state_of_secret(with_it) == before, (kind, person, path)
    finally:
        without.close()
        with_it.close()


_ENDS_SESSIONS = {"/sign-out", "/access/sign-out", "/access/tools/end", "/access/tools", "/access/tip-link", "/drill"}
"""Buttons that know nothing of incidents, and after which another session would be needed, or another secret is shown."""


def buttons(house: PagesHouse) -> Iterator[tuple[str, dict[str, str]]]:
    """Every change that the router takes, asked for with the secret incident and with its posts."""
    fields = {
        "incident": SECRET, "words": "a plain word", "reason": "a plain reason", "text": "a plain text", "line": "0",
        "statement": "1", "check": "1", "who": f"@{'quokka_m'}", "sure": "erase", "form": "json", "do": "acknowledge",
        "to": "chair", "allowed": "Ade Lowe", "platform": "facebook", "answer-police": "told", "role": "ceo",
    }  # fmt: skip
    for rule in house.flask.url_map.iter_rules():
        if "POST" not in (rule.methods or ()) or "token" in rule.arguments or rule.rule in _ENDS_SESSIONS:
            continue
        path = rule.rule.replace("<incident_id>", SECRET).replace("<int(max=999999999):number>", "1")
        for mention in (str(POST), str(REPLY)):
            yield path, {**fields, "mention": mention}


def _state_of_secret(house: PagesHouse) -> list[Any]:
    """All rows of the incident, and what speaks of it."""
    with house.app.database.read() as session:
        rows = [
            *session.query(IncidentRow).filter_by(id=SECRET),
            *session.query(MentionRow).filter_by(incident_id=SECRET).order_by(MentionRow.id),
            *session.query(LogRow).filter_by(incident_id=SECRET).order_by(LogRow.id),
            *(turn for turn in session.query(TakeoverRow) if turn.facts.get("about") == SECRET),
        ]
        return [{c.name: getattr(row, c.name) for c in row.__table__.columns} for row in rows]


# ── pressing what was mailed ────────────────────────────────────────────────────────────────────────

OWN = 9003
"""A post of ours that belongs to the incident."""

_PRESSED = tuple(
    kind for kind in KINDS if LONG or kind in {"ordinary", "safeguarding", *HIDES, "a drill"} - {"about a poster"}
)


def presses(house: PagesHouse) -> Iterator[tuple[Purpose, str, str]]:
    """Every kind of mailed link, what it may be about, and the buttons of its pages; in the long form, of all pages."""
    every = {"begin", "fresh", "sign-in-mail", "sign-in", "tell", *(do for does in DOES.values() for do in does)}
    for purpose in Purpose:
        own = {*DOES.get(purpose, ()), "fresh", "sign-in-mail"} | ({"begin"} if purpose is Purpose.TAKEOVER else set())
        for action in sorted(every if LONG else own):
            for subject in _subjects(purpose, house):
                yield purpose, subject, action


def _subjects(purpose: Purpose, house: PagesHouse) -> tuple[str, ...]:
    match purpose:
        case Purpose.ALLOW:
            return str(POST), str(OWN)
        case Purpose.UNDO | Purpose.END | Purpose.CONFIRM:
            return (house.now.isoformat(),)
        case Purpose.SIGN_IN:
            return (f"/incidents/{SECRET}",)
        case _:
            return (SECRET,)


class Presser:
    """Somebody who holds every link, and a button of each from before anything was hidden from them."""

    def __init__(self, house: PagesHouse, role: str) -> None:
        self.house, self.role, self.browser = house, role, house.browser()
        self.browser.get("/a/none")
        self.browser.get(f"/a/{house.token(Purpose.SEE, role, SECRET)}")
        cookie = next(c for c in self.browser.client._cookies.values() if c.key.endswith("-page"))
        self.nonce = cookie.value

    def press(self, purpose: Purpose, subject: str, action: str, *, old: bool = False) -> TestResponse:
        links, now, holder = self.house.app.links, self.house.now, self.house.holder(self.role)
        number = f"{purpose}{subject}{action}{old}"[:40]
        token = links.token(purpose, holder, subject, now - timedelta(days=20 if old else 0), id=number)
        bound = f"{self.nonce}\x00{'a plain reason' if action == 'begin' else ''}"
        page = links.page_token(_ticket(self.house, token), action, now, bound=bound)
        fields = {"do": action, "page": page, "reason": "a plain reason", "words": "a plain word", "name": "Ade"}
        return self.browser.post(f"/a/{token}", fields)  # type: ignore[no-any-return]


def _ticket(house: PagesHouse, token: str) -> Any:
    return house.app.links.read(token, house.now - timedelta(days=20))


def _changes(house: PagesHouse) -> dict[str, Any]:
    """What a press could change or cause: the incident and its log, the takeover, all that is owed."""
    turn = _takeover(house)
    return {
        "takeover": (turn.state, turn.holder, turn.since, turn.incident),
        "owed": sorted((row.template, row.role, row.kind) for row in house.alerts()),
        "log": _lines(house),
        "posts": [row.allowed_at for number in (POST, REPLY, OWN) if (row := house.row(MentionRow, number))],
    }


def _lines(house: PagesHouse) -> int:
    with house.app.database.read() as session:
        return session.query(LogRow).count()


def _own_post(house: PagesHouse) -> None:
    house.mention(
        OWN, f"We speak of the {WORDS['post']}", incident_id=SECRET, kind="own_post", url=f"{LINK}{OWN}", categories=[],
    )  # fmt: skip


@pytest.fixture
def databases(request: pytest.FixtureRequest) -> Any:
    """The addresses of two empty stores; empty where each house makes its own file."""
    if request.param == "sqlite":
        return "", ""
    server: PostgreSQL = request.getfixturevalue("postgresql")
    return server.fresh(), server.fresh()


@pytest.mark.parametrize(
    ("kind", "databases"),
    [
        pytest.param(kind, store, marks=[pytest.mark.real] if store == "postgresql" else [])
        for kind in HIDES
        for store in ("sqlite", "postgresql")
        if LONG or store == "sqlite" or kind == "about the CEO"
    ],
    indirect=["databases"],
)
def test_for_whom_it_is_hidden_no_mailed_link_changes_it_or_says_that_it_is_there(
    tmp_path: Path, kind: str, databases: tuple[str, str]
) -> None:
    without, with_it = (
        PagesHouse(_folder(tmp_path, name), store=store)
        for name, store in zip(("without", "with"), databases, strict=True)
    )
    try:
        furnish(without)
        furnish(with_it)
        add_secret(with_it, kind, proposal=True)
        _own_post(with_it)
        for person in sorted(short(kind) & set(EMAILS)):
            one, other = Presser(without, person), Presser(with_it, person)
            for purpose, subject, action in presses(with_it):
                for old in (False, True) if LONG or action == "fresh" else (False,):
                    where = (kind, person, purpose, subject, action, old)
                    before, secret = (_changes(without), _changes(with_it)), _state_of_secret(with_it)
                    answer = other.press(purpose, subject, action, old=old)
                    assert plain(answer) == plain(one.press(purpose, subject, action, old=old)), where
                    assert _state_of_secret(with_it) == secret, where
                    after = _changes(without), _changes(with_it)
                    for what in ("takeover", "log", "posts"):
                        assert [world[what] for world in after] == [world[what] for world in before], (where, what)
                    assert _more(before[0], after[0]) == _more(before[1], after[1]), where
    finally:
        without.close()
        with_it.close()


def _more(before: dict[str, Any], after: dict[str, Any]) -> Any:
    return Counter(after["owed"]) - Counter(before["owed"])


@pytest.mark.parametrize("kind", _PRESSED)
def test_no_mailed_link_gives_words_or_a_takeover_to_whom_they_are_not(tmp_path: Path, kind: str) -> None:
    house = PagesHouse(_folder(tmp_path, "house"))
    try:
        furnish(house)
        add_secret(house, kind, takeover=kind in {"about the CEO", "about the Chair"})
        _own_post(house)
        for person in sorted(set(EMAILS) - (LEADERS - hidden(kind)) - (set() if LONG else {"staff"})):
            presser = Presser(house, person)
            for purpose, subject, action in presses(house):
                before = _changes(house)["takeover"]
                answer = presser.press(purpose, subject, action)
                where = f"{person} presses {action} of {purpose}"
                assert answer.status_code < 500, where
                _must_not_hold(answer.text, person, kind, where)
                assert _changes(house)["takeover"] == before, where
    finally:
        house.close()


# ── words ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", KINDS)
def test_no_page_gives_words_to_whom_they_are_not_for(tmp_path: Path, kind: str) -> None:
    house = PagesHouse(_folder(tmp_path, "house"))
    try:
        furnish(house)
        add_secret(house, kind, takeover=kind != "a drill")
        for person in PEOPLE if LONG else ("operator", "poster", "tool", *(HIDES.get(kind, ()))):
            client = Client(house, person)
            for path in pages(house):
                if not LONG and ("aplain" in path or "neverwas" in path):
                    continue
                _must_not_hold(client.get(path).text, person, kind, f"{person} at {path}")
            for path, fields in _readings() if person in EMAILS else ():
                _must_not_hold(client.post(path, fields).text, person, kind, f"{person} at {path}")
    finally:
        house.close()


def _readings() -> Iterator[tuple[str, dict[str, str]]]:
    """Forms that only show something."""
    yield "/privacy/find", {"who": "@quokka_m"}
    for form in ("html", "json"):
        yield "/privacy/export", {"who": "@quokka_m", "form": form}
        yield "/privacy/export", {"who": WORDS["note"], "form": form}
    yield "/mentions/export", {}
    yield "/mentions/export", {"q": WORDS["post"]}


_ECHO = re.compile(
    rf'value="(?:{WORDS["post"]}|{WORDS["note"]})"|<bdi>{WORDS["note"]}</bdi>|"about": ?"{WORDS["note"]}"'
)
"""What somebody looked for themselves stands in the box again."""


def not_for(person: str, kind: str) -> set[str]:
    """The words that a person must not meet anywhere, in this kind of incident."""
    every = set(WORDS.values())
    if person in hidden(kind) or person == "nobody":
        return {*every, LINK, "Quokka"}
    if person in {"ceo", "chair"}:
        return set()
    if kind == "about both" and person == "operator":  # what the operator wrote there is theirs to read
        every -= {WORDS["note"], WORDS["register"], WORDS["takeover"]}
    if kind in CLOSED:
        return {*every, LINK, "Quokka"}
    if person in {"poster", "staff"}:
        return {WORDS["takeover"], WORDS["register"]}
    return set()


def _must_not_hold(text: str, person: str, kind: str, where: str) -> None:
    text = _ECHO.sub("", text)
    for word in not_for(person, kind):
        assert word not in text, f"{where}: {word} of {kind}"


# ── mails ───────────────────────────────────────────────────────────────────────────────────────────

_OF_SECRET = {"alert", "alert_update", "phone", "tip", "ring"}
"""Mails about one incident: they are never owed to whom it is hidden from (see below)."""


@pytest.mark.parametrize("kind", KINDS)
def test_no_mail_gives_words_to_whom_they_are_not_for(tmp_path: Path, kind: str) -> None:
    house = PagesHouse(_folder(tmp_path, "house"))
    try:
        furnish(house)
        add_secret(house, kind, takeover=kind != "a drill")
        for role, address in EMAILS.items():
            recipient = Recipient(role, "Somebody", address)
            for template in (*TEMPLATES, "digest"):
                if template in _OF_SECRET:
                    continue
                letter = _letter(house, template, recipient)
                where = f"{template} to {role}"
                _must_not_hold(letter, role, kind, where)
                if role in hidden(kind):
                    assert SECRET not in letter, where
                if kind in CLOSED:
                    assert not {WORDS["post"], WORDS["matched"], "Quokka", LINK} & set(re.findall(r"\S+", letter)), (
                        where
                    )
    finally:
        house.close()


def _letter(house: PagesHouse, template: str, recipient: Recipient) -> str:
    """A mail of this kind as it would leave now, owed before anybody knew of whom the incident speaks."""
    takeover = {
        "since": house.now.isoformat(), "by": "Imogen Vale", "reason": f"Because of the {WORDS['takeover']}",
        "holder": "chair", "incident": SECRET, "allowed": [], "allowed_platforms": [], "on_hold": "",
        "end_reason": f"The {WORDS['takeover']} is over", "ended_at": house.now.isoformat(), "ended_by": "Imogen Vale",
        "from": (house.now - _HOUR).isoformat(), "until": house.now.isoformat(), "days": 1,
    }  # fmt: skip
    window = {"since": (house.now - _HOUR).isoformat(), "until": (house.now + _HOUR).isoformat(), "week": "2026-W48"}

    def work(session: Any) -> str:
        alert = house.app.desk.owe(
            session, "alert", MailKind.ALERT, recipient, house.now, key="in the round-up", severity=Severity.CRISIS
        )
        session.get_one(AlertRow, alert).incident_id = SECRET
        facts = {
            **takeover, "purpose": "see", "subject": SECRET, "alerts": [alert], "platform": "facebook", "mention": 0,
            **(window if template == "digest" else {}),
        }  # fmt: skip
        number = house.app.desk.owe(
            session, template, MailKind.REPORT, recipient, house.now, key=recipient.role, facts=facts
        )
        row = session.get_one(AlertRow, number)
        letter = house.app.letter(session, row, house.now)
        session.rollback()
        return f"{letter.subject}\n{letter.text}\n{letter.html}\n{letter.incident}"

    with house.app.database.write() as session:
        return work(session)


@pytest.mark.parametrize("kind", HIDES)
def test_the_weekly_digest_is_the_same_as_if_it_had_never_been(tmp_path: Path, kind: str) -> None:
    without, with_it = (PagesHouse(_folder(tmp_path, name)) for name in ("without", "with"))
    try:
        furnish(without)
        furnish(with_it)
        add_secret(with_it, kind)
        for role in sorted(hidden(kind) & set(EMAILS)):
            one, other = (_bulletin(house, role) for house in (without, with_it))
            assert other == one
    finally:
        without.close()
        with_it.close()


def _bulletin(house: PagesHouse, role: str) -> str:
    with house.app.database.read() as session:
        bulletin = digest.bulletin_for(
            session, house.app, since=house.now - _HOUR, until=house.now + _HOUR, week="w", folded=(), reader=role
        )
    return re.sub(r"/a/[\w.~=-]+", "LINK", re.sub(r"audit_head='[^']*'", "", repr(bulletin)))


# ── takeover over it ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("kind", "role"), [("about the CEO", "ceo"), ("about the Chair", "chair")])
def test_of_a_takeover_over_it_she_hears_that_it_is_on_and_who_holds_it_and_cannot_end_it(
    tmp_path: Path, kind: str, role: str
) -> None:
    house = PagesHouse(_folder(tmp_path, "house"))
    try:
        furnish(house)
        add_secret(house, kind, takeover=True)
        other = "chair" if role == "ceo" else "ceo"
        client = Client(house, role)
        page = client.get("/takeover").text
        assert "CEO TAKEOVER" in page
        assert {"chair": "Chair of trustees", "ceo": "CEO"}[other] in page
        for path, fields in (
            ("/takeover/end", {"reason": "over"}),
            ("/takeover/end", {"reason": "over", "on_hold": "films"}),
            ("/takeover/confirm", {}),
            ("/takeover/hand-over", {"to": role}),
            ("/takeover/allow", {"allowed": "Ade Lowe", "platform": "facebook"}),
        ):
            assert client.post(path, fields).status_code in {403, 409}, path
            assert _takeover(house).is_active, path
            assert _takeover(house).holder == other, path
        for purpose in (Purpose.UNDO, Purpose.END, Purpose.CONFIRM):
            browser = house.browser()
            assert browser.get(f"/a/{house.token(purpose, role, house.now.isoformat())}").status_code == 403
        letters = [row for row in house.alerts("takeover_begun") if row.role == role]
        assert len(letters) == 1
        assert _composed(house, letters[0].id).count("/a/") == 0

        Client(house, other).post("/takeover/end", {"reason": "over"})

        assert not _takeover(house).is_active
    finally:
        house.close()


def _composed(house: PagesHouse, number: str) -> str:
    with house.app.database.read() as session:
        letter = house.app.letter(session, session.get_one(AlertRow, number), house.now)
    return letter.text + letter.html


def _takeover(house: PagesHouse) -> Any:
    with house.app.database.read() as session:
        return takeovers.current(session)


def _folder(root: Path, name: str) -> Path:
    (root / name).mkdir()
    return root / name
