"""A row that is damaged is read as the nearest thing that it may mean, and stops nobody's alerts."""

from __future__ import annotations

from letters import a_store, an_incident_row

from alerts.model import Severity
from monitor.intake import incident_of
from monitor.model import Category, IncidentState


def test_an_incident_of_no_known_level_state_and_category_is_open_and_as_grave_as_can_be() -> None:
    with a_store() as session:
        row = an_incident_row(session, severity=99, state="asleep", category="weather")
        incident = incident_of(row)

    assert incident.severity is Severity.CRISIS
    assert incident.state is IncidentState.OPEN
    assert incident.category is None


def test_every_category_that_is_known_is_read_as_itself() -> None:
    assert [Category.named(category.value) for category in Category] == list(Category)
    assert Category.named(None) is None


def test_a_level_below_all_is_routine() -> None:
    assert Severity(-4) is Severity.ROUTINE
