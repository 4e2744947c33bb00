"""The Graph client, its refusals, its values and its place: what needs no server."""

from __future__ import annotations

import hashlib
import hmac
import json
import pickle
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import facebook
import pytest
import requests
from requests.adapters import BaseAdapter

from connectors.errors import (
    ConnectorError,
    CredentialsRejected,
    RateLimited,
    SetupRejected,
    UnexpectedReply,
    Unreachable,
)
from connectors.graph.client import Graph, GraphRefused, proof
from connectors.graph.place import MAX_COUNTS, MAX_SEEN, Place, Task, Trouble, mark_of
from connectors.graph.refusals import Reason, Refused, judge
from connectors.graph.values import author, figure, identity, link, moment, name, onward
from connectors.model import Author, Kind, Mention

NOW = datetime(2026, 11, 24, 14, 2, tzinfo=UTC)
SPECS = Path(__file__).parents[1] / "specs"
TOKEN, SECRET = "EAAB-the-token", "app-secret-0123"

KINDS = {
    "auth": CredentialsRejected,
    "rate": RateLimited,
    "permission": CredentialsRejected,
    "gone": SetupRejected,
    "cursor": SetupRejected,
    "config": SetupRejected,
    "transient": Unreachable,
    "shrink": Unreachable,
}
REASONS = {"gone": Reason.GONE, "cursor": Reason.CURSOR, "shrink": Reason.TOO_MUCH, "permission": Reason.PERMISSION}


class Wire(BaseAdapter):
    """Answers in place of the network and remembers what was sent."""

    def __init__(self, status: int = 200, body: bytes = b'{"data": []}', headers: dict[str, str] | None = None) -> None:
        super().__init__()
        self.sent: list[requests.PreparedRequest] = []
        self.status, self.body, self.headers = status, body, headers or {"content-type": "application/json"}
        self.error: Exception | None = None

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        self.sent.append(request)
        if self.error:
            raise self.error
        response = requests.Response()
        response.status_code = self.status
        response._content = self.body
        response.headers.update(self.headers)
        response.request = request
        response.url = request.url or ""
        return response

    def close(self) -> None:
        return


def a_graph(wire: Wire, **changes: Any) -> Graph:
    values = {"base_url": "https://graph.example/prefix/", "version": "v26.0", "token": TOKEN, "app_secret": SECRET}
    graph = Graph("Facebook", **(values | changes))
    graph.session.mount("https://", wire)
    return graph


@pytest.mark.parametrize(
    "row",
    json.loads((SPECS / "error-bodies.json").read_text())["graph"],
    ids=lambda row: row["body"]["error"]["message"][:50],
)
def test_each_recorded_refusal_is_understood_whatever_its_status(row: dict[str, Any]) -> None:
    for status in (200, 400, 403, 500):
        refused = judge("Facebook", status, row["body"], timedelta(0))

        assert type(refused.ours(NOW)) is KINDS[row["class"]]
        assert refused.reason is REASONS.get(row["class"], refused.reason)
        assert row["body"]["error"]["message"] not in f"{refused.ours(NOW)!r} {vars(refused)}"


def test_the_trace_of_a_refusal_is_kept_for_the_log_only_when_it_is_one() -> None:
    good = judge("Facebook", 400, {"error": {"code": 190, "fbtrace_id": "AbC-1_x"}}, timedelta(0)).ours(NOW)
    evil = judge("Facebook", 400, {"error": {"code": 190, "fbtrace_id": "a post: 'x'"}}, timedelta(0)).ours(NOW)

    assert "AbC-1_x" in good.shape
    assert "post" not in evil.shape


def test_abuse_is_not_retried_for_a_day() -> None:
    error = judge("Facebook", 400, {"error": {"code": 368}}, timedelta(0)).ours(NOW)
    assert error.retry_at == NOW + timedelta(hours=24)


@pytest.mark.parametrize("error", [None, "text", [], {"code": "190x"}, {"code": True}, {}])
def test_a_refusal_in_an_unknown_form_is_judged_by_its_status(error: object) -> None:
    assert type(judge("Facebook", 503, {"error": error}, timedelta(0)).ours(NOW)) is Unreachable
    assert type(judge("Facebook", 418, {"error": error}, timedelta(0)).ours(NOW)) is UnexpectedReply


# ── the client ──────────────────────────────────────────────────────────────────────────────────


def test_every_method_of_the_library_goes_through_our_transport() -> None:
    wire = Wire()
    graph = a_graph(wire)

    graph.get_object("7", fields="id")
    graph.get_connections("7", "feed", limit="5")
    graph.get_objects(["7", "8"])
    graph.put_object("7", "comments", message="Hello")
    graph.delete_object("7")

    for request in wire.sent:
        assert (request.url or "").startswith("https://graph.example/prefix/v26.0/")
        assert TOKEN not in f"{request.url} {request.body}"
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        assert f"appsecret_proof={proof(SECRET, TOKEN)}" in (request.url or "")
    assert graph.calls == 5


