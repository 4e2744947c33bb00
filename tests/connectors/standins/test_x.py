"""The imitation of X answers as X is described: its forms, its limits, its prices, its refusals."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from jsonschema import Draft202012Validator

from connectors.model import Author
from connectors.standins.server import Request
from connectors.standins.world import Post, World
from connectors.standins.x import XStandIn, moment_of, snowflake
from connectors.standins.x_bodies import REFUSALS
from connectors.standins.x_search import QueryError, Seen, parse

NOW = datetime(2026, 11, 24, 14, 2, tzinfo=UTC)
SPECS = Path(__file__).parents[2] / "specs"
LEGACY = json.loads((SPECS / "x-api-v2.openapi.legacy-2.159.json").read_text("utf-8"))
NEW = json.loads((SPECS / "x-api-v2.openapi.json").read_text("utf-8"))
ERRORS = {e["name"]: e for e in json.loads((SPECS / "x-youtube-error-bodies.json").read_text("utf-8"))["x"]}
SAM = Author(name="Sam Example", handle="sam_example", id="777", followers=12, verified=True)
USER = "2244990001"
OLD_FIELDS = (
    "created_at,author_id,conversation_id,in_reply_to_user_id,lang,public_metrics,referenced_tweets,"
    "edit_history_tweet_ids,edit_controls,entities,note_tweet,possibly_sensitive,reply_settings"
)
NEW_FIELDS = "created_at,conversation_id,lang,public_metrics,edit_controls,entities,note_post"
NEW_EXPANSIONS = "author_id,in_reply_to_user_id,referenced_posts,edit_history_post_ids"


class Client:
    """Asks the stand-in without a wire."""

    def __init__(self) -> None:
        self.world = World(lambda: NOW)
        self.x = XStandIn(self.world, bearer_token="app", user_id=USER, user_token="user")

    def ask(self, path: str, *, token: str | None = "app", **query: object) -> tuple[int, Any, dict[str, str]]:
        asked = {name.replace("__", "."): [str(value)] for name, value in query.items()}
        headers = {"authorization": f"Bearer {token}"} if token else {}
        raw = urlencode({name: values[0] for name, values in asked.items()})
        reply = self.x.answer(Request("GET", path, asked, headers, raw_path=path, raw_query=raw))
        body = json.loads(reply.payload()) if reply.payload() else None
        return reply.status, body, dict(reply.headers)

    def get(self, path: str, **query: object) -> Any:
        status, body, _ = self.ask(path, **query)
        assert status == 200, body
        return body

    def search(self, query: str = "Tessellate", **more: object) -> Any:
        return self.get("/2/tweets/search/recent", query=query, **more)

    def refused(self, path: str, **query: object) -> Any:
        status, body, _ = self.ask(path, **query)
        assert status == 400, body
        return body

    def say(self, text: str = "About Tessellate UK", kind: str = "mention", **extra: Any) -> Post:
        return self.world.say("x", kind, text, author=None if kind == "own_post" else SAM, **extra)


@pytest.fixture
def client() -> Client:
    return Client()


def validate(spec: dict[str, Any], path: str, body: object) -> None:
    """``body`` against the schema that ``spec`` gives for a 200 of ``path``."""
    answer = spec["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    schema = {**answer, "components": spec["components"]}
    Draft202012Validator(schema).validate(body)


def a_small_world(client: Client) -> dict[str, Post]:
    own = client.say("Our film <now> & later: https://tessellateuk.example/film #TrustTalk", "own_post", likes=3)
    reply = client.say("No!", "comment", parent=own)
    long = client.say("Tessellate UK " + "on and on " * 60)
    quote = client.say("Look at this, Tessellate", quotes=own.id)
    edited = client.say("Tesselate misspelt")
    client.world.edit(edited, "Tessellate spelt")
    return {"own": own, "reply": reply, "long": long, "quote": quote, "edited": edited}


PATHS: list[tuple[str, str, dict[str, object]]] = [
    ("/2/tweets/search/recent", "/2/tweets/search/recent", {"query": "Tessellate"}),
    ("/2/users/{id}/mentions", f"/2/users/{USER}/mentions", {}),
    ("/2/users/{id}/tweets", f"/2/users/{USER}/tweets", {}),
]


@pytest.mark.parametrize(("template", "path", "query"), PATHS)
@pytest.mark.parametrize("full", [True, False], ids=["something", "nothing"])
def test_lists_have_the_form_of_both_specifications(
    client: Client, template: str, path: str, query: dict[str, object], full: bool
) -> None:
    if full:
        a_small_world(client)

    legacy = client.get(path, **query, tweet__fields=OLD_FIELDS, expansions="author_id,referenced_tweets.id")
    new = client.get(path, **query, post__fields=NEW_FIELDS, expansions=NEW_EXPANSIONS)

    validate(LEGACY, template, legacy)
    validate(NEW, template, new)
    assert ("data" in legacy) is ("data" in new) is full


def test_lookups_counts_users_and_usage_have_the_form_of_the_specifications(client: Client) -> None:
    world = a_small_world(client)
    ids = ",".join([*(p.id for p in world.values()), "12"])

    validate(LEGACY, "/2/tweets", client.get("/2/tweets", ids=ids, tweet__fields=OLD_FIELDS))
    validate(NEW, "/2/tweets", client.get("/2/tweets", ids=ids, post__fields=NEW_FIELDS, expansions=NEW_EXPANSIONS))
    validate(LEGACY, "/2/tweets/{id}", client.get(f"/2/tweets/{world['own'].id}"))
    validate(LEGACY, "/2/tweets/{id}/quote_tweets", client.get(f"/2/tweets/{world['own'].id}/quote_tweets"))
    validate(LEGACY, "/2/tweets/counts/recent", client.get("/2/tweets/counts/recent", query="Tessellate"))
    for user in ("/2/users/by/username/tessellateuk", f"/2/users/{USER}"):
        template = "/2/users/by/username/{username}" if "by" in user else "/2/users/{id}"
        validate(LEGACY, template, client.get(user, user__fields="public_metrics,created_at,verified"))
    validate(NEW, "/2/usage/tweets", client.get("/2/usage/tweets", days=7))


def test_the_specification_refuses_an_id_that_is_a_number(client: Client) -> None:
    body = client.search() | {"data": [{"id": 5, "text": "a", "edit_history_tweet_ids": ["5"]}]}

    with pytest.raises(Exception, match="is not of type 'string'"):
        validate(LEGACY, "/2/tweets/search/recent", body)


@pytest.mark.parametrize("name", sorted(REFUSALS))
def test_refusals_have_the_status_and_the_keys_that_were_recorded(client: Client, name: str) -> None:
    client.x.refuse(name)

    status, body, _ = client.ask("/2/tweets/search/recent", query="Tessellate")

    assert status == ERRORS[name]["http"]
    assert set(body) == set(ERRORS[name]["body"])
    assert body.get("title") == ERRORS[name]["body"].get("title")
    assert body.get("type") == ERRORS[name]["body"].get("type")


# ── who may ask ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("token", [None, "", "wrong", "ap", "app2"])
def test_without_the_right_token_everything_is_refused(client: Client, token: str | None) -> None:
    assert client.ask("/2/tweets/search/recent", token=token, query="a")[0] == 401
    assert client.ask("/nowhere", token=token)[0] == 401


def test_an_unknown_path_is_an_empty_404(client: Client) -> None:
    assert client.ask("/2/nothing")[:2] == (404, None)


def test_what_is_for_people_or_for_apps_only_is_refused_to_the_other(client: Client) -> None:
    assert client.ask("/2/users/me")[0] == 403
    assert client.ask("/2/users/me", token="user")[0] == 200
    assert client.ask("/2/usage/tweets", token="user")[0] == 403


@pytest.mark.parametrize(
    ("path", "query", "parameter"),
    [
        ("search/recent", {}, "query"),
        ("search/recent", {"query": ""}, "query"),
        ("search/recent", {"query": "a" * 513}, "query"),
        ("search/recent", {"query": "a", "max_results": 9}, "max_results"),
        ("search/recent", {"query": "a", "max_results": 101}, "max_results"),
        ("search/recent", {"query": "a", "max_results": "ten"}, "max_results"),
        ("search/recent", {"query": "a", "tweet_fields": "created_at"}, "tweet_fields"),
        ("search/recent", {"query": "a", "since_id": "x"}, "since_id"),
        ("search/recent", {"query": "a", "start_time": "yesterday"}, "start_time"),
        ("search/recent", {"query": "a", "start_time": "2026-11-17T14:00:00Z"}, "start_time"),
        ("search/recent", {"query": "a", "end_time": "2026-11-24T14:01:55Z"}, "end_time"),
        ("search/recent", {"query": "a", "next_token": "abc"}, "next_token"),
        ("counts/recent", {"query": "a", "granularity": "week"}, "granularity"),
        ("", {"ids": ""}, "ids"),
        ("", {"ids": "a"}, "ids"),
        ("", {"ids": ",".join(str(n) for n in range(101))}, "ids"),
    ],
)
def test_a_wrong_parameter_is_refused_by_its_name(
    client: Client, path: str, query: dict[str, object], parameter: str
) -> None:
    body = client.refused(f"/2/tweets/{path}".rstrip("/"), **query)

    assert parameter in body["errors"][0]["parameters"]
    assert body["title"] == "Invalid Request"
    assert client.x.bill.total == 0


def test_timelines_take_five_and_not_fewer(client: Client) -> None:
    for edge in ("mentions", "tweets"):
        assert client.ask(f"/2/users/{USER}/{edge}", max_results=5)[0] == 200
        assert client.ask(f"/2/users/{USER}/{edge}", max_results=4)[0] == 400
    assert client.ask("/2/users/someone/tweets")[0] == 400


def test_a_mark_beyond_the_memory_of_search_is_refused_and_one_within_is_not(client: Client) -> None:
    old, young = snowflake(NOW - timedelta(days=7, minutes=1)), snowflake(NOW - timedelta(days=6, hours=23))

    body = client.refused("/2/tweets/search/recent", query="a", since_id=old)

    assert body["errors"][0]["message"].startswith("'since_id' must be a tweet id created after 2026-11-17T14:02Z.")
    assert client.search(since_id=young)["meta"] == {"result_count": 0}
    assert client.get(f"/2/users/{USER}/mentions", since_id=old)


def test_a_mark_and_a_time_do_not_go_together(client: Client) -> None:
    body = client.refused(
        "/2/tweets/search/recent", query="a", since_id=snowflake(NOW), start_time="2026-11-24T10:00:00Z"
    )

    assert body["errors"][0]["message"] == ERRORS["since_id_with_start_time"]["body"]["errors"][0]["message"]


# ── lists ───────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_found_has_no_data_at_all(client: Client) -> None:
    assert client.search() == {"meta": {"result_count": 0}}


def test_ids_are_made_of_the_time_and_lists_run_from_the_newest_on(client: Client) -> None:
    posts = [client.say(at=NOW - timedelta(minutes=n)) for n in range(5)]

    body = client.search()

    assert [d["id"] for d in body["data"]] == [p.id for p in posts]
    assert moment_of(int(posts[3].id)) == NOW - timedelta(minutes=3)
    assert body["meta"]["newest_id"] == posts[0].id
    assert body["meta"]["oldest_id"] == posts[4].id


def test_pages_join_up_and_their_tokens_are_good_for_their_query_only(client: Client) -> None:
    posts = [client.say() for _ in range(25)]
    first = client.search(max_results=10)
    token = first["meta"]["next_token"]
    later = client.say()

    second = client.search(max_results=15, next_token=token)

    ids = [d["id"] for d in first["data"] + second["data"]]
    assert ids == [p.id for p in reversed(posts)]
    assert "next_token" not in second["meta"]
    assert later.id not in ids
    client.refused("/2/tweets/search/recent", query="other", next_token=token)
    client.refused("/2/tweets/search/recent", query="Tessellate", next_token=token, since_id=posts[0].id)


def test_the_mark_is_exclusive(client: Client) -> None:
    first, second = client.say(), client.say()

    assert [d["id"] for d in client.search(since_id=first.id)["data"]] == [second.id]


def test_a_late_arrival_has_an_id_below_the_newest(client: Client) -> None:
    late = client.say(visible_at=NOW + timedelta(seconds=30))
    client.world.move(timedelta(seconds=10))
    newest = client.say()
    assert [d["id"] for d in client.search()["data"]] == [newest.id]

    client.world.move(timedelta(seconds=30))

    assert [d["id"] for d in client.search()["data"]] == [newest.id, late.id]


def test_the_index_may_lag(client: Client) -> None:
    client.x.index_lag = timedelta(seconds=30)
    client.say()
    assert "data" not in client.search()

    client.world.move(timedelta(seconds=30))

    assert len(client.search()["data"]) == 1


def test_mentions_hold_replies_to_us_and_not_ourselves_and_end_at_eight_hundred(client: Client) -> None:
    own = client.say("@TessellateUK is our name", "own_post")
    reply = client.say("So?", "comment", parent=own)
    client.say("Tessellate without the sign")
    body = client.get(f"/2/users/{USER}/mentions", tweet__fields="entities,in_reply_to_user_id")
    assert [d["id"] for d in body["data"]] == [reply.id]
    assert body["data"][0]["text"] == "@TessellateUK So?"
    assert body["data"][0]["in_reply_to_user_id"] == USER
    assert body["data"][0]["entities"]["mentions"][0]["username"] == "TessellateUK"

    for number in range(810):
        client.say(f"@tessellateuk {number}")
    shown, query = 0, {}
    while True:
        page = client.get(f"/2/users/{USER}/mentions", max_results=100, **query)
        shown += len(page["data"])
        if "next_token" not in page["meta"]:
            break
        query = {"pagination_token": page["meta"]["next_token"]}

    assert shown == 800


def test_reposts_stand_in_the_timeline_and_not_in_search(client: Client) -> None:
    repost = client.say("RT @sam: Tessellate", "own_post", retweets="12")

    assert "data" not in client.search()
    assert client.get(f"/2/users/{USER}/tweets")["data"][0]["id"] == repost.id
    assert "data" not in client.get(f"/2/users/{USER}/tweets", exclude="retweets,replies")


def test_an_account_that_is_not_there_is_an_error_within_a_200(client: Client) -> None:
    body = client.get("/2/users/99/mentions")

    assert "data" not in body
    assert body["errors"][0]["resource_type"] == "user"
    validate(LEGACY, "/2/users/{id}/mentions", body)


# ── posts ───────────────────────────────────────────────────────────────────────────────────────────


def test_only_what_is_asked_for_is_shown(client: Client) -> None:
    client.say()

    assert set(client.search()["data"][0]) == {"id", "text", "edit_history_tweet_ids"}
    assert set(client.search(tweet__fields="lang,nonsense")["data"][0]) == {
        "id", "text", "edit_history_tweet_ids", "lang",
    }  # fmt: skip


def test_names_of_the_other_vocabulary_are_ignored_and_billed_unless_strict(client: Client) -> None:
    client.say()

    body = client.search(post__fields="author_id,referenced_tweets,public_metrics")

    assert set(body["data"][0]) == {"id", "text", "public_metrics"}
    assert "repost_count" in body["data"][0]["public_metrics"]
    assert client.x.bill.total == 5_000
    client.x.strict_fields = True
    client.refused("/2/tweets/search/recent", query="a", post__fields="author_id")


def test_a_long_post_is_cut_and_whole_only_on_request(client: Client) -> None:
    text = "Tessellate " + "word " * 100
    client.say(text)

    assert len(client.search()["data"][0]["text"]) <= 280
    assert client.search(tweet__fields="note_tweet")["data"][0]["note_tweet"]["text"] == text


def test_links_hide_behind_tco_and_signs_are_escaped(client: Client) -> None:
    client.say("Tessellate <a> & https://tessellateuk.example/?a=1&b=2")

    post = client.search(tweet__fields="entities")["data"][0]

    link = post["entities"]["urls"][0]
    assert post["text"].startswith("Tessellate &lt;a&gt; &amp; https://t.co/")
    assert post["text"][link["start"] : link["end"]] == link["url"]
    assert link["expanded_url"] == "https://tessellateuk.example/?a=1&b=2"


def test_an_edit_is_a_new_id_with_its_history_and_the_old_one_can_still_be_looked_up(client: Client) -> None:
    post = client.say("Tessellate one")
    client.world.move(timedelta(minutes=1))
    client.world.edit(post, "Tessellate two")

    found = client.search()["data"][0]
    old = client.get("/2/tweets", ids=post.id)["data"][0]

    assert found["id"] != post.id
    assert found["text"] == "Tessellate two"
    assert old["text"] == "Tessellate one"
    assert found["edit_history_tweet_ids"] == old["edit_history_tweet_ids"] == [post.id, found["id"]]


def test_what_is_gone_or_hidden_is_a_partial_error(client: Client) -> None:
    there, gone, hidden = client.say(), client.say(), client.say()
    client.world.delete(gone)
    hidden.hidden = True

    body = client.get("/2/tweets", ids=f"{there.id},{gone.id},{hidden.id}")

    assert [d["id"] for d in body["data"]] == [there.id]
    assert {e["resource_id"]: e["title"] for e in body["errors"]} == {
        gone.id: "Not Found Error",
        hidden.id: "Authorization Error",
    }
    assert set(body["errors"][0]) == set(ERRORS["partial_not_found"]["body"]["errors"][0])
    assert set(client.get("/2/tweets", ids=gone.id)) == {"errors"}
    validate(LEGACY, "/2/tweets", body)


def test_a_missing_reference_is_an_error_of_the_includes(client: Client) -> None:
    own = client.say("Here", "own_post")
    client.say("Tessellate", "comment", parent=own)
    client.world.delete(own)

    body = client.search(expansions="referenced_tweets.id")

    assert body["errors"][0]["section"] == "includes"
    assert body["errors"][0]["resource_id"] == own.id


# ── limits and money ────────────────────────────────────────────────────────────────────────────────


def test_the_window_counts_down_refuses_and_opens_again(client: Client) -> None:
    client.x.limits["search"] = 2
    answers = [client.ask("/2/tweets/search/recent", query="a") for _ in range(3)]

    assert [status for status, _, _ in answers] == [200, 200, 429]
    assert [h["x-rate-limit-remaining"] for _, _, h in answers] == ["1", "0", "0"]
    reset = datetime.fromtimestamp(int(answers[2][2]["x-rate-limit-reset"]), UTC)
    assert reset == NOW + timedelta(minutes=15, seconds=1)
    assert client.ask(f"/2/users/{USER}/mentions")[0] == 200
    client.world.move(timedelta(minutes=15))
    assert client.ask("/2/tweets/search/recent", query="a")[0] == 200


def test_a_refused_request_uses_the_window_too(client: Client) -> None:
    _, _, headers = client.ask("/2/tweets/search/recent", query="(")

    assert headers["x-rate-limit-remaining"] == "449"


def test_each_resource_is_billed_once_in_a_utc_day_and_empty_pages_are_free(client: Client) -> None:
    client.search()
    client.say()
    client.search()
    client.search(expansions="author_id")
    client.get("/2/tweets/counts/recent", query="Tessellate")
    assert client.x.bill.total == 5_000 + 10_000 + 5_000

    client.world.move(timedelta(hours=10))
    client.search()

    assert client.x.bill.total == 25_000


def test_our_own_lists_cost_a_fifth_for_ourselves_only(client: Client) -> None:
    client.say("Here", "own_post")
    client.get(f"/2/users/{USER}/tweets", token="user")
    assert client.x.bill.total == 1_000

    other = Client()
    other.say("Here", "own_post")
    other.get(f"/2/users/{USER}/tweets")
    assert other.x.bill.total == 5_000


@pytest.mark.parametrize(
    ("limit", "status", "title"),
    [("credits", 402, "CreditsDepleted"), ("spend_cap", 403, "SpendCapReached"), ("post_cap", 429, "UsageCapExceeded")],
)
def test_when_the_money_ends_everything_is_refused(client: Client, limit: str, status: int, title: str) -> None:
    setattr(client.x, limit, 1)
    client.say()
    client.search()

    answered, body, headers = client.ask("/2/tweets/search/recent", query="a")

    assert (answered, body["title"]) == (status, title)
    assert int(headers["x-rate-limit-remaining"]) > 0
    if limit == "spend_cap":
        assert body["reset_date"] == "2026-12-01"


def test_counts_agree_with_what_search_finds(client: Client) -> None:
    for hour in range(5):
        client.say(at=NOW - timedelta(hours=hour))

    body = client.get("/2/tweets/counts/recent", query="Tessellate", granularity="hour")

    assert body["meta"]["total_tweet_count"] == 5
    assert sum(bucket["tweet_count"] for bucket in body["data"]) == 5


# ── the search language ─────────────────────────────────────────────────────────────────────────────

POST = Seen(
    text="@TessellateUK Café was GREAT, read https://www.tessellateuk.example/news #TrustTalk",
    author="sam_example",
    author_id="777",
    to=("TessellateUK", USER),
    links=("https://www.tessellateuk.example/news",),
    is_reply=True,
    conversation="5",
    parent="6",
    likes=10,
)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("great", True),
        ("cafe", True),
        ("reat", False),
        ('"cafe was"', True),
        ('"was cafe"', False),
        ("cafe terrible", False),
        ("cafe OR terrible", True),
        ("terrible OR cafe nothing", False),
        ("(terrible OR cafe) great", True),
        ("cafe -great", False),
        ("cafe -terrible", True),
        ('cafe -"was great"', False),
        ("#trusttalk", True),
        ("#trust", False),
        ("@tessellateuk", True),
        ("cafe -@TessellateUK", False),
        ('url:"tessellateuk.example"', True),
        ("url:other.example", False),
        ("from:SAM_example", True),
        ("cafe -from:777", False),
        ("to:tessellateuk", True),
        ("cafe is:reply", True),
        ("cafe -is:retweet", True),
        ("cafe has:links", True),
        ("cafe lang:en", True),
        ("cafe lang:cy", False),
        ("cafe min_likes:10", True),
        ("cafe min_likes:11", False),
        ("conversation_id:5", True),
        ("in_reply_to_tweet_id:6", True),
        ('("Tessellate UK" OR #TrustTalk) -from:other -is:retweet', True),
    ],
)
def test_the_search_language_finds(query: str, found: bool) -> None:
    assert parse(query)(POST) is found


@pytest.mark.parametrize(
    "query",
    [
        "(cafe", "cafe)", '"cafe', "cafe or tea", "cafe and tea", "-cafe", "is:reply", "-is:retweet lang:en", "OR cafe",
        "cafe OR", "()", "cafe -(tea OR milk)", "cafe min_faves:3", "cafe min_likes:many", "from:", "cafe nonsense:1", "!!",
    ],
)  # fmt: skip
def test_the_search_language_refuses(query: str) -> None:
    with pytest.raises(QueryError):
        parse(query)


def test_a_refused_search_says_where(client: Client) -> None:
    body = client.refused("/2/tweets/search/recent", query='("Tessellate UK" OR #TrustTalk')

    assert body["errors"][0]["message"].startswith(
        "There were errors processing your request: Missing closing parenthesis (at position 31)"
    )
    assert body["errors"][0]["parameters"] == {"query": ['("Tessellate UK" OR #TrustTalk']}
