"""DNS records, as one resolver gives them."""

import ipaddress
import re
from typing import Annotated, Any, ClassVar, Literal, Self

import re2
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from kener.domain.hosts import ascii_host
from kener.domain.secrets import names_in
from kener.domain.specs.assertions import AssertedSpec, Source
from kener.domain.specs.base import CODE, MeasuredSpec, OptionalHost, Port, TimeLimit

# fmt: off
RecordType = Literal[
    "A", "AAAA", "CNAME", "MX", "NS", "TXT", "SOA", "SRV", "CAA", "PTR", "HTTPS", "SVCB", "NAPTR", "DS", "DNSKEY", "TLSA", "ANY",
    "A6", "AFSDB", "AMTRELAY", "APL", "AVC", "BRID", "CDNSKEY", "CDS", "CERT", "CSYNC", "DHCID", "DLV", "DNAME", "DSYNC", "EUI48",
    "EUI64", "GPOS", "HHIT", "HINFO", "HIP", "IPSECKEY", "ISDN", "KEY", "KX", "L32", "L64", "LOC", "LP", "MB", "MD", "MF", "MG",
    "MINFO", "MR", "NID", "NINFO", "NSAP", "NSAP-PTR", "NSEC", "NSEC3", "NSEC3PARAM", "NULL", "NXT", "OPENPGPKEY", "PX", "RESINFO",
    "RP", "RRSIG", "RT", "SIG", "SMIMEA", "SPF", "SSHFP", "TA", "URI", "WALLET", "WKS", "X25", "ZONEMD",
]
Rcode = Literal[
    "NOERROR", "NXDOMAIN", "SERVFAIL", "REFUSED", "FORMERR", "NOTIMP", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE",
    "DSOTYPENI", "BADVERS", "BADKEY", "BADTIME", "BADMODE", "BADNAME", "BADALG", "BADTRUNC", "BADCOOKIE",
]
# fmt: on

_LABEL = re.compile(r"[A-Za-z0-9_/*-]{1,63}")
_TRANSPORTS: dict[str, Any] = {"UDP": "UDP, and TCP where the answer is too long", "TCP": "TCP", "TLS": "TLS (DoT)"}
_MATCHES: dict[str, Any] = {
    "ANY": "at least one of the values is there",
    "ALL": "all values are there; more are fine",
    "EXACT": "exactly these values are there",
    "CONTAINS": "a record contains one of the values",
    "REGEX": "a record matches one of the expressions",
}


def _name(value: str) -> str:
    """A name to ask for: underscores, a leading asterisk and other scripts are fine; an address stands for its name in the reverse zone."""
    value = value.strip()
    if names_in(value) or value == ".":
        return value
    try:
        return str(ipaddress.ip_address(value.removeprefix("[").removesuffix("]")))
    except ValueError:
        pass
    if not value.isascii():
        ascii_host(value.removeprefix("*."))
        return value
    labels = value.removesuffix(".").split(".")
    if len(value) > 254 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("Enter a name as it stands in the DNS, for instance shop.example or _sip._tcp.example.")
    return value


def _without_blanks(value: Any) -> Any:
    return [one for one in value if not isinstance(one, str) or one.strip()] if isinstance(value, list) else value


Name = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_name)]
Values = Annotated[
    list[Annotated[str, Field(max_length=1_000), AfterValidator(str.strip)]],
    Field(max_length=50),
    BeforeValidator(_without_blanks),
]


class DnsSpec(AssertedSpec, MeasuredSpec):
    """Asks one resolver for records. Times in milliseconds."""

    SOURCES: ClassVar[tuple[Source, ...]] = (Source.RECORDS, Source.RCODE, Source.TTL, Source.LATENCY)

    host: Name = Field(
        title="Name to look up",
        description="An address stands for its name in the reverse zone.",
        json_schema_extra=CODE,
    )
    lookupRecord: RecordType = Field("A", title="Records")
    nameServer: OptionalHost = Field(
        None,
        title="Resolver",
        description="A name or an address; exactly this one is asked. Empty: the resolvers of this machine.",
        json_schema_extra=CODE,
    )
    nameServerPort: Port = Field(53, title="Port", description="For UDP and TCP.")
    transport: Literal["UDP", "TCP", "TLS"] = Field(
        "UDP", title="Asked over", json_schema_extra={"options": _TRANSPORTS}
    )
    tlsPort: Port = Field(853, title="TLS port")
    tlsServername: OptionalHost = Field(
        None,
        title="TLS server name",
        description="Looked for in the certificate instead of the resolver.",
        json_schema_extra=CODE,
    )
    allowSelfSignedCert: bool = Field(
        False,
        title="Accept certificates that cannot be verified",
        description="Only for test systems: anybody may answer in its place.",
    )
    timeout: TimeLimit = Field(3_000, description="Over everything.")
    rcode: Rcode = Field(
        "NOERROR", title="Expected response", description="Another than NOERROR is UP without any records."
    )
    matchType: Literal["ANY", "ALL", "EXACT", "CONTAINS", "REGEX"] = Field(
        "ANY", title="UP where", json_schema_extra={"options": _MATCHES}
    )
    values: Values = Field(
        [],
        title="Values",
        description="One a line, as records read: 203.0.113.7, mail.example or 10 mail.example, v=spf1 -all. "
        "Left empty, any record will do; with “exactly”, there must be none.",
        json_schema_extra={"code": True, "rows": 3},
    )

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        if self.transport == "TLS" and not self.nameServer:
            raise ValueError("nameServer: TLS needs a resolver.")
        if self.lookupRecord != "PTR" and _is_address(self.host):
            raise ValueError("host: an address has records of the type PTR only.")
        if self.matchType in ("CONTAINS", "REGEX") and not self.values:
            raise ValueError("values: enter what to look for.")
        if self.matchType == "REGEX":
            for one in self.values:
                if problem := _expression_fault(one):
                    raise ValueError(f"values: {one!r} is no regular expression: {problem}.")
        return self


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _expression_fault(expression: str) -> str | None:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        re2.compile(expression, options)
    except re2.error as error:
        fault = error.args[0] if error.args else "it cannot be read"
        return fault.decode(errors="replace") if isinstance(fault, bytes) else str(fault)
    return None
