"""The command ``earshot``. Exit codes: 0 done, 1 the answer is no, 2 wrong use or settings, 3 another instance holds
the lock, 4 a platform, mail or the database could not be reached (settled questions, 1)."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from monitor.app import App
    from monitor.settings import Settings

OK, NO, WRONG, HELD, UNREACHABLE = range(5)


class Stop(click.ClickException):
    """Ends the command with a plain sentence and one of our exit codes."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.exit_code: int = code  # type: ignore[misc]

    def show(self, file: Any = None) -> None:
        """Write the sentence, without the word "Error"."""
        click.echo(self.message, err=True, file=file)


def with_config(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option that every command which needs the settings has."""
    return click.option(
        "--config",
        "config",
        type=click.Path(path_type=Path, readable=False),  # what is wrong with it is said, and told, in our words
        default=Path("earshot.toml"),
        envvar="EARSHOT_CONFIG",
        show_default=True,
        help="The settings file.",
    )(command)


@contextlib.contextmanager
def plainly() -> Iterator[None]:
    """Turn the errors that a person can meet into a sentence and an exit code."""
    from sqlalchemy.exc import SQLAlchemyError

    from alerts.takeover import Refused
    from monitor.actions import NotAllowed
    from monitor.backup import NotABackup
    from monitor.cards import CardsError
    from monitor.daemon import AnotherInstance, StateUnusable
    from monitor.keys import KeyUnreadable
    from monitor.opening import NoStoreYet, OtherVersion
    from monitor.own_files import OwnFile
    from monitor.scoring import RulesFaulty
    from monitor.service import PagesNotShown
    from monitor.settings import SettingsError
    from monitor.store.database import DatabaseUnreachable, StoreLost
    from monitor.store.migrate import SchemaTooNew
    from monitor.terms import TermsError

    try:
        yield
    except (
        SettingsError, TermsError, CardsError, RulesFaulty, SchemaTooNew, KeyUnreadable, OtherVersion, PagesNotShown,
    ) as error:  # fmt: skip
        raise Stop(str(error), WRONG) from None
    except (NotAllowed, NotABackup, OwnFile, Refused) as error:
        raise Stop(str(error), NO) from None
    except AnotherInstance as error:
        raise Stop(str(error), HELD) from None
    except (DatabaseUnreachable, StoreLost, StateUnusable, NoStoreYet) as error:
        raise Stop(str(error), UNREACHABLE) from None
    except SQLAlchemyError as error:
        what = f"The database could not be used ({type(error).__name__}). `earshot doctor --offline` looks at it."
        raise Stop(what, UNREACHABLE) from None
    except BrokenPipeError:
        raise
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise Stop(f"{where}{error.strerror or type(error).__name__}.", WRONG) from None


def load_settings(config: Path) -> Settings:
    """The settings; ends the command with 2 when they cannot be used."""
    from monitor.settings import load

    with plainly():
        return load(config)


@contextlib.contextmanager
def opened(config: Path, *, quiet: bool = True, create: bool = False) -> Iterator[App]:
    """An app on a store that answers, is the one that we know and is up to date. Only with ``create`` is one begun
    where there never was any, which is said, and an old one brought up to date."""
    from monitor import logs, opening
    from monitor.app import App
    from monitor.store.identity import Found

    settings = load_settings(config)
    logs.set_up(settings.secrets, level="error" if quiet else settings.service.log_level, words=quiet)
    app = App(settings)
    with plainly():
        try:
            if not create:
                opening.for_reading(app)
            elif opening.for_writing(app) is Found.NEW:
                where = app.database.file or "the database server"
                click.echo(f"There was no database: a new one was begun ({where}).", err=True)
            yield app
        finally:
            app.close()


@contextlib.contextmanager
def looked_at(config: Path) -> Iterator[tuple[App, str]]:
    """An app to look round in: on the store where there is one; else on one that lasts as long as this, with words on
    where none was found."""
    from monitor import logs, opening
    from monitor.app import App

    settings = load_settings(config)
    logs.set_up(settings.secrets, level="error", words=True)
    with plainly(), contextlib.ExitStack() as stack:
        app, missing = stack.enter_context(contextlib.closing(App(settings))), ""
        try:
            opening.for_reading(app)
        except opening.NoStoreYet:
            missing = f"There is no database {opening.place_of(app.database)} yet. The first start makes it."
            app = stack.enter_context(opening.for_a_while(settings))
        yield app, missing


def say_if_nothing_leaves(app: App) -> None:
    """Say that nobody is told now, where no daemon runs that would deliver what is owed."""
    from monitor.store.tables import holds_lease

    with app.database.read() as session:
        if not holds_lease(session, app.clock()):
            click.echo("But Earshot does not run: no mail leaves before it is started. Ring whoever must know.")


class Sections(click.Group):
    """Lists the commands by what they are for instead of by the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which they were declared."""
        return list(self.commands)


@click.group(cls=Sections, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="earshot", message="Earshot %(version)s")
def main() -> None:
    """Hears what is said about your organisation, and tells the CEO before it becomes a crisis.

    Begin with `earshot config example > earshot.toml`, fill it in, run `earshot doctor`, then `earshot run`.
    """


# ── running ─────────────────────────────────────────────────────────────────────────────────────────


@main.command()
@with_config
def run(config: Path) -> None:
    """Listen, alert and answer until stopped (SIGTERM or Ctrl-C)."""
    from monitor import service

    with plainly():
        sys.exit(service.start(config))


@main.command()
@with_config
@click.option("--offline", is_flag=True, help="Check settings, database and rules only; ask no platform and no mail.")
@click.option("--mail", is_flag=True, help="Send everybody in the settings a test mail, and say who got it.")
def doctor(config: Path, offline: bool, mail: bool) -> None:
    """Check settings, database, mail and every platform, and say what to do about each fault."""
    from monitor import doctor as examination

    if offline and mail:
        raise Stop("--offline asks nobody, so it sends no test mail: leave one of the two out.", WRONG)
    with looked_at(config) as (app, missing):
        sys.exit(examination.run(app, click.echo, offline=offline, mail=mail, missing=missing))


@main.command()
@click.argument("platform")
@with_config
def poll(platform: str, config: Path) -> None:
    """Poll PLATFORM once, now, and say what was heard."""
    from monitor import service

    with opened(config, create=True) as app:
        if platform not in app.stations:
            known = ", ".join(app.stations) or "none"
            raise Stop(f"{platform} is not in the settings; there are: {known}. Add [connectors.{platform}].", WRONG)
        sys.exit(service.poll_once(app, platform, click.echo))


@main.command()
@click.argument("platform")
@with_config
def connect(platform: str, config: Path) -> None:
    """Take in a platform's token from standard input and keep it encrypted, or renew the one that is kept.

    `earshot connect mail` gives leave to send by OAuth2 instead, in a browser.
    """
    from monitor import renewal
    from monitor.plain import one_value

    with opened(config, create=True) as app:
        if platform == "mail":
            given = "" if sys.stdin.isatty() else one_value(sys.stdin.readline())
            sys.exit(renewal.connect_mail(app, given, click.prompt, click.echo))
        if platform not in app.stations:
            raise Stop(f"{platform} is not in the settings. Add [connectors.{platform}].", WRONG)
        token = "" if sys.stdin.isatty() else one_value(sys.stdin.readline())
        sys.exit(renewal.connect(app, platform, token, click.echo))


# ── people ──────────────────────────────────────────────────────────────────────────────────────────


@main.command()
@with_config
@click.option("--all", "everything", is_flag=True, help="Closed ones too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def incidents(config: Path, everything: bool, as_json: bool) -> None:
    """List incidents, the most urgent first."""
    from monitor import listing

    with opened(config) as app:
        for line in listing.incidents(app, everything=everything, as_json=as_json):
            click.echo(line)


@main.command()
@click.argument("incident")
@click.option("--by", required=True, help="Who says so; it stands in the log as what was said here.")
@click.option("--role", type=click.Choice(["ceo", "chair", "operator"]), default="ceo", show_default=True,
              help="As whom.")  # fmt: skip
@with_config
def acknowledge(incident: str, by: str, role: str, config: Path) -> None:
    """Say that somebody takes care of INCIDENT: its reminders stop."""
    from monitor import actions

    with opened(config) as app:
        actor = actions.at_server(role, by)
        done = app.database.in_transaction(lambda s: actions.take_care(s, app.desk, incident, actor, app.clock()))
        click.echo(
            {
                actions.Taken.IT: "Acknowledged.",
                actions.Taken.RUNG: "Noted. You are not asked again; whoever decides is still reminded.",
                actions.Taken.BEFORE: "It was acknowledged or closed already.",
            }[done]
        )


@main.command()
@click.option("--text", default="", help="What worries you, in your own words.")
@click.option("--link", default="", help="The link of the post.")
@click.option("--by", default="", help="Your name, if you like.")
@click.option("--about-ceo", is_flag=True, help="It is about the CEO: tell the Chair of trustees instead.")
@with_config
def tip(text: str, link: str, by: str, about_ceo: bool, config: Path) -> None:
    """Tell the CEO about something you saw (policy 4.17). Always an alert, at once."""
    from monitor import actions

    with opened(config, create=True) as app:
        row = app.database.in_transaction(
            lambda s: actions.tip(
                s,
                app.desk,
                app.keys,
                words=text,
                link=link,
                by=str(actions.AT_THE_SERVER),
                gave_name=by,
                now=app.clock(),
                about_ceo=about_ceo,
            )  # fmt: skip
        )
        click.echo(f"Thank you. {app.desk.say_told(row)} (incident {row.id}).")
        say_if_nothing_leaves(app)


@main.command()
@click.option("--by", default="", help="Who says so; it stands in the log as what was said here.")
@with_config
def drill(by: str, config: Path) -> None:
    """Rehearse: an invented crisis through the whole chain to the real mailboxes, everything marked DRILL."""
    from monitor import actions
    from monitor import drill as rehearsal

    with opened(config, create=True) as app:
        actor = actions.at_server("ceo", by)
        row = app.database.in_transaction(lambda s: rehearsal.begin(s, app.desk, actor, app.clock()))
        click.echo(
            f"The drill has begun (incident {row.id}). Acknowledge it from the mail; the console shows the times."
        )
        say_if_nothing_leaves(app)


@main.command("sign-in")
@click.argument("who")
@click.option("--out", "sign_out", is_flag=True, help="End all sessions of this person instead.")
@with_config
def sign_in(who: str, sign_out: bool, config: Path) -> None:
    """Print a sign-in link for WHO (a role or an address): for when mail is down. It works once, for 15 minutes."""
    from monitor import doors

    with opened(config, create=True) as app:
        if sign_out:
            click.echo(f"{doors.sign_out_everywhere(app, who)} sessions ended.")
        else:
            click.echo(doors.sign_in_link(app, who))


@main.command("tip-link")
@click.option("--renew", is_flag=True, help="Make a new one; the one handed out before ends.")
@with_config
def tip_link(renew: bool, config: Path) -> None:
    """Print the link to "Tell the CEO" that you hand out to staff and volunteers (policy 4.17)."""
    from monitor import doors

    with opened(config, create=True) as app:
        click.echo(app.database.in_transaction(lambda s: doors.tip_link(s, app, app.clock(), renew=renew)))


@main.command("token")
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, required=True, help="What it is good for; may be given several times."
)
@with_config
def token(name: str, scopes: tuple[str, ...], config: Path) -> None:
    """Make a token with which the tool NAME may ask the JSON interface. It is shown once; the console ends it."""
    from monitor import actions, doors

    with opened(config, create=True) as app:
        actor = actions.AT_THE_SERVER
        click.echo(
            app.database.in_transaction(lambda s: doors.make_tool_token(s, app, name, scopes, actor, app.clock()))
        )


@main.group()
def people() -> None:
    """Mark the CEO or the Chair away or back."""


@people.command()
@click.argument("role", type=click.Choice(["ceo", "chair"]), default="ceo")
@with_config
def away(role: str, config: Path) -> None:
    """From now on the other of CEO and Chair is told at once (policy 6.4)."""
    _set_away(config, role, True)


@people.command()
@click.argument("role", type=click.Choice(["ceo", "chair"]), default="ceo")
@with_config
def back(role: str, config: Path) -> None:
    """The ordinary chain again; an address that had been refused is tried again too."""
    _set_away(config, role, False)


def _set_away(config: Path, role: str, gone: bool) -> None:
    from monitor import actions

    with opened(config, create=True) as app:
        person = app.people.get(role)
        if person is None:
            raise Stop(f"The settings name no {role}. Add [people.{role}].", WRONG)
        app.database.in_transaction(
            lambda s: actions.set_away(s, role, gone, app.clock(), by=str(actions.AT_THE_SERVER))
        )
        other = app.people.get("chair" if role == "ceo" else "ceo")
        then = f"{other.name} is told first" if other else "nobody stands in: add [people.chair]"
        click.echo(f"{person.name} is {f'away; {then}' if gone else 'back'}.")


# ── takeover ────────────────────────────────────────────────────────────────────────────────────────


@main.group()
def takeover() -> None:
    """CEO takeover: nobody but the CEO publishes, until further notice (policy 4.16)."""


@takeover.command()
@with_config
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def status(config: Path, as_json: bool) -> None:
    """Say whether takeover is active. Exit 0 when people may publish, 1 when not."""
    from monitor import listing

    with opened(config) as app:
        text, active = listing.takeover(app, as_json=as_json)
        click.echo(text)
        sys.exit(NO if active else OK)


@takeover.command()
@click.option("--reason", required=True, help="Why, in one sentence; CEO and Chair are told it.")
@click.option("--by", default="", help="Who says so; it stands in the log as what was said here.")
@click.option("--role", type=click.Choice(["ceo", "chair"]), default=None,
              help="On whose word; of whoever decides unless said.")  # fmt: skip
@click.option("--incident", default="", help="The incident that it is about.")
@with_config
def begin(reason: str, by: str, role: str | None, incident: str, config: Path) -> None:
    """Begin takeover: every poster is told not to post, reply, like or delete."""
    from monitor import actions, takeovers

    def work(session: Any, app: App) -> bool:
        decider = takeovers.decider(session, app.desk, incident)
        word = role or decider
        who = str(actions.at_server(word, by))
        now = app.clock()
        return takeovers.begin(session, app.desk, by=who, reason=reason, now=now, role=word, incident=incident)

    with opened(config, create=True) as app:
        done = app.database.in_transaction(lambda s: work(s, app))
        click.echo("Takeover is active. The notices are on their way." if done else "Takeover is active already.")
        say_if_nothing_leaves(app)


@takeover.command()
@click.option("--reason", default="The matter is settled.", show_default=True, help="Why it ends.")
@click.option("--by", default="", help="Who says so; it stands in the log as what was said here.")
@click.option("--role", type=click.Choice(["ceo", "chair"]), default="ceo", show_default=True, help="On whose word.")
@click.option("--on-hold", default="", help="What stays on hold for now; then it stands down until ended again.")
@with_config
def end(reason: str, by: str, role: str, on_hold: str, config: Path) -> None:
    """End takeover: everybody is told, and a report of what the accounts did is mailed."""
    from monitor import actions, takeovers

    with opened(config, create=True) as app:
        if role not in app.people:
            raise Stop(f"The settings name no {role}. Add [people.{role}].", WRONG)
        who = str(actions.at_server(role, by))
        done = app.database.in_transaction(
            lambda s: takeovers.end(s, app.desk, by=who, reason=reason, now=app.clock(), on_hold=on_hold, role=role)
        )
        if not done:
            click.echo("There is no takeover.")
        elif on_hold.strip():
            click.echo(f"Standing down; still on hold: {on_hold.strip()}. The notices are on their way.")
        else:
            click.echo("Back to normal. The notices are on their way.")
        say_if_nothing_leaves(app)


# ── digest ──────────────────────────────────────────────────────────────────────────────────────────


@main.group()
def digest() -> None:
    """The weekly digest."""


@digest.command("preview")
@click.option("--out", type=click.Path(path_type=Path), default=Path("digest-preview.html"), show_default=True,
              help="The file to write.")  # fmt: skip
@with_config
def digest_preview(out: Path, config: Path) -> None:
    """Write the digest as it would look now to a file; nothing is mailed."""
    from monitor import digest as weekly

    with opened(config) as app:
        click.echo(weekly.preview(app, out))


@digest.command("send")
@click.option("--again", is_flag=True, help="Mail this week's digest even if it has been mailed before.")
@with_config
def digest_send(again: bool, config: Path) -> None:
    """Compose the digest up to now and mail it."""
    from monitor import digest as weekly

    with opened(config, create=True) as app:
        click.echo(weekly.send_now(app, again=again))


# ── data protection ─────────────────────────────────────────────────────────────────────────────────


@main.group()
def subject() -> None:
    """Find, export or erase what is kept about a person (their handle, name, id, or a post's link)."""


@subject.command("find")
@click.argument("who")
@with_config
def subject_find(who: str, config: Path) -> None:
    """Say what is kept about WHO. Exit 1 when nothing is."""
    from monitor import subjects

    with opened(config) as app:
        lines = subjects.find(app, who)
        for line in lines:
            click.echo(line)
        sys.exit(OK if len(lines) > 1 else NO)


@subject.command("export")
@click.argument("who")
@click.option("--out", type=click.Path(path_type=Path), default=Path("subject-export"), show_default=True,
              help="The folder to write to.")  # fmt: skip
@with_config
def subject_export(who: str, out: Path, config: Path) -> None:
    """Write everything kept about WHO as JSON and as a readable page; third persons are masked."""
    from monitor import subjects

    with opened(config) as app:
        click.echo(subjects.export(app, who, out))


@subject.command("erase")
@click.argument("who")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_config
def subject_erase(who: str, yes: bool, config: Path) -> None:
    """Erase WHO everywhere and never take them in again. This cannot be undone."""
    from monitor import subjects

    with opened(config) as app:
        for line in subjects.about_to_erase(app, who).lines:
            click.echo(line)
        if not yes:
            click.confirm(f"Erase all of this about {who}? It cannot be undone.", abort=True)
        click.echo(subjects.erase(app, who))


@main.command()
@with_config
def forget(config: Path) -> None:
    """Forget now what may no longer be kept (the daemon does it by itself), and print the report."""
    from monitor import forgetting

    with opened(config) as app:
        click.echo(forgetting.say(forgetting.forget(app, app.clock())))


@main.group()
def db() -> None:
    """The database: upgrade, backup, restore."""


@db.command("upgrade")
@with_config
def db_upgrade(config: Path) -> None:
    """Bring the database to the form that this version needs."""
    from monitor import logs, opening
    from monitor.app import App
    from monitor.store import migrate

    settings = load_settings(config)
    logs.set_up(settings.secrets, level="error", words=True)
    done: list[bool] = []
    with plainly(), contextlib.closing(App(settings)) as app:
        opening.for_writing(app, upgrade=lambda: done.append(migrate.upgrade(app.database)))
        click.echo("Upgraded." if done else "It is up to date.")


@db.command("adopt")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_config
def db_adopt(yes: bool, config: Path) -> None:
    """Use the database at the place in the settings from now on, though Earshot knew another one, or had lost it."""
    from monitor import backup
    from monitor.app import App

    settings = load_settings(config)
    with plainly(), contextlib.closing(App(settings)) as app:
        where = app.database.file or "the database server"
        if not yes:
            click.confirm(f"Use {where} as it is now, whatever was known before?", abort=True)
        click.echo(backup.adopt(app))


@db.command("backup")
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@with_config
def db_backup(out: Path, config: Path) -> None:
    """Write a backup to OUT while everything runs. Words that may not stand in backups are left out."""
    from monitor import backup

    with opened(config) as app:
        click.echo(backup.write(app, out))


@db.command("restore")
@click.argument("source", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--yes", is_flag=True, help="Replace what is there now without asking.")
@with_config
def db_restore(source: Path, yes: bool, config: Path) -> None:
    """Bring a backup back. Erasures and forgetting since then are replayed before anything is heard."""
    from monitor import backup

    settings = load_settings(config)
    with plainly():
        if not yes:
            click.confirm("Replace the present database with the backup?", abort=True)
        click.echo(backup.restore(settings, source))


@main.group()
def audit() -> None:
    """The audit chain."""


@audit.command("verify")
@click.option("--head", default="", help="The head from a mailed digest, to find rows cut off or rewritten since.")
@with_config
def audit_verify(head: str, config: Path) -> None:
    """Check that nothing in the audit was changed. Exit 1 when something was."""
    from monitor import audit as chain
    from monitor.audit_check import check
    from monitor.visibility import AT_THE_SERVER, may_see

    if head and not chain.is_head(head):
        raise Stop(chain.HEAD_FORM, WRONG)
    with opened(config) as app:
        with app.database.read() as session:
            faults = check(session, partial(may_see, AT_THE_SERVER), witnessed=head, keyed=app.audit_is_keyed)
            newest = chain.head(session)
        for fault in faults:
            click.echo(fault)
        click.echo(
            "The audit was tampered with." if faults else f"The audit is whole. Its head is {newest or 'empty'}."
        )
        sys.exit(NO if faults else OK)


# ── judgement ───────────────────────────────────────────────────────────────────────────────────────


def _scorer(config: Path | None) -> Any:
    from monitor.scoring import build_scorer

    with plainly():
        if config is None:
            from monitor.settings import example_organisation

            return build_scorer(example_organisation())
        from monitor.app import scorer_of
        from monitor.settings import load_judging

        return scorer_of(load_judging(config))


@main.command()
@click.option("--config", type=click.Path(dir_okay=False, path_type=Path), help="Judge for this organisation.")
@click.option("--text", "plain", is_flag=True, help="Read one post a line, as a comment on our own channel.")
def score(config: Path | None, plain: bool) -> None:
    """Judge posts: JSON Lines (corpus form) on standard input, JSON Lines on standard output, in the same order.

    Exit 1 when a row could not be read; the others are judged all the same.
    """
    from monitor.plain import read_lines
    from monitor.score import as_rows, is_fault, score_lines

    lines = read_lines(sys.stdin.buffer)
    faulty = False
    for line in score_lines(as_rows(lines) if plain else lines, _scorer(config)):
        click.echo(line)
        faulty = faulty or is_fault(line)
    sys.exit(NO if faulty else OK)


@main.command()
@click.argument("file", type=click.Path(dir_okay=False, exists=True, path_type=Path), required=False)
@click.option("--feedback", is_flag=True, help="Precision and misses as people here reported them.")
@click.option("--config", type=click.Path(dir_okay=False, path_type=Path), help="Judge for this organisation.")
def evaluate(file: Path | None, feedback: bool, config: Path | None) -> None:
    """Measure the judgement on labelled posts in FILE, or on the feedback of the people here."""
    if feedback:
        from monitor import learning

        with opened(config or Path("earshot.toml")) as app:
            click.echo(learning.report(app))
        return
    if file is None:
        raise Stop("Name a file of labelled posts, or say --feedback.", WRONG)
    import json

    from monitor.evaluate import evaluate as measure
    from monitor.plain import json_lines, read_text
    from monitor.score import RowFaulty

    try:
        rows = [json.loads(line) for line in json_lines(read_text(file))]
        click.echo(measure(rows, _scorer(config)), nl=False)
    except RecursionError:
        raise Stop(f"{file} is not a file of labelled posts: a line is nested too deep.", WRONG) from None
    except (ValueError, RowFaulty) as error:
        raise Stop(f"{file} is not a file of labelled posts: {error}", WRONG) from None


@main.command()
@with_config
@click.option("--accept", multiple=True, help="The number of a proposal to accept.")
def tune(config: Path, accept: tuple[str, ...]) -> None:
    """Propose changed thresholds or calm-list entries from feedback, with their effect; accept them by number."""
    from monitor import learning

    with opened(config) as app:
        click.echo(learning.tune(app, accept))


# ── settings ────────────────────────────────────────────────────────────────────────────────────────


@main.group("config")
def config_group() -> None:
    """The settings file."""


@config_group.command("example")
def config_example() -> None:
    """Print a commented settings file to begin with."""
    from monitor.example import example

    click.echo(example(), nl=False)


@config_group.command("check")
@with_config
def config_check(config: Path) -> None:
    """Check the settings and the rules without asking anybody. Exit 2 when something is wrong; a warning is none."""
    from monitor import mailboxes
    from monitor.app import rules_folder
    from monitor.cards import CardsError, load_cards
    from monitor.scoring import check_rules

    settings = load_settings(config)
    try:
        load_cards()
    except CardsError as error:
        raise Stop(str(error), WRONG) from None
    problems = check_rules(rules_folder(settings))
    for problem in problems:
        click.echo(str(problem), err=True)
    if problems:
        raise Stop(f"{len(problems)} faults in the rules.", WRONG)
    for doubt in mailboxes.look(settings):
        click.echo(f"Warning: {doubt.what} {doubt.do}", err=True)
    click.echo(f"{config} and the rules are in order: {', '.join(settings.connectors) or 'no platform'} in use.")


@main.command()
@click.option("--port", default=8800, show_default=True, help="Where the demo's pages are shown; the next ones too.")
@click.option("--fast/--calm", default=True, help="Whether the story runs quickly.")
def demo(port: int, fast: bool) -> None:
    """Watch it work: five pretended platforms, one story going wrong, a mailbox to read in the browser."""
    from monitor.demo import run as run_demo

    sys.exit(run_demo(port=port, fast=fast))


if __name__ == "__main__":
    main()
