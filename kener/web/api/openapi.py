"""The OpenAPI 3.1 document, made from the endpoints themselves: what they declare is what they read, so the two cannot drift apart."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Any

from flask import Flask
from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from werkzeug.routing import Rule

import kener
from kener.domain.specs import SPECS
from kener.web.api.auth import CALLS
from kener.web.api.operations import Operation
from kener.web.api.reading import Body
from kener.web.errors import CODES
from kener.web.urls import CONVERTERS

Schema = dict[str, Any]

REF = "#/components/schemas/"
YES_NO = ["YES", "NO", True, False]
ABOUT = f"""\
Send `Authorization: Bearer <key>`; keys are made under *Manage › API keys* or with `kener api-key create`.

Bodies are JSON objects in UTF-8 with `Content-Type: application/json`, at most 2 MiB. Unknown fields are refused. Moments of a story
(`start_ts`, `start_date_time`, `timestamp` …) are whole seconds since 1970; `…_at` are ISO 8601 in UTC. Flags are `YES` or `NO`; `true`
and `false` are understood.

An error is `{{"error": {{"code", "message", "fields"}}}}`; `fields` names each field that was refused. A path that exists, called with
another method, answers 405 with an `Allow` header. Calls per key: at most {CALLS}."""
ERRORS = {
    400: "The body is no JSON object, or not UTF-8.",
    401: "The key is missing, wrong or revoked.",
    404: "There is no such thing (any more).",
    409: "It was changed by someone else meanwhile.",
    413: "The body is larger than 2 MiB.",
    415: "The body is not JSON by its Content-Type.",
    422: "Something given cannot be accepted; `fields` says what and why.",
    429: "Too many calls. Wait for `Retry-After` seconds.",
    500: "Something broke on our side. It has been logged.",
    503: "The database does not answer at the moment.",
}
HEADERS = {401: "WWW-Authenticate", 429: "Retry-After"}


def document(app: Flask, *, prefix: str, tags: dict[str, str]) -> Schema:
    """The whole document. `tags`: name → description, in the order to show."""
    endpoints = list(_endpoints(app, prefix))
    models = _models(operation for _, _, operation, _ in endpoints)
    paths: dict[str, Schema] = {}
    for rule, method, operation, view in sorted(endpoints, key=lambda found: list(tags).index(found[2].tag)):
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule.removeprefix(prefix))
        paths.setdefault(path, _path_item(rule))[method] = _operation(operation, method, view, rule, models)
    responses = {_error_name(status): _error_response(status) for status in ERRORS}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Kener API", "version": kener.__version__, "description": ABOUT},
        "servers": [{"url": prefix}],
        "security": [{"bearerAuth": []}],
        "tags": [{"name": name, "description": text} for name, text in tags.items()],
        "paths": paths,
        "components": {
            "schemas": _reached(models | {"Error": _error()}, [paths, responses]),
            "responses": responses,
            "securitySchemes": {"bearerAuth": {"type": "http", "scheme": "bearer", "description": "An API key."}},
        },
    }


def _endpoints(app: Flask, prefix: str) -> Iterator[tuple[Rule, str, Operation, Callable[..., Any]]]:
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith(f"{prefix}/"):
            view: Any = app.view_functions[rule.endpoint]
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield rule, method.lower(), view.operation, view


def _path_item(rule: Rule) -> Schema:
    parameters = []
    for kind, name in re.findall(r"<(\w+):(\w+)>", rule.rule):
        schema = dict(CONVERTERS[kind].schema)
        about = {"description": schema.pop("description"), "schema": schema}
        parameters.append({"name": name, "in": "path", "required": True, **about})
    return {"parameters": parameters} if parameters else {}


def _operation(
    operation: Operation, method: str, view: Callable[..., Any], rule: Rule, models: dict[str, Schema]
) -> Schema:
    summary, _, description = (view.__doc__ or "").partition("\n")
    public = getattr(view, "access", None) == "public"
    made: Schema = {
        "operationId": rule.endpoint.removeprefix("api.").removeprefix("api_").replace(".", "_"),
        "tags": [operation.tag],
        "summary": summary.rstrip("."),
        "responses": _responses(operation, method, in_path=bool(rule.arguments), public=public),
    }
    if description.strip():
        made["description"] = " ".join(description.split())
    if operation.query is not None:
        made["parameters"] = list(_parameters(models[operation.query.__name__]))
    for kind, partial in ((operation.body, False), (operation.changes, True)):
        if kind is not None:
            made["requestBody"] = _request_body(kind, partial=partial)
    if public:
        made["security"] = []
    return made


def _responses(operation: Operation, method: str, *, in_path: bool, public: bool) -> Schema:
    answer = {"$ref": f"{REF}{operation.answer.__name__}"} if operation.answer else {"type": "object"}
    good = {"description": HTTPStatus(operation.status).phrase, "content": {"application/json": {"schema": answer}}}
    has_body = operation.body is not None or operation.changes is not None
    expected = {
        400: has_body,
        401: not public,
        404: in_path,
        409: method != "get",
        413: has_body,
        415: has_body,
        422: has_body or operation.query is not None or method in ("post", "delete"),
        429: not public,
        500: True,
        503: not public,
    }
    errors = {
        str(status): {"$ref": f"#/components/responses/{_error_name(status)}"} for status in ERRORS if expected[status]
    }
    return {str(operation.status): good} | errors


def _request_body(kind: type[Body], *, partial: bool) -> Schema:
    names = [_name(shape, partial=partial) for shape in kind.shapes or (kind,)]
    schema = (
        {"$ref": f"{REF}{names[0]}"} if len(names) == 1 else {"anyOf": [{"$ref": f"{REF}{name}"} for name in names]}
    )
    return {"required": partial or not kind.is_optional(), "content": {"application/json": {"schema": schema}}}


def _parameters(schema: Schema) -> Iterator[Schema]:
    for name, given in schema["properties"].items():
        shown = {key: value for key, value in given.items() if key not in ("description", "anyOf")}
        if "anyOf" in given:
            choice = next(option for option in given["anyOf"] if option.get("type") != "null")
            shown = {key: value for key, value in (choice | shown).items() if key not in ("description", "default")}
            given = choice | given
        if shown.get("type") == "boolean":
            shown = {"enum": ["YES", "NO"]}
        made = {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": shown}
        text = given.get("description") or f"Only those with this {name.replace('_', ' ')}."
        yield made | {"description": text}


class _Quiet(GenerateJsonSchema):
    """Without a title on every field."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _models(operations: Iterable[Operation]) -> dict[str, Schema]:
    """The schema of everything that goes in or comes out, by name."""
    inputs: dict[str, type[BaseModel]] = {kind.__name__: kind for kind in SPECS.values()}
    answers: dict[str, type[BaseModel]] = {}
    bodies: list[tuple[type[BaseModel], type[Body], bool]] = []
    for operation in operations:
        if operation.answer is not None:
            answers[operation.answer.__name__] = operation.answer
        if operation.query is not None:
            inputs[operation.query.__name__] = operation.query
        for kind, partial in ((operation.body, False), (operation.changes, True)):
            bodies += [(shape, kind, partial) for shape in (kind.shapes or (kind,))] if kind else []
    inputs |= {shape.__name__: shape for shape, _, _ in bodies}
    modes: list[Any] = [(name, "validation", TypeAdapter(model)) for name, model in inputs.items()]
    modes += [(name, "serialization", TypeAdapter(model)) for name, model in answers.items()]
    _, made = TypeAdapter.json_schemas(modes, ref_template=f"{REF}{{model}}", schema_generator=_Quiet)
    schemas: dict[str, Schema] = dict(made["$defs"])
    for shape, kind, partial in bodies:
        schemas[_name(shape, partial=partial)] = _shown(made["$defs"][shape.__name__], kind, partial=partial)
    return schemas


