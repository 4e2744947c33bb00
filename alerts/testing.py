"""Shipped fakes: a letter box in memory, and people to write to. The strict mail server is ``alerts.mailbox``."""

from __future__ import annotations

from collections import deque
from email.message import EmailMessage

from alerts.mail_settings import MailSettings
from alerts.mailer import as_message
from alerts.model import DeliveryFailed, Letter, Recipient

SETTINGS = MailSettings(host="127.0.0.1", port=25, sender="Earshot <earshot@tessellateuk.example>", security="none")
"""Mail settings that reach nobody."""

CEO = Recipient("ceo", "Rowan Ashdown", "ceo@tessellateuk.example")
CHAIR = Recipient("chair", "Imani Okoro", "chair@tessellateuk.example")
OPERATOR = Recipient("operator", "Lee Marsh", "operator@tessellateuk.example")


class MemoryMailer:
    """A mailer that keeps its letters. ``fail_next`` queues failures; ``refuse`` refuses an address for good."""

    def __init__(self, settings: MailSettings = SETTINGS) -> None:
        self.settings = settings
        self.letters: list[Letter] = []
        self._failures: deque[DeliveryFailed] = deque()
        self._refused: set[str] = set()

    def __call__(self, letter: Letter, /) -> None:
        if self._failures:
            failure = self._failures.popleft()
            if failure.unclear:
                self.letters.append(letter)  # taken, although no answer came
            raise failure
        if letter.recipient_address in self._refused:
            raise DeliveryFailed("The mail server refused the recipient (550 5.1.1).", permanent=True)
        self.letters.append(letter)

    def fail_next(self, *failures: DeliveryFailed) -> None:
        """Raise these, one for each of the next letters; an unclear one keeps the letter."""
        self._failures.extend(failures)

    def refuse(self, address: str) -> None:
        """Refuse this recipient for good."""
        self._refused.add(address)

    def to(self, address: str) -> list[Letter]:
        """The letters for one address, oldest first."""
        return [letter for letter in self.letters if letter.recipient_address == address]

    @property
    def messages(self) -> list[EmailMessage]:
        """The letters as they would travel."""
        return [as_message(self.settings, letter) for letter in self.letters]
