"""Mails about Earshot itself: what it hears, links, sign-in, tests, refused addresses."""

from __future__ import annotations

from sqlalchemy import func, select

from alerts.model import (
    Fact,
    Notice,
    Section,
    Severity,
)
from monitor.clock import say_ago, say_duration
from monitor.excerpts import count, join
from monitor.hearing import say_platform
from monitor.links import Purpose
from monitor.notices.incidents import incident_item
from monitor.notices.writer import Writer, present
from monitor.outbox import ROLE_WORDS
from monitor.store.tables import IncidentRow, MentionRow
from monitor.visibility import may_see, posts_visible_to, visible_to

_PARTS = {"own": "our own posts", "search": "posts found by our names"}
_ALL_DEAF = (
    "Until it is mended, nothing from there can alert you. Please look at that channel yourself now and then. "
    "The other channels are heard as usual unless it says otherwise below."
)
_PART_DEAF = (
    "The rest of the channel is heard as usual. Until it is mended, nothing from this part can alert you: please look "
    "at it yourself now and then."
)


def deaf(writer: Writer) -> Notice:
    platform = say_platform(writer.word("platform", "a platform"))
    since, part = writer.moment("since"), writer.word("part")
    moment = f"since {say_ago(since, writer.house.now, writer.house.zone)}" if since else ""
    what_to_do = writer.word("do", "Run `earshot doctor`; it says what is wrong and what to do.")
    facts = [Fact("What is wrong", writer.word("why", "it does not answer")), Fact("What to do", what_to_do)]
    if writer.facts.get("to_ceo") and "operator" in writer.house.people:
        facts.append(Fact("Who mends it", f"{writer.name_of('operator')} was told before"))
    return Notice(
        headline=f"Earshot cannot hear a part of {platform}" if part else f"Earshot cannot hear {platform}",
        severity=writer.severity,
        where=f"{platform}: {_PARTS.get(part, part)}" if part else platform,
        moment=f"noticed at {writer.when('since')}" if part and since else moment,
        tag="NOT HEARD",
        summary=_PART_DEAF if part else _ALL_DEAF,
        facts=tuple(facts),
        coverage=writer.coverage(),
        reader="You are told because not hearing is not the same as quiet.",
    )


def heard_again(writer: Writer) -> Notice:
    platform = say_platform(writer.word("platform", "a platform"))
    since, until = writer.moment("since"), writer.moment("until")
    lasted = f" It was not heard for {say_duration(until - since)}." if since and until and until > since else ""
    gap = writer.word("gap")
    missed = f" What was posted meanwhile and cannot be fetched any more: {gap}" if gap else ""
    caught = "" if gap else " What was posted meanwhile is fetched now, as far as the platform still shows it."
    return Notice(
        headline=f"Earshot hears {platform} again",
        severity=writer.severity,
        where=platform,
        moment=f"from {writer.when('since')} to {writer.when('until')}" if since and until else "",
        tag="HEARD AGAIN",
        summary=f"{platform} answers again.{lasted}{missed}{caught}",
        coverage=writer.coverage(),
    )


def token_ends(writer: Writer) -> Notice:
    name = writer.word("platform", "a platform")
    platform, days = say_platform(name), int(writer.facts.get("days") or 1)
    return Notice(
        headline=f"Access to {platform} ends in {count(days, 'day')}",
        severity=writer.severity,
        where=platform,
        moment=writer.when("ends_at"),
        tag="ACCESS ENDS",
        facts=(
            Fact("What to do", f"On the server, run `earshot connect {name}`, or put a new token into the settings."),
        ),
    )


def mail_ends(writer: Writer) -> Notice:
    return Notice(
        headline="Earshot loses its leave to send mail",
        severity=Severity.ALERT,
        where="the mailbox that Earshot sends from",
        moment=writer.say(writer.row.made_at),
        tag="MAIL ENDS",
        summary="This mail left with the last token. Within the hour no alert can be mailed any more, until somebody "
        "gives leave anew.",
        facts=(
            Fact("What is wrong", writer.word("why", "no new token was given")),
            Fact("What to do", "On the server, run `earshot connect mail`, then `earshot doctor`."),
        ),
    )


