"""The commands that ask somebody, against the imitations of the platforms and a mailbox on this machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from alerts.mailbox import Mailbox
from connectors.model import Author, Kind
from connectors.standins.linkedin import LinkedInStandIn
from connectors.standins.server import Server
from connectors.standins.world import World
from connectors.standins.x import XStandIn
from monitor.cli import NO, OK, UNREACHABLE
from monitor.store.tables import GrantRow, IncidentRow, MentionRow, PlatformRow, SpendingRow

if TYPE_CHECKING:
    from conftest import Installation

pytestmark = pytest.mark.real

TOKEN, NEW_TOKEN = "x-bearer-token-of-the-test", "linkedin-token-brought-later"
USER_ID, URN = "900000001", "urn:li:organization:10000001"


class Town:
    """Two platforms and a mailbox, and an installation that listens to them."""

    def __init__(self, installation: Installation, server: Server, mailbox: Mailbox, world: World) -> None:
        self.installation, self.server, self.mailbox, self.world = installation, server, mailbox, world
        x = {"base_url": f"{self.server.url}/x", "bearer_token": TOKEN, "user_id": USER_ID}
        linkedin = {
            "base_url": f"{self.server.url}/linkedin", "auth_base_url": f"{self.server.url}/linkedin",
            "organisation_urn": URN, "token": "linkedin-token-of-the-test",
        }  # fmt: skip
        mail = {
            "host": "127.0.0.1",
            "port": self.mailbox.port,
            "security": "none",
            "from": "E <e@tessellateuk.example>",
        }
        web = {"public_url": "https://earshot.tessellateuk.example"}
        self.installation.write(connectors__x=x, connectors__linkedin=linkedin, mail=mail, web=web)

    def rows(self, table: type[Any]) -> list[Any]:
        """All rows of a table."""
        app = self.installation.app()
        with app.database.read() as session:
            found = list(session.scalars(select(table)))
        app.close()
        return found


@pytest.fixture
def town(installation: Installation) -> Iterator[Town]:
    world = World()
    for name in ("x", "linkedin"):
        world.own[name] = Author(name="Tessellate UK", handle="TessellateUK", id=USER_ID if name == "x" else URN)
    standins = {
        "/x": XStandIn(world, bearer_token=TOKEN, user_id=USER_ID, handle="TessellateUK"),
        "/linkedin": LinkedInStandIn(world, organisation_urn=URN, token="linkedin-token-of-the-test"),
    }
    with Server(standins) as server, Mailbox() as mailbox:
        yield Town(installation, server, mailbox, world)


def test_the_doctor_finds_everything_in_order_and_spends_next_to_nothing(town: Town) -> None:
    town.installation.begin()

    result = town.installation.run("doctor")

    assert result.exit_code == OK, result.output
    assert "Mail can leave" in result.output
    assert "The token works." in result.output
    assert "trusted_proxies says that no proxy stands in front" in " ".join(result.output.split())
    spent = {row.bucket: row.spent for row in town.rows(SpendingRow) if row.platform == "x"}
    assert sum(spent.values()) <= 100_000  # ten US cents


def test_the_doctor_ends_with_1_for_a_fault_and_with_4_when_nobody_answers(town: Town) -> None:
    text = town.installation.config.read_text()
    town.installation.config.write_text(text.replace(TOKEN, "nonsense-nonsense"))
    refused = town.installation.run("doctor")
    assert refused.exit_code == NO
    assert "FAULT" in refused.output

    town.installation.config.write_text(text.replace(f"{town.server.url}/x", "http://127.0.0.1:1"))
    away = town.installation.run("doctor")
    assert away.exit_code == UNREACHABLE
    assert "could not be reached" in away.output


def test_the_doctor_says_when_no_mail_can_leave(town: Town) -> None:
    text = town.installation.config.read_text()
    town.installation.config.write_text(text.replace(f"port = {town.mailbox.port}", "port = 1"))

    result = town.installation.run("doctor")

    assert result.exit_code == UNREACHABLE
    assert "No mail can leave" in result.output


def test_the_doctor_mails_everybody_and_says_who_got_it(town: Town) -> None:
    town.mailbox.refuse("chair@tessellateuk.example")

    result = town.installation.run("doctor", "--mail")

    assert result.exit_code == NO
    assert "Rowan Ashdown <rowan@tessellateuk.example>: the mail server took a test mail." in result.output
    assert "Kit Marlow <it@tessellateuk.example>: the mail server took a test mail." in result.output
    assert "Imogen Vale <chair@tessellateuk.example> gets no mail: The mail server refused" in result.output
    assert "[people.chair]" in result.output
    kinds = {letter.recipients[0]: letter.message["X-Earshot-Kind"] for letter in town.mailbox.letters}
    assert kinds == {"rowan@tessellateuk.example": "test", "it@tessellateuk.example": "test"}
    assert town.mailbox.violations == []


def test_the_doctor_mails_nobody_unless_told_to(town: Town) -> None:
    town.installation.run("doctor")

    assert town.mailbox.letters == ()


def test_a_person_in_two_places_gets_one_test_mail(town: Town) -> None:
    with town.installation.config.open("a") as file:
        file.write('\n[[people.staff]]\nname = "Kit Marlow"\nemail = "IT@tessellateuk.example"\n')

    result = town.installation.run("doctor", "--mail")

    assert result.exit_code == OK, result.output
    assert len(town.mailbox.to("it@tessellateuk.example")) == 1


def test_one_poll_by_hand_hears_and_leaves_the_other_platform_alone(town: Town) -> None:
    town.world.say(
        "x", Kind.MENTION, "Is @TessellateUK open on Sunday?", author=Author(name="Sam", handle="sam", id="7")
    )
    first = town.installation.run("poll", "linkedin")
    before = {row.name: row.due_at for row in town.rows(PlatformRow)}

    result = town.installation.run("poll", "x")

    assert first.exit_code == OK, first.output
    assert result.exit_code == OK, result.output
    assert re.search(r"x: 1 new", result.output)
    assert [row.text for row in town.rows(MentionRow)] == ["Is @TessellateUK open on Sunday?"]
    after = {row.name: row for row in town.rows(PlatformRow)}
    assert after["linkedin"].due_at == before["linkedin"]
    assert all(row.in_use for row in after.values())
    assert town.rows(IncidentRow) == []


def test_a_poll_that_hears_nothing_ends_with_4_and_says_why(town: Town) -> None:
    town.installation.config.write_text(
        town.installation.config.read_text().replace(f"{town.server.url}/x", "http://127.0.0.1:1")
    )

    town.installation.begin()

    result = town.installation.run("poll", "x")

    assert result.exit_code == UNREACHABLE
    assert result.output.startswith("x: ")


def test_a_token_given_on_standard_input_is_kept_sealed_and_never_in_plain(town: Town) -> None:
    town.installation.run("poll", "x")

    result = town.installation.run("connect", "linkedin", stdin=f"{NEW_TOKEN}\n")

    assert result.exit_code == OK, result.output
    assert "sealed" in result.output
    assert NEW_TOKEN not in result.output
    app = town.installation.app()
    app.database.close()
    raw = b"".join(path.read_bytes() for path in town.installation.folder.glob("earshot.db*"))
    assert NEW_TOKEN.encode() not in raw
    (grant,) = town.rows(GrantRow)
    assert NEW_TOKEN in (app.keys.unseal(grant.sealed) or "")
    station = app.stations["linkedin"]
    with app.database.read() as session:
        assert app.settings_of(session, station).token == NEW_TOKEN
    app.close()
    assert all(row.in_use for row in town.rows(PlatformRow))


def test_a_platform_without_a_token_of_its_own_keeps_none(town: Town) -> None:
    result = town.installation.run("connect", "x", stdin="something\n")

    assert result.exit_code == NO
    assert "has no token that Earshot could keep" in result.output
    assert town.rows(GrantRow) == []


def test_looking_at_the_set_up_every_day_for_a_month_costs_little(town: Town) -> None:
    from monitor import renewal

    town.installation.run("db", "upgrade")
    app = town.installation.app()
    app.poller.admit(app.stations["x"])
    start = datetime.now(UTC)
    for day in range(3):
        renewal.look(app, app.stations["x"], start + timedelta(days=day))
    app.close()

    spent = sum(row.spent for row in town.rows(SpendingRow))
    assert spent <= 3 * 60_000
