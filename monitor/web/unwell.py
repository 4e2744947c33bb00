"""The pages of an Earshot that cannot start: every address says so, and that nobody is listening."""

from __future__ import annotations

from pathlib import Path

from flask import Flask, Response, jsonify, make_response

WORDS = (
    "{headline}. Nothing is heard and no alert is sent. Ask the operator; whether people may publish is not known "
    "here, so take it that they may not."
)


def create_app(headline: str) -> Flask:
    """An application that answers 503 to everything, to programs as JSON."""
    flask = Flask("monitor.web.unwell", root_path=str(Path(__file__).parent), static_folder=None)

    def unwell(path: str = "") -> Response:
        if path == "health" or path.endswith(".json") or path.startswith("api/"):
            body = jsonify({"status": "unwell", "problems": [headline], "may_post": False})
        else:
            body = make_response(WORDS.format(headline=headline))
            body.content_type = "text/plain; charset=utf-8"
        response = make_response(body, 503)
        response.headers["Cache-Control"] = "no-store"
        return response

    for rule in ("/", "/<path:path>"):
        flask.add_url_rule(rule, view_func=unwell, methods=["GET", "POST", "HEAD"])
    return flask
