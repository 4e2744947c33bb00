"""What is told of somebody that is nothing bad: "he rang the council", "she was kind", "told me to write here"."""

from __future__ import annotations

from monitor.scoring.naming.words import Words, bag

Run = tuple[str, ...]

_STARTERS = bag(
    """has have had also just then already kindly very even once himself herself always really actually who and he she
    did they , ( ) has hes shes i think was is the other day yesterday today last week month year on monday tuesday
    wednesday thursday friday saturday sunday night immediately"""
)
_SO = bag("so very really always ever only just a absolutely truly such been being an nothing but incredibly lovely")
_WAS = bag("was is has had been were seems seemed looks hes shes couldnt always")
_BETWEEN = bag("in out it this the your to up back that straight an")
_HE = bag("he she hes shes they who")
_APART = bag(". ! ? ; but about \n") | {"\n"}
_OTHERS = bag("""man men woman boy boys girl girls lad lads bloke guy son daughter brother sister
    dad mum uncle stepdad boyfriend neighbour neighbor someone somebody kid child dog carer foster father mother
    nephew grandson""")
_THEN = bag("and but then , never just even")
_NEW = bag("""i we the a an my our his her your they it nobody no today there this that these somebody someone one two
    another since not as if when and but then""")
_CLAUSE = bag(""". , ; ! ? and but so because when about if as that ( ) - : then since which
    thanks thank though again omg lol xx at on until till this today now straight immediately""")
_SHUT = {(), *((sign,) for sign in _CLAUSE)}


class WellDoing:
    """Tells whether a predicate says nothing bad. Holds no state."""

    def __init__(self, words: Words) -> None:
        self._words = words

    def of_subject(self, after: Run) -> bool:
        """Whether ``after``, which follows somebody's name, tells a harmless deed of hers and no bad one."""
        start = self._predicate(after)
        end = self._harmless(after, start)
        if not end and after[:1] in {("and",), (",",)}:
            start = next((n for n in range(1, 6) if self._harmless(after, n)), 0)
            end = self._harmless(after, start) if start else 0
        return bool(end) and not self._is_bad(after[end : end + 5]) and not self.turns_bad(after[end:])

    def of_pronoun(self, tail: Run) -> bool:
        """Whether "he" or "she" in ``tail``, or who "got a kind answer", does something harmless and nothing bad."""
        done = [n for n, word in enumerate(tail[:30]) if word in _HE]
        said = any(self._harmless(tail, self._predicate(tail[n:]) + n) for n in done)
        return said and not self.turns_bad(tail)

    def turns_bad(self, rest: Run) -> bool:
        """Whether the same person is told to have done something bad afterwards: "and then she deleted it"."""
        apart = False
        for n, word in enumerate(rest[:60]):
            apart = apart or word in _APART
            if apart and (word in self._words.jobs or word in _OTHERS):
                return False
            if word in _HE and self._is_bad(rest[n + 1 : n + 7]):
                return True
            if word in _THEN and rest[n + 1 : n + 2] and rest[n + 1] not in _NEW and self._is_bad(rest[n + 1 : n + 7]):
                return True
        return False

    def _is_bad(self, words: Run) -> bool:
        for n, word in enumerate(words):
            if word in {".", "!", "?", "\n", ",", ";"}:
                return False
            if word in self._words.grave:
                return True
            if self._words.failed.at(words, n) and not self._words.well.advises.at(words, n):
                return True
        return False

    def _predicate(self, after: Run) -> int:
        start = 0
        while start < min(6, len(after)) and after[start] in _STARTERS and not self._harmless(after, start):
            start += 1
        return start

    def _harmless(self, words: Run, at: int) -> int:
        """Where a harmless predicate that begins at ``at`` ends; 0 where none does."""
        if at >= len(words):
            return 0
        lists = self._words.well
        if length := lists.deeds.at(words, at):
            return at + length
        length = lists.shut.at(words, at)
        if length and (at + length == len(words) or words[at + length] in _CLAUSE):
            return at + length
        return self._advised(words, at) or self._kind(words, at)

    def _advised(self, words: Run, at: int) -> int:
        """ "Told me to ring the council", "said I should fill in this form"."""
        lists = self._words.well
        verb = at + lists.advises.at(words, at)
        if verb == at or verb >= len(words) or words[verb] not in lists.advised | lists.advised_with:
            return 0
        end = verb + 1
        while end < len(words) and words[end] in _BETWEEN:
            end += 1
        ends = end == len(words) or words[end] in _CLAUSE
        if words[verb] == "tell":
            return end + 1 if not ends and words[end] in lists.to_whom and words[end + 1 : end + 2] in _SHUT else 0
        alone = ends and (words[verb] in lists.advised or words[end - 1] in {"it", "this"})
        return end if alone else end + 1 if not ends and words[end] in lists.to_whom else 0

    def _kind(self, words: Run, at: int) -> int:
        """ "Was very kind about it", "has been nothing but lovely"."""
        if words[at] not in _WAS:
            return 0
        end = at + 1
        while end < min(at + 5, len(words)) and words[end] in _SO and not self._words.thanks.at(words, end):
            end += 1
        if end >= len(words):
            return 0
        return end + 1 if words[end] in self._words.well.kind or self._words.thanks.at(words, end) else 0