def test_another_token_given_with_a_call_wins_and_is_proved_by_itself() -> None:
    wire = Wire()
    a_graph(wire).debug_access_token(TOKEN, "12", "34")

    request = wire.sent[0]
    assert request.headers["Authorization"] == "Bearer 12|34"
    expected = hmac.new(SECRET.encode(), b"12|34", hashlib.sha256).hexdigest()
    assert f"appsecret_proof={expected}" in (request.url or "")


def test_a_refusal_is_still_the_librarys_own_error_without_its_words() -> None:
    wire = Wire(400, json.dumps({"error": {"message": f"Malformed access token {TOKEN}", "code": 190}}).encode())
    with pytest.raises(facebook.GraphAPIError) as caught:
        a_graph(wire).get_object("7")

    assert isinstance(caught.value, Refused)
    assert TOKEN not in f"{caught.value!r} {vars(caught.value)}"


def test_two_hosts_can_be_used_side_by_side() -> None:
    one, two = Wire(), Wire()
    first, second = a_graph(one), a_graph(two, base_url="https://graph.instagram.example", app_secret="")

    first.get_object("7")
    second.get_object("8")

    assert (two.sent[0].url or "") == "https://graph.instagram.example/v26.0/8"


@pytest.mark.parametrize("error", [requests.ReadTimeout(f"url with {TOKEN}"), requests.ConnectionError(f"url {TOKEN}")])
def test_what_the_transport_says_is_not_repeated(error: Exception) -> None:
    wire = Wire()
    wire.error = error
    with pytest.raises(Unreachable) as caught:
        a_graph(wire).get_object("7")

    assert TOKEN not in f"{caught.value!r} {caught.value.__dict__}"
    assert caught.value.__suppress_context__


def test_the_headers_of_the_call_before_do_not_stand_for_a_call_that_failed() -> None:
    wire = Wire(headers={"x-app-usage": '{"call_count": 90}', "facebook-api-version": "v26.0"})
    graph = a_graph(wire)
    graph.get_object("7")
    wire.error = requests.ReadTimeout()

    with pytest.raises(Unreachable):
        graph.get_object("7")

    assert graph.footing.usage is None
    assert graph.heaviest == 0.9


@pytest.mark.parametrize(
    ("headers", "usage", "minutes"),
    [
        ({"X-App-Usage": '{"call_count":28,"total_time":25,"total_cputime":31}'}, 0.31, 0),
        ({"x-page-usage": '{"call_count":28}', "x-app-usage": '{"call_count":29}'}, 0.29, 0),
        (
            {
                "x-business-use-case-usage": json.dumps(
                    {
                        "1": [{"call_count": 95, "total_time": 20, "estimated_time_to_regain_access": 0}],
                        "2": [{"call_count": 1, "estimated_time_to_regain_access": 7}],
                    }
                )
            },
            0.95,
            7,
        ),
        ({"x-app-usage": "not json"}, None, 0),
        ({"x-app-usage": '{"call_count":"x","total_time":true}'}, None, 0),
        ({"x-business-use-case-usage": "[1]"}, None, 0),
        ({"x-business-use-case-usage": '{"1": [{"estimated_time_to_regain_access": 99999999}]}'}, None, 0),
        ({"x-app-usage": "[" * 100000}, None, 0),
    ],
)
def test_usage_is_the_largest_share_that_any_header_tells(
    headers: dict[str, str], usage: float | None, minutes: int
) -> None:
    graph = a_graph(Wire(headers=headers))
    graph.get_object("7")

    assert graph.footing.usage == usage
    assert graph.footing.regain == timedelta(minutes=minutes)


def test_retry_after_is_heeded_where_no_better_word_is_given() -> None:
    wire = Wire(429, b'{"error": {"code": 4}}', {"retry-after": "90"})
    with pytest.raises(GraphRefused) as caught:
        a_graph(wire).get_object("7")

    assert caught.value.ours(NOW).retry_at == NOW + timedelta(seconds=90)


# ── values ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-24T14:02:00+0000",
        "2026-11-24T14:02:00Z",
        "2026-11-24T15:02:00+01:00",
        1795528920,
        "1795528920",
        "2026-11-24T14:02:00",
    ],
)
def test_times_are_read_in_every_form_that_graph_writes(value: object) -> None:
    assert moment(value) == NOW
    assert moment(value).utcoffset() == timedelta(0)


@pytest.mark.parametrize("value", [None, True, "yesterday", [], "", float("inf"), float("nan"), 1e30, "9" * 40])
def test_what_is_no_time_is_refused(value: object) -> None:
    with pytest.raises(ValueError):
        moment(value)


@pytest.mark.parametrize(
    ("value", "expected"), [(3, 3), ("3", 3), (-1, None), (True, None), (None, None), (2.5, None), (10**40, 2**53)]
)
def test_figures_are_whole_and_bounded(value: object, expected: int | None) -> None:
    assert figure(value) == expected


