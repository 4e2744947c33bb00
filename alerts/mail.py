"""From a notice to a letter: three templates for each e-mail, the text first. What cannot be laid out is sent plainly.

Strangers' words enter as variables only, are never compiled as templates, and lose what could disguise them:
control and direction characters go, links in them are defanged, HTML is escaped, text is quoted line by line.
"""

from __future__ import annotations

import logging
import re
import traceback
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from alerts.looks import DARK, LIGHT, TONES
from alerts.model import Bulletin, Letter, MailKind, Notice, Recipient, Severity
from signs import cut, visible

log = logging.getLogger(__name__)

TEMPLATES = Path(__file__).parent / "templates"
MAX_SUBJECT = 150

_URL = re.compile(r"(?i)\b(?:https?|ftp)://[^\s<>\"']+")
_BARE_HOST = re.compile(
    r"(?i)\b(?:www\.[a-z0-9.-]{1,100}"
    r"|(?:[a-z0-9-]{1,63}\.){1,5}(?:[a-z]{2,24}(?=[/:])"
    r"|(?:com|org|net|uk|eu|io|co|info|biz|me|app|link|page|site|online|shop|xyz|ly|gl|to|tv|gg|ru|cn|example)\b))"
)
"""Hosts without a scheme that mail programs make pressable; a full stop without a blank after it is none."""


def compose(
    template: str,
    notice: Notice,
    recipient: Recipient,
    *,
    kind: MailKind,
    message_id: str,
    sent_at: datetime,
    incident: str = "",
    in_reply_to: str = "",
    picture: bytes | None = None,
) -> Letter:
    """The letter that a template makes of a notice. A failing template gives way to plain text, never to silence."""
    try:
        subject, text, html = _render(template, notice=notice)
    except Exception as error:  # bulkhead: a template
        log.error("a mail template failed", extra={"template": template, "error": error_place(error)})
        subject, text, html = _plain(notice)
    return Letter(
        kind=kind,
        recipient_name=recipient.name,
        recipient_address=recipient.email,
        subject=cut(one_line(subject), MAX_SUBJECT).rstrip(),
        text=text,
        html=html,
        message_id=message_id,
        sent_at=sent_at,
        incident=incident,
        severity=notice.severity,
        in_reply_to=in_reply_to,
        picture=picture,
    )


def compose_digest(bulletin: Bulletin, recipient: Recipient, *, message_id: str, sent_at: datetime) -> Letter:
    """The weekly digest as a letter, with its picture; without the picture where it cannot be drawn."""
    picture = _picture(bulletin)
    try:
        subject, text, html = _render("digest", bulletin=bulletin, has_picture=picture is not None)
    except Exception as error:  # bulkhead: a template
        log.error("a mail template failed", extra={"template": "digest", "error": error_place(error)})
        subject = f"Weekly digest {bulletin.week}: {bulletin.summary}"
        text, html = "\n".join([subject, "", *_plain_digest(bulletin)]), ""
    return Letter(
        kind=MailKind.DIGEST,
        recipient_name=recipient.name,
        recipient_address=recipient.email,
        subject=cut(one_line(subject), MAX_SUBJECT).rstrip(),
        text=text,
        html=html,
        message_id=message_id,
        sent_at=sent_at,
        severity=Severity.ROUTINE,
        picture=picture,
        picture_text=f"Mentions per week and platform, {bulletin.week}",
    )


def one_line(text: str) -> str:
    """``text`` folded to one line, without what could disguise it."""
    return " ".join(safe(text).split())


def safe(text: str) -> str:
    """``text`` without control, direction and invisible characters; line breaks and tabs stay."""
    return visible(text, kept="\n\t")


def defang(text: str) -> str:
    """``text`` with links that no mail program makes pressable: ``hxxps://evil[.]example/a``."""

    def link(match: re.Match[str]) -> str:
        scheme, _, rest = match[0].partition("://")
        host, slash, path = rest.partition("/")
        fangless = scheme.lower().replace("tt", "xx") + "://" + host.replace(".", "[.]")
        return fangless + slash + path

    text = _URL.sub(link, text)
    return _BARE_HOST.sub(lambda match: match[0].replace(".", "[.]"), text)


