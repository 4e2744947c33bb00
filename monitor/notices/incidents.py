"""Mails about incidents: alerts, their news, tips, round-ups, posts that could not be judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.mail import defang, one_line
from alerts.model import (
    Fact,
    Item,
    Link,
    Notice,
    Quote,
    Reason,
    Severity,
)
from monitor import excerpts
from monitor.addresses import post_address
from monitor.cards import Advice
from monitor.clock import say_duration, say_moment
from monitor.escalation import may_be_closed_by_link
from monitor.excerpts import Ground, count, join
from monitor.hearing import say_platform
from monitor.intake import incident_of
from monitor.links import Purpose
from monitor.model import IncidentState
from monitor.notices.writer import House, Writer, present
from monitor.store.tables import AlertRow, IncidentRow, MentionRow, PersonRow
from monitor.visibility import STAND_IN, Deed, hidden_from, is_unclear, may_act, may_see


def alert(writer: Writer) -> Notice:
    """The first telling of an incident, its repeats, and its news."""
    row = writer.incident()
    advice = writer.house.cards.for_category(row.category, row.source)
    news = writer.facts.get("news")
    mentions = excerpts.chosen(writer.session, row.id, news=news if isinstance(news, int) else None)
    bare = excerpts.is_minimised(row.category, mentions)
    severity = Severity(row.severity)
    notice = Notice(
        headline=headline_of(row, advice),
        severity=severity,
        where=excerpts.where_of(row, mentions),
        moment=excerpts.moment_of(writer.session, row, writer.ground),
        summary=_summary(row, advice),
        reach=excerpts.reach_of(writer.session, row, mentions, writer.ground),
        growth=excerpts.growth_of(writer.session, row.id, writer.ground),
        why=_reasons(row, advice, mentions, writer.ground, bare=bare),
        quotes=() if bare else tuple(excerpts.quote_of(m, writer.ground) for m in mentions),
        card=advice.card,
        coverage=writer.coverage(),
        links=_incident_links(writer, row),
        followup=int(writer.facts.get("followup") or 0),
        news=_news(writer, row, mentions, bare=bare),
        without_links=writer.without_links(row.id),
        drill=row.drill,
        reference=row.id,
        subject=_subject(writer, row),
        reader=_reader(writer, row),
        cards=(writer.house.cards.passwords,) if row.category == "account_compromise" else (),
    )
    return replace(notice, preview=notice.news[0] if notice.news else "")


def tip(writer: Writer) -> Notice:
    """What somebody in the team told. Their words stay in Earshot, for they may name a young person."""
    notice = alert(writer)
    row = writer.incident()
    facts: list[Fact] = []
    quotes: tuple[Quote, ...] = ()
    if row.summary:
        facts.append(Fact("In their words", "these stand in Earshot, not in this mail, for they may name somebody"))
    if row.tip_link:
        link = post_address(row.tip_link)
        if link:
            quotes = (Quote("The post they mean", writer.say(row.opened_at), None, link),)
        else:
            # Whoever has the tip page may write here: a strange address is never made pressable.
            facts.append(Fact("The link they gave", defang(one_line(row.tip_link))[:300]))
    return replace(notice, where="Told by somebody in the team", reach="", growth="", quotes=quotes, facts=tuple(facts))


def ring(writer: Writer) -> Notice:
    """For whoever stands in: that somebody must be rung, and whom. Not a word of what was said; the link leads to a
    page without any, where the reminders are stopped."""
    row = writer.incident()
    hidden = hidden_from(row)
    usual = next((r for r in ("chair", "ceo") if r in writer.house.people and r not in hidden), "")
    if usual:
        whom = writer.name_of(usual)
    elif "chair" in hidden:
        whom = "a trustee of whom it does not speak"
    else:
        whom = "the Chair of trustees, whom the settings do not name"
    headline, came, reader = _why_ring(writer, usual, hidden)
    avoid = join([writer.name_of(role) for role in ("ceo", "chair") if role in hidden])
    return Notice(
        headline=headline,
        severity=Severity(row.severity),
        where="",
        moment=writer.say(row.opened_at),
        tag="RING",
        summary=f"Something came in {came}. What it says stands in "
        "Earshot and not in this mail. You need not read it, and you need not judge it: pass it on by telephone.",
        facts=(
            Fact("Ring", whom),
            *((Fact("Say nothing of it to", avoid),) if avoid else ()),
            Fact("Say", f"that incident {row.id} waits in Earshot, how grave it is, and since when"),
        ),
        links=present(writer.link(Purpose.SEE, row.id, "I have rung them: stop the reminders", main=True))
        if may_act(writer.recipient, row, Deed.ACKNOWLEDGE)
        else (),
        drill=row.drill,
        reference=row.id,
        without_links=writer.without_links(row.id, takeover=False),
        reader=reader,
    )


def _why_ring(writer: Writer, usual: str, hidden: frozenset[str]) -> tuple[str, str, str]:
    """The headline, what kind of thing came in, and why this person is told."""
    came = "that those who are usually told must not decide about" if hidden else "that cannot wait"
    if writer.facts.get("instead_of"):
        return (
            f"Please ring {writer.name_of(usual) if usual else 'somebody'} now: this cannot wait, and mail fails",
            came,
            "You are told because mail to those who decide does not arrive.",
        )
    if usual != "chair":
        return (
            "Please ring somebody now: this cannot wait, and you are the one who is left",
            came,
            "You are told because nobody else whom the settings name may be told of this.",
        )
    return (
        "Please ring the Chair now: this cannot wait, and nobody has answered",
        came,
        "You are told because the Chair alone was told of this, and has not acted for a quarter of an hour.",
    )


def phone(writer: Writer) -> Notice:
    """The notice whose headline a phone shows, with the way to say that one is on it. For whoever stands in it says
    no more than the mail does."""
    notice = ring(writer) if writer.row.role == STAND_IN else alert(writer)
    return replace(notice, quotes=(), links=notice.links[:1], why=())


def headline_of(row: IncidentRow, advice: Advice) -> str:
    """One line that stays the same for the whole thread: the category's title and where it began."""
    if row.source == "tip" or not row.platforms:
        return advice.headline
    return f"{advice.headline} on {say_platform(row.platforms[0])}"


