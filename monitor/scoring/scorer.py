"""The judgement: what the rules find in a mention, joined with what the learned part reads in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from alerts.model import Severity
from connectors.model import Kind, Mention, Organisation, clean_text
from monitor.data import resource
from monitor.model import Assessment, Category, Named, Signal
from monitor.scoring import learned
from monitor.scoring.combine import FLOORED, Lines, RuleResult, combine, load_lines, what_it_adds
from monitor.scoring.copies import comparable, copy_mark, is_copy
from monitor.scoring.gloss import Glossary, load_glossary
from monitor.scoring.language import UNKNOWN, Languages
from monitor.scoring.learned import Reader, Reading
from monitor.scoring.mend import Mender, load_words
from monitor.scoring.naming import Naming, Spoken, build_naming
from monitor.scoring.rules import Hit, RuleBook, load_rules, names_of
from monitor.scoring.sheet import Sheet
from monitor.scoring.teaching import Lesson, taught
from monitor.scoring.text import fold, readable
from monitor.scoring.vader import vader


@dataclass(frozen=True, slots=True)
class Harmless:
    """A post that a person marked "not a problem": its copy mark, and the reason given."""

    mark: str
    reason: str


@dataclass(frozen=True, slots=True)
class Learnt:
    """What the people of this organisation taught, and accepted.

    ``harmless``: copies of these are quieter; ``mark_key`` is the key that their marks were made with. ``lessons``:
    marked posts whose words are kept, and ``moved`` what the others did to the shipped examples
    (``scoring.teaching``). ``calm``: phrases, with the reason why they are no news here. ``alert``: the belief from
    which the learned part alerts by itself. Nothing here lowers what a firm rule claims.
    """

    harmless: tuple[Harmless, ...] = ()
    mark_key: bytes = b""
    lessons: tuple[Lesson, ...] = ()
    moved: Mapping[int, float] = field(default_factory=dict)
    calm: tuple[tuple[str, str], ...] = ()
    alert: float | None = None


_WORD = re.compile(r"[^\W\d_]{2,}(?:'[^\W\d_]+)*")


def _is_on_our_page(mention: Mention) -> bool:
    """Whether it stands where people speak to us: under a post of ours, or in a thread of which we know the
    words that it answers. We hear of an answer without our name only because its thread is about us."""
    return mention.kind is not Kind.MENTION or bool(mention.parent_text)


_UNREADABLE = Signal(
    "unreadable.mention",
    "Somebody names us in a post that we may not read. Open it there: only its link is known.",
    clause="4.16",
    weight=float(Severity.ALERT),
)
"""LinkedIn tells of a mention whose post it then refuses: an alert with the link only (platform facts, 4.2)."""


class Scorer:
    """Judges mentions for one organisation. Pure: the same mention gives the same assessment at any time."""

    def __init__(
        self,
        organisation: Organisation,
        book: RuleBook,
        lines: Lines,
        everyday: frozenset[str] = frozenset(),
        *,
        reader: Reader | None = None,
        glossary: Glossary | None = None,
        naming: Naming | None = None,
        learnt: Learnt = Learnt(),
    ) -> None:
        self._organisation = organisation
        self._book = book
        self._everyday = everyday
        ours = {fold(word) for name in names_of(organisation) for word in name.split()}
        self._mender = Mender(everyday | ours, book.corrected)
        self._plain_lines = lines
        self._lines = lines if learnt.alert is None else replace(lines, alert=learnt.alert)
        self._reader = reader
        self._glossary = glossary
        self._learnt = learnt
        self._calm = _calm_phrases(learnt)
        self._languages = Languages(organisation.languages)
        self._names = names_of(organisation)
        self._us = _Us(organisation, lines.short_name, everyday)
        self._naming = naming

    @property
    def reader(self) -> Reader | None:
        """The learned part in use, or None where posts are read by the rules alone."""
        return self._reader

    def assess(self, mention: Mention) -> Assessment:
        """What we make of ``mention``."""
        return self.assess_many((mention,))[0]

    def assess_many(self, mentions: Sequence[Mention]) -> list[Assessment]:
        """What we make of each of ``mentions``, in order; the learned part reads them together."""
        return [
            self._taught(mention, self._joined(result, reading), result, reading)
            for mention, (result, reading) in zip(mentions, self.read(mentions), strict=True)
        ]

    def read(self, mentions: Sequence[Mention]) -> list[tuple[RuleResult, Reading | None]]:
        """What the rules find and what the learned part reads in each of ``mentions``, before both are joined."""
        found = [self.read_rules(mention) for mention in mentions]
        readings: list[Reading | None] = [None] * len(mentions)
        if self._reader is not None:
            asked = [n for n, result in enumerate(found) if result.addressed and mentions[n].text]
            plain = [self._in_plain_words(mentions[n], found[n].language) for n in asked]
            read = self._reader.read(plain, self._names) if plain else []
            parents = self._parents_of(self._reader, plain)
            for n, mention, reading in zip(asked, plain, read, strict=True):
                answered = parents.get(mention.parent_text or "")
                readings[n] = reading if answered is None else what_it_adds(reading, answered, self._lines)
        return list(zip(found, readings, strict=True))

    def _parents_of(self, reader: Reader, mentions: Iterable[Mention]) -> dict[str, Reading]:
        """What ``reader`` reads in the words that ``mentions`` answer, each once, as comments of their own."""
        answers = (mention for mention in mentions if mention.kind is not Kind.OWN_POST and mention.parent_text)
        asked = {mention.parent_text or "": mention for mention in answers}
        alone = [replace(mention, text=text, parent_text=None) for text, mention in asked.items()]
        return dict(zip(asked, reader.read(alone, self._names), strict=True)) if alone else {}

    def _joined(self, result: RuleResult, reading: Reading | None) -> Assessment:
        joined = combine(result, reading, self._lines)
        if self._lines is self._plain_lines:
            return joined
        plain = combine(result, reading, self._plain_lines)
        floor = plain.severity > joined.severity and FLOORED & set(plain.categories)
        return plain if floor else joined  # no tuned number lowers what is severe

    @property
    def alert_line(self) -> float:
        """The belief from which the learned part alerts by itself, as shipped."""
        return self._plain_lines.alert

    def _in_plain_words(self, mention: Mention, language: str) -> Mention:
        """``mention`` as the learned part reads it: disguises undone, other languages with the gist in English."""
        text = readable(mention.text or "")
        if self._glossary is not None and language in self._glossary:
            return replace(mention, text=clean_text(self._glossary.gist(text, language)))
        mended = self._mender.mended(text)
        return mention if mended == text else replace(mention, text=clean_text(mended))

    def read_rules(self, mention: Mention) -> RuleResult:
        """What the rules alone find in ``mention``, with counter-evidence and reach weighed in."""
        own = mention.kind is Kind.OWN_POST
        if mention.text is None and mention.kind is Kind.MENTION:
            return RuleResult(Severity.ALERT, Severity.ALERT, signals=(_UNREADABLE,), judged=False)
        if not mention.text:
            return RuleResult(judged=own or mention.text is not None)
        text = readable(mention.text)
        sheet = self._book.sheet(text)
        names_us = self._names_us(mention, text, sheet)
        addressed = _is_on_our_page(mention) or names_us or self._speaks_to_us(sheet)
        language = self._languages.of(text)
        hits = self._book.hits(sheet, own=own, about_us=names_us) if addressed else []
        return self._weigh(mention, sheet, hits, language, addressed=addressed, names_us=names_us, text=text)

    def _names_us(self, mention: Mention, text: str, sheet: Sheet) -> bool:
        """Whether the platform says that it is to us, or text or writer carries our name: a part of it counts only
        beside a word of our world."""
        if mention.names_us:
            return True
        if self._us.named_in(text) or (self._us.perhaps_in(text) and self._book.has(sheet, "our_world")):
            return True
        author = mention.author
        if author is not None and self._us.named_in(f"{author.name or ''} @{author.handle or ''}"):
            return True
        return "*" in text and self._us.named_in(self._mender.mended(text))

    def _speaks_to_us(self, sheet: Sheet) -> bool:
        """A mention that a platform handed us without our name, as a photo's tag does, and that says "your"."""
        has = self._book.has
        return has(sheet, "to_us") and has(sheet, "our_world") and not has(sheet, "handle")

    def _weigh(
        self,
        mention: Mention,
        sheet: Sheet,
        hits: list[Hit],
        language: str,
        *,
        addressed: bool,
        names_us: bool,
        text: str,
    ) -> RuleResult:
        far = self._far(mention)
        lowered = max((hit.rule.lowers for hit in hits), default=0)
        severity = firm = Severity.ROUTINE
        categories: set[Category] = set()
        signals = []
        for hit in hits:
            rule = hit.rule
            if rule.lowers:
                signals.append((Severity.ROUTINE, _signal(hit, -float(rule.lowers))))
                continue
            level = self._level(hit, far, lowered)
            signals.append((level, _signal(hit, float(level))))
            firm = max(firm, _floor(hit, level))
            if level > severity:
                severity = level
                categories = set() if severity - level > 1 else categories
            if level >= Severity.WATCH:
                categories.update(rule.categories)
        signals.sort(key=lambda pair: -pair[0])
        own = mention.kind is Kind.OWN_POST
        spoken = self._spoken_of(mention)
        return RuleResult(
            severity=severity,
            firm=firm,
            categories=tuple(category for category in Category if category in categories),
            signals=tuple(signal for _, signal in signals),
            calmed=lowered,
            addressed=addressed,
            near=_is_on_our_page(mention)
            or (names_us and (language not in {"en", UNKNOWN} or self._book.has(sheet, "our_world"))),
            of_our_politics=own or self._book.has(sheet, "took_part") or Category.POLITICAL in categories,
            far=far,
            sentiment=vader().compound(mention.text or "") if language == "en" or _is_wordless(text) else None,
            language=language,
            judged=own or not addressed or language in self._book.languages or bool(hits) or self._is_plain(text),
            question=not own and ("?" in text or "؟" in text),
            thanks=not own and self._book.has(sheet, "thanks"),
            spoken_of=spoken.of,
            perhaps_of=spoken.perhaps,
        )

    def _spoken_of(self, mention: Mention) -> Spoken:
        """Whom of our people the post speaks of; a post of theirs may be about them too."""
        if self._naming is None:
            return Spoken()
        author = None if mention.kind is Kind.OWN_POST else mention.author
        writer = "" if author is None else f"{author.name or ''} , @{author.handle or ''}"
        return self._naming.spoken(mention.text or "", author=writer)

    def _is_plain(self, text: str) -> bool:
        """No words at all, or everyday English ones only: too little to name a language, enough to judge."""
        return _is_wordless(text) or all(fold(word) in self._everyday for word in _WORD.findall(text))

    def _level(self, hit: Hit, far: int, lowered: int) -> Severity:
        level = hit.rule.severity
        if hit.rule.reach and far >= level:
            level = Severity(min(level + 1, Severity.CRISIS))
        if hit.doubted:
            return min(level, Severity.WATCH)
        return level if hit.rule.firm else Severity(max(level - lowered, hit.rule.floor))

    def _far(self, mention: Mention) -> int:
        if self._lines.raise_alert.reached_by(mention):
            return 2
        return 1 if self._lines.raise_watch.reached_by(mention) else 0

    def with_feedback(self, learnt: Learnt) -> Scorer:
        """This scorer after other lessons: rules and reader are shared, so it costs nothing to try a change out."""
        other = copy(self)
        other._learnt = learnt
        other._calm = _calm_phrases(learnt)
        other._lines = self._plain_lines if learnt.alert is None else replace(self._plain_lines, alert=learnt.alert)
        return other

    def _taught(
        self, mention: Mention, assessment: Assessment, found: RuleResult, reading: Reading | None
    ) -> Assessment:
        """After the marks of the people here: on copies, on calm phrases, and on posts that say the same."""
        learnt, firm = self._learnt, found.firm
        if found.addressed and reading is not None and reading.place is not None and (learnt.lessons or learnt.moved):
            assessment = taught(assessment, found.severity, firm, reading.place, learnt.lessons, learnt.moved)
        if assessment.severity is not Severity.ALERT or firm >= Severity.ALERT or not (learnt.harmless or self._calm):
            return assessment
        if FLOORED & set(assessment.categories):
            return assessment
        why = self._lesson(mention.text or "")
        return (
            assessment
            if why is None
            else replace(
                assessment, severity=Severity.WATCH, signals=(*assessment.signals, Signal("taught", why, weight=-1.0))
            )
        )

    def _lesson(self, text: str) -> str | None:
        words = f" {comparable(text)} "
        for phrase, reason in self._calm:
            if phrase in words:
                return f"On the calm list here: {reason}"
        mark = copy_mark(text, self._learnt.mark_key)
        for harmless in self._learnt.harmless:
            if is_copy(mark, harmless.mark):
                return f"Like a post that was marked as no problem here: {harmless.reason}"
        return None


