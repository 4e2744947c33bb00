"""Rules that a careful person can read: word groups, patterns made of them, and the files they stand in.

A pattern is a line such as ``<our_person> ... <touched> .. <child>``. ``config/rules/README.md`` explains the
language to the people who write it; what follows here is how it is read, checked and matched.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alerts.model import Severity
from connectors.model import Organisation
from monitor.data import resource
from monitor.model import Category
from monitor.plain import NotText, read_text
from monitor.scoring.matching import AT_HIT, Item, Pattern, Situation, find
from monitor.scoring.mend import load_words
from monitor.scoring.sheet import APART, SHAPES, Lexicon, Sheet, lay_out
from monitor.scoring.text import readable

_GAPS = {"..": 3, "...": 8}
_HIT = "<hit>"
_LEVELS = {level.level: level for level in Severity}
_RULE_KEYS = frozenset(
    {"id", "category", "severity", "clause", "reason", "patterns", "unless", "within", "firm", "reach", "own", "needs"}
    | {"unless_here", "doubt_here", "floor", "matches", "leaves", "lowers", "language"}
)


class RulesFaulty(Exception):
    """A rule file that cannot be used. The message names the file, the line and the reason."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault in a rule file, for the person who edits it. ``line`` is 0 where no line can be named."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.reason}" if self.line else f"{self.file}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Rule:
    """One situation. ``lowers`` is above 0 for counter-evidence, which has no category and no severity.

    ``firm``: counter-evidence never lowers it (it joins a person of ours to a child, or a life is in danger).
    ``floor``: what states a danger plainly is never below this, whatever else the post says; a firm rule's is its own
    level, and watch where what stands at the hit leaves it in doubt.
    ``reach``: graver when it is carried far. ``own``: read in our own posts instead of other people's.
    ``needs``: what the post must be besides ("about_us": names us, even on our own channel).
    """

    id: str
    reason: str
    patterns: tuple[str, ...]
    categories: tuple[Category, ...] = ()
    severity: Severity = Severity.ROUTINE
    clause: str = ""
    unless: tuple[str, ...] = ()
    unless_here: tuple[str, ...] = ()
    doubt_here: tuple[str, ...] = ()
    within: str = "sentence"
    firm: bool = False
    floor: Severity = Severity.ROUTINE
    reach: bool = False
    own: bool = False
    needs: str = ""
    matches: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()
    lowers: int = 0
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule that found its situation, and the words that it saw.

    ``doubted``: what stands beside them leaves open whether they are meant.
    """

    rule: Rule
    words: str
    doubted: bool = False


@dataclass(frozen=True, slots=True)
class RuleFiles:
    """The files of a folder as they were read, before they know the organisation."""

    groups: Mapping[str, tuple[str, ...]]
    rules: tuple[Rule, ...]
    languages: frozenset[str]


class RuleBook:
    """All rules, compiled for one organisation. Matching holds no state between posts."""

    def __init__(self, files: RuleFiles, organisation: Organisation, everyday: frozenset[str] = frozenset()) -> None:
        """``everyday`` words are never taken for disguises or slips of others."""
        self.rules = files.rules
        self.languages = files.languages
        self._numbers: dict[str, int] = {}
        self._groups = {**files.groups, "us": tuple(names_of(organisation))}
        self._lexicon = Lexicon(everyday | set(files.groups.get("never_misspelt", ())))
        self._sizes: dict[int, int] = {}
        self._shapes: dict[str, list[int]] = {shape: [] for shape in SHAPES}
        for name in (*self._groups, "handle"):
            self._number(f"<{name}>")
        self._by_key: dict[int, list[tuple[Rule, Situation, Pattern]]] = {}
        for rule in files.rules:
            self._compile(rule)
        self._lexicon.forgive()
        self._lexicon.look_up_by(self._by_key)

    def sheet(self, text: str) -> Sheet:
        """``text``, which has passed ``readable``, laid out for these rules."""
        return lay_out(text, self._lexicon, self._shapes)

    def corrected(self, word: str) -> str | None:
        """The word of a rule that ``word`` is a slip of the key of, or None."""
        return self._lexicon.corrected(word)

    def hits(self, sheet: Sheet, *, own: bool, about_us: bool) -> list[Hit]:
        """Every rule that finds its situation, once each, in the order of the files."""
        hits: dict[int, Hit] = {}
        for group in sheet.keys:
            for rule, situation, pattern in self._by_key.get(group, ()):
                known = hits.get(id(rule))
                if known is not None and not known.doubted:
                    continue
                if rule.own is not own or (rule.needs == "about_us" and not about_us):
                    continue
                if not pattern.needed <= sheet.present:
                    continue
                found = find(sheet, pattern, situation)
                if found is not None and (known is None or not found.doubted):
                    hits[id(rule)] = Hit(rule, found.words, found.doubted)
        return [hits[id(rule)] for rule in self.rules if id(rule) in hits]

    def has(self, sheet: Sheet, group: str) -> bool:
        """Whether a named group stands in the post."""
        return sheet.has(self._numbers[f"<{group}>"])

    def _compile(self, rule: Rule) -> None:
        situation = Situation(
            [self._pattern(text) for text in rule.patterns],
            [self._pattern(text) for text in rule.unless],
            [self._pattern(text) for text in rule.unless_here],
            [self._pattern(text) for text in rule.doubt_here],
            anywhere=rule.within == "post",
        )
        for pattern in situation.patterns:
            key = min(pattern.needed, key=lambda group: self._sizes.get(group, 0))
            self._by_key.setdefault(key, []).append((rule, situation, pattern))

    def _pattern(self, text: str) -> Pattern:
        parts = []
        for part in text.split(" + "):
            items: list[Item] = []
            gap = 0
            for piece in part.split():
                if piece in _GAPS:
                    gap = _GAPS[piece]
                    continue
                items.append((AT_HIT if piece == _HIT else self._number(piece), gap))
                gap = 0
            parts.append(tuple(items))
        return Pattern(tuple(parts), frozenset(group for part in parts for group, _ in part))

    def _number(self, piece: str) -> int:
        """The number of a group, making it (and its words) known at the first call."""
        if piece in self._numbers:
            return self._numbers[piece]
        number = self._numbers[piece] = len(self._numbers)
        entries = list(self._entries(piece, ()))
        shapes = [shape for shape in SHAPES if f"<{shape}>" in piece.split("|")]
        for shape in shapes:
            self._shapes[shape].append(number)
        self._sizes[number] = len(entries) + 10_000 * len(shapes)
        for entry in entries:
            self._lexicon.add(entry, number)
        return number

    def _entries(self, piece: str, inside: tuple[str, ...]) -> Iterable[list[str]]:
        for choice in piece.split("|"):
            if not choice.startswith("<"):
                yield choice.replace("_", " ").split()
                continue
            name = choice[1:-1]
            if name in SHAPES:
                continue
            for entry in self._groups[name]:
                if entry.startswith("<"):
                    yield from self._entries(entry, (*inside, name))
                else:
                    yield split_words(entry)


def names_of(organisation: Organisation) -> list[str]:
    """Every name under which people speak of us, as written."""
    names = [organisation.name, *organisation.aliases, *organisation.handles.values(), *organisation.people]
    names += [campaign.lstrip("#") for campaign in organisation.campaigns]
    variants = (variant for name in names if name for variant in (name, f"@{name}", name.replace(" ", "")))
    return list(dict.fromkeys(variants))


def split_words(entry: str) -> list[str]:
    """An entry of a word list as the words that a post is split into."""
    return [word for word in re.split(r"[\s\-/]+", entry.strip()) if word]


# ── reading the files ──────────────────────────────────────────────────────────────────────────────


def load_rules(folder: Path) -> RuleFiles:
    """The rules of ``folder``. Raises ``RulesFaulty`` with the file, the line and the reason of the first fault."""
    files, problems = _read(folder)
    if problems:
        raise RulesFaulty(str(problems[0]))
    return files


def check_rules(folder: Path) -> list[Problem]:
    """Every fault in ``folder``: what cannot be read, and each example that a rule judges wrongly."""
    files, problems = _read(folder)
    if problems:
        return problems
    book = RuleBook(files, EXAMPLE, load_words(resource("words.txt")))
    return [problem for rule in files.rules for problem in _wrong_examples(book, rule)]


EXAMPLE = Organisation(
    name="Tessellate UK",
    aliases=("TessellateUK", "Tessellate-UK", "TUK"),
    handles={"x": "TessellateUK", "linkedin": "tessellate-uk"},
)
"""The organisation that the examples in rule files speak of."""


def _wrong_examples(book: RuleBook, rule: Rule) -> Iterable[Problem]:
    for wanted, texts in ((True, rule.matches), (False, rule.leaves)):
        for text in texts:
            sheet = book.sheet(readable(text))
            hits = book.hits(sheet, own=rule.own, about_us=True)
            found = any(hit.rule is rule and not hit.doubted for hit in hits)
            if found is not wanted:
                verb = "does not match, but should" if wanted else "matches, but should not"
                yield Problem(rule.file, rule.line, f"the rule {rule.id!r} {verb}: {text!r}")


def _read(folder: Path) -> tuple[RuleFiles, list[Problem]]:
    groups: dict[str, tuple[str, ...]] = {}
    rules: list[Rule] = []
    languages: set[str] = set()
    problems: list[Problem] = []
    paths = sorted(folder.glob("*.toml"))
    if not paths:
        return RuleFiles({}, (), frozenset()), [Problem(str(folder), 0, "there are no rule files (*.toml) here")]
    raws = []
    for path in paths:
        try:
            text = read_text(path)
            raws.append((path.name, text, tomllib.loads(text)))
        except NotText as error:
            problems.append(Problem(path.name, 0, f"cannot be read: {error}"))
        except (OSError, RecursionError) as error:
            problems.append(Problem(path.name, 0, f"cannot be read ({type(error).__name__})"))
        except tomllib.TOMLDecodeError as error:
            line = re.search(r"line (\d+)", str(error))
            problems.append(Problem(path.name, int(line[1]) if line else 0, f"is not TOML: {error}"))
    for name, text, raw in raws:
        problems += _read_groups(name, text, raw, groups)
        languages.update(map(str, raw.get("languages", ())))
    for name, text, raw in raws:
        problems += _read_rules(name, text, raw, groups, rules)
    problems += _circles(groups)
    seen: dict[str, Rule] = {}
    for rule in rules:
        if rule.id in seen:
            problems.append(Problem(rule.file, rule.line, f"two rules are called {rule.id!r}"))
        seen[rule.id] = rule
    return RuleFiles(groups, tuple(rules), frozenset(languages)), problems


def _line_of(text: str, needle: str) -> int:
    at = text.find(needle)
    return text.count("\n", 0, at) + 1 if at >= 0 else 0


def _read_groups(file: str, text: str, raw: Mapping[str, Any], groups: dict[str, tuple[str, ...]]) -> list[Problem]:
    problems = []
    for key in raw:
        if key not in {"words", "rule", "calm", "languages"}:
            problems.append(Problem(file, _line_of(text, key), f"{key!r} is not known; a file holds words, rule, calm"))
    for name, words in dict(raw.get("words", {})).items():
        line = _line_of(text, f"\n{name} ")
        if not isinstance(words, str):
            problems.append(Problem(file, line + 1, f"the word group {name!r} is a text with commas between its words"))
        elif name in groups or name in SHAPES or name == "us":
            problems.append(Problem(file, line + 1, f"there is another word group called {name!r}"))
        else:
            kept = [re.sub(r"#.*", "", row) for row in words.splitlines()]
            groups[name] = tuple(w.strip() for row in kept for w in row.split(",") if w.strip())
    return problems


def _circles(groups: Mapping[str, tuple[str, ...]]) -> list[Problem]:
    problems: list[Problem] = []
    for name in groups:
        trail = [name]
        todo = [name]
        while todo:
            for entry in groups.get(todo.pop(), ()):
                if entry.startswith("<"):
                    inner = entry.strip("<>")
                    if inner == name:
                        return [*problems, Problem("words", 0, f"the word group {name!r} contains itself")]
                    if inner not in trail:
                        trail.append(inner)
                        todo.append(inner)
                    if inner not in groups and inner != "us":
                        problems.append(Problem("words", 0, f"the word group {name!r} names <{inner}>, which is none"))
    return problems


def _read_rules(
    file: str, text: str, raw: Mapping[str, Any], groups: Mapping[str, Any], rules: list[Rule]
) -> list[Problem]:
    problems = []
    for kind in ("rule", "calm"):
        for entry in raw.get(kind, ()):
            line = _line_of(text, f'id = "{entry.get("id", "")}"') if isinstance(entry, dict) else 0
            try:
                rules.append(_rule(entry, groups, kind, file, line))
            except ValueError as error:
                problems.append(Problem(file, line, str(error)))
    return problems


def _rule(entry: Mapping[str, Any], groups: Mapping[str, Any], kind: str, file: str, line: int) -> Rule:
    name = entry.get("id")
    if not isinstance(name, str) or not name:
        raise ValueError("a rule has an id")
    for key in entry:
        if key not in _RULE_KEYS:
            raise ValueError(f"the rule {name!r} has a key {key!r}, which means nothing here")
    for key in ("reason", "patterns"):
        if not entry.get(key):
            raise ValueError(f"the rule {name!r} lacks {key}")
    rule = Rule(
        id=name,
        reason=str(entry["reason"]),
        patterns=_texts(entry, "patterns"),
        categories=() if kind == "calm" else _categories(entry, name),
        severity=Severity.ROUTINE if kind == "calm" else _severity(entry, name),
        clause=str(entry.get("clause", "")),
        unless=_texts(entry, "unless"),
        unless_here=_texts(entry, "unless_here"),
        doubt_here=_texts(entry, "doubt_here"),
        within=str(entry.get("within", "sentence")),
        firm=bool(entry.get("firm", False)),
        floor=_severity(entry, name, "floor") if "floor" in entry else Severity.ROUTINE,
        reach=bool(entry.get("reach", False)),
        own=bool(entry.get("own", False)),
        needs=str(entry.get("needs", "")),
        matches=_texts(entry, "matches"),
        leaves=_texts(entry, "leaves"),
        lowers=int(entry.get("lowers", 1)) if kind == "calm" else 0,
        file=file,
        line=line,
    )
    if rule.within not in {"sentence", "post"}:
        raise ValueError(f'the rule {name!r}: within is "sentence" or "post"')
    if rule.needs not in {"", "about_us"}:
        raise ValueError(f'the rule {name!r}: needs is "about_us" or absent')
    if not rule.matches or (kind == "rule" and not rule.leaves):
        raise ValueError(f"the rule {name!r} needs examples: matches, and leaves (what it must leave alone)")
    if rule.unless and (rule.firm or rule.floor):
        raise ValueError(
            f"the rule {name!r} is firm or has a floor: only what stands at the hit silences it, so no unless, "
            "but unless_here or doubt_here"
        )
    for pattern in (*rule.patterns, *rule.unless):
        _check_pattern(pattern, groups, name)
    for pattern in (*rule.unless_here, *rule.doubt_here):
        _check_pattern(pattern, {**groups, "hit": ()}, name)
    return rule


def _texts(entry: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = entry.get(key, [])
    if isinstance(value, str):
        value = [row for row in value.splitlines() if row.strip()]
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise ValueError(f"the rule {entry['id']!r}: {key} is a list of texts")
    return tuple(text.strip() for text in value)


def _categories(entry: Mapping[str, Any], name: str) -> tuple[Category, ...]:
    given = entry.get("category", [])
    given = [given] if isinstance(given, str) else given
    try:
        found = tuple(Category(value) for value in given)
    except ValueError:
        raise ValueError(f"the rule {name!r}: category is one of {', '.join(Category)}") from None
    return found


def _severity(entry: Mapping[str, Any], name: str, key: str = "severity") -> Severity:
    try:
        return _LEVELS[str(entry.get(key))]
    except KeyError:
        raise ValueError(f"the rule {name!r}: {key} is one of {', '.join(_LEVELS)}") from None


def _check_pattern(pattern: str, groups: Mapping[str, Any], name: str) -> None:
    for part in pattern.split(" + "):
        pieces = part.split()
        if not pieces or pieces[0] in _GAPS or pieces[-1] in _GAPS:
            raise ValueError(f"the rule {name!r}: a pattern begins and ends with a word or <group>: {pattern!r}")
        for piece in pieces:
            if piece in _GAPS:
                continue
            if _HIT in piece and piece != _HIT:
                raise ValueError(f"the rule {name!r}: {_HIT} stands alone, not in a choice: {pattern!r}")
            for choice in piece.split("|"):
                _check_choice(choice, groups, name, pattern)


def _check_choice(choice: str, groups: Mapping[str, Any], name: str, pattern: str) -> None:
    if choice.startswith("<"):
        inner = choice[1:-1]
        if not choice.endswith(">") or (inner not in groups and inner not in SHAPES and inner != "us"):
            raise ValueError(f"the rule {name!r} names {choice}, which is no word group: {pattern!r}")
    elif not choice or ("*" in choice[:-1]) or set(choice) & set("<>+"):
        raise ValueError(f"the rule {name!r} has a pattern that cannot be read at {choice!r}: {pattern!r}")
    elif choice.endswith("*") and len(choice) < 4:
        raise ValueError(f"the rule {name!r}: {choice!r} is too short; a stem has at least three letters")


assert max(_GAPS.values()) + 1 < APART  # a gap never leads from one sentence into the next