def _subject(writer: Writer, row: IncidentRow) -> str:
    """The headline as it was at the first telling: what an incident is called may change while it grows."""
    first = writer.session.scalars(
        select(AlertRow)
        .where(AlertRow.incident_id == row.id, AlertRow.template.in_(["alert", "alert_update", "tip"]))
        .order_by(AlertRow.made_at, AlertRow.id)
        .limit(1)
    ).first()
    category = first.facts.get("category", row.category) if first is not None else row.category
    advice = writer.house.cards.for_category(category, row.source)
    return headline_of(row, advice)


def _summary(row: IncidentRow, advice: Advice) -> str:
    ours = row.summary if row.source in {"volume", "mood", "drill"} else ""
    return f"{advice.why} {ours}".strip()


def _reasons(
    row: IncidentRow, advice: Advice, mentions: list[MentionRow], ground: Ground, *, bare: bool
) -> tuple[Reason, ...]:
    found = () if bare else excerpts.reasons_of(mentions, ground, clause=advice.clause)
    return found or (Reason(f"Read as: {advice.title}.", advice.clause),)


def _incident_links(writer: Writer, row: IncidentRow) -> tuple[Link, ...]:
    decides = may_act(writer.recipient, row, Deed.CLOSE)
    see = writer.link(Purpose.SEE, row.id, "Open in Earshot", main=not decides)
    if not decides:
        return present(see)
    closes = may_be_closed_by_link(incident_of(row))
    calm = "Not a problem: close it" if closes else "Not a problem: stop the reminders"
    grave = row.severity >= int(Severity.CRISIS)
    return present(
        writer.link(Purpose.ACKNOWLEDGE, row.id, "Acknowledge: I am on it", main=True)
        if row.state == IncidentState.OPEN.value
        else None,
        see,
        writer.link(Purpose.FOR_CEO, row.id, "This is for the CEO")
        if may_act(writer.recipient, row, Deed.FOR_CEO)
        else None,
        writer.link(Purpose.TAKEOVER, row.id, "Begin takeover", main=grave),
        writer.link(Purpose.CALM, row.id, calm) if row.state != IncidentState.CLOSED.value else None,
    )