def _calm_phrases(learnt: Learnt) -> tuple[tuple[str, str], ...]:
    plain = ((comparable(phrase), reason) for phrase, reason in learnt.calm)
    return tuple((f" {phrase} ", reason) for phrase, reason in plain if phrase)


def build_scorer(
    organisation: Organisation,
    *,
    model: Literal["auto", "transformer", "linear", "rules"] = "auto",
    rules_folder: Path | None = None,
    model_folder: Path | None = None,
    people: Sequence[Named] = (),
    naming: Naming | None = None,
    feedback: Learnt = Learnt(),
) -> Scorer:
    """The scorer of one organisation, with the shipped rules, model and numbers unless told otherwise.

    ``people``: those of whom a post may speak and who then are not told; without them the organisation's known
    people, all taken for the CEO. ``naming``: what tells of whom a post speaks, in place of one made for ``people``.

    Raises ``RulesFaulty`` (a rule file that cannot be used) and ValueError (the numbers).
    """
    everyday = load_words(resource("words.txt"))
    book = RuleBook(load_rules(rules_folder or resource("rules")), organisation, everyday)
    reader = None if model == "rules" else learned.load(model, model_folder)
    lines = load_lines(resource("judgement.toml"), reader.name if reader is not None else "")
    glossary = None if reader is None else load_glossary(resource("glossary.toml"))
    return Scorer(
        organisation,
        book,
        lines,
        everyday,
        reader=reader,
        glossary=glossary,
        naming=naming or build_naming(organisation, people or [Named("ceo", name) for name in organisation.people]),
        learnt=feedback,
    )


