"""Who shall not see, hear or be told of what a text says: it may be of her, whatever else the text tells."""

from __future__ import annotations

from monitor.scoring.naming.words import Plea, Words, bag

Run = tuple[str, ...]

_STOPS = bag(". ! ? ; : , \n but because so although though") | {"\n"}
_ARTICLES = bag("the your our this that their its a own very please pls dear mr mrs ms miss dr any of either")
_TO_OR_FROM = bag("to 2 with for from by at in on over into")
_MAY = bag(
    "must should may shall can could ought need needs is are has will would might mustnt cant cannot shouldnt neednt"
)
_MAY_NOT = bag("mustnt cant cannot shouldnt neednt isnt")
_NEEDS = bag("need have want ever get find")
_WISHED = bag("so sure hope hoping that ensure ensuring pray trust prefer rather want until unless guarantee")
_SCARED = bag("scared afraid frightened terrified nervous worried ashamed dread daren darent")
_ASKS = bag("why can could would did do will")
_HANDS_OVER = bag("please pls only for to tell give show pass send just straight but and anyone someone somebody")
_SHUT = bag(") , . ! ? ; please pls - thanks thank not and or nobody noone : \n") | {"\n"}
_MAY_TOO = bag("please can should must may to not and or , - ) . !")
_FOR = bag("for to tell by with attention give show pass send is and or")
_ONLY = bag("only just solely strictly exclusively purely")
_NOBODY = bag("nobody noone one anyone anybody everyone everybody")
_BUT = bag("but except besides")
_OF_BOARD = bag("of the your trustees trustee board members member s")


