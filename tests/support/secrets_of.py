"""A world with an incident in which every word is a rare one, so that wherever one turns up it is seen at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from house_pages import PagesHouse

from alerts.model import MailKind, Severity
from monitor import actions, registers, takeovers
from monitor.actions import Actor
from monitor.intake import incident_of
from monitor.outbox import note
from monitor.store.tables import DigestRow, FeedbackRow, IncidentRow, PlatformRow, StatementRow, TallyRow
from monitor.visibility import LEADERS, Deed, may_act

SECRET = "zsecret"
"""The incident's name."""

POST, REPLY = 9001, 9002
AUTHOR, HANDLE = "Quokka Marsupial", "quokka_m"
LINK = "https://social.example/okapi"
WORDS = {
    "post": "zebrawort",
    "matched": "aardvark",
    "sentence": "A capybara is said.",
    "tip": "pomegranate",
    "tip link": "pomelo",
    "note": "marzipan",
    "takeover": "gooseberry",
    "register": "rhubarb",
    "statement": "cinnamon",
    "verdict": "tangerine",
}
"""A rare word for each place where words stand."""

OF_PEOPLE = frozenset({"tip", "tip link", "note", "takeover", "register", "statement", "verdict"})
"""Those that somebody of the house, or of the team, wrote."""

KINDS: dict[str, dict[str, Any]] = {
    "ordinary": {},
    "safeguarding": {"category": "safeguarding"},
    "self-harm": {"category": "self_harm"},
    "a tip": {"category": None, "source": "tip"},
    "about the CEO": {"category": "staff_conduct", "spoken_of": ["ceo"]},
    "perhaps about the CEO": {"category": "safeguarding", "perhaps_of": ["ceo"]},
    "about the Chair": {"category": "staff_conduct", "spoken_of": ["chair"]},
    "about both": {"category": "safeguarding", "source": "tip", "spoken_of": ["ceo", "chair"]},
    "about the operator": {"category": "staff_conduct", "spoken_of": ["operator"]},
    "about a poster": {"category": "staff_conduct", "spoken_of": ["poster"]},
    "a drill": {"category": None, "source": "drill", "drill": True},
}

SURNAME = {"chair": "Imogen Vale", "ceo": "Rowan Ashdown", "operator": "Kit Marlow"}


def furnish(house: PagesHouse) -> None:
    """What is there in any case: platforms, counts, an ordinary incident with posts, a digest, a past takeover."""
    house.platform("facebook", first_poll_at=house.now - timedelta(days=30))
    hour = house.now.replace(minute=0, second=0, microsecond=0)
    house.add(TallyRow(platform="facebook", hour=hour, severity=3, category="*", count=4, mood_sum=1.0, mood_count=4))
    house.add(
        DigestRow(
            week="2026-W47",
            made_at=house.now,
            since=house.now - timedelta(days=7),
            until=house.now + timedelta(hours=1),
        )
    )
    house.incident("aplain", category="complaint", severity=int(Severity.ALERT))
    house.mention(1, "When does the hall open?", question=True, severity=0, categories=[], kind="comment")
    house.mention(2, "A plain grumble", incident_id="aplain", categories=["complaint"])

    def work(session: Any) -> None:
        actions.add_note(session, "aplain", Actor("chair", SURNAME["chair"]), "A plain note", house.now)

    house.house.change(work)


def add_secret(house: PagesHouse, kind: str, *, takeover: bool = False, proposal: bool = False) -> None:
    """The incident of this kind with all that can belong to one."""
    changes = KINDS[kind]
    house.incident(
        SECRET, severity=int(Severity.CRISIS), opened_at=house.now, summary=f"They told of a {WORDS['tip']}",
        tip_link=f"https://leak.example/{WORDS['tip link']}", **changes,
    )  # fmt: skip
    categories = [changes["category"]] if changes.get("category") else []
    signal = {
        "rule": "r-secret", "sentence": WORDS["sentence"], "clause": "6.5", "words": WORDS["matched"], "weight": 3.0,
        "category": "press",
    }  # fmt: skip
    for number, more in ((POST, {"question": True}), (REPLY, {"thanks": True, "severity": 1, "kind": "comment"})):
        house.mention(
            number, f"Is it true of the {WORDS['post']}?", incident_id=SECRET, url=f"{LINK}{number}", author_name=AUTHOR,
            author_handle=HANDLE, external_id=f"okapi{number}", signals=[signal],
            **{"categories": categories, "severity": 3, "sentiment": 0.25, **more},
        )  # fmt: skip
    _tallied(house)
    who = _decider(changes)

    def work(session: Any) -> None:
        row = session.get(IncidentRow, SECRET)
        note(session, SECRET, house.now, "Somebody of the team", actions.TOLD)
        note(session, SECRET, house.now, str(who), f"We know of the {WORDS['note']}")
        if may_act(who, row, Deed.REGISTER):
            registers.answer(session, SECRET, "police", "told", f"{WORDS['register']} at the desk", who, house.now)
        session.add(
            StatementRow(
                incident_id=SECRET, text=f"We speak of {WORDS['statement']}", made_at=house.now, made_by=str(who),
                checked=[], approved_by="",
            )
        )  # fmt: skip
        for verdict, mention in (("not a problem", None), ("should have told me", POST)):
            session.add(
                FeedbackRow(
                    at=house.now, who=who.role, incident_id=SECRET, mention_id=mention, verdict=verdict,
                    reason=WORDS["verdict"], rules=["r-secret"], fingerprint="",
                )
            )  # fmt: skip
        person = house.app.desk.person(session, who.role)
        assert person is not None
        number = house.app.desk.owe(
            session, "alert", MailKind.ALERT, person, house.now, incident=incident_of(row), revision=1
        )
        session.flush()
        from monitor.store.tables import AlertRow

        session.get_one(AlertRow, number).last_error = f"the mailbox of {person.name} is full"
        session.get_one(AlertRow, number).refused_at = house.now
        if proposal:
            takeovers.propose(session, SECRET, house.now, by=str(who), reason=f"Because of the {WORDS['takeover']}")
        if takeover:
            takeovers.begin(
                session, house.app.desk, by=str(who), reason=f"Because of the {WORDS['takeover']}", now=house.now,
                role=who.role if who.role in LEADERS else "", incident=SECRET,
            )  # fmt: skip

    house.house.change(work)


def _tallied(house: PagesHouse) -> None:
    """The posts are counted by the hour, as they are when they are taken in."""
    hour = house.now.replace(minute=0, second=0, microsecond=0)
    with house.app.database.write() as session:
        for severity in (3, 1):
            row = session.get(TallyRow, ("facebook", hour, severity, "*"))
            if row is None:
                row = TallyRow(
                    platform="facebook", hour=hour, severity=severity, category="*", count=0, mood_sum=0.0, mood_count=0
                )
                session.add(row)
            row.count, row.mood_sum, row.mood_count = row.count + 1, row.mood_sum + 0.25, row.mood_count + 1
        session.get_one(PlatformRow, "facebook").something_at = house.now


def _decider(changes: dict[str, Any]) -> Actor:
    """Somebody who may act on it: the Chair, else the CEO, else the operator."""
    hidden = {*changes.get("spoken_of", ()), *changes.get("perhaps_of", ())}
    role = next(role for role in ("chair", "ceo", "operator") if role not in hidden)
    return Actor(role, SURNAME[role])


def marks() -> tuple[str, ...]:
    """Everything that names the incident or stands in it."""
    return (SECRET, AUTHOR, HANDLE, "okapi", *WORDS.values())