def first_run(writer: Writer) -> Notice:
    only = writer.word("platform")
    wanted = [only] if only else [str(p) for p in writer.facts.get("platforms") or ()]
    counts = select(MentionRow.platform, func.count()).where(
        MentionRow.history.is_(True), posts_visible_to(writer.recipient)
    )
    incidents = select(IncidentRow).where(
        IncidentRow.history.is_(True), IncidentRow.severity >= int(Severity.ALERT), visible_to(writer.recipient)
    )
    if wanted:
        counts = counts.where(MentionRow.platform.in_(wanted))
    rows = writer.session.execute(counts.group_by(MentionRow.platform).order_by(MentionRow.platform)).all()
    grave = writer.session.scalars(
        incidents.order_by(IncidentRow.severity.desc(), IncidentRow.opened_at.desc()).limit(50)
    )
    items = [incident_item(row, writer.house) for row in grave if not wanted or set(row.platforms) & set(wanted)]
    lines = tuple(f"{say_platform(name)}: {count(number, 'post')}" for name, number in rows)
    return Notice(
        headline=f"Earshot has read the past{f' of {say_platform(only)}' if only else ''}",
        severity=writer.severity,
        where=say_platform(only) if only else "",
        moment="",
        tag="FIRST RUN",
        sections=(Section("What was read", lines, "There was nothing to read."),),
        items=tuple(items[:10]),
        facts=(Fact("Would have alerted", count(len(items), "incident")),),
        coverage=writer.coverage(),
    )


def fresh_link(writer: Writer) -> Notice:
    try:
        purpose = Purpose(writer.word("purpose", "takeover"))
    except ValueError:
        purpose = Purpose.SEE
    subject = writer.word("subject") or (writer.row.incident_id or "")
    row = writer.session.get(IncidentRow, subject) if subject else None
    row = row if may_see(writer.recipient, row) else None
    label = _FRESH.get(purpose, "Open in Earshot")
    return Notice(
        headline=label,
        severity=Severity(row.severity) if row is not None else writer.severity,
        where="",
        moment=writer.say(writer.house.now),
        tag="FRESH LINK",
        reference=row.id if row is not None else "",
        drill=bool(row is not None and row.drill),
        links=present(writer.link(purpose, subject, label, main=True)),
        without_links=writer.without_links(subject),
    )


_FRESH = {
    Purpose.SEE: "Open in Earshot",
    Purpose.ACKNOWLEDGE: "Acknowledge: I am on it",
    Purpose.CALM: "Not a problem",
    Purpose.FOR_CEO: "This is for the CEO",
    Purpose.TAKEOVER: "Begin takeover",
    Purpose.UNDO: "Undo: end takeover now",
    Purpose.CONFIRM: "Keep it: confirm takeover",
    Purpose.END: "End takeover",
    Purpose.ALLOW: "It was in order",
    Purpose.SIGN_IN: "Sign in",
}


def sign_in(writer: Writer) -> Notice:
    return Notice(
        headline="Your link for Earshot",
        severity=writer.severity,
        where="",
        moment="",
        tag="SIGN IN",
        links=present(writer.link(Purpose.SIGN_IN, writer.word("subject"), "Sign in", main=True)),
        without_links=""
        if writer.house.links.public_url
        else "This Earshot has no public address, so there is nothing to open.",
    )


def test(writer: Writer) -> Notice:
    return Notice(
        headline="Mail from Earshot reaches you",
        severity=writer.severity,
        where="",
        moment=writer.say(writer.house.now),
        tag="TEST",
        coverage=writer.coverage(),
    )