@pytest.mark.parametrize("value", ["", None, "../etc", "a b", "a?b", "x" * 201, "é", {}, True])
def test_what_could_lead_a_call_elsewhere_is_no_id(value: object) -> None:
    with pytest.raises(ValueError):
        identity(value)
    assert identity(17) == "17"


def test_authors_are_only_what_the_platform_gives() -> None:
    assert author(None) is None
    assert author({}) is None
    assert author({"id": 7, "name": "A\nB\x00"}) == Author(name="A B", id="7")
    assert author(None, handle="sam") == Author(handle="sam")
    assert name("\ud800") is None


def test_links_are_whole_addresses() -> None:
    assert link("/1/posts/2", "https://site.example", "x") == "https://site.example/1/posts/2"
    assert link("javascript:alert(1)", "https://site.example", "https://o.example") == "https://o.example"
    assert link("//evil.example", "https://site.example", "https://o.example") == "https://o.example"
    assert link(None, "https://site.example", "https://o.example") == "https://o.example"


@pytest.mark.parametrize(
    ("paging", "full", "expected"),
    [
        ({"cursors": {"after": "A"}, "next": "https://evil.example/x?access_token=t&after=B"}, False, {"after": "A"}),
        (
            {"next": "https://graph.example/x?access_token=t&until=5&__paging_token=7&limit=2"},
            False,
            {"until": "5", "__paging_token": "7"},
        ),
        ({"cursors": {"after": "A"}}, False, None),
        ({"cursors": {"after": "A"}}, True, {"after": "A"}),
        ({"cursors": {"after": "SAME"}}, True, None),
        ({"next": "https://graph.example/x"}, False, None),
        ({"next": 5, "cursors": []}, True, None),
        ("text", True, None),
    ],
)
def test_only_the_paging_parameters_of_the_next_page_are_taken(
    paging: object, full: bool, expected: dict[str, str] | None
) -> None:
    assert onward({"paging": paging}, used={"after": "SAME"}, full=full) == expected


# ── the place ───────────────────────────────────────────────────────────────────────────────────


def a_mention(number: int, text: str = "Hello", **changes: Any) -> Mention:
    return Mention("facebook", f"1_{number}", Kind.COMMENT, text, "https://www.facebook.com/1", NOW, **changes)


def test_a_place_survives_being_written_and_read() -> None:
    place = Place("7", todo=[Task("feed", "thread", "7_1", args={"after": "x"}, floor=5)], marks={"feed": 3})
    place.troubles["ratings"] = Trouble("a", "b", 2, 9, told=True)
    place.remember(mark_of(a_mention(n)) for n in range(3))

    assert Place.read(place.write(), "7") == place
    assert Place.read(place.write(), "8") == Place("8")


def test_a_full_place_stays_under_the_size_that_the_store_keeps() -> None:
    place = Place("1" * 17)
    for number in range(5000):
        place.count(f"{10**15}_{10**16 + number}", 10**6)
    place.remember(mark_of(a_mention(n)) for n in range(9000))
    place.todo = [
        Task("sweep", "thread", f"{10**15}_{10**16 + n}", args={"after": "a" * 60}, floor=10**9, talk_floor=10**9)
        for n in range(100)
    ]

    assert (len(place.counts), len(place.seen)) == (MAX_COUNTS, MAX_SEEN)
    assert len(place.write()) < 64 * 1024


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("todo", [{}]),
        ("todo", "x"),
        ("marks", {"feed": None}),
        ("seen", 5),
        ("counts", []),
        ("usage", "a"),
        ("troubles", {"feed": {}}),
        ("front", [1]),
        ("new", 1),
        ("canary_met", 1),
        ("began_at", True),
    ],
)
def test_a_place_with_a_wrong_value_begins_anew(key: str, value: object) -> None:
    note = json.loads(Place("7", marks={"feed": 3}).write())
    note[key] = value

    assert Place.read(json.dumps(note), "7") == Place("7")


def test_the_mark_of_a_mention_changes_with_words_and_figures_but_not_its_id_part() -> None:
    first, edited, liked = mark_of(a_mention(1)), mark_of(a_mention(1, "Bye")), mark_of(a_mention(1, likes=2))

    assert len({first, edited, liked}) == 3
    assert len({mark[:5] for mark in (first, edited, liked)}) == 1
    assert mark_of(a_mention(2))[:5] != first[:5]


def test_every_error_of_ours_survives_the_way_to_another_process() -> None:
    for code in (190, 10, 4, 368, 100, 803, 2, 999):
        error = judge("Facebook", 400, {"error": {"code": code}}, timedelta(minutes=1)).ours(NOW)
        again = pickle.loads(pickle.dumps(error))
        assert isinstance(again, ConnectorError)
        assert (type(again), again.what, again.code, again.retry_at) == (
            type(error),
            error.what,
            error.code,
            error.retry_at,
        )