def error_place(error: Exception) -> str:
    """What broke and where, without its message, which may hold a stranger's words."""
    last = traceback.extract_tb(error.__traceback__)[-1:]
    return f"{type(error).__name__} at {Path(last[0].filename).name}:{last[0].lineno}" if last else type(error).__name__


# ── rendering ───────────────────────────────────────────────────────────────────────────────────


def _render(template: str, **nouns: Any) -> tuple[str, str, str]:
    house = _environment()
    subject = house.get_template(f"{template}/subject.txt").render(**nouns)
    text = house.get_template(f"{template}/body.txt").render(**nouns)
    html = house.get_template(f"{template}/body.html").render(**nouns)
    return subject, _tidy(text), html.strip() + "\n"


@cache
def _environment() -> Environment:
    house = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=select_autoescape(["html"], default_for_string=True),
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    house.filters.update(address=_address, defang=_defang, line=one_line, quoted=_quoted, mood=_mood, count=_count)
    house.globals.update(tones=TONES, light=LIGHT, dark=DARK)
    return house


def _finalize(value: object) -> object:
    return safe(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _defang(text: str) -> str:
    return defang(safe(text))


def _address(url: str) -> str:
    """An address fit for ``href``: ours and platforms' pages only begin like this."""
    return one_line(url) if url.startswith(("https://", "http://")) else "#"


def _quoted(text: str) -> str:
    """Each line marked, so that a stranger's words cannot pass for ours."""
    return "\n".join(f"> {line}" for line in safe(text).splitlines()) or "> "


def _mood(value: float | None) -> str:
    if value is None:
        return "-"
    word = "good" if value >= 0.2 else "bad" if value <= -0.2 else "mixed"
    return f"{word} ({value:+.2f})"


def _count(value: int | None) -> str:
    return "not heard" if value is None else f"{value:,}"


def _tidy(text: str) -> str:
    """Without trailing blanks and runs of empty lines; the signature's ``-- `` keeps its blank (RFC 3676)."""
    lines = [line if line == "-- " else line.rstrip() for line in text.strip().split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)) + "\n"


# ── bulkheads ───────────────────────────────────────────────────────────────────────────────────


def _plain(notice: Notice) -> tuple[str, str, str]:
    drill = "DRILL: " if notice.drill else ""
    words = notice.subject or notice.headline
    told = f"[{notice.word}] {words}, {notice.reference}" if notice.reference else f"{notice.word}: {words}"
    subject = f"{drill}{told}"
    lines = [subject, "", notice.summary, f"Where: {notice.where}", f"When: {notice.moment}", notice.reach]
    lines += [f"{fact.label}: {fact.text}" for fact in notice.facts] + list(notice.news)
    lines += [f"{reason.sentence} (policy {reason.clause})" for reason in notice.why]
    lines += [*notice.card.do, *(f"Do not: {line}" for line in notice.card.dont)] if notice.card else []
    lines += [f"{link.label}: {link.url}" for link in notice.links] + [notice.without_links]
    lines += [f"{item.severity.level.upper()}: {item.headline} [{item.reference}] {item.url}" for item in notice.items]
    lines += ["", "(Earshot could not lay this mail out as usual. The operator finds the reason in the log.)", ""]
    return subject, safe("\n".join(line for line in lines if line is not None)), ""


def _plain_digest(bulletin: Bulletin) -> list[str]:
    lines = [f"{p.platform}: {', '.join(map(_count, p.counts))}" for p in bulletin.platforms]
    lines += [f"{met.severity.level}: {met.headline} [{met.reference}], {met.opened}" for met in bulletin.incidents]
    lines += [f"{line.platform}: {line.text}" for line in bulletin.coverage]
    return [*map(safe, (*lines, *bulletin.notes)), "", "(Earshot could not lay this digest out as usual.)", ""]


def _picture(bulletin: Bulletin) -> bytes | None:
    from alerts.picture import weeks_picture  # Pillow is large, and needed once a week

    try:
        return weeks_picture(bulletin.weeks, bulletin.platforms) if bulletin.platforms else None
    except Exception as error:  # bulkhead: a picture is never worth a digest
        log.error("the digest's picture failed", extra={"error": error_place(error)})
        return None