def _news(writer: Writer, row: IncidentRow, mentions: list[MentionRow], *, bare: bool) -> tuple[str, ...]:
    """What is new since the last mail about it, in our own words."""
    facts, house = writer.facts, writer.house
    lines: list[str] = []
    step = int(facts.get("step") or 0)
    if step >= 1 and row.state == IncidentState.OPEN.value:
        lines.append(f"Nobody has acknowledged this for {say_duration(house.now - row.opened_at)}.")
    if facts.get("calmed_by"):
        lines.append(
            f"{writer.word('calmed_by')} said that it is not a problem: {writer.word('reason', 'no reason given')}. "
            "It stays open until one of you closes it."
        )
    if facts.get("handed_by"):
        lines.append(f"{writer.word('handed_by')} handed this to you. You decide from here.")
    told = facts.get("told")
    if isinstance(told, int) and told < row.mentions and writer.row.template == "alert_update":
        times = row.mentions // max(told, 1)  # a ratio: counts of some platforms may not be added up
        lines.append(f"It has grown since you were last told{f': about {times} times as big' if times > 1 else ''}.")
    newest = next((m for m in mentions if m.id == facts.get("news")), None)
    if newest is not None and writer.row.template == "alert_update":
        when = say_moment(newest.posted_at, house.zone, now=house.now)
        kind = excerpts.KINDS.get(newest.kind, "a post")
        level = Severity(newest.severity).level
        lines.append(f"New: {kind} on {say_platform(newest.platform)}, {when}, weighed as {level}.")
    return tuple(lines)


def _reader(writer: Writer, row: IncidentRow) -> str:
    """Why this person, in one sentence."""
    if writer.row.role != "chair":
        return (
            "You are told because you decide about our social media (policy 4.16)." if writer.row.role == "ceo" else ""
        )
    if is_unclear(row, "ceo"):
        return (
            "You are told instead of the CEO, because it may be about the CEO: that is not clear. The CEO does not get "
            "this mail. If it is not about the CEO, hand it over with the button: This is for the CEO."
        )
    if "ceo" in hidden_from(row):
        return "You are told instead of the CEO, because the CEO is named in it. The CEO does not get this mail."
    ceo, settled = writer.session.get(PersonRow, "ceo"), writer.house.people.get("ceo")
    if (ceo is not None and ceo.away) or ((ceo is None or ceo.away is None) and settled is not None and settled.away):
        return "You are told because the CEO is away (policy 6.4)."
    if int(writer.facts.get("step") or 0) >= 2:
        return "You are told because nobody has acknowledged it in time (policy 6.4)."
    return "You are told as the Chair of trustees (policy 6.4)."


def roundup(writer: Writer) -> Notice:
    """Several incidents in one mail, the gravest first."""
    names = [str(name) for name in writer.facts.get("alerts") or ()]
    rows = [a for a in (writer.session.get(AlertRow, name) for name in names) if a is not None]
    rows.sort(key=lambda a: (-a.severity, a.made_at))
    items: dict[str, Item] = {}
    for row in rows:
        if not _may_be_told(writer, row):
            continue
        item = _item_of(writer, row)
        items.setdefault(row.incident_id or row.id, item)
    gravest = max((item.severity for item in items.values()), default=writer.severity)
    headline = f"{count(len(items), 'incident')} at once"
    if writer.recipient.role == STAND_IN and any(row.template == "ring" for row in rows):
        return _rings(writer, tuple(items.values()), gravest)
    return Notice(
        headline=headline,
        subject=f"{headline}, round-up {writer.row.id[:6]}",
        severity=gravest,
        where="",
        moment=say_moment(writer.house.now, writer.house.zone, now=writer.house.now),
        items=tuple(items.values()),
        coverage=writer.coverage(),
        without_links=writer.without_links(),
        reader="You are told because you decide about our social media (policy 4.16)." if items else "",
    )


