"""HTTP and HTTPS requests."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from kener.domain.specs.assertions import AssertedSpec, Source
from kener.domain.specs.base import CODE, HttpUrl, MeasuredSpec, TimeLimit


def _header_name(value: str) -> str:
    value = value.strip()
    if not value or not all(c.isalnum() or c in "!#$%&'*+-.^_`|~" for c in value) or not value.isascii():
        raise ValueError("A header name has letters, digits and hyphens only.")
    return value


def _one_line(value: str) -> str:
    if any(c in value for c in "\r\n\0"):
        raise ValueError("A header value stands on one line.")
    return value


class Header(BaseModel):
    """One request header."""

    model_config = ConfigDict(extra="forbid")

    key: Annotated[str, Field(max_length=128), AfterValidator(_header_name)]
    value: Annotated[str, Field(max_length=4096), AfterValidator(_one_line)] = ""


def _status_codes(value: str) -> str:
    """Normalise `200-399, 429`; raise where a part is no code or range."""
    parts = [part.strip() for part in value.split(",") if part.strip()]
    if not parts:
        raise ValueError("Name at least one status code or range, for instance 200-399, 429.")
    for part in parts:
        low, dash, high = part.partition("-")
        bounds = (low.strip(), (high if dash else low).strip())
        if not all(bound.isascii() and bound.isdigit() and 100 <= int(bound) <= 599 for bound in bounds):
            raise ValueError(f"{part!r} is no status code. Write codes or ranges from 100 to 599: 200-399, 429.")
        if int(bounds[0]) > int(bounds[1]):
            raise ValueError(f"The range {part!r} runs backwards.")
    return ", ".join(parts)


class ApiSpec(AssertedSpec, MeasuredSpec):
    """An HTTP or HTTPS request. Times in milliseconds."""

    SOURCES: ClassVar[tuple[Source, ...]] = (
        Source.BODY,
        Source.JSON,
        Source.HTML,
        Source.HEADER,
        Source.STATUS_CODE,
        Source.LATENCY,
        Source.CERTIFICATE_DAYS,
    )

    url: HttpUrl = Field(title="URL", json_schema_extra=CODE)
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] = Field("GET", title="Method")
    headers: Annotated[list[Header], Field(max_length=50)] = Field([], title="Headers")
    body: Annotated[str, Field(max_length=65_536)] = Field(
        "", title="Body", json_schema_extra={"code": True, "rows": 4}
    )
    timeout: TimeLimit = Field(10_000, description="Name, TLS and body included.")
    allowSelfSignedCert: bool = Field(
        False,
        title="Accept certificates that cannot be verified",
        description="Only for test systems: anybody may answer in its place.",
    )
    follow_redirects: bool = Field(True, title="Follow redirects")
    max_redirects: Annotated[int, Field(ge=0, le=20)] = Field(5, title="At most", json_schema_extra={"unit": "hops"})
    accepted_status_codes: Annotated[str, Field(max_length=200), AfterValidator(_status_codes)] = Field(
        "200-399, 429",
        title="Accepted status codes",
        description="Codes and ranges, for instance 200-399, 429. Anything else is DOWN.",
        json_schema_extra=CODE,
    )

    def accepts(self, code: int) -> bool:
        """Whether an HTTP status code counts as an answer."""
        for part in self.accepted_status_codes.split(","):
            low, _, high = part.strip().partition("-")
            if int(low) <= code <= int(high or low):
                return True
        return False
