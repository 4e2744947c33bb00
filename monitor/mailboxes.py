"""What is doubtful about people's addresses although each is one: said by ``config check`` and by the doctor."""

from __future__ import annotations

from collections.abc import Iterator

from alerts import addresses
from alerts.mail_settings import LOOPBACK
from connectors.model import Finding, Level
from monitor.settings import Person, Settings


def look(settings: Settings) -> Iterator[Finding]:
    """A fault where somebody would never be told, a note where it depends on the house."""
    ceo, chair, operator = settings.people.ceo, settings.people.chair, settings.people.operator
    if chair is not None and addresses.are_one_mailbox(ceo.email, chair.email):
        yield Finding(
            Level.BAD,
            "The CEO and the Chair have one mailbox: when nobody answers there, nobody else is told, and what is about "
            "the CEO is mailed to the CEO.",
            "Write the Chair's own address into [people.chair].",
        )
    for role, leader in (("CEO", ceo), ("Chair", chair)):
        if leader is not None and operator is not None and addresses.are_one_mailbox(leader.email, operator.email):
            yield Finding(
                Level.BAD,
                f"The operator and the {role} have one mailbox: they count as one person, so where something is about "
                f"the {role} nobody can be asked in the operator's place to ring somebody.",
                "Write an address of the operator's own into [people.operator], or of somebody else who can be rung.",
            )
    sending = [settings.mail.address, *([settings.mail.second.address] if settings.mail.second else [])]
    ours = [place for place, person in everybody(settings) if any(_is_same(person.email, mine) for mine in sending)]
    if ours:
        yield Finding(
            Level.BAD,
            f"Earshot's own address, which mails come from, is somebody's: {', '.join(ours)}. Mail to oneself is often "
            "not shown.",
            "Write the mailbox that this person reads.",
        )
    special = [(place, address) for place, address in _addresses(settings) if addresses.is_special(address)]
    left = [place for place, address in special if addresses.is_of_the_example(address)]
    if left and settings.mail.host not in LOOPBACK:
        yield Finding(
            Level.BAD, f"Addresses of the example settings reach nobody: {', '.join(left)}.", "Write the real ones."
        )
    elif special:
        yield Finding(
            Level.NOTE,
            f"Addresses that reach nobody outside your own network: {', '.join(place for place, _ in special)}.",
            "Fine while trying things out, or with a mail server that knows them.",
        )


def _is_same(address: str, mine: str) -> bool:
    """A mailbox's ``+tag`` is told apart here: a rule may sort it for its reader."""
    return addresses.on_the_wire(address).casefold() == addresses.on_the_wire(mine).casefold()


def everybody(settings: Settings) -> Iterator[tuple[str, Person]]:
    """Everybody whom we may write to, with the place in the settings."""
    people = settings.people
    for role, person in (("ceo", people.ceo), ("chair", people.chair), ("operator", people.operator)):
        if person is not None:
            yield f"[people.{role}]", person
    for role, persons in (("poster", people.poster), ("staff", people.staff)):
        yield from ((f"[[people.{role}]] {person.name}", person) for person in persons)


def _addresses(settings: Settings) -> Iterator[tuple[str, str]]:
    for place, person in everybody(settings):
        yield place, person.email
    yield "[mail] from", settings.mail.address
    if settings.mail.reply_to:
        yield "[mail] reply_to", addresses.split_mailbox(settings.mail.reply_to)[1]
    if settings.mail.second is not None and settings.mail.second.address != settings.mail.address:
        yield "[mail.relay] from", settings.mail.second.address
