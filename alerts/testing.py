"""Shipped fakes: a letter box in memory, and people to write to. The strict mail server is ``alerts.mailbox``."""

from __future__ import annotations

from collections import deque
from email.message import EmailMessage

from alerts.mail_settings import MailSettings
from alerts.mailer import as_message
from alerts.model import DeliveryFailed, Letter, Recipient, Refusal, Stage

SETTINGS = MailSettings(host="127.0.0.1", port=25, sender="Earshot <earshot@tessellateuk.example>", security="none")
"""Mail settings that reach nobody."""

CEO = Recipient("ceo", "Rowan Ashdown", "ceo@tessellateuk.example")
CHAIR = Recipient("chair", "Imani Okoro", "chair@tessellateuk.example")
OPERATOR = Recipient("operator", "Lee Marsh", "operator@tessellateuk.example")


NO_SUCH_MAILBOX = Refusal(Stage.RECIPIENT, 550, "5.1.1", "no such user")


class MemoryMailer:
    """A mailer that keeps its letters. ``fail_next`` queues failures; ``refuse`` and ``refuse_everybody`` let a mail
    server say no until ``accept``."""

    def __init__(self, settings: MailSettings = SETTINGS) -> None:
        self.settings = settings
        self.letters: list[Letter] = []
        self.tries: list[Letter] = []
        """Every letter that was offered, taken or not."""
        self._failures: deque[DeliveryFailed] = deque()
        self._refused: dict[str, Refusal] = {}

    def __call__(self, letter: Letter, /) -> None:
        self.tries.append(letter)
        if self._failures:
            failure = self._failures.popleft()
            if failure.unclear:
                self.letters.append(letter)  # taken, although no answer came
            raise failure
        refusal = self._refused.get(letter.recipient_address) or self._refused.get("")
        if refusal is not None:
            raise DeliveryFailed(f"The mail server refused the {refusal.stage} ({refusal}).", refusal=refusal)
        self.letters.append(letter)

    def fail_next(self, *failures: DeliveryFailed) -> None:
        """Raise these, one for each of the next letters; an unclear one keeps the letter."""
        self._failures.extend(failures)

    def stop_failing(self) -> None:
        """Forget the failures that are still queued."""
        self._failures.clear()

    def refuse(self, address: str, refusal: Refusal = NO_SUCH_MAILBOX) -> None:
        """Answer this recipient with a refusal from now on."""
        self._refused[address] = refusal

    def refuse_everybody(self, refusal: Refusal) -> None:
        """Answer whoever has no refusal of their own with this one from now on."""
        self._refused[""] = refusal

    def accept(self) -> None:
        """Take mail for everybody again."""
        self._refused.clear()

    def to(self, address: str) -> list[Letter]:
        """The letters for one address, oldest first."""
        return [letter for letter in self.letters if letter.recipient_address == address]

    @property
    def messages(self) -> list[EmailMessage]:
        """The letters as they would travel."""
        return [as_message(self.settings, letter) for letter in self.letters]
