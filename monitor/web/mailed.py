"""What a link in a mail opens. Looking never changes anything: a button does, once, in the browser that was shown it
(settled questions, 5; reliability notes, 3.1).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from flask import Blueprint, Response, abort, g, make_response, render_template, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from alerts.model import MailKind, Recipient, Severity
from alerts.takeover import State, Takeover
from connectors.model import Kind
from monitor import actions, doors, drill, people, takeovers
from monitor.actions import DECIDERS, Actor, NotAllowed, Taken
from monitor.links import LinkExpired, LinkInvalid, Purpose, Ticket, use_up, was_used
from monitor.outbox import ROLE_WORDS, note
from monitor.store.tables import IncidentRow, LinkUseRow, MentionRow
from monitor.visibility import Deed, may_act, may_see
from monitor.web import door, kept, tell
from monitor.web.guard import PUBLIC, open_to, page_nonce, proves_itself, say
from monitor.web.house import House, house_of, number_of
from monitor.web.incident_view import IncidentView, view_of

pages = Blueprint("mailed", __name__)
pages.add_app_template_global(lambda: mail_me(), "mail_me")

DOES: dict[Purpose, tuple[str, ...]] = {
    Purpose.SEE: ("acknowledge",),
    Purpose.ACKNOWLEDGE: ("acknowledge",),
    Purpose.CALM: ("calm", "acknowledge"),
    Purpose.FOR_CEO: ("for-ceo", "acknowledge"),
    Purpose.TAKEOVER: ("takeover", "acknowledge"),
    Purpose.UNDO: ("undo",),
    Purpose.CONFIRM: ("confirm",),
    Purpose.END: ("end",),
    Purpose.ALLOW: ("allow",),
}
"""What each link lets its holder do, the main thing first. Only the mildest is shared: a forwarded link that lets
somebody look must not let them begin a takeover."""

FRESH_EVERY = timedelta(minutes=10)
FRESH_AT_MOST = 3
"""A fresh link is sent at most this often, and so many times, for one old link."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A link that is ours: its token, what it says, the person it was mailed to, and whether it is too old, or from
    before something about that person changed."""

    house: House
    token: str
    ticket: Ticket
    person: Recipient
    expired: bool = False
    ended: bool = False

    @property
    def actor(self) -> Actor:
        """As the decision log knows them."""
        return Actor(self.person.role, self.person.name)

    def button(self, action: str, *, reason: str = "") -> str:
        """The token of a button on this page, bound to the link, the action, the reason and the browser."""
        return self.house.app.links.page_token(self.ticket, action, self.house.now, bound=f"{page_nonce()}\x00{reason}")

    def holds(self, action: str, *, reason: str = "") -> bool:
        """Whether the button that was pressed is ours, for this action, reason and browser."""
        bound = f"{page_nonce()}\x00{reason}"
        given = request.form.get("page", "")
        return self.house.app.links.page_holds(given, self.ticket, action, self.house.now, bound=bound)

    def was_shown(self, action: str, *, reason: str = "") -> bool:
        """The same, however long the page was open."""
        bound = f"{page_nonce()}\x00{reason}"
        return self.house.app.links.page_was_ours(request.form.get("page", ""), self.ticket, action, bound=bound)


@pages.get("/a/<token>")
@open_to(PUBLIC)
def look(token: str) -> BaseResponse:
    """The page of a link. Changes nothing."""
    opened = _open(token)
    if not isinstance(opened, Opened):
        return opened
    if opened.ticket.purpose is Purpose.SIGN_IN:
        return door.offer(opened.token, opened.person, opened.button("sign-in"), over=opened.expired or opened.ended)
    if opened.ticket.purpose is Purpose.TIP:
        if not _tip_link_lasts(opened):
            return _tips_ended()
        return tell.offer(f"/a/{token}", opened.button("tell"))
    if opened.expired or opened.ended:
        return _offer_fresh(opened, *_why_over(opened))
    match opened.ticket.purpose:
        case Purpose.SEE | Purpose.ACKNOWLEDGE | Purpose.CALM | Purpose.FOR_CEO | Purpose.TAKEOVER:
            return _incident_page(opened)
        case Purpose.UNDO | Purpose.CONFIRM | Purpose.END:
            return _takeover_page(opened)
        case _:
            return _breach_page(opened)


@pages.post("/a/<token>")
@open_to(PUBLIC)
@proves_itself
def press(token: str) -> BaseResponse:
    """A button was pressed."""
    opened = _open(token)
    if not isinstance(opened, Opened):
        return opened
    action = request.form.get("do", "")
    if opened.ticket.purpose is Purpose.TIP and action == "tell":
        if not _tip_link_lasts(opened):
            return _tips_ended(*kept.words_of(request.form.items(multi=True)))
        return tell.receive(
            opened.house, by="", holds=opened.holds("tell"), again=f"/a/{token}", fresh=opened.button("tell")
        )
    if opened.ticket.purpose is Purpose.SIGN_IN and action == "sign-in":
        over = opened.expired or opened.ended
        return door.enter(opened.house, opened.ticket, opened.person, holds=opened.holds("sign-in"), over=over)
    if action == "sign-in-mail":
        return _mail_sign_in(opened)
    if action == "fresh":
        return _send_fresh(opened)
    if opened.expired or opened.ended:
        return _offer_fresh(opened, *_why_over(opened))
    wanted = "takeover" if action == "begin" else action
    if wanted not in DOES.get(opened.ticket.purpose, ()):
        abort(403, "This link is for something else. Use the button in the mail that is for this.")
    if action == "takeover":
        return _ask_again(opened)
    return _do(opened, action)


# ── opening ─────────────────────────────────────────────────────────────────────────────────────────


def _open(token: str) -> Opened | Response:
    """What a token says, or the page that says why it opens nothing."""
    house = house_of()
    expired = False
    try:
        ticket = house.app.links.read(token, house.now)
    except LinkExpired as error:
        ticket, expired = error.ticket, True
    except LinkInvalid:
        return _not_ours()
    if ticket.purpose is Purpose.TIP:
        return Opened(house, token, ticket, Recipient("staff", "Somebody", ""), expired)
    with house.app.database.read() as session:
        person, present = people.owner_of(session, house.app.keys, house.app.roster, door.with_mark(ticket))
    if person is None:
        return _nobodys()
    g.opened = Opened(house, token, ticket, person, expired, not present)
    return cast(Opened, g.opened)


def mail_me() -> Opened | None:
    """The link that the visitor came by, on pages that may offer its owner a sign-in link by one button."""
    return g.get("opened") if g.get("visitor") is None and house_of().app.settings.public_url else None


def _mail_sign_in(opened: Opened) -> Response:
    """Mail the owner of a link, and nobody else, a link to sign in, which leads on to what the mail was about."""
    _must_hold(opened, "sign-in-mail")
    g.opened = None
    if door.mail_link(opened.house, opened.person, _page_about(opened.ticket)):
        return say("The link to sign in is on its way", "It goes to your address, works for 15 minutes, and once.")
    return say(
        "A link to sign in was mailed to you a moment ago",
        "Look into your mailbox, and use the newest one. Five minutes after it you can have another.",
    )


def _page_about(ticket: Ticket) -> str:
    if ticket.purpose is Purpose.SIGN_IN:
        return ticket.subject.rpartition("|")[2]
    return f"/incidents/{ticket.subject}" if ticket.purpose in _ABOUT_INCIDENT else "/takeover"


_ABOUT_INCIDENT = {Purpose.SEE, Purpose.ACKNOWLEDGE, Purpose.CALM, Purpose.FOR_CEO, Purpose.TAKEOVER}


def _not_ours() -> Response:
    return say(
        "This link does not work",
        "It is not one of ours, or it was cut off on its way. Open the mail again and press the button there.",
        "If it is urgent: the command line on the server, or a telephone call, always works.",
        status=404,
    )


def _nobodys() -> Response:
    return say(
        "This link has ended",
        "It was mailed to somebody who is no longer in Earshot's settings, or not under that address.",
        "Whoever holds the role now was mailed links of their own.",
        status=410,
    )


def _tip_link_lasts(opened: Opened) -> bool:
    with opened.house.app.database.read() as session:
        return doors.tip_link_lasts(session, opened.ticket.id) and not opened.expired


def _tips_ended(*words: str) -> Response:
    return say(
        "This link has ended",
        "Ask the operator for the new one. If it is urgent, ring the CEO or the Chair now.",
        status=410,
        words=words,
    )


def _why_over(opened: Opened) -> tuple[str, str]:
    """A title and a sentence."""
    if opened.expired:
        return "This link is too old", "A link works only for a while, so that an old mail can do no harm."
    return (
        "This link has ended",
        "After it was mailed, your entry in Earshot's settings was changed, or you were signed out everywhere.",
    )


def _offer_fresh(opened: Opened, title: str, why: str) -> Response:
    whose = ROLE_WORDS.get(opened.person.role, opened.person.role)
    page = render_template(
        "fresh.html", title=title, why=why, whose=whose, action=f"/a/{opened.token}", page=opened.button("fresh"),
        words=_written(), kept=_keep(opened),
    )  # fmt: skip
    return make_response(page, 410)


_ONCE_SIGNED_IN = {
    "calm": "/incidents/{}/calm",
    "takeover": "/incidents/{}/takeover",
    "begin": "/incidents/{}/takeover",
    "undo": "/takeover/end",
    "end": "/takeover/end",
}
"""Where somebody who has signed in sends the reason that they wrote for a button of a mailed link."""


def _written() -> tuple[str, ...]:
    """What somebody wrote for the button that they pressed."""
    return (_reason(),) if request.method == "POST" and _reason() else ()


def _keep(opened: Opened) -> bool:
    """Keep what was written on a page of ours that has ended, until its person has signed in. Only for the person whom
    the link was mailed to as they are now, and only where nobody has signed in here."""
    action, person = request.form.get("do", ""), opened.person
    path = _ONCE_SIGNED_IN.get(action, "").format(opened.ticket.subject)
    ours = opened.was_shown(action, reason=_reason() if action == "begin" else "")
    if not (_written() and path and ours) or opened.ended or g.get("visitor") is not None:
        return False
    kept.keep_for(opened.house, opened.house.person_mark(person), path, _reason())
    return True


def _open_for_too_long(opened: Opened) -> Response:
    return say(
        "This was not done",
        "This page was open for too long, or in another browser. Open the link in the mail again.",
        status=403,
        words=_written(),
        kept=_keep(opened),
    )


def _send_fresh(opened: Opened) -> Response:
    _must_hold(opened, "fresh")
    house, ticket, now = opened.house, opened.ticket, opened.house.now
    if ticket.purpose not in DOES:
        abort(403)

    def work(session: Session) -> bool:
        person = house.app.desk.person(session, opened.person.role) or opened.person
        about = _about(session, ticket)
        if about is None and ticket.purpose in _ABOUT_INCIDENT:
            return False
        sent = _fresh_so_far(session, ticket)
        if sent and sent[-1] > now - FRESH_EVERY:
            return True
        if len(sent) >= FRESH_AT_MOST:
            return False
        house.app.desk.owe(
            session,
            "fresh_link",
            MailKind.TAKEOVER if ticket.purpose in _ABOUT_TAKEOVER else MailKind.ALERT,
            person,
            now,
            key=f"{ticket.id}:{len(sent)}",
            severity=Severity(about.severity) if about is not None else Severity.ALERT,
            facts={"purpose": ticket.purpose.value, "subject": ticket.subject},
        )
        session.add(LinkUseRow(id=f"{ticket.id}:fresh{len(sent)}"[:64], purpose="fresh", used_at=now))
        return True

    if not house.change(work):
        return say(
            "No more fresh links for this one",
            "Use the newest mail from Earshot, or sign in: there you can do all of it.",
            status=410,
        )
    whose = ROLE_WORDS.get(opened.person.role, opened.person.role)
    return say("A fresh link is on its way", f"It goes to the address of the {whose}, within a minute.")


def _fresh_so_far(session: Session, ticket: Ticket) -> list[datetime]:
    """When fresh links were mailed for an old one."""
    uses = (session.get(LinkUseRow, f"{ticket.id}:fresh{n}"[:64]) for n in range(FRESH_AT_MOST))
    return [use.used_at for use in uses if use is not None]


_ABOUT_TAKEOVER = {Purpose.TAKEOVER, Purpose.UNDO, Purpose.CONFIRM, Purpose.END}


# ── looking ─────────────────────────────────────────────────────────────────────────────────────────


_NOT_HERE = "The incident is no longer kept, or somebody else looks after it now."


def _about(session: Session, ticket: Ticket) -> IncidentRow | None:
    """The incident of a link; None where it is no longer kept and where it is hidden from the link's owner, who must
    not be able to tell one from the other."""
    row = session.get(IncidentRow, ticket.subject)
    return row if may_see(ticket, row) else None


def _incident_page(opened: Opened) -> BaseResponse:
    house, ticket = opened.house, opened.ticket
    with house.app.database.read() as session:
        row = _about(session, ticket)
        if row is None:
            return say("This is not here any more", _NOT_HERE, status=410)
        used = tuple(action for action in DOES[ticket.purpose] if was_used(session, ticket, action))
        view = view_of(session, house, row, opened.actor, signed_in=False)
        can = frozenset(deed for deed in Deed if may_act(ticket, row, deed))
    main = DOES[ticket.purpose][0]
    if main in used and main == "takeover":
        return _offer_fresh(opened, "This link was used before", _used_words(view.takeover))
    offers = _offers(opened, view, can, used)
    return make_response(
        render_template(
            "incident.html", incident=view, offers=offers, used=main in used, action=f"/a/{opened.token}",
            reason=_default_reason(view.headline, view.id), who=opened.person, signed_in=False,
        )
    )  # fmt: skip


def _offers(opened: Opened, view: IncidentView, can: Collection[Deed], used: tuple[str, ...]) -> dict[str, str]:
    """The buttons that this page has, by action, with their tokens."""
    fits = {
        "acknowledge": view.is_open and Deed.ACKNOWLEDGE in can and not view.has_rung,
        "calm": not view.is_closed and Deed.CALM in can,
        "for-ceo": not view.is_closed and Deed.FOR_CEO in can,
        "takeover": not view.takeover.is_active and Deed.TAKE_OVER in can,
    }
    return {
        action: opened.button(action) for action in DOES[opened.ticket.purpose] if fits[action] and action not in used
    }


def _default_reason(headline: str, incident: str) -> str:
    return f"{headline} (incident {incident})"


def _used_words(takeover: Takeover) -> str:
    if takeover.is_active:
        return "Takeover has begun and is still on. You need not do anything here."
    return "A link begins a takeover only once. If you need to begin one again, have a fresh link sent."


def _takeover_page(opened: Opened) -> BaseResponse:
    house, ticket = opened.house, opened.ticket
    main = DOES[ticket.purpose][0]
    with house.app.database.read() as session:
        takeover = takeovers.as_seen_by(session, ticket, signed_in=False)
        changes = takeovers.may_change(session, ticket)
        used = was_used(session, ticket, main)
    if _is_about(ticket, takeover) and not changes:
        holder = ROLE_WORDS.get(takeover.holder, takeover.holder)
        return say(f"This takeover is in the hands of the {holder}", f"Only the {holder} ends it.", status=403)
    if used:
        return _offer_fresh(opened, "This link was used before", "It works only once.")
    if not _is_about(ticket, takeover):
        return say("That takeover is over", "People may publish again; there is nothing left to do.", status=410)
    if ticket.purpose is Purpose.CONFIRM and not takeover.is_unattended:
        return say("It is confirmed already", "The takeover stands on a person's word and lasts until it is ended.")
    return make_response(
        render_template(
            "takeover_link.html", takeover=takeover, do=main, action=f"/a/{opened.token}", page=opened.button(main),
            holder=ROLE_WORDS.get(takeover.holder, takeover.holder), reason=_REASONS[ticket.purpose],
        )
    )  # fmt: skip


_REASONS = {Purpose.UNDO: "Begun by mistake", Purpose.END: "The matter is dealt with", Purpose.CONFIRM: ""}


def _is_about(ticket: Ticket, takeover: Takeover) -> bool:
    """Whether the takeover that a link is about still runs; its subject is the moment at which it began."""
    running = takeover.state in {State.ACTIVE, State.STANDING_DOWN}
    begun = takeover.since.isoformat() if takeover.since else ""
    return running and (ticket.subject in {"", begun} or takeover.state is State.STANDING_DOWN)


def _own_post(session: Session, opened: Opened) -> MentionRow | None:
    """The post of ours that a link is about, for whoever may change the takeover that it broke and may know of the
    incident that it belongs to."""
    row = session.get(MentionRow, number_of(opened.ticket.subject))
    if row is None or row.kind != Kind.OWN_POST.value or not takeovers.may_change(session, opened.ticket):
        return None
    return row if may_see(opened.ticket, session.get(IncidentRow, row.incident_id or "")) else None


def _breach_page(opened: Opened) -> BaseResponse:
    house, ticket = opened.house, opened.ticket
    with house.app.database.read() as session:
        row = _own_post(session, opened)
        used = was_used(session, ticket, "allow")
    if row is None:
        return say("This post is no longer kept", "There is nothing left to do.", status=410)
    if used or row.allowed_at is not None:
        return say("Noted already", "This post of ours is marked as in order.")
    return make_response(
        render_template("breach.html", post=row, action=f"/a/{opened.token}", page=opened.button("allow"))
    )


# ── doing ───────────────────────────────────────────────────────────────────────────────────────────


def _must_hold(opened: Opened, action: str, *, reason: str = "") -> None:
    if not opened.holds(action, reason=reason):
        abort(403, "This page was open for too long, or in another browser. Open the link in the mail again.")


def _reason() -> str:
    return actions.own_words(request.form.get("reason", ""))


def _ask_again(opened: Opened) -> BaseResponse:
    """The second press: show what will happen, and ask. Nothing has changed yet."""
    reason = _reason()
    if not opened.holds("takeover"):
        return _open_for_too_long(opened)
    if not reason:
        abort(400, "Please say in a few words why. Go back, and write it into the box.")
    with opened.house.app.database.read() as session:
        row = _about(session, opened.ticket)
        takeover = takeovers.current(session)
        if was_used(session, opened.ticket, "takeover"):
            return _offer_fresh(opened, "This link was used before", _used_words(takeover))
    _may_begin(opened, row)
    return make_response(
        render_template(
            "confirm.html", reason=reason, action=f"/a/{opened.token}", page=opened.button("begin", reason=reason),
            posters=len(opened.house.app.desk.posters), drill=row is not None and row.drill,
        )
    )  # fmt: skip


def _may_begin(opened: Opened, row: IncidentRow | None) -> None:
    if row is None:
        raise NotAllowed(_NOT_HERE)
    if not may_act(opened.ticket, row, Deed.TAKE_OVER):
        raise NotAllowed("Only the CEO or the Chair begins a takeover.")


Done = tuple[str, str]
Work = Callable[[Session, Opened, str, datetime], Done]


def _do(opened: Opened, action: str) -> BaseResponse:
    reason = _reason()
    if not opened.holds(action, reason=reason if action == "begin" else ""):
        return _open_for_too_long(opened)
    now = opened.house.now
    name = "takeover" if action == "begin" else action

    def work(session: Session) -> Done | None:
        if not use_up(session, opened.ticket, name, now):
            return None
        return WORKS[action](session, opened, reason, now)

    done = opened.house.change(work)
    if done is None:
        if action == "begin":
            with opened.house.app.database.read() as session:
                words = _used_words(takeovers.current(session))
            return _offer_fresh(opened, "This link was used before", words)
        return say(
            "This was done before", "The link works only once, and it was used. Nothing was changed now.", status=410,
            words=_written(),
        )  # fmt: skip
    title, line = done
    return say(title, line, links=_onward(opened, action))


def _onward(opened: Opened, action: str) -> dict[str, str]:
    links = {"May we post? The page for everybody": "/publishing"} if action in _CHANGES_TAKEOVER else {}
    if opened.ticket.purpose in _ABOUT_INCIDENT and mail_me() is None:
        links = {"Open the incident (asks you to sign in)": f"/incidents/{opened.ticket.subject}", **links}
    return links


_CHANGES_TAKEOVER = {"begin", "undo", "end", "confirm"}


def _acknowledge(session: Session, opened: Opened, reason: str, now: datetime) -> Done:
    return _TAKEN[actions.take_care(session, opened.house.app.desk, opened.ticket.subject, opened.actor, now)]


_TAKEN = {
    Taken.IT: ("Thank you, you have it", "Everybody can see that you take care of it. The reminders stop."),
    Taken.RUNG: (
        "Thank you, it is noted that you ring",
        "You are not asked again. Whoever decides is still reminded until they take care of it.",
    ),
    Taken.BEFORE: ("It was acknowledged already", "The reminders have stopped. Nothing more is needed here."),
}


def _calm(session: Session, opened: Opened, reason: str, now: datetime) -> Done:
    match actions.calm(session, opened.house.app.desk, opened.ticket.subject, opened.actor, reason, now):
        case "closed":
            return "Closed: not a problem", "Earshot learns from this. It tells you again only if it is said anew."
        case "quiet":
            return (
                "Noted: not a problem",
                "The reminders stop. A matter as grave as this stays open, and the Chair is told.",
            )
        case _:
            return "It is closed already", "Nothing more is needed here."


def _for_ceo(session: Session, opened: Opened, reason: str, now: datetime) -> Done:
    if actions.give_to_ceo(session, opened.house.app.desk, opened.ticket.subject, opened.actor, now):
        return "Handed to the CEO", "The CEO is being told now, and sees it from now on."
    return "It was handed to the CEO already", "Nothing more is needed here."


def _begin(session: Session, opened: Opened, reason: str, now: datetime) -> Done:
    row = _about(session, opened.ticket)
    _may_begin(opened, row)
    if row is not None and row.drill:
        note(session, row.id, now, str(opened.actor), f"{drill.WOULD_BEGIN}: {reason}", for_keepers=True)
        return "DRILL: takeover would have begun now", "This was a rehearsal. Nothing was locked, and nobody was told."
    begun = takeovers.begin(
        session, opened.house.app.desk, by=str(opened.actor), reason=reason, now=now, role=opened.ticket.role,
        incident=row.id if row is not None else "",
    )  # fmt: skip
    if row is not None:
        actions.acknowledge(session, row.id, opened.actor, now)
    if not begun:
        return "Takeover is on already", "Somebody began it before you. Nobody but the holder may publish."
    return (
        "Takeover has begun",
        "Everybody who posts is being told now. The CEO and the Chair have a link in their mail that undoes it.",
    )


def _undo(session: Session, opened: Opened, reason: str, now: datetime) -> Done:
    return _end_it(session, opened, reason or "Undone", now)


def _end(session: Session, opened: Opened, reason: str, now: datetime) -> Done:
    if not reason:
        raise NotAllowed("Please say in a few words why it ends.")
    return _end_it(session, opened, reason, now)


def _end_it(session: Session, opened: Opened, reason: str, now: datetime) -> Done:
    _deciders_only(opened)
    if not _is_about(opened.ticket, takeovers.current(session)):
        return "That takeover is over already", "People may publish again."
    takeovers.end(session, opened.house.app.desk, by=str(opened.actor), reason=reason, now=now, role=opened.ticket.role)
    return (
        "Takeover has ended",
        "Everybody is being told that they may post again. A report of what our channels did follows.",
    )


def _confirm(session: Session, opened: Opened, reason: str, now: datetime) -> Done:
    _deciders_only(opened)
    if not _is_about(opened.ticket, takeovers.current(session)):
        return "That takeover is over", "There is nothing left to confirm."
    takeovers.confirm(session, by=str(opened.actor), now=now, role=opened.ticket.role)
    return "Confirmed", "The takeover now stands on your word. It lasts until one of you ends it."


def _allow(session: Session, opened: Opened, reason: str, now: datetime) -> Done:
    _deciders_only(opened)
    row = _own_post(session, opened)
    if row is None:
        return "This post is no longer kept", "There is nothing left to do."
    actions.allow_post(session, row, opened.actor, now)
    return "Noted: the post was in order", "The report will list it as allowed."


def _deciders_only(opened: Opened) -> None:
    if opened.ticket.role not in DECIDERS:
        raise NotAllowed("Only the CEO or the Chair does this.")


WORKS: dict[str, Work] = {
    "acknowledge": _acknowledge,
    "calm": _calm,
    "for-ceo": _for_ceo,
    "begin": _begin,
    "undo": _undo,
    "end": _end,
    "confirm": _confirm,
    "allow": _allow,
}
