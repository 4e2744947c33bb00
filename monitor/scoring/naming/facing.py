"""What is said to somebody of what she herself did: "Rowan, please stop touching me", "you lied to us"."""

from __future__ import annotations

from monitor.scoring.naming.words import Words, bag

Run = tuple[str, ...]

_YOU = bag("you u ya youve youre your yours")
_ASKED = bag("""can could will would please if unless when thank thanks hope told tell telling asked ask let help
    want wish know think trust for love like should may might glad see to""")
_HARD = bag("how why")
_MEANWHILE = bag("""did do does have had has been are were was be just also never always only still even really actually
    all both and not ever nt didnt dont havent werent keep kept then personally deliberately knowingly repeatedly
    clearly simply once again already , yourself a such cant cannot shouldnt mustnt""")
_PEOPLE = bag("""me us my our him her them his their kids children girls boys people someone somebody everyone
    women young at to on the""")
_STOP = bag("stop quit cease stopped")
_MAILS = bag(
    "sending emailing mailing posting charging asking closing using doing making telling running raining working"
)
_THEY = bag("she he shes hes they")
_LINKS = bag("that how why because , what when about and who it :")
_HANDS = (
    ("hands", "off"), ("leave", "me", "alone"), ("leave", "us", "alone"), ("leave", "my"), ("leave", "her", "alone"),
    ("leave", "him", "alone"), ("leave", "them", "alone"), ("away", "from", "my"), ("away", "from", "me"),
    ("away", "from", "us"), ("away", "from", "our"), ("away", "from", "her"), ("away", "from", "the", "kids"),
    ("shame", "on", "you"), ("how", "dare", "you"), ("how", "could", "you"),
)  # fmt: skip
_WHOM = bag("me us my our her him them")
_NOT_COMMANDED = bag("i we they he she it you did does could was is were")
_COMMANDS = bag(". ! ? ; : , - please pls plz and just now to \n so hey also dear you") | {"\n"}
_SIGNS = bag(". ! ? ; \n") | {"\n"}


class Facing:
    """Tells whether words that are said to somebody accuse her. Holds no state."""

    def __init__(self, words: Words) -> None:
        self._bad = words.personal | words.grave | words.plea.did
        self._did_to = words.plea.did_to

    def accuses(self, words: Run) -> bool:
        """Whether ``words``, said to her, tell what she did: "you hit him", "stop touching me", "what you did"."""
        words = unquoted(words)
        return any(
            (word in _YOU and self._you(words, n))
            or (word in _STOP and _is_command(words, n) and self._stop(words, n))
            or (word in {"dont", "not", "never"} and self._forbids(words, n))
            or any(
                words[n : n + len(run)] == run and self._is_of_you(words, n, run) for run in _HANDS if run[0] == word
            )
            for n, word in enumerate(words)
        )

    def passes_on(self, after: Run) -> bool:
        """Whether ``after``, which she is to be told, is of herself: "tell the CEO that she hit my son"."""
        start = 0
        while start < 4 and after[start : start + 1] and after[start] in _LINKS | {"know"}:
            start += 1
        said = after[start + 1 : start + 8] if after[start : start + 1] and after[start] in _THEY else ()
        if self._deed(said) or self._stop_in(said[:6]):
            return True
        if after[:1] == ("to",) and self._stop_in(after[1:5]):
            return True
        for n, word in enumerate(after[:12]):
            if word in _SIGNS:
                return False
            if word == "what" and after[n + 1 : n + 2] and after[n + 1] in _THEY and self._did(after[n + 2 : n + 5]):
                return True
            if word in {"saw", "seen", "caught", "heard"} and after[n + 1 : n + 2] in {("her",), ("him",)}:
                return self._deed(after[n + 2 : n + 5])
        return False

    def _you(self, words: Run, n: int) -> bool:
        word, before = words[n], words[max(0, n - 1) : n]
        if word in {"your", "yours"}:
            return words[n + 1 : n + 2] == ("hands",) and bool(_PEOPLE.intersection(words[n + 2 : n + 6]))
        if before == ("what",) and self._did(words[n + 1 : n + 4]):
            return words[max(0, n - 2) : n - 1] not in {("love",), ("for",), ("like",), ("of",)}
        hard = bool(_HARD.intersection(words[max(0, n - 3) : n]))
        if before and before[0] in _ASKED and not hard:
            return False
        return self._deed(words[n + 1 : n + 7])

    def _deed(self, words: Run) -> bool:
        """Whether ``words``, which follow "you" or "she", tell a bad deed before anything else."""
        for n, word in enumerate(words):
            if word in self._bad:
                return True
            if word in self._did_to:
                return words[n + 1 : n + 2] != () and words[n + 1] in _PEOPLE - {"the", "at", "to", "on"}
            if word == "nothing" and n and words[n - 1] in {"did", "do", "done"}:
                return True
            if word not in _MEANWHILE:
                return False
        return False

    def _did(self, words: Run) -> bool:
        return bool({"did", "done", "do", "doing", "didnt"}.intersection(words[:2]))

    def _stop(self, words: Run, n: int) -> bool:
        """ "Stop touching me": not "stop the boys hitting him", nor "can you stop him"."""
        doing = words[n + 1] if n + 1 < len(words) else ""
        if not doing.endswith("ing") or doing in _MAILS or len(doing) < 5:
            return False
        return doing in self._bad or words[n + 2 : n + 3] != () and words[n + 2] in _WHOM

    def _stop_in(self, words: Run) -> bool:
        return any(word in _STOP and self._stop(words, n) for n, word in enumerate(words))

    def _forbids(self, words: Run, n: int) -> bool:
        """ "Don't touch me again"."""
        if words[max(0, n - 1) : n] and words[n - 1] in _NOT_COMMANDED:
            return False
        follows = words[n + 1 : n + 3]
        return len(follows) > 1 and follows[0] in self._bad and follows[1] in _WHOM

    @staticmethod
    def _is_of_you(words: Run, n: int, run: Run) -> bool:
        if run == ("leave", "my"):
            return "alone" in words[n : n + 5]
        return run[0] != "away" or bool({"stay", "keep", "get"}.intersection(words[max(0, n - 3) : n]))


def unquoted(words: Run) -> Run:
    """``words`` without what stands between quotation marks."""
    if '"' not in words:
        return words
    outside, quoted = [], False
    for word in words:
        quoted = quoted != (word == '"')
        if not quoted:
            outside.append(word)
    return tuple(outside)


def _is_command(words: Run, n: int) -> bool:
    """Whether she is told to do it, not somebody else: "please stop", "you must stop"."""
    before = words[max(0, n - 5) : n]
    return not before or "you" in before or (before[-1] in _COMMANDS and before[-1] != "to")
