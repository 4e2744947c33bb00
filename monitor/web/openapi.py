"""The description of the JSON interface, in OpenAPI 3.1."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

_TIME: dict[str, Any] = {"type": "string", "format": "date-time"}
_MAYBE_TIME: dict[str, Any] = {"type": ["string", "null"], "format": "date-time"}
_TEXT: dict[str, Any] = {"type": "string"}
_MAYBE_TEXT: dict[str, Any] = {"type": ["string", "null"]}
_LEVEL: dict[str, Any] = {"type": "string", "enum": ["routine", "watch", "alert", "crisis"]}
_STATE: dict[str, Any] = {"type": "string", "enum": ["open", "acknowledged", "closed"]}
_SIZE: dict[str, Any] = {
    "type": ["integer", "null"],
    "description": "null where the platforms' terms forbid to add their posts up.",
}
_TEXTS: dict[str, Any] = {"type": "array", "items": _TEXT}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


_INCIDENT = _object(
    id=_TEXT,
    headline=_TEXT,
    severity={"type": "integer", "minimum": 0, "maximum": 3},
    level=_LEVEL,
    category=_MAYBE_TEXT,
    state=_STATE,
    source=_TEXT,
    mentions=_SIZE,
    accounts=_SIZE,
    platforms=_TEXTS,
    opened_at=_TIME,
    last_seen_at=_TIME,
    acknowledged_at=_MAYBE_TIME,
    acknowledged_by=_MAYBE_TEXT,
    closed_at=_MAYBE_TIME,
    drill={"type": "boolean"},
    history={"type": "boolean"},
)
_MENTION = _object(
    id={"type": "integer"},
    platform=_TEXT,
    kind=_TEXT,
    posted_at=_TIME,
    severity={"type": "integer", "minimum": 0, "maximum": 3},
    level=_LEVEL,
    categories=_TEXTS,
    language=_TEXT,
    sentiment={"type": ["number", "null"]},
    text=_MAYBE_TEXT,
    text_until=_MAYBE_TIME,
    url=_MAYBE_TEXT,
    incident=_MAYBE_TEXT,
    question={"type": "boolean"},
    answered_at=_MAYBE_TIME,
)
_PUBLISHING = _object(
    may_post={"type": "boolean"},
    state={"type": "string", "enum": ["normal", "proposed", "active", "standing down"]},
    since=_MAYBE_TIME,
    holder=_MAYBE_TEXT,
    may_post_meanwhile=_TEXTS,
    something_stays_on_hold={"type": "boolean"},
    ends_at=_MAYBE_TIME,
    contact=_TEXT,
    checked_at=_TIME,
)
_TAKEOVER: dict[str, Any] = {
    "allOf": [
        _PUBLISHING,
        _object(by=_MAYBE_TEXT, reason=_MAYBE_TEXT, incident=_MAYBE_TEXT, allowed=_TEXTS, on_hold=_MAYBE_TEXT),
    ]
}
_ERROR = _object(error=_TEXT, what=_TEXT)
_COVERAGE = _object(platform=_TEXT, heard_until=_MAYBE_TIME, deaf={"type": "boolean"}, words=_TEXT, never_shows=_TEXTS)


def _answer(what: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": what, "content": {"application/json": {"schema": schema}}}


def _errors(*codes: int) -> dict[str, Any]:
    words = {
        400: "The request could not be read.",
        401: "No token, or one that was ended.",
        403: "The token lacks the scope.",
        404: "There is no such thing.",
        409: "It was not done, and the answer says why.",
        413: "The body is too long.",
        415: "The body is not JSON.",
        429: "Too many calls.",
    }
    return {str(code): _answer(words[code], _ERROR) for code in codes}


def _operation(
    name: str,
    summary: str,
    answers: dict[str, Any],
    *,
    scope: str = "",
    parameters: tuple[dict[str, Any], ...] = (),
    body: dict[str, Any] | None = None,
) -> dict[str, Any]:
    codes = (400, *((401, 403, 429) if scope else ()), *((413, 415) if body else ()))
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "responses": {**answers, **_errors(*codes)},
    }
    if scope:
        operation["security"] = [{"token": []}]
        operation["description"] = f"Needs a token with the scope `{scope}`."
    if parameters:
        operation["parameters"] = list(parameters)
    if body:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return operation


def _query(name: str, schema: dict[str, Any], what: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": what}


_ID = {
    "name": "incident_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,20}$"},
}
_LIMIT = _query(
    "limit",
    {"type": "integer", "minimum": 1, "maximum": 200, "default": 50},
    "How many; others of the last one's second come along.",
)
_BEFORE = _query("before", _TIME, "Only those from before this time, for the next page.")


def _words(most: int) -> dict[str, Any]:
    return {"type": "string", "maxLength": most}


def _asked(needed: tuple[str, ...], **properties: Any) -> dict[str, Any]:
    found = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**found, "required": list(needed)} if needed else found


DESCRIPTION: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {
        "title": "Earshot",
        "version": version("earshot"),
        "description": "What Earshot knows, for tools. Beginning and ending a takeover is for people only.",
    },
    "servers": [{"url": "/"}],
    "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    "paths": {
        "/api/publishing": {
            "get": _operation("publishing", "May I post?", {"200": _answer("The state.", _PUBLISHING)})
        },
        "/api/takeover": {
            "get": _operation(
                "takeover",
                "The state of takeover with names and reasons",
                {"200": _answer("The state.", _TAKEOVER)},
                scope="takeover:read",
            )
        },
        "/api/coverage": {
            "get": _operation(
                "coverage",
                "How far each platform was heard",
                {"200": _answer("One entry for each.", _object(coverage={"type": "array", "items": _COVERAGE}))},
                scope="coverage:read",
            )
        },
        "/api/incidents": {
            "get": _operation(
                "incidents",
                "Incidents, the newest first",
                {"200": _answer("A page.", _object(incidents={"type": "array", "items": _INCIDENT}))},
                scope="incidents:read",
                parameters=(_query("state", _STATE, "Only those in this state."), _LIMIT, _BEFORE),
            )
        },
        "/api/incidents/{incident_id}": {
            "get": _operation(
                "incident",
                "One incident with its decision log",
                {
                    "200": _answer(
                        "The incident.",
                        {
                            "allOf": [
                                _INCIDENT,
                                _object(log={"type": "array", "items": _object(at=_TIME, who=_TEXT, what=_TEXT)}),
                            ]
                        },
                    ),
                    **_errors(404),
                },
                scope="incidents:read",
                parameters=(_ID,),
            )
        },
        "/api/incidents/{incident_id}/acknowledge": {
            "post": _operation(
                "acknowledge",
                "Somebody takes care of it",
                {
                    "200": _answer(
                        "False when it was acknowledged already.", _object(acknowledged={"type": "boolean"})
                    ),
                    **_errors(404, 409),
                },
                scope="incidents:act",
                parameters=(_ID,),
                body=_asked(("who",), who=_words(80)),
            )
        },
        "/api/incidents/{incident_id}/notes": {
            "post": _operation(
                "note",
                "Write into the decision log",
                {"201": _answer("Written.", _object(noted={"type": "boolean"})), **_errors(404, 409)},
                scope="incidents:act",
                parameters=(_ID,),
                body=_asked(("who", "words"), who=_words(80), words=_words(2000)),
            )
        },
        "/api/mentions": {
            "get": _operation(
                "mentions",
                "Mentions, the newest first, with words where the platform's terms let a tool have them",
                {"200": _answer("A page.", _object(mentions={"type": "array", "items": _MENTION}))},
                scope="mentions:read",
                parameters=(
                    _query("platform", _TEXT, "Only this platform."),
                    _query("level", _LEVEL, "Only this level."),
                    _LIMIT,
                    _BEFORE,
                ),
            )
        },
        "/api/tips": {
            "post": _operation(
                "tip",
                "Tell the CEO: always an alert",
                {"201": _answer("The incident that was opened.", _object(incident=_TEXT))},
                scope="tips:write",
                body=_asked(
                    (),
                    words=_words(4000),
                    link=_words(500),
                    by=_words(80),
                    about_ceo={
                        "type": "boolean",
                        "description": "It is about the CEO: the Chair is told instead.",
                    },
                ),
            )  # fmt: skip
        },
    },
}
