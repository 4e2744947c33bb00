"""Google's discovery document as JSON Schema: its ``$ref`` is a bare name, and its lists of keys are complete."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

SPECS = Path(__file__).parent.parent / "specs"

ON_THE_WIRE = {"SearchResultSnippet": {"publishTime": {"type": "string"}}}
"""Keys that the service sends though the document does not know them (platform facts, 2.2)."""


@lru_cache(maxsize=1)
def document() -> dict[str, Any]:
    """The discovery document of the YouTube Data API."""
    return json.loads((SPECS / "youtube.v3.json").read_text("utf-8"))


def faults(schema: str, body: object) -> list[str]:
    """What in ``body`` does not fit the schema of that name, with the place; an unknown key is a fault too."""
    validator = Draft202012Validator({"$ref": f"#/$defs/{schema}", "$defs": _definitions()})
    return [f"{'/'.join(map(str, e.absolute_path))}: {e.message}" for e in validator.iter_errors(body)]


@lru_cache(maxsize=1)
def _definitions() -> dict[str, Any]:
    return {name: _object(schema, ON_THE_WIRE.get(name, {})) for name, schema in document()["schemas"].items()}


def _object(schema: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    properties = {name: _value(value) for name, value in schema.get("properties", {}).items()}
    return {"type": "object", "properties": properties | more, "additionalProperties": False}


def _value(schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        return {"$ref": f"#/$defs/{schema['$ref']}"}
    match schema.get("type"):
        case "array":
            return {"type": "array", "items": _value(schema["items"])}
        case "object" if "additionalProperties" in schema:
            return {"type": "object", "additionalProperties": _value(schema["additionalProperties"])}
        case "object":
            return _object(schema, {})
        case "string" if schema.get("format") in {"uint64", "int64"}:
            return {"type": "string", "pattern": r"^-?\d+$"}
        case "string" if schema.get("format") == "date-time":
            return {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"}
        case "string" if "enum" in schema:
            return {"enum": schema["enum"]}
        case "any" | None:
            return {}
        case kind:
            return {"type": kind}