def erased(writer: Writer) -> Notice:
    """For the Chair: that somebody's data were erased, in numbers; never whose, and not a word of it."""
    pairs = [("posts", "post"), ("notes", "note of our own"), ("left_posts", "post"), ("left_notes", "note of our own")]
    said = {
        key: count(int(writer.facts.get(key) or 0), noun, noun.replace("post", "posts").replace("note", "notes"))
        for key, noun in pairs
    }
    of = join([str(name) for name in writer.facts.get("left_of") or ()])
    left = f"{said['left_posts']} and {said['left_notes']}, of {of}" if of else ""
    return Notice(
        headline="Data about a person were erased",
        severity=writer.severity,
        where="",
        moment=writer.say(writer.row.made_at),
        tag="ERASED",
        summary="Left untouched is what belongs to a matter that is not over, or to one that speaks of one of us. Only "
        "you erase that, on the page Privacy. Ask who did this for the name: it does not stand in a mail."
        if of
        else "Nothing was left that you would have to decide about.",
        facts=tuple(
            Fact(label, text)
            for label, text in (
                ("By", writer.word("by")),
                ("Erased", f"{said['posts']} and {said['notes']}"),
                ("Left untouched", left),
            )
            if text
        ),
        reader="You are told of every erasure, so that nobody wipes out alone what others must know.",
    )


def phone_silent(writer: Writer) -> Notice:
    role = writer.word("role", "ceo")
    words = ROLE_WORDS.get(role, role)
    return Notice(
        headline=f"A phone of the {words} cannot be rung",
        severity=Severity.ALERT,
        where="",
        moment=writer.say(writer.row.made_at),
        tag="PHONE SILENT",
        summary="Alerts go by mail as usual, and this phone is tried again and again.",
        facts=(
            Fact("Who", f"{writer.word('name', words)} ({words})"),
            Fact("What is wrong", writer.word("why", "it took no message")),
            Fact("What to do", "On the server, look at phones in the settings; `earshot drill` tries them all."),
        ),
    )


def refused(writer: Writer) -> Notice:
    role = writer.word("refused", "ceo")
    words = ROLE_WORDS.get(role, role)
    name = writer.word("name", words)
    if writer.facts.get("dead"):
        why = "There is no such mailbox, says the mail server."
        do = "Correct the address in the settings, or ask the provider of the mailbox, and restart Earshot"
    else:
        why = "The mail server does not take it at present; the address may well be right."
        do = "Run `earshot doctor`; look at the mailbox and at the mail account that Earshot sends with"
    return Notice(
        headline=f"Mail to the {words} does not arrive",
        severity=Severity.ALERT,
        where="",
        moment=writer.say(writer.row.made_at),
        tag="REFUSED",
        summary=f"{why} Meanwhile the next person is told, where there is one. What is owed to {name} is tried again "
        "for five days, at once when the address is corrected.",
        facts=(
            Fact("Who", f"{name} ({words})"),
            Fact("The mail server said", writer.word("why", "nothing")),
            Fact("What to do", do),
        ),
    )


def settings_faulty(writer: Writer) -> Notice:
    return Notice(
        headline="The settings file was changed and cannot be used",
        severity=writer.severity,
        where="",
        moment=writer.say(writer.row.made_at),
        tag="SETTINGS",
        facts=(
            Fact("What is wrong", writer.word("why", "it cannot be read")),
            Fact("What to do", "On the server, run `earshot config check`, and mend what it names."),
        ),
    )


def mail_out(writer: Writer) -> Notice:
    since = writer.when("since", "some time ago")
    return Notice(
        headline="Mail from Earshot reaches nobody",
        severity=Severity.CRISIS,
        where="the mail server that Earshot sends with",
        moment=f"since {since}",
        tag="MAIL IS OUT",
        summary="The mail server takes mail for nobody, so alerts may wait. They are tried again for five days and "
        "leave by themselves once it takes mail. Until then please look into Earshot itself, and at the channels.",
        facts=(
            Fact("The mail server said", writer.word("why", "nothing")),
            Fact("What to do", "On the server, run `earshot doctor`; mend the mail account, or name a second mail "
            "server in [mail.relay]"),
        ),
        without_links=writer.without_links(),
        reader="You get this because you are the operator or the CEO.",
    )  # fmt: skip
