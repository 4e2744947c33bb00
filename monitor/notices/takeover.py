"""Mails about takeover: begun, ended, reminded, reported, breached."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from alerts.model import (
    Card,
    Fact,
    Link,
    Notice,
    Quote,
    Section,
    Severity,
)
from alerts.takeover import State
from connectors.model import Kind
from monitor import excerpts, registers
from monitor.clock import say_duration, say_moment
from monitor.excerpts import count, join
from monitor.hearing import say_platform
from monitor.links import Purpose
from monitor.model import IncidentState
from monitor.notices.incidents import incident_item
from monitor.notices.writer import Writer, present
from monitor.outbox import ROLE_WORDS
from monitor.posters import posters_of
from monitor.store.tables import DeafRow, IncidentRow, MentionRow, PreflightRow
from monitor.takeovers import may_change, own_posts_during
from monitor.visibility import (
    Deed,
    may_act,
    may_hold,
    may_know_why,
    may_see,
    posts_visible_to,
    visible_to,
    waits_for_answer,
)


def _takeover_facts(writer: Writer) -> tuple[Fact, ...]:
    names = join([str(name) for name in writer.facts.get("allowed") or ()])
    places = join([say_platform(str(name)) for name in writer.facts.get("allowed_platforms") or ()])
    allowed = f"{names}, on {places}" if names and places else names or places
    about = _about(writer)
    pairs = (
        ("Since", writer.when("since")),
        ("Begun by", writer.word("by")),
        ("Reason", writer.word("reason") if may_know_why(writer.recipient, about) else ""),
        ("Holder", writer.name_of(writer.word("holder", "ceo"))),
        ("May still post", allowed or "only the holder"),
        ("Incident", writer.word("incident") if may_see(writer.recipient, about) else ""),
        ("Stays on hold", writer.word("on_hold")),
    )
    return tuple(Fact(label, text) for label, text in pairs if text)


def _about(writer: Writer) -> IncidentRow | None:
    """The incident behind the takeover, as it stands now."""
    name = writer.word("incident")
    return writer.session.get(IncidentRow, name) if name else None


def _changes(writer: Writer) -> bool:
    """Whether the reader may end the takeover: not where they may not know why it is on."""
    return may_hold(writer.recipient, _about(writer))


def _takeover(writer: Writer, headline: str, **more: Any) -> Notice:
    values: dict[str, Any] = {
        "severity": writer.severity,
        "where": "",
        "moment": "",
        "tag": "TAKEOVER",
        "facts": _takeover_facts(writer),
        "reader": "You are told because the policy puts social media into the hands of the CEO (policy 4.16), "
        "and the Chair stands in (policy 6.4).",
    }
    return Notice(headline=headline, **{**values, **more})


def _key(writer: Writer) -> str:
    """What the links of a takeover are about: the moment at which it began."""
    return writer.word("since")


def takeover_begun(writer: Writer) -> Notice:
    ends_at = writer.when("ends_at")
    handed = bool(writer.facts.get("handed"))
    holder = writer.name_of(writer.word("holder", "ceo"))
    headline = f"Takeover is now with {holder}" if handed else "CEO takeover has begun"
    changes = _changes(writer)
    whoever = "one of you" if changes else f"the {ROLE_WORDS.get(writer.word('holder', 'ceo'))}"
    summary = (
        f"It began by itself, as the settings allow. It ends by itself at {ends_at} unless {whoever} confirms it."
        if ends_at
        else f"{writer.word('by', 'Somebody')} {'handed it over' if handed else 'began it'}. "
        f"It lasts until {whoever} ends it."
    )
    return _takeover(
        writer,
        headline,
        summary=summary,
        links=present(
            writer.link(Purpose.CONFIRM, _key(writer), "Keep it: confirm takeover", main=True) if ends_at else None,
            writer.link(Purpose.UNDO, _key(writer), "Undo: end takeover now", main=not ends_at),
        )
        if changes
        else (),
        without_links=_end_without_links(writer) if changes else "",
        sections=(_posters(writer), *_planned(writer), *_undecided(writer)),
        cards=(writer.house.cards.takeover, writer.house.cards.passwords),
        coverage=writer.coverage(),
    )


def _posters(writer: Writer) -> Section:
    return Section("Do those who publish know?", (posters_of(writer.session, _key(writer)).sentence,))


def poster_untold(writer: Writer) -> Notice:
    """That somebody who publishes does not know of the takeover, for those who can ring them."""
    who = writer.word("who", "Somebody who publishes")
    places = join([say_platform(str(name)) for name in writer.facts.get("platforms") or ()])
    return _takeover(
        writer,
        f"{who} has not been told of the takeover",
        summary=f"Mail to {who} does not arrive. Ring them now and tell them: until then they may go on posting"
        f"{f' on {places}' if places else ' on our channels'}. Earshot goes on trying to mail them.",
        facts=(Fact("Ring", who), Fact("Takeover since", writer.when("since"))),
        severity=Severity.CRISIS,
    )


def _planned(writer: Writer) -> tuple[Section, ...]:
    """What waits inside the platforms and would be published by itself, where a platform shows it."""
    rows = writer.session.scalars(
        select(PreflightRow)
        .where(PreflightRow.takeover == writer.word("since"), PreflightRow.result == "found")
        .where(PreflightRow.done_by == "")
        .order_by(PreflightRow.platform)
    )
    zone = writer.house.zone
    lines = tuple(
        f"{say_platform(row.platform)}: {count(len(row.found), 'post')}, the first on "
        f"{say_moment(min(datetime.fromisoformat(post['at']) for post in row.found), zone)}. "
        f"Take {'it' if len(row.found) == 1 else 'them'} out of the queue there; Earshot changes nothing on a platform."
        for row in rows
    )
    return (Section("Planned posts that would still be published", lines),) if lines else ()


def _undecided(writer: Writer) -> tuple[Section, ...]:
    """Who may have to be told of the incident behind the takeover, as long as nobody has decided about it."""
    row = _about(writer)
    if row is None or not registers.needed(row) or not may_act(writer.recipient, row, Deed.REGISTER):
        return ()
    names = tuple(registers.BODIES[body] for body in registers.undecided(writer.session, row.id))
    lines = tuple(f"{name[:1].upper()}{name[1:]}" for name in names)
    return (Section("Who must be told? Not decided yet", lines),) if lines else ()


def _end_without_links(writer: Writer) -> str:
    if writer.house.links.public_url:
        return ""
    return (
        "This Earshot has no public address, so this mail has no buttons. "
        'On the server, `earshot takeover end --reason "..."` ends it.'
    )


def takeover_posters(writer: Writer) -> Notice:
    return _for_posters(
        writer,
        f"{writer.name_of(writer.word('holder', 'ceo'))} speaks for us now; please still do not post"
        if writer.word("handed")
        else "Please do not post until further notice",
        writer.house.cards.posters,
    )


def takeover_allowed(writer: Writer) -> Notice:
    """For somebody whom the holder lets post on some platforms meanwhile."""
    places = join([say_platform(str(name)) for name in writer.facts.get("mine") or ()])
    return _for_posters(writer, f"You may post on {places}, and nowhere else", writer.house.cards.allowed)


def _for_posters(writer: Writer, headline: str, card: Card) -> Notice:
    platforms = ", ".join(say_platform(p) for p in writer.facts.get("platforms") or ())
    facts = [Fact("Since", writer.when("since")), Fact("Who speaks", writer.name_of(writer.word("holder", "ceo")))]
    allowed = _takeover_facts(writer)
    facts += [fact for fact in allowed if fact.label == "May still post"]
    if writer.facts.get("ends_at"):
        facts.append(Fact("Begun", f"by itself; ends {writer.when('ends_at')} unless a person confirms it"))
    if platforms:
        facts.append(Fact("Your channels", platforms))
    return _takeover(
        writer,
        headline,
        facts=tuple(fact for fact in facts if fact.text),
        card=_spoken_by(card, writer.word("holder", "ceo")),
        reader="You are told because you publish on our channels or work with us.",
        severity=Severity.CRISIS,
    )


def _spoken_by(card: Card, holder: str) -> Card:
    """The card with the holder of the takeover where it speaks of the CEO."""
    if holder == "ceo":
        return card
    who = ROLE_WORDS.get(holder, holder)
    return replace(
        card,
        do=tuple(line.replace("the CEO", f"the {who}") for line in card.do),
        dont=tuple(line.replace("the CEO", f"the {who}") for line in card.dont),
    )


def takeover_proposed(writer: Writer) -> Notice:
    incident = writer.word("incident") or (writer.row.incident_id or "")
    about = writer.session.get(IncidentRow, incident) if incident else None
    reason = writer.word("reason") if may_know_why(writer.recipient, about) else ""
    decides = may_act(writer.recipient, about, Deed.TAKE_OVER)
    return _takeover(
        writer,
        "Takeover is proposed",
        facts=(*_said(("Reason", reason)), *_said(("No more mails", _goes_on(writer)))),
        reference=incident if may_see(writer.recipient, about) else "",
        links=present(
            writer.link(Purpose.TAKEOVER, incident, "Begin takeover", main=True) if decides else None,
            writer.link(Purpose.SEE, incident, "Open in Earshot") if may_see(writer.recipient, about) else None,
        ),
        without_links=writer.without_links(incident) if decides else "",
        coverage=writer.coverage(),
    )


def _said(pair: tuple[str, str]) -> tuple[Fact, ...]:
    return (Fact(*pair),) if pair[1] else ()


def _goes_on(writer: Writer) -> str:
    who = writer.word("goes_on")
    return (
        f"{who} proposes it over one incident after another. What else they propose within the hour stands in the log"
        if who
        else ""
    )


def takeover_ended(writer: Writer) -> Notice:
    on_hold = writer.word("on_hold")
    headline = "Some things stay on hold" if on_hold else "You may post again"
    summary = (
        "The takeover is standing down. What is named below stays on hold until further notice; the rest may go on."
        if on_hold
        else "The takeover is over. Everybody who publishes for us may do so again."
    )
    pairs = (
        ("Stays on hold", on_hold),
        ("Ended", writer.when("ended_at")),
        ("Ended by", writer.word("ended_by")),
        ("Reason", writer.word("end_reason") if may_know_why(writer.recipient, _about(writer)) else ""),
        (
            "Standing down since" if writer.word("state") == State.STANDING_DOWN else "It had begun",
            writer.when("since"),
        ),
    )
    return _takeover(
        writer,
        headline,
        links=present(
            writer.link(Purpose.END, _key(writer), "Back to normal: nothing stays on hold", main=True)
            if on_hold and _changes(writer)
            else None
        ),
        tag="STANDING DOWN" if on_hold else "BACK TO NORMAL",
        summary=summary,
        facts=tuple(Fact(label, text) for label, text in pairs if text),
        reader="You are told because you were told when it began." if writer.row.role not in {"ceo", "chair"} else "",
    )


def takeover_report(writer: Writer) -> Notice:
    since, until = writer.moment("since"), writer.moment("ended_at") or writer.house.now
    posts = own_posts_during(writer.session, since or until, until)
    quotes = tuple(_own_post(writer, post) for post in posts[:30])
    silent = "Silent: Earshot saw no post of ours on any channel in that time."
    number = len(posts)
    seen = f"{count(number, 'post')} of ours, {sum(not _is_allowed(writer, p) for p in posts)} of them not allowed."
    lines = [seen if posts else silent]
    if number > 30:
        lines.append(f"The first 30 are listed; {number - 30} more stand in Earshot.")
    lasted = say_duration(until - since) if since else ""
    pairs = (
        ("Ended", writer.when("ended_at")),
        ("Ended by", writer.word("ended_by")),
        ("Because", writer.word("end_reason") if may_know_why(writer.recipient, _about(writer)) else ""),
    )
    return _takeover(
        writer,
        f"What our channels did during the takeover{f' of {lasted}' if lasted else ''}",
        tag="REPORT",
        facts=(*_takeover_facts(writer), *(Fact(label, text) for label, text in pairs if text)),
        quotes=quotes,
        sections=(
            Section("Our own channels", tuple(lines)),
            Section("Not heard in that time", _deaf_lines(writer, since, until), "Nothing: every channel was heard."),
        ),
        coverage=writer.coverage(),
    )


def _own_post(writer: Writer, post: MentionRow) -> Quote:
    quote = excerpts.quote_of(post, writer.ground, bare=True)
    word = "allowed" if _is_allowed(writer, post) else "not allowed"
    return replace(quote, place=f"{say_platform(post.platform)}, {word}", reach="")


def _is_allowed(writer: Writer, post: MentionRow) -> bool:
    return post.allowed_at is not None or post.platform in (writer.facts.get("allowed_platforms") or ())


def _deaf_lines(writer: Writer, since: datetime | None, until: datetime) -> tuple[str, ...]:
    if since is None:
        return ()
    rows = writer.session.scalars(
        select(DeafRow)
        .where(DeafRow.began_at < until, (DeafRow.ended_at.is_(None)) | (DeafRow.ended_at > since))
        .order_by(DeafRow.began_at)
        .limit(20)
    )
    zone, now = writer.house.zone, writer.house.now
    return tuple(
        f"{say_platform(row.platform)}: from {say_moment(max(row.began_at, since), zone, now=now)} to "
        f"{say_moment(min(row.ended_at or until, until), zone, now=now)}. A post there may have been missed."
        for row in rows
    )


def takeover_reminder(writer: Writer) -> Notice:
    days = int(writer.facts.get("days") or 1)
    on_hold = writer.word("on_hold")
    headline = (
        f"Something is on hold for {count(days, 'day')} now" if on_hold else f"Takeover has lasted {count(days, 'day')}"
    )
    label = "Back to normal: nothing stays on hold" if on_hold else "End takeover"
    return _takeover(
        writer,
        headline,
        links=present(writer.link(Purpose.END, _key(writer), label, main=True) if _changes(writer) else None),
        without_links=_end_without_links(writer) if _changes(writer) else "",
        sections=(Section("Still open", _open_lines(writer), "No incident is open."), *_undecided(writer)),
        coverage=writer.coverage(),
    )


def situation(writer: Writer) -> Notice:
    since, until = writer.moment("from"), writer.moment("until") or writer.house.now
    start = since or until - timedelta(hours=1)
    breaches = [p for p in own_posts_during(writer.session, start, until) if not _is_allowed(writer, p)]
    lines = [f"{say_platform(p.platform)}: a post of ours at {writer.say(p.posted_at)}" for p in breaches[:10]]
    span = f"{writer.say(start)} to {writer.say(until)}"
    asked = _unanswered(writer, start)
    planned = writer.word("planned")
    return _takeover(
        writer,
        f"{say_platform(planned)} has planned posts that would still be published"
        if planned
        else f"The situation, {span}",
        tag="REPORT",
        facts=_takeover_facts(writer),
        links=present(writer.link(Purpose.END, _key(writer), "End takeover") if _changes(writer) else None),
        sections=(
            *_planned(writer),
            Section("What was heard", _heard_lines(writer, start, until), "Nothing new was heard."),
            Section("What others ask", asked, "Nothing."),
            Section("Posts of ours that nobody allowed", tuple(lines), "None that Earshot saw."),
            Section("Still open", _open_lines(writer), "No incident is open."),
            *_undecided(writer),
        ),
        coverage=writer.coverage(),
    )


def _heard_lines(writer: Writer, since: datetime, until: datetime) -> tuple[str, ...]:
    rows = writer.session.execute(
        select(
            MentionRow.platform,
            func.count(),
            func.count().filter(MentionRow.severity >= int(Severity.ALERT)),
        )
        .where(
            MentionRow.first_seen_at > since,
            MentionRow.first_seen_at <= until,
            MentionRow.kind != Kind.OWN_POST.value,
            MentionRow.history.is_(False),
            posts_visible_to(writer.recipient),
        )
        .group_by(MentionRow.platform)
        .order_by(MentionRow.platform)
    )
    return tuple(f"{say_platform(name)}: {count(all_, 'post')}, {grave:,} alerting" for name, all_, grave in rows)


def _unanswered(writer: Writer, since: datetime) -> tuple[str, ...]:
    rows = writer.session.execute(
        select(MentionRow.platform, func.count())
        .where(
            MentionRow.question.is_(True),
            MentionRow.first_seen_at > since,
            waits_for_answer(),
            posts_visible_to(writer.recipient),
        )
        .group_by(MentionRow.platform)
        .order_by(MentionRow.platform)
    )
    return tuple(f"{say_platform(name)}: {count(number, 'question')} without an answer." for name, number in rows)


def _open_lines(writer: Writer) -> tuple[str, ...]:
    rows = writer.session.scalars(
        select(IncidentRow)
        .where(
            IncidentRow.state != IncidentState.CLOSED.value,
            IncidentRow.history.is_(False),
            IncidentRow.drill.is_(False),
            IncidentRow.severity >= int(Severity.ALERT),
            visible_to(writer.recipient),
        )
        .order_by(IncidentRow.severity.desc(), IncidentRow.opened_at.desc())
        .limit(10)
    )
    items = [incident_item(row, writer.house) for row in rows]
    return tuple(f"{i.severity.level.upper()}: {i.headline}, {i.moment} [{i.reference}]" for i in items)


def breach(writer: Writer) -> Notice:
    mention = writer.facts.get("mention")
    post = writer.session.get(MentionRow, mention) if isinstance(mention, int) else None
    platform = say_platform(writer.word("platform", "one of our channels"))
    quotes = (excerpts.quote_of(post, writer.ground),) if post is not None else ()
    return Notice(
        headline=f"A post of ours went out on {platform} during takeover",
        severity=Severity.CRISIS,
        where=platform,
        moment=writer.say(post.posted_at) if post is not None else "",
        tag="BREACH",
        quotes=quotes,
        links=present(
            Link("Look at the post", quotes[0].url, main=True) if quotes and quotes[0].url else None,
            writer.link(Purpose.ALLOW, str(mention), "It was in order")
            if post is not None and may_change(writer.session, writer.recipient)
            else None,
        ),
        without_links="" if writer.house.links.public_url else "If it was in order, you need not do anything.",
        cards=(writer.house.cards.passwords,),
        reader="You are told because nobody but the holder may publish during takeover (policy 4.16).",
        coverage=writer.coverage(),
    )
