"""From a row of the outbox to a letter: what is said, decided when it leaves, with the words that may still be shown.

Reading only: the caller owns the session. A letter that is tried again is the same letter: its Message-ID and the
ids of its links are made from the row's id.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.exc import NoResultFound, SQLAlchemyError
from sqlalchemy.orm import Session

from alerts.mail import compose, error_place
from alerts.model import Fact, Letter, MailKind, Notice
from monitor.links import Purpose
from monitor.notices import incidents, service, takeover
from monitor.notices.incidents import headline_of, incident_item
from monitor.notices.writer import House, Writer, present
from monitor.store.tables import AlertRow, IncidentRow
from monitor.visibility import may_see

__all__ = ["TEMPLATES", "House", "headline_of", "incident_item", "letter_for"]

log = logging.getLogger(__name__)

LATE = timedelta(minutes=10)
"""A mail that leaves later than this after it was owed says so."""

THREADED = (
    "poster_untold",
    "takeover_allowed",
    "takeover_begun",
    "takeover_posters",
    "takeover_reminder",
    "takeover_ended",
    "takeover_report",
    "situation",
    "breach",
)
"""Mails about one takeover, which stand in one thread."""


def letter_for(session: Session, row: AlertRow, house: House) -> Letter:
    """The letter that ``row`` owes. The digest has its own noun (``monitor.digest``).

    What cannot be put into words is told in few: an alert is never lost for want of a sentence. Only a fault of the
    database flies, for then the same letter can be made later.
    """
    writer = Writer(session, row, house)
    try:
        notice = TEMPLATES[row.template](writer)
    except NoResultFound:
        notice = _in_few_words(writer)
    except SQLAlchemyError:
        raise
    except Exception as error:  # bulkhead: a template
        log.error("a notice failed", extra={"template": row.template, "error": error_place(error)})
        notice = _in_few_words(writer)
    notice = _finished(writer, notice)
    letter = compose(
        "alert" if row.template == "phone" else row.template,  # an unknown template is laid out plainly
        notice,
        writer.recipient,
        kind=MailKind(row.kind),
        message_id=house.message_id(row.id),
        sent_at=house.now,
        incident=_header(writer, notice),
        in_reply_to=_thread(session, row, house),
    )
    return _short(row, letter, notice) if row.channel == "phone" else letter


def _header(writer: Writer, notice: Notice) -> str:
    """The incident that a mail's header names, unless its reader may not know of it."""
    name = writer.row.incident_id or str(writer.facts.get("incident") or "") or notice.reference
    about = writer.session.get(IncidentRow, name) if name else None
    return name if may_see(writer.recipient, about) else ""


def _in_few_words(writer: Writer) -> Notice:
    """A notice made of the row alone."""
    return Notice(
        headline="Earshot has something to tell you, and could not put it into words",
        severity=writer.severity,
        where="",
        moment=writer.say(writer.row.made_at),
        summary=f"It is a message of the kind {writer.row.template!r}. Please look into Earshot now.",
        reference=writer.row.incident_id or "",
        without_links=writer.without_links(writer.row.incident_id or ""),
        links=present(writer.link(Purpose.SEE, writer.row.incident_id, "Open in Earshot", main=True))
        if writer.row.incident_id
        else (),
    )


def _finished(writer: Writer, notice: Notice) -> Notice:
    """What every mail has: whose it is, whether it comes late or in another's stead, and what to do without links."""
    row, house = writer.row, writer.house
    news, facts = notice.news, notice.facts
    if house.now - row.made_at > LATE:
        owed = writer.say(row.made_at)
        facts = (*facts, Fact("Sent late", f"This was owed at {owed} and could not leave before."))
    if row.facts.get("instead_of"):
        news = (*news, f"This goes to you because mail to {row.facts['instead_of']} does not arrive at present.")
    return replace(
        notice,
        organisation=house.organisation.name,
        news=news,
        facts=facts,
        drill=notice.drill or bool(row.facts.get("drill")),
    )


def _short(row: AlertRow, letter: Letter, notice: Notice) -> Letter:
    """What a phone shows: the headline, where to read on, and one link. No quote, no name."""
    link = notice.links[0] if notice.links else None
    lead = f"{link.label}:" if link else ""
    text = " ".join(part for part in (*_where_to_read(row, notice), lead) if part)
    subject = letter.subject.replace(f"[{notice.word}] ", f"{notice.word}: ", 1)  # brackets are for mail programs
    text = f"DRILL. {text}" if notice.drill else text
    return replace(letter, subject=subject, text=text, html="", picture=None, link=link.url if link else "")


def _where_to_read(row: AlertRow, notice: Notice) -> tuple[str, ...]:
    if row.template == "phone":
        return ("Please read the e-mail from Earshot now.", *notice.news[:1])
    since = f"{notice.moment[:1].upper()}{notice.moment[1:]}."
    return (since, "Please look into Earshot itself, or ask who looks after it.")


def _thread(session: Session, row: AlertRow, house: House) -> str:
    """The Message-ID that this mail answers: an incident's root, else the first mail to this person about the same
    matter; a root of its own for the first one itself."""
    if row.incident_id and row.template != "roundup":
        return house.root_id(row.incident_id)
    base = select(AlertRow).where(AlertRow.address == row.address, AlertRow.channel == "mail")
    base = base.where(AlertRow.made_at <= row.made_at).order_by(AlertRow.made_at, AlertRow.id)
    first: AlertRow | None = None
    if row.template in THREADED and (since := row.facts.get("since")):
        candidates = session.scalars(base.where(AlertRow.template.in_(THREADED)).limit(200)).all()
        first = next((a for a in candidates if a.facts.get("since") == since), None)
    elif row.template == "heard_again":
        deaf = session.scalars(base.where(AlertRow.template == "deaf")).all()
        found = [a for a in deaf if a.facts.get("platform") == row.facts.get("platform")]
        first = found[-1] if found else None
    if first is not None and first.id != row.id:
        return house.message_id(first.id)
    return house.own_root_id(str(row.facts.get("post") or row.id))


TEMPLATES: Mapping[str, Callable[[Writer], Notice]] = {
    "alert": incidents.alert,
    "alert_update": incidents.alert,
    "breach": takeover.breach,
    "deaf": service.deaf,
    "erased": service.erased,
    "first_run": service.first_run,
    "fresh_link": service.fresh_link,
    "heard_again": service.heard_again,
    "mail_ends": service.mail_ends,
    "mail_out": service.mail_out,
    "phone": incidents.phone,
    "phone_silent": service.phone_silent,
    "refused": service.refused,
    "poster_untold": takeover.poster_untold,
    "ring": incidents.ring,
    "roundup": incidents.roundup,
    "settings_faulty": service.settings_faulty,
    "sign_in": service.sign_in,
    "situation": takeover.situation,
    "takeover_allowed": takeover.takeover_allowed,
    "takeover_begun": takeover.takeover_begun,
    "takeover_ended": takeover.takeover_ended,
    "takeover_posters": takeover.takeover_posters,
    "takeover_proposed": takeover.takeover_proposed,
    "takeover_reminder": takeover.takeover_reminder,
    "takeover_report": takeover.takeover_report,
    "test": service.test,
    "tip": incidents.tip,
    "token_ends": service.token_ends,
    "unscored": incidents.unscored,
}
"""Who writes which mail; the digest has its own noun."""