class Pleas:
    """Tells whether a text keeps something from somebody. Holds no state."""

    def __init__(self, words: Words) -> None:
        self._kept_from = words.kept_from
        self._lists: Plea = words.plea

    def keeps_from(self, before: Run, after: Run, *, owns: bool = False) -> bool:
        """Whether the sentence, of which ``before`` and ``after`` stand around her name, asks that she shall not
        know; ``owns``: something of hers is named.
        """
        if owns:
            return self._of_hers(before, after)
        return (
            self._listed(before)
            or self._not_told(before, after)
            or self._hidden_from(before)
            or self._not_to_know(before, after)
            or self._left_out(before, after)
            or self._refused(before, after)
        )

    def is_for_the_board(self, words: Run) -> bool:
        """Whether a text is for the Chair or the trustees alone ("for the trustees only"), or whoever manages the
        house shall not know of it ("not management").
        """
        lists = self._lists
        if lists.above.isdisjoint(words) and lists.managers.isdisjoint(words):
            return False
        return any(
            (word in lists.above and self._is_reserved(words[max(0, n - 8) : n], words[n + 1 : n + 9]))
            or (word in lists.managers and self.keeps_from(*_sentence(words, n)))
            for n, word in enumerate(words)
        )

    # ── the ways ──

    def _listed(self, before: Run) -> bool:
        cut = _without_articles(before, len(before))
        return bool(self._kept_from.ends(before, cut))

    def _not_told(self, before: Run, after: Run) -> bool:
        """ "Don't show any of this to the CEO", "without telling", "I am scared to tell"."""
        cut = len(before)
        for n in range(cut - 1, max(-1, cut - 8), -1):
            word = before[n]
            if word in _STOPS:
                return False
            if word in self._lists.tells and self._is_object(before[n + 1 :]):
                lets = word in {"let", "letting"}
                heard = self._lists.hears.intersection(after[:4])
                return (bool(heard) or not lets) and self._is_denied(before[:n])
        return False

    def _is_object(self, words: Run) -> bool:
        return all(word in self._lists.objects or word in _ARTICLES or word in _TO_OR_FROM for word in words)

    def _is_denied(self, before: Run) -> bool:
        for n in range(len(before) - 1, max(-1, len(before) - 7), -1):
            word = before[n]
            if word in _STOPS or word in self._lists.idle:
                return False
            if word in _SCARED:
                return not self._lists.no.intersection(before[max(0, n - 3) : n])
            if word in self._lists.no:
                return not _is_asked(before, n) and not (word == "cant" and before[n + 1 : n + 2] == ("you",))
        return False

    def _hidden_from(self, before: Run) -> bool:
        """ "Keep it all secret from her", "hide this from", "out of the hands of"."""
        cut = _without_articles(before, len(before))
        if before[cut - 1 : cut] != ("from",) and before[max(0, cut - 3) : cut] != ("hands", "of"):
            return False
        near = before[max(0, cut - 7) : cut - 1]
        return any(word in self._lists.hides for word in near) and not _STOPS.intersection(near)

    def _not_to_know(self, before: Run, after: Run) -> bool:
        """ "She must not see this", "I don't want her to hear", "so that she does not find out"."""
        lists = self._lists
        near = _clause(after)[:8]
        heard = bool(lists.hears.intersection(near))
        if before[-1:] == ("without",):
            return heard
        if before[-1:] in {("if",), ("before",), ("case",), ("when",)} and "out" in near[:3]:
            return bool(near) and near[0] in {"finds", "found", "find", "gets"}
        if not heard:
            return False
        wanted = bool(lists.no.intersection(before[-4:])) and bool(
            {"want", "like", "wish", "prefer"}.intersection(before[-3:])
        )
        if wanted:
            return True
        denied = bool((lists.no | _MAY_NOT).intersection(near[:3]))
        if before[-1:] and before[-1] in _WISHED and (denied or {"doesnt", "wont", "didnt"}.intersection(near[:2])):
            return True
        if near[:1] and near[0] in {"doesnt", "does", "dont", "do"}:
            return {"need", "have"}.intersection(near[1:3]) != set() and (denied or near[0] in {"doesnt", "dont"})
        if {"nobody", "noone", "none"}.intersection(before[-3:]) and _BUT.isdisjoint(before[-2:]):
            return near[0] in _MAY
        return denied and near[0] in _MAY | _MAY_NOT and not {"why", "if", "cant", "couldnt"}.intersection(before[-2:])

    def _left_out(self, before: Run, after: Run) -> bool:
        """ "Leave her out of this", "keep her in the dark", "not involve her"."""
        if after[:1] == ("out",) or after[:3] == ("in", "the", "dark"):
            return bool({"leave", "keep", "leaving", "keeping", "kept"}.intersection(before[-3:]))
        return False

    def _refused(self, before: Run, after: Run) -> bool:
        """ "Please not the CEO", "tell the trustees, not Rowan": not "it was the driver, not Rowan"."""
        cut = _without_articles(before, len(before))
        if before[cut - 1 : cut] != ("not",) and before[max(0, cut - 2) : cut] not in {("not", "to"), ("not", "for")}:
            return False
        if after and after[0] not in _SHUT:
            return False
        asked = before[: cut - 1]
        if {"was", "is", "were", "hit", "did"}.intersection(asked[-6:]):
            return bool({"for"}.intersection(before[-3:]))
        return not asked or bool(_HANDS_OVER.intersection(asked))

    def _of_hers(self, before: Run, after: Run) -> bool:
        """ "Rowan's boss should know", "behind the director's back"."""
        if before[-1:] == ("behind",) or (before[:1] and after[:1] == ("back",) and "behind" in before[-3:]):
            return True
        above = after[1:] if after[:1] in {("line",), ("own",), ("direct",)} else after
        if above and above[0] in self._lists.superiors:
            return True
        if after[:1] and after[0] in {"desk", "inbox", "ears"} and self._lists.no.intersection(before[-8:]):
            return not {"if", "forget", "hesitate"}.intersection(before)
        kept = bool({"from", "without"}.intersection(before[-2:])) or before[-2:] == ("out", "of")
        return kept and bool(after) and after[0] in {"knowledge", "hands", "sight", "desk", "eyes", "knowing"}

    def _is_reserved(self, before: Run, after: Run) -> bool:
        cut = _without_articles(before, len(before))
        start = 0
        while after[start : start + 1] and after[start] in _OF_BOARD:
            start += 1
        after = after[start:]
        lead = before[:cut]
        if lead[-1:] and lead[-1] in _TO_OR_FROM and lead[-2:-1] and lead[-2] in _ONLY:
            return not after or after[0] in _SHUT | _MAY_TOO or lead[-2] != "just"
        if lead[-1:] and lead[-1] in _ONLY:
            return not after or after[0] in _MAY_TOO
        if lead[-1:] and lead[-1] in _BUT and lead[-2:-1] and lead[-2] in _NOBODY:
            return not after or after[0] in _SHUT | _MAY_TOO
        if after[:1] == ("eyes",) and "only" in after[:3]:
            return True
        if after[:1] and after[0] in {"only", "alone", "exclusively"} and (not after[1:] or after[1] in _SHUT):
            return not lead or lead[-1] in _FOR or lead[-1] in _STOPS
        rest = after[1:] if after[:1] and after[0] in {"and", ",", "-", "but"} else after
        return rest[:2] in {("nobody", "else"), ("noone", "else")} or rest[:3] == ("no", "one", "else")


def _clause(after: Run) -> Run:
    for n, word in enumerate(after):
        if word in _STOPS:
            return after[:n]
    return after


def _without_articles(before: Run, cut: int) -> int:
    while cut and before[cut - 1] in _ARTICLES | {'"', "'", "(", "-"}:
        cut -= 1
    return cut


def _sentence(words: Run, at: int) -> tuple[Run, Run]:
    """What stands before and after the word, in its sentence."""
    ends = {".", "!", "?", "\n", ";"}
    first = next((n + 1 for n in range(at - 1, max(-1, at - 30), -1) if words[n] in ends), max(0, at - 30))
    last = next((n for n in range(at + 1, min(len(words), at + 30)) if words[n] in ends), min(len(words), at + 30))
    return words[first:at], words[at + 1 : last]


def _is_asked(before: Run, at: int) -> bool:
    """ "Why don't you tell her", "could you not tell", "if you do not tell"."""
    last, but_one = before[at - 1 : at], before[max(0, at - 2) : max(0, at - 1)]
    asks = last in {("why",), ("would",), ("whether",)} or (last == ("you",) and bool(_ASKS.intersection(but_one)))
    return asks or not {"if", "unless"}.isdisjoint(before[:at])
