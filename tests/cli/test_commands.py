"""Every command on a temporary installation: what it says, what it does, and its exit code."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from monitor.cli import HELD, NO, OK, UNREACHABLE, WRONG, main
from monitor.daemon import sole_instance
from monitor.store.tables import AlertRow, IncidentRow, PersonRow

if TYPE_CHECKING:
    from conftest import Installation

X = {"bearer_token": "tokentokentoken"}


def _tip(installation: Installation, words: str = "A volunteer is being threatened") -> str:
    said = installation.run("tip", "--text", words, "--by", "Ade").output
    return re.search(r"incident (\w+)", said)[1]  # type: ignore[index]


# ── wrong use and wrong settings ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "words", [["nonsense"], ["poll"], ["takeover", "begin"], ["people", "away", "poster"], ["incidents", "--colour"]]
)
def test_wrong_use_ends_with_2_and_says_how_to_use_it(words: list[str]) -> None:
    result = CliRunner().invoke(main, words)

    assert result.exit_code == WRONG
    assert "Usage:" in result.output


@pytest.mark.parametrize(
    "words",
    [
        ["run"], ["doctor"], ["poll", "x"], ["connect", "x"], ["incidents"], ["tip", "--text", "x"], ["takeover", "status"],
        ["digest", "preview"], ["subject", "find", "x"], ["forget"], ["db", "upgrade"], ["db", "backup", "b"],
        ["audit", "verify"], ["tune"], ["config", "check"], ["people", "away"], ["drill"], ["tip-link"],
    ],
)  # fmt: skip
def test_without_a_settings_file_every_command_ends_with_2_and_says_how_to_begin(
    words: list[str], tmp_path: Path
) -> None:
    result = CliRunner().invoke(main, [*words, "--config", str(tmp_path / "none.toml")])

    assert result.exit_code == WRONG
    assert "earshot config example" in result.output
    assert "Traceback" not in result.output


def test_a_fault_in_the_settings_names_the_key(installation: Installation) -> None:
    installation.write(alerts={"deaf_after": "soon"})

    result = installation.run("incidents")

    assert result.exit_code == WRONG
    assert "alerts.deaf_after" in result.output


def test_a_database_that_is_away_ends_with_4_and_its_password_is_not_said(installation: Installation) -> None:
    installation.write(store={"url": "postgresql+psycopg://user:s3cretword@/none?host=/nowhere"})

    result = installation.run("incidents")

    assert result.exit_code == UNREACHABLE
    assert "did not answer" in result.output
    assert "s3cretword" not in result.output


def test_a_damaged_database_ends_with_4_and_is_left_alone(installation: Installation) -> None:
    (installation.folder / "earshot.db").write_bytes(b"SQLite format 3\x00" + b"x" * 5000)

    result = installation.run("incidents")

    assert result.exit_code == UNREACHABLE
    assert "damaged" in result.output
    assert (installation.folder / "earshot.db").stat().st_size == 5016


def test_a_database_of_a_newer_version_is_left_alone(installation: Installation) -> None:
    installation.run("db", "upgrade")
    with closing(sqlite3.connect(installation.folder / "earshot.db")) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
        raw.commit()

    result = installation.run("incidents")

    assert result.exit_code == WRONG
    assert "newer Earshot" in result.output


def test_a_broken_key_ends_with_2_and_is_not_replaced(installation: Installation) -> None:
    installation.begin()
    (installation.folder / "install.key").write_text("broken")

    result = installation.run("tip", "--text", "x")

    assert result.exit_code == WRONG
    assert "backup" in result.output
    assert (installation.folder / "install.key").read_text() == "broken"


def test_a_folder_that_cannot_be_written_is_said_plainly(installation: Installation) -> None:
    installation.begin()
    (installation.folder / "taken").write_text("")

    result = installation.run("db", "backup", str(installation.folder / "taken" / "b"))

    assert result.exit_code == WRONG
    assert "taken" in result.output


# ── running ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_second_instance_ends_with_3_and_says_who_holds_the_lock(installation: Installation) -> None:
    with sole_instance(installation.folder):
        result = installation.run("run")

    assert result.exit_code == HELD
    assert re.search(r"Another Earshot holds earshot.lock: process \d+", result.output)


def test_restoring_under_a_running_service_ends_with_3(installation: Installation) -> None:
    installation.begin()
    installation.run("db", "backup", str(installation.folder / "b"))
    with sole_instance(installation.folder):
        result = installation.run("db", "restore", str(installation.folder / "b"), "--yes")

    assert result.exit_code == HELD


def test_the_doctor_without_asking_anybody(installation: Installation) -> None:
    installation.write(connectors__x=X)

    result = installation.run("doctor", "--offline")

    assert result.exit_code == OK, result.output
    assert "All is well." in result.output
    assert "\nMail\n" not in result.output


def test_the_doctor_finds_faults_says_what_to_do_and_ends_with_1(installation: Installation) -> None:
    installation.write(privacy={})

    result = installation.run("doctor", "--offline")

    assert result.exit_code == NO
    assert "No platform is in use." in result.output
    assert "[privacy]" in result.output
    assert "Faults were found." in result.output


def test_connecting_mail_is_for_oauth2_alone(installation: Installation) -> None:
    result = installation.run("connect", "mail", stdin="")

    assert result.exit_code == NO
    assert 'set sign_in to "microsoft" or "google"' in result.output


def test_a_refresh_token_for_mail_is_taken_from_standard_input_and_shown_nowhere(installation: Installation) -> None:
    secret = "a-refresh-token-of-the-test"
    mail = {
        "host": "127.0.0.1", "port": 1, "security": "none", "from": "earshot@tessellateuk.example",
        "username": "earshot@tessellateuk.example", "sign_in": "google", "client_id": "4711", "client_secret": "s3cret",
        "auth_base_url": "http://127.0.0.1:1",
    }  # fmt: skip
    installation.write(mail=mail)

    result = installation.run("connect", "mail", stdin=f"{secret}\n")

    assert result.exit_code == UNREACHABLE
    assert "sign-in service for mail could not be reached" in result.output
    assert secret not in result.output


def test_a_test_mail_and_asking_nobody_do_not_go_together(installation: Installation) -> None:
    result = installation.run("doctor", "--offline", "--mail")

    assert result.exit_code == WRONG
    assert "leave one of the two out" in result.output


def test_the_doctor_is_red_while_somebody_has_not_been_told(installation: Installation) -> None:
    installation.write(connectors__x=X)
    _tip(installation)
    app = installation.app()
    with app.database.write() as session:
        for row in session.scalars(select(AlertRow)):
            row.made_at -= timedelta(hours=3)
            row.tried_at, row.outcome, row.last_error = row.made_at, "final", "The mail server refused it (552 5.2.2)."
    app.close()

    result = installation.run("doctor", "--offline")

    assert result.exit_code == NO
    assert "Something that somebody must know has reached nobody." in result.output
    assert "Mail to the CEO has not arrived since" in result.output
    assert "552 5.2.2" in result.output


def test_without_a_chair_the_doctor_is_red(installation: Installation) -> None:
    installation.config.write_text(re.sub(r"\[people\.chair\]\n.*\n.*\n", "", installation.config.read_text()))

    result = installation.run("doctor", "--offline")

    assert result.exit_code == 1
    assert "FAULT" in next(line for line in result.output.splitlines() if "There is no Chair" in line)


def test_one_mailbox_for_ceo_and_chair_is_warned_of_and_makes_the_doctor_red(installation: Installation) -> None:
    installation.write(
        connectors__x=X, people__chair={"name": "Imogen Vale", "email": "Rowan+chair@TessellateUK.example"}
    )

    checked = installation.run("config", "check")
    examined = installation.run("doctor", "--offline")

    assert checked.exit_code == OK
    assert "Warning: The CEO and the Chair have one mailbox" in checked.output
    assert examined.exit_code == NO
    assert "FAULT  The CEO and the Chair have one mailbox" in examined.output


@pytest.mark.parametrize("role", ["CEO", "Chair"])
def test_an_operator_with_the_mailbox_of_who_leads_is_warned_of_and_makes_the_doctor_red(
    installation: Installation, role: str
) -> None:
    box = "rowan@tessellateuk.example" if role == "CEO" else "chair@tessellateuk.example"
    installation.write(
        connectors__x=X,
        people__ceo={"name": "Rowan Ashdown", "email": "rowan@tessellateuk.example"},
        people__chair={"name": "Imogen Vale", "email": "chair@tessellateuk.example"},
        people__operator={"name": "Kit Marlow", "email": box},
    )

    checked = installation.run("config", "check")
    examined = installation.run("doctor", "--offline")

    assert checked.exit_code == OK
    assert f"Warning: The operator and the {role} have one mailbox" in checked.output
    assert examined.exit_code == NO
    assert f"FAULT  The operator and the {role} have one mailbox" in examined.output


def test_the_example_s_own_addresses_are_a_fault_where_mail_goes_out_into_the_world(installation: Installation) -> None:
    mail = {"host": "smtp.charity.org.uk", "from": "Earshot <earshot@charity.org.uk>"}
    installation.write(connectors__x=X, mail=mail)

    checked = installation.run("config", "check")
    examined = installation.run("doctor", "--offline")

    said = "Addresses of the example settings reach nobody: [people.ceo], [people.chair], [people.operator]."
    assert checked.exit_code == OK
    assert f"Warning: {said}" in checked.output
    assert examined.exit_code == NO
    assert f"FAULT  {said}" in examined.output


def test_domains_that_nobody_can_own_are_allowed_with_a_warning(installation: Installation) -> None:
    people = {role: {"name": "Rowan", "email": f"{role}@charity.test"} for role in ("ceo", "chair", "operator")}
    installation.write(connectors__x=X, **{f"people__{role}": person for role, person in people.items()})

    checked = installation.run("config", "check")
    examined = installation.run("doctor", "--offline")

    said = "Addresses that reach nobody outside your own network: [people.ceo], [people.chair], [people.operator], [mail] from."
    assert f"Warning: {said}" in checked.output
    assert examined.exit_code == OK
    assert f"note   {said}" in examined.output


@pytest.mark.parametrize("email", ["rowan@x.example,", "rowan@", "<r@x>", "mailto:rowan@x.example", "rowan@x"])
def test_what_is_no_address_is_refused_with_its_place(installation: Installation, email: str) -> None:
    for place in ("ceo", "chair", "operator"):
        installation.write(**{f"people__{place}": {"name": "Rowan Ashdown", "email": email}})

        result = installation.run("config", "check")

        assert result.exit_code == WRONG
        assert f"people.{place}: expected email: an address such as name@charity.example" in result.output


def test_polling_or_connecting_a_platform_that_is_not_in_the_settings_ends_with_2(installation: Installation) -> None:
    for command in ("poll", "connect"):
        result = installation.run(command, "x", stdin="")
        assert result.exit_code == WRONG
        assert "[connectors.x]" in result.output


# ── people ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_tip_is_an_alert_to_the_ceo_at_once(installation: Installation) -> None:
    number = _tip(installation)

    app = installation.app()
    with app.database.read() as session:
        alert = session.scalars(select(AlertRow).where(AlertRow.incident_id == number)).one()
        assert (alert.role, alert.template) == ("ceo", "tip")
    app.close()


def test_an_empty_tip_is_refused_with_1(installation: Installation) -> None:
    result = installation.run("tip")

    assert result.exit_code == NO
    assert "Say what worries you" in result.output


def test_incidents_are_listed_in_words_and_as_json_lines(installation: Installation) -> None:
    installation.begin()
    assert "No open incident." in installation.run("incidents").output
    assert installation.run("incidents", "--json").output == ""
    number = _tip(installation)

    assert number in installation.run("incidents").output
    row = json.loads(installation.run("incidents", "--json").output)
    assert (row["id"], row["level"], row["state"], row["source"]) == (number, "alert", "open", "tip")


def test_acknowledging_an_incident_and_one_that_there_is_not(installation: Installation) -> None:
    number = _tip(installation)

    assert "Acknowledged." in installation.run("acknowledge", number, "--by", "Rowan").output
    assert "already" in installation.run("acknowledge", number, "--by", "Rowan").output
    missing = installation.run("acknowledge", "nonsense", "--by", "Rowan")
    assert missing.exit_code == NO
    assert "There is no incident nonsense." in missing.output


def test_people_are_away_and_back(installation: Installation) -> None:
    away = installation.run("people", "away")
    assert away.exit_code == OK
    assert "Rowan Ashdown is away; Imogen Vale is told first." in away.output
    assert "is back" in installation.run("people", "back").output

    app = installation.app()
    with app.database.read() as session:
        assert session.get_one(PersonRow, "ceo").away is False
    app.close()


def test_a_person_who_is_not_in_the_settings_cannot_be_away(installation: Installation) -> None:
    installation.config.write_text(re.sub(r"\[people\.chair\]\n.*\n.*\n", "", installation.config.read_text()))

    result = installation.run("people", "away", "chair")

    assert result.exit_code == WRONG
    assert "[people.chair]" in result.output


# ── takeover ────────────────────────────────────────────────────────────────────────────────────────


def test_takeover_from_the_command_line(installation: Installation) -> None:
    installation.begin()
    assert installation.run("takeover", "status").exit_code == OK
    assert "There is no takeover." in installation.run("takeover", "end").output

    begun = installation.run("takeover", "begin", "--reason", "A leak")
    assert begun.exit_code == OK
    assert "Takeover is active." in begun.output
    assert "already" in installation.run("takeover", "begin", "--reason", "again").output

    status = installation.run("takeover", "status", "--json")
    assert status.exit_code == NO
    assert json.loads(status.output)["reason"] == "A leak"

    held = installation.run("takeover", "end", "--on-hold", "Instagram")
    assert "Standing down; still on hold: Instagram." in held.output
    assert installation.run("takeover", "status").exit_code == OK
    assert "Back to normal." in installation.run("takeover", "end").output


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--reason", " "], "reason"), (["--reason", "x", "--incident", "nonsense"], "There is no incident nonsense.")],
)
def test_takeover_without_a_reason_or_about_nothing_is_refused_with_1(
    installation: Installation, words: list[str], said: str
) -> None:
    result = installation.run("takeover", "begin", *words)

    assert result.exit_code == NO
    assert said in result.output
    assert installation.run("takeover", "status").exit_code == OK


# ── digest, data protection, backups ────────────────────────────────────────────────────────────────


def test_a_preview_of_the_digest_is_written_to_a_file_and_nothing_is_mailed(installation: Installation) -> None:
    installation.begin()
    out = installation.folder / "preview.html"

    result = installation.run("digest", "preview", "--out", str(out))

    assert result.exit_code == OK
    assert "Tessellate UK" in out.read_text()
    app = installation.app()
    with app.database.read() as session:
        assert session.scalars(select(AlertRow)).all() == []
    app.close()


def test_a_digest_is_sent_once_a_week_and_again_when_asked(installation: Installation) -> None:
    def owed() -> int:
        app = installation.app()
        with app.database.read() as session:
            count = len(session.scalars(select(AlertRow).where(AlertRow.template == "digest")).all())
        app.close()
        return count

    assert installation.run("digest", "send").exit_code == OK
    installation.run("digest", "send")
    assert owed() == 1
    installation.run("digest", "send", "--again")
    assert owed() == 2


def test_a_person_is_found_exported_and_erased(installation: Installation) -> None:
    installation.run("tip", "--text", "It is about Sigrid Example")
    out = installation.folder / "export"

    assert installation.run("subject", "find", "Nobody Atall").exit_code == NO
    assert installation.run("subject", "find", "Sigrid Example").exit_code == OK
    assert installation.run("subject", "export", "Sigrid Example", "--out", str(out)).exit_code == OK
    assert "It is about" not in (out / "subject.json").read_text()  # a tip's words are for CEO and Chair
    assert "1 entry left out" in installation.run("subject", "export", "Sigrid Example", "--out", str(out)).output
    asked = installation.run("subject", "erase", "Sigrid Example", stdin="n\n")
    assert asked.exit_code == NO
    assert installation.run("subject", "find", "Sigrid Example").exit_code == OK
    done = installation.run("subject", "erase", "Sigrid Example", "--yes")
    assert "found 0 places" in done.output
    assert installation.run("subject", "find", "Sigrid Example").exit_code == NO


def test_forgetting_by_hand_says_what_it_did(installation: Installation) -> None:
    installation.begin()
    assert "Nothing was due to be forgotten." in installation.run("forget").output


def test_a_backup_is_written_and_comes_back(installation: Installation) -> None:
    number = _tip(installation)
    out = str(installation.folder / "b")
    written = installation.run("db", "backup", out)
    assert written.exit_code == OK
    assert "Backed up" in written.output
    _tip(installation, "Another matter altogether")

    assert installation.run("db", "restore", out, stdin="n\n").exit_code == NO
    restored = installation.run("db", "restore", out, "--yes")

    assert restored.exit_code == OK
    app = installation.app()
    with app.database.read() as session:
        assert session.scalars(select(IncidentRow.id)).all() == [number]
    app.close()


def test_what_is_no_backup_is_refused_and_nothing_is_changed(installation: Installation) -> None:
    number = _tip(installation)
    (installation.folder / "nonsense").write_bytes(b"x" * 100)

    result = installation.run("db", "restore", str(installation.folder / "nonsense"), "--yes")

    assert result.exit_code == NO
    assert "no backup of Earshot" in result.output
    assert number in installation.run("incidents").output
    missing = installation.run("db", "restore", str(installation.folder / "none"), "--yes")
    assert missing.exit_code == WRONG


def test_an_upgrade_happens_once(installation: Installation) -> None:
    assert "Upgraded." in installation.run("db", "upgrade").output
    assert "up to date" in installation.run("db", "upgrade").output


def test_the_audit_is_verified_and_tampering_ends_with_1(installation: Installation) -> None:
    _tip(installation)
    whole = installation.run("audit", "verify")
    assert whole.exit_code == OK
    head = re.search(r"head is (\S+)\.", whole.output)[1]  # type: ignore[index]
    assert installation.run("audit", "verify", "--head", head).exit_code == OK
    with closing(sqlite3.connect(installation.folder / "earshot.db")) as raw:
        raw.execute("UPDATE audit SET actor = 'somebody else' WHERE id = 1")
        raw.commit()

    broken = installation.run("audit", "verify")

    assert broken.exit_code == NO
    assert "tampered with" in broken.output


# ── judgement and settings ──────────────────────────────────────────────────────────────────────────


def test_feedback_is_measured_and_tuned_from_the_command_line(installation: Installation) -> None:
    installation.begin()
    measured = installation.run("evaluate", "--feedback", "--config", str(installation.config))
    assert measured.exit_code == OK
    assert "nothing to measure" in measured.output
    assert "argues for no change" in installation.run("tune").output
    wrong = installation.run("tune", "--accept", "1")
    assert wrong.exit_code == NO
    assert "There is no proposal 1." in wrong.output


def test_evaluating_nothing_or_nonsense_ends_with_2(installation: Installation) -> None:
    (installation.folder / "f").write_text("nonsense")

    assert installation.run("evaluate").exit_code == WRONG
    assert installation.run("evaluate", str(installation.folder / "f")).exit_code == WRONG


def test_the_example_is_printed_and_is_toml() -> None:
    import tomllib

    result = CliRunner().invoke(main, ["config", "example"])

    assert result.exit_code == OK
    assert "organisation" in tomllib.loads(result.output)


def test_checking_the_settings_finds_what_is_wrong_before_anything_is_asked(installation: Installation) -> None:
    installation.write(connectors__x=X)
    good = installation.run("config", "check")
    assert good.exit_code == OK, good.output
    assert "x in use" in good.output

    installation.write(connectors__x={**X, "terms": ["bread"]})
    bad = installation.run("config", "check")
    assert bad.exit_code == WRONG
    assert "connectors.x.terms" in bad.output


def test_checking_finds_faulty_rules_of_ones_own(installation: Installation) -> None:
    rules = installation.folder / "rules"
    rules.mkdir()
    (rules / "mine.toml").write_text("[[rule]]\nid = 'x'\n")
    installation.write(judgement={"model": "rules", "rules": str(rules)}, connectors__x=X)

    result = installation.run("config", "check")

    assert result.exit_code == WRONG
    assert "mine.toml" in result.output


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom monitor.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "heavy = {'sqlalchemy', 'flask', 'tweepy', 'alembic', 'jinja2', 'requests', 'googleapiclient', 'facebook', "
        "'apscheduler', 'cryptography', 'vaderSentiment', 'numpy', 'onnxruntime', 'PIL', 'apprise'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stderr.strip()) == (0, "[]")
    assert "Usage:" in done.stdout


def test_a_head_that_is_written_wrongly_is_no_tampering(installation: Installation) -> None:
    wrong = installation.run("audit", "verify", "--head", "57-9f2c")

    assert wrong.exit_code == WRONG
    assert "57:9f2c41d07aa1b3e5" in wrong.output
    assert "tampered" not in wrong.output


def test_a_token_for_an_unknown_scope_names_those_that_there_are(installation: Installation) -> None:
    assert "incidents:read" in installation.run("token", "Website", "--scope", "everything").output


POST = json.dumps({"id": "1", "platform": "x", "kind": "comment", "text": "Great film, thank you"})


def test_judging_needs_no_secret_that_lies_elsewhere(installation: Installation) -> None:
    installation.write(
        mail={"host": "smtp.tessellateuk.example", "from": "earshot@tessellateuk.example",
              "username": "earshot", "password_file": "/nowhere/at/all"},
    )  # fmt: skip
    result = installation.run("score", "--config", str(installation.config), stdin=POST)
    assert (result.exit_code, json.loads(result.output)["level"]) == (0, "routine")


def test_after_a_bad_row_the_others_are_judged_and_the_command_says_no_at_its_end(installation: Installation) -> None:
    result = installation.run("score", "--config", str(installation.config), stdin=f"{{\n{POST}\n")
    bad, good = map(json.loads, result.output.splitlines())
    assert (result.exit_code, "error" in bad, good["level"]) == (1, True, "routine")


def test_plain_text_is_judged_line_by_line(installation: Installation) -> None:
    result = installation.run("score", "--text", "--config", str(installation.config), stdin="Great film\nThank you\n")
    assert [json.loads(line)["id"] for line in result.output.splitlines()] == ["1", "2"]
