"""A program that talks to the API. Whatever it is answered is checked against the OpenAPI document."""

import re
from functools import cached_property
from typing import Any

from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from werkzeug.test import TestResponse

PREFIX = "/api/v4"


class Api:
    """Requests with a key. `called` remembers which operations of the document were answered well."""

    def __init__(self, client: FlaskClient, key: str) -> None:
        self.client, self.key = client, key
        self.called: set[tuple[str, str]] = set()

    def get(self, path: str, *, expect: int = 200, **query: Any) -> Any:
        return self.send("GET", path, expect=expect, query_string=query or None)

    def post(self, path: str, json: Any = None, *, expect: int = 201) -> Any:
        return self.send("POST", path, expect=expect, json=json)

    def patch(self, path: str, json: Any, *, expect: int = 200) -> Any:
        return self.send("PATCH", path, expect=expect, json=json)

    def delete(self, path: str, *, expect: int = 200, **query: Any) -> Any:
        return self.send("DELETE", path, query_string=query or None, expect=expect)

    def refused(self, method: str, path: str, json: Any = None, **options: Any) -> dict[str, str]:
        """The fields that a 422 names."""
        fields = self.send(method, path, expect=422, json=json, **options)["error"].get("fields", {})
        assert all(text.endswith(".") for text in fields.values()), fields
        return fields  # type: ignore[no-any-return]

    def send(self, method: str, path: str, *, expect: int, **options: Any) -> Any:
        """The answer's JSON, after a check of its status and its shape."""
        response = self.request(method, path, **options)
        assert response.status_code == expect, f"{method} {path}: {response.status} {response.get_data(as_text=True)}"
        return response.get_json()

    def request(self, method: str, path: str, **options: Any) -> TestResponse:
        """The whole answer, checked against the document."""
        headers = {"Authorization": f"Bearer {self.key}"} | options.pop("headers", {})
        response = self.client.open(f"{PREFIX}{path}", method=method, headers=headers, **options)
        if method != "OPTIONS":
            self.check(method, path, response)
        return response

    @cached_property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = self.client.get(f"{PREFIX}/openapi.json").get_json()
        return document

    @property
    def operations(self) -> list[tuple[str, str]]:
        """Every (METHOD, /path/{template}) of the document."""
        return [
            (method.upper(), path)
            for path, item in self.document["paths"].items()
            for method in item
            if method != "parameters"
        ]

    def check(self, method: str, path: str, response: TestResponse) -> None:
        """That the answer is what the document promises of this operation."""
        assert response.mimetype == "application/json", response.mimetype
        template = self._template(path)
        operation = self.document["paths"].get(template, {}).get(method.lower()) if template else None
        if operation is None:
            self._validate({"$ref": "#/components/schemas/Error"}, response.get_json())
            return
        promised = operation["responses"].get(str(response.status_code))
        assert promised is not None, f"{method} {template} may not answer {response.status}: {response.get_data()!r}"
        if "$ref" in promised:
            promised = self.document["components"]["responses"][promised["$ref"].rpartition("/")[2]]
        assert set(promised.get("headers", ())) <= set(response.headers.keys())
        self._validate(promised["content"]["application/json"]["schema"], response.get_json())
        if response.status_code < 300:
            self.called.add((method, template or ""))

    def _template(self, path: str) -> str | None:
        """The path of the document that means this one; a concrete path comes before one with parameters."""
        plain = path.partition("?")[0]
        if plain in self.document["paths"]:
            return plain
        return next(
            (found for found in self.document["paths"] if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", found), plain)), None
        )

    def _validate(self, schema: dict[str, Any], instance: Any) -> None:
        Draft202012Validator({**schema, "components": self.document["components"]}).validate(instance)
