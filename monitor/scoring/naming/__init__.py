"""Whom a text speaks of, of the people in the settings (docs/adr/0012).

One comparison for tips, posts, links and authors. Pure: the same words give the same answer at any time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from connectors.model import MAX_TEXT, Organisation
from monitor.data import resource
from monitor.model import Named
from monitor.scoring.mend import load_words
from monitor.scoring.naming.abroad import Abroad, Scripts
from monitor.scoring.naming.forms import Forms, Strength
from monitor.scoring.naming.pleas import Pleas
from monitor.scoring.naming.roles import Roles
from monitor.scoring.naming.saying import Answer, Finding, Saying, Scene
from monitor.scoring.naming.tokens import Sort, Token, letters_at, tokens_of
from monitor.scoring.naming.words import load_words as load_lists

__all__ = ["Answer", "Named", "Naming", "Spoken", "build_naming"]

MAX_LINKS = 20
"""Links of one post or tip that are looked at."""

MAX_PLACES = 25
"""Places at the beginning of one text, and at its end, where somebody is named, that are weighed."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """Roles of whom a text speaks, and of whom it may speak; whoever is in neither is not spoken of."""

    of: tuple[str, ...] = ()
    perhaps: tuple[str, ...] = ()


def build_naming(organisation: Organisation, people: Sequence[Named]) -> Naming:
    """The recogniser for the people of one house."""
    return Naming(
        people,
        names=(organisation.name, *organisation.aliases, *organisation.handles.values()),
        domains=organisation.domains,
        everyday=load_words(resource("words.txt")),
    )


class Naming:
    """Tells of whom a text speaks. ``names``: what the house is called; ``domains``: whose mailboxes are ours;
    ``everyday``: words never taken for a name with a slip in it.
    """

    def __init__(
        self,
        people: Sequence[Named],
        *,
        names: Iterable[str] = (),
        domains: Iterable[str] = (),
        everyday: frozenset[str] = frozenset(),
    ) -> None:
        self._words = load_lists()
        self._pleas = Pleas(self._words)
        self._abroad = Abroad(self._words)
        self._names = tuple(names)
        self._everyday = everyday
        self._domains = frozenset(domain.casefold() for domain in domains)
        self.take(people)

    def take(self, people: Sequence[Named]) -> None:
        """From now on these are the people."""
        words, everyday = self._words, self._everyday
        self._forms = [
            Forms(person, name, words, everyday)
            for person in people
            for name in (person.name, *person.known_as)
            if name.strip() and not name.startswith("@")
        ]
        self._letters = {letters: forms.role for forms in reversed(self._forms) for letters in forms.letters}
        self._mailboxes = {person.email.casefold(): person.role for person in people if "@" in person.email}
        self._handles = {a.casefold(): p.role for p in people for a in p.known_as if a.startswith("@")}
        self._roles = Roles(words, frozenset(p.role for p in people), self._names, everyday)
        self._scripts = Scripts(
            ((p.role, name) for p in people for name in (p.name, *p.known_as) if not name.startswith("@")), words
        )
        self._present = frozenset(person.role for person in people)
        self._saying = Saying(words, everyday, self._roles.ours)
        self._forms_from = lru_cache(maxsize=10_000)(self._find_forms_from)
        self._best = lru_cache(maxsize=4_000)(self._find_best)

    def of_others(self, people: Sequence[Named]) -> Naming:
        """The same house with other people."""
        return Naming(people, names=self._names, domains=self._domains, everyday=self._everyday)

    def _find_forms_from(self, word: str) -> tuple[Forms, ...]:
        return tuple(forms for forms in self._forms if forms.may_begin(word))

    def spoken(self, text: str, *, links: Sequence[str] = (), author: str = "", told: bool = False) -> Spoken:
        """Of whom ``text`` speaks; the names in ``links`` and the writer's own name are looked at too.

        ``told``: the text is a tip, in which somebody says what is wrong.
        """
        answers = self.answers(text, links=links, author=author, told=told)
        return Spoken(
            tuple(role for role, answer in answers.items() if answer is Answer.SPOKEN_OF),
            tuple(role for role, answer in answers.items() if answer is Answer.UNCLEAR),
        )

    def answers(
        self, text: str, *, links: Sequence[str] = (), author: str = "", told: bool = False
    ) -> dict[str, Answer]:
        """The answer for each role, where there is anything to answer."""
        found: dict[str, Answer] = {}
        tokens = tokens_of(text)
        for role, answer in self._in_words(tokens, told=told):
            found[role] = max(answer, found.get(role, Answer.NOT))
        for role in self._perhaps(text, tokens, links, told=told) | self._writers(author):
            found[role] = max(Answer.UNCLEAR, found.get(role, Answer.NOT))
        return found

    def _perhaps(self, text: str, tokens: list[Token], links: Sequence[str], *, told: bool) -> set[str]:
        """The roles that are found in ways that are never certain."""
        words = tuple(token.word for token in tokens)
        found = {finding.role for link in links[:MAX_LINKS] for finding in self._in_link(link)}
        found |= self._abroad.spoken_of(words) & self._present
        found |= self._scripts.named(text[:MAX_TEXT], told=told)
        if told and "ceo" in self._present and self._pleas.is_for_the_board(words):
            found.add("ceo")
        return found

    def _in_words(self, tokens: list[Token], *, told: bool) -> list[tuple[str, Answer]]:
        findings = self._roles.beside(tokens, self._names_in(tokens))
        looked_at = findings if len(findings) <= 2 * MAX_PLACES else findings[:MAX_PLACES] + findings[-MAX_PLACES:]
        return [(finding.role, self._saying.of(Scene(tokens, findings, finding, told=told))) for finding in looked_at]

    def _names_in(self, tokens: list[Token]) -> list[Finding]:
        found: list[Finding] = []
        at = 0
        while at < len(tokens):
            best = self._name_at(tokens, at)
            if best is None:
                at += 1
            else:
                found.append(best)
                at = best.end
        return found

    def _name_at(self, tokens: list[Token], at: int) -> Finding | None:
        token = tokens[at]
        titled = token.word in self._words.titles
        if token.sort is Sort.MARK:
            return None
        if token.sort is not Sort.WORD:
            return self._in_address(token, at)
        best: Finding | None = None
        for forms in self._forms_from(token.word):
            match = forms.at(tokens, at)
            if match is not None and (best is None or (match[1], match[0]) > (best.strength, best.end)):
                best = Finding(forms.role, at, match[0], match[1], token.sort, titled=titled and match[0] > at + 1)
        return best or self._letters_at(tokens, at)

    def _letters_at(self, tokens: list[Token], at: int) -> Finding | None:
        """Somebody by her initials alone."""
        if not tokens[at].capital or len(tokens[at].raw) > 6:
            return None
        end, letters = letters_at(tokens, at)
        role = self._letters.get(letters)
        return None if role is None else Finding(role, at, end, Strength.LAST, Sort.WORD, lettered=True)

    def _in_address(self, token: Token, at: int) -> Finding | None:
        raw = token.raw
        if token.sort is Sort.EMAIL:
            role = self._mailboxes.get(raw.casefold())
            if role is not None:
                return Finding(role, at, at + 1, Strength.SURE, token.sort)
            box, _, domain = raw.partition("@")
            ours = any(domain.casefold() == ours or domain.casefold().endswith("." + ours) for ours in self._domains)
            return self._placed(self._best(box, ours), at, token.sort)
        if token.sort is Sort.TAG and (role := self._handles.get(raw.casefold().rstrip("."))) is not None:
            return Finding(role, at, at + 1, Strength.SURE, token.sort)
        if token.sort is Sort.LINK and self._is_our_page(raw):
            return None
        return self._placed(self._best(raw, False), at, token.sort)

    def _is_our_page(self, link: str) -> bool:
        host = link.casefold().partition("://")[2] or link.casefold()
        return any(host.split("/")[0].removeprefix("www.") == ours for ours in self._domains)

    @staticmethod
    def _placed(best: tuple[str, Strength] | None, at: int, sort: Sort) -> Finding | None:
        return None if best is None else Finding(best[0], at, at + 1, best[1], sort)

    def _find_best(self, tag: str, ours: bool) -> tuple[str, Strength] | None:
        """Whose name or role ``tag`` holds; ``ours``: it is a mailbox of our own domain."""
        best: tuple[str, Strength] | None = None
        for forms in self._forms:
            strength = forms.in_tag(tag, ours=ours)
            if strength is not None and (best is None or strength > best[1]):
                best = forms.role, strength
        if best is None and (role := self._roles.in_tag(tag)) is not None:
            best = role, Strength.SURE
        return best

    def _in_link(self, link: str) -> list[Finding]:
        token = Token(Sort.LINK, link[:2_000], "")
        found = self._in_address(token, 0)
        return [found] if found is not None and found.strength > Strength.FIRST else []

    def _writers(self, author: str) -> set[str]:
        found = self._names_in(tokens_of(author[:200]))
        return {finding.role for finding in found if finding.strength is Strength.SURE}