def _reached(schemas: dict[str, Schema], used: Any) -> dict[str, Schema]:
    """Those schemas that the document refers to, directly or through others."""
    found: set[str] = set()
    new = _references(used)
    while new:
        found |= new
        new = _references([schemas[name] for name in new]) - found
    return {name: schemas[name] for name in sorted(found)}


def _references(value: Any) -> set[str]:
    return set(re.findall(rf'"{REF}([^"]+)"', json.dumps(value)))


def _name(shape: type[BaseModel], *, partial: bool) -> str:
    return f"{shape.__name__.removeprefix('New')}Changes" if partial else shape.__name__


def _shown(schema: Schema, kind: type[Body], *, partial: bool) -> Schema:
    """The schema of a body as callers see it; of a partial one nothing is required, and what is left out has no default."""
    made = {key: value for key, value in schema.items() if key not in ("required", "title") or not partial}
    properties = {name: _flag(dict(given)) for name, given in schema["properties"].items()}
    for name, text in kind.notes.items():
        if name in properties:
            properties[name] = properties[name] | {"description": text}
    for name, given in kind.shown.items():
        default = {"default": properties[name]["default"]} if "default" in properties.get(name, ()) else {}
        properties[name] = default | dict(given)
    if partial:
        for given in properties.values():
            given.pop("default", None)
    return made | {"properties": properties}


def _flag(given: Schema) -> Schema:
    if given.get("type") == "boolean":
        given = {key: value for key, value in given.items() if key != "type"} | {"enum": YES_NO}
        if "default" in given:
            given["default"] = "YES" if given["default"] else "NO"
    return given


def _error() -> Schema:
    inner = {
        "type": "object",
        "required": ["code", "message"],
        "properties": {
            "code": {"type": "string", "enum": [*dict.fromkeys(CODES.values()), "INTERNAL_ERROR"]},
            "message": {"type": "string"},
            "fields": {
                "type": "object",
                "additionalProperties": {"type": "string"},
                "description": "Field → what is wrong with it. Inside a list or an object the path, for instance monitors.0.impact.",
            },
        },
    }
    return {"type": "object", "description": "Why not.", "required": ["error"], "properties": {"error": inner}}


def _error_name(status: int) -> str:
    return HTTPStatus(status).phrase.replace(" ", "").replace("-", "")


def _error_response(status: int) -> Schema:
    made: Schema = {
        "description": ERRORS[status],
        "content": {"application/json": {"schema": {"$ref": f"{REF}Error"}}},
    }
    if status in HEADERS:
        made["headers"] = {HEADERS[status]: {"schema": {"type": "string"}}}
    return made
