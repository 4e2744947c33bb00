"""What the watch does at each round, in one transaction: all that time alone brings."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from monitor import hearing, takeovers
from monitor.app import App


def look_after(session: Session, app: App, now: datetime) -> None:
    """Take the steps of the chains, see who was not reached, mind takeover and what is not heard."""
    app.desk.run_chains(session, now)
    app.dispatcher.look(session, now)
    takeovers.tick(session, app.desk, now)
    hearing.watch(session, app.desk, app.stations, app.limits, now)
    hearing.sum_up_first_run(session, app.desk, app.stations, now)
