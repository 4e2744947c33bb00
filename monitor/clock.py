"""Time as the house reads it: aware UTC inside, the organisation's wall clock only at the edge."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

Clock = Callable[[], datetime]

LONGEST = timedelta(days=36_525)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def utc_now() -> datetime:
    """The real time, aware UTC. Only ``app.build`` hands it out."""
    return datetime.now(UTC)


def read_duration(text: str) -> timedelta:
    """``"45s"``, ``"15m"``, ``"12h"``, ``"7d"`` or joined ``"1h30m"``; raises ValueError otherwise."""
    parts = re.findall(r"([0-9]{1,12})\s*([smhdw])", text.strip())
    if not parts or re.sub(r"([0-9]{1,12})\s*([smhdw])\s*", "", text.strip()):
        raise ValueError('a duration such as "45s", "15m", "12h" or "7d"')
    lengths = {_UNITS[unit]: float(sum(int(n) for n, u in parts if u == unit)) for _, unit in parts}
    try:
        length = timedelta(**lengths)
    except OverflowError:
        length = LONGEST + timedelta(days=1)
    if length > LONGEST:
        raise ValueError("a duration of at most 100 years")
    return length


def read_time_of_day(text: str) -> time:
    """``"08:00"`` as a wall-clock time; raises ValueError otherwise."""
    match = re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", text.strip())
    if not match:
        raise ValueError('a time of day such as "08:00"')
    return time(int(match[1]), int(match[2]))


def say_duration(length: timedelta) -> str:
    """A length of time as people say it: ``40 seconds``, ``3 minutes``, ``2 hours``, ``5 days``."""
    seconds = max(0, round(length.total_seconds()))
    for size, word in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size * (2 if size == 86400 else 1):
            count = round(seconds / size)
            return f"{count} {word}{'' if count == 1 else 's'}"
    return f"{seconds} second{'' if seconds == 1 else 's'}"


def say_moment(moment: datetime, zone: ZoneInfo, *, now: datetime | None = None) -> str:
    """``14:02`` today, ``Tue 24 Nov, 14:02`` otherwise, on the organisation's wall clock."""
    local = moment.astimezone(zone)
    if now is not None and local.date() == now.astimezone(zone).date():
        return f"{local:%H:%M}"
    return f"{local:%a} {local.day} {local:%b}, {local:%H:%M}"


def say_ago(moment: datetime, now: datetime, zone: ZoneInfo) -> str:
    """``3 minutes ago (14:02)``; ``just now (14:02)`` for less than five seconds."""
    ago = "just now" if now - moment < timedelta(seconds=5) else f"{say_duration(now - moment)} ago"
    return f"{ago} ({say_moment(moment, zone, now=now)})"


def local_instant(day: datetime, at: time, zone: ZoneInfo) -> datetime:
    """The UTC instant at which the wall clock shows ``at`` on the local date of ``day``.

    A time that the clock change skips is taken as it would have been before the change (fold 0).
    """
    local = datetime.combine(day.astimezone(zone).date(), at, tzinfo=zone)
    return local.astimezone(UTC)