def _floor(hit: Hit, level: Severity) -> Severity:
    """The level below which nothing lowers a post with this hit."""
    return level if hit.rule.firm else min(level, hit.rule.floor)


def _signal(hit: Hit, weight: float) -> Signal:
    rule = hit.rule
    return Signal(
        rule=rule.id,
        sentence=rule.reason,
        category=rule.categories[0] if rule.categories else None,
        clause=rule.clause,
        words=hit.words,
        weight=weight,
    )


def _is_wordless(text: str) -> bool:
    """Nothing but signs and emoji: no language is needed to judge it."""
    return not any(sign.isalpha() for sign in text)


_OWN_WORD = 7
"""Letters of a word of our name from which it may stand for the whole name, when it is no everyday word."""


class _Us:
    """Whether a text names the organisation: by name, handle, hashtag, domain or publicly known person."""

    def __init__(self, organisation: Organisation, short: int, everyday: frozenset[str]) -> None:
        names = {name.strip("@#") for name in names_of(organisation)}
        long = sorted((name for name in names if len(_close(name)) > short), key=len, reverse=True)
        self._close = tuple({_close(name) for name in long if len(_close(name)) >= 7})
        self._long = _any_of(long, re.IGNORECASE)
        short_ones = sorted(name for name in names if 0 < len(_close(name)) <= short)
        self._short = _any_of(short_ones, 0)
        self._perhaps = _any_of(short_ones, re.IGNORECASE)
        words = {word for name in (organisation.name, *organisation.aliases) for word in re.findall(r"[^\W\d_]+", name)}
        self._own_words = tuple(
            {_close(word) for word in words if len(word) >= _OWN_WORD and fold(word) not in everyday}
        )
        self._domains = tuple(domain.lower() for domain in organisation.domains)

    def named_in(self, text: str) -> bool:
        """Whether ``text``, which has passed ``readable``, names us."""
        if self._long.search(text) or self._short.search(text):
            return True
        lowered = text.lower()
        if any(domain in lowered for domain in self._domains):
            return True
        closed = _close(lowered)
        return any(name in closed for name in self._close)

    def perhaps_in(self, text: str) -> bool:
        """Whether a short name stands in ``text`` in any letters (but not "tuk tuk"), or a rare word of our name."""
        if len(self._perhaps.findall(text)) == 1:
            return True
        closed = _close(text)
        return any(word in closed for word in self._own_words)


_RUNS = re.compile(r"(.)\1+", re.DOTALL)
_ONE_LETTER = str.maketrans("013456789$@l|", "oieasgtbgsaii")


def _close(text: str) -> str:
    """``text`` as letters and digits alone, folded; what stands for a letter read as it, runs of a letter as one."""
    return _RUNS.sub(r"\1", "".join(filter(str.isalnum, fold(text[:4000]).translate(_ONE_LETTER))))


def _any_of(names: Sequence[str], flags: int) -> re.Pattern[str]:
    if not names:
        return re.compile(r"(?!)")
    return re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, names)) + r")(?!\w)", flags)