def _rings(writer: Writer, items: tuple[Item, ...], severity: Severity) -> Notice:
    """Many matters for which somebody must be rung: each page says whom, and stops its reminders."""
    headline = f"Please ring somebody now: {count(len(items), 'incident')} cannot wait"
    return Notice(
        headline=headline,
        subject=f"{headline}, round-up {writer.row.id[:6]}",
        severity=severity,
        where="",
        moment=say_moment(writer.house.now, writer.house.zone, now=writer.house.now),
        tag="RING",
        summary="Much came in at once. What it says stands in Earshot and not in this mail. Ring a trustee of whom it "
        "does not speak, say how many incidents wait, and open them one by one to say that you have rung.",
        items=items,
        without_links=writer.without_links(takeover=False),
        reader="You are told because nobody else is left, or has acted.",
    )


def _may_be_told(writer: Writer, row: AlertRow) -> bool:
    """Whether the reader may still know of it: an incident can turn out to speak of them after this was owed."""
    incident = writer.session.get(IncidentRow, row.incident_id) if row.incident_id else None
    return may_see(writer.recipient, incident)


def _item_of(writer: Writer, row: AlertRow) -> Item:
    incident = writer.session.get(IncidentRow, row.incident_id) if row.incident_id else None
    if incident is None:
        platform = say_platform(str(row.facts.get("platform") or "a platform"))
        moment = say_moment(row.made_at, writer.house.zone, now=writer.house.now)
        url = _unscored_link(writer.session, row.facts)
        return Item("A post that could not be judged", Severity(row.severity), platform, moment, url=url)
    link = writer.link(Purpose.SEE, incident.id, "Open it")
    return incident_item(incident, writer.house, link.url if link else "")


def incident_item(row: IncidentRow, house: House, url: str = "") -> Item:
    """An incident as one entry of a list."""
    advice = house.cards.for_category(row.category, row.source)
    return Item(
        headline_of(row, advice),
        Severity(row.severity),
        join([say_platform(name) for name in row.platforms]) or "Told by the team",
        say_moment(row.opened_at, house.zone, now=house.now),
        row.id,
        excerpts.size_of(row, house.terms),
        url,
    )


def unscored(writer: Writer) -> Notice:
    platform = say_platform(writer.word("platform", "a platform"))
    link = _unscored_link(writer.session, writer.facts)
    headline = f"A post on {platform} could not be judged"
    return Notice(
        headline=headline,
        subject=f"{headline}, post {writer.word('post', writer.row.id)[:8]}",
        severity=Severity.ALERT,
        where=platform,
        moment=say_moment(writer.row.made_at, writer.house.zone, now=writer.house.now),
        links=(Link("Look at the post", link, main=True),) if link else (),
        facts=(Fact("What went wrong", writer.word("error", "judging it broke down")),),
        coverage=writer.coverage(),
        reader="A post that could not be judged is never taken for harmless.",
    )


def _unscored_link(session: Session, facts: Mapping[str, Any]) -> str:
    url, platform = str(facts.get("url") or ""), str(facts.get("platform") or "")
    row = session.scalars(
        select(MentionRow).where(MentionRow.platform == platform, MentionRow.url == url).limit(1)
    ).first()
    return excerpts.permalink(platform, row.external_id, url, excerpts.handles_of(row)) if row else ""
