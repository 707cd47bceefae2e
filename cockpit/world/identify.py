"""Which operation of which service a raw request asks for, and with which parameters.

The service is the signing name in the `Authorization` header, translated to botocore's client name;
the operation is where its protocol has it (catalogue, moto §2.2).
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote

from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape

from cockpit.connect.aws.loader import ModelLoader

CLIENTS: Mapping[str, str] = {
    "elasticloadbalancing": "elbv2",
    "monitoring": "cloudwatch",
    "tagging": "resourcegroupstaggingapi",
    "servicequotas": "service-quotas",
    "access-analyzer": "accessanalyzer",
    "states": "stepfunctions",
}
"""Signing name → client name, where they differ."""
_BY_PATH = (("apigateway", "/v2/", "apigatewayv2"), ("s3", "/v20180820/", "s3control"))
READS = re.compile(
    r"(Describe|List|Get|Simulate|BatchGet|BatchDescribe|Lookup|Head|Search|Filter|Query$|Scan$)"
)
_CREDENTIAL = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/aws4_request")
LOADER = ModelLoader()
"""Of the whole world."""


@dataclass(slots=True)
class AwsRequest:
    """One request of a client. `service` and `operation` are empty when they cannot be told."""

    service: str
    operation: str
    protocol: str
    key: str
    region: str
    method: str
    path: str
    query: str
    body: bytes
    environ: dict[str, Any] = field(repr=False)

    @property
    def is_read(self) -> bool:
        """Whether the operation's name is that of a read: enough for the shop's own services."""
        return bool(READS.match(self.operation))

    @property
    def parameters(self) -> dict[str, Any]:
        """The arguments as botocore's caller gave them, as far as the body holds them."""
        if self.protocol in {"query", "ec2"}:
            return parameters(self.service, self.operation, self.body)
        if self.protocol.startswith("rest-") and self.operation:
            return _of_rest(self)
        return _of_json(self.body)

    def rewind(self) -> dict[str, Any]:
        """The WSGI environment with the body to be read again."""
        self.environ["wsgi.input"] = io.BytesIO(self.body)
        self.environ["CONTENT_LENGTH"] = str(len(self.body))
        return self.environ


@cache
def model(service: str) -> ServiceModel:
    """The model of a service as botocore has it, with the protocol that is spoken."""
    return ServiceModel(description(service), service)


def description(service: str) -> Any:
    """The raw model, as botocore's loader has it."""
    return LOADER.load_service_model(service, "service-2")


@cache
def known(service: str) -> bool:
    """Whether botocore has such a client."""
    return service in LOADER.list_available_services("service-2")


def operation(service: str, name: str) -> OperationModel:
    """The model of one operation."""
    return model(service).operation_model(name)


def identify(environ: dict[str, Any]) -> AwsRequest:
    """Read the request's head and body; the body stays readable through `rewind`."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length) if length else b""
    found = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    key, region, signing = found.groups() if found else ("", "", "")
    path = _whole_path(environ, signing)
    request = AwsRequest(
        service=_client(signing, path),
        operation="",
        protocol="",
        key=key,
        region=region,
        method=environ.get("REQUEST_METHOD", "GET"),
        path=path,
        query=environ.get("QUERY_STRING", ""),
        body=body,
        environ=environ,
    )
    _name(request)
    return request


def _whole_path(environ: dict[str, Any], signing: str) -> str:
    """The path with the bucket that S3's clients put before a host that is a name; moto gets it so
    too.
    """
    host, colon, port = environ.get("HTTP_HOST", "").partition(":")
    before = host.removesuffix(".localhost")
    if signing == "s3" and before != host and not before.isdigit():
        environ["PATH_INFO"] = f"/{before}{environ.get('PATH_INFO', '/')}".rstrip("/")
        environ["HTTP_HOST"] = f"localhost{colon}{port}"
    return str(environ.get("PATH_INFO", "/"))


def _client(signing: str, path: str) -> str:
    """The client's name. Some services sign with the name of another, and differ by the path."""
    for name, beginning, client in _BY_PATH:
        if signing == name and path.startswith(beginning):
            return client
    return CLIENTS.get(signing, signing)


def _name(request: AwsRequest) -> None:
    target = request.environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        request.protocol, request.operation = "json", target.rpartition(".")[2]
        return
    if not request.service or not known(request.service):
        return
    form = parse_qs(request.body.decode(errors="replace")) if _is_form(request) else {}
    if "Action" in form:
        request.protocol = "ec2" if request.service == "ec2" else "query"
        request.operation = form["Action"][0]
        return
    request.protocol = str(model(request.service).protocol)
    request.operation = _by_path(request)


def _of_json(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body) if body else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _of_rest(request: AwsRequest) -> dict[str, Any]:
    """Members out of path and query; of the body JSON, or a payload that is text, such as a policy.

    Members in headers and bodies of XML are left out: nothing here asks for one.
    """
    shape = operation(request.service, request.operation).input_shape
    if shape is None:
        return {}
    payload = shape.serialization.get("payload", "")
    found = {} if payload else _renamed(shape, _of_json(request.body))
    given = dict(parse_qsl(request.query, keep_blank_values=True))
    path = _in_path(request)
    for name, member in shape.members.items():
        where, wire = member.serialization.get("location"), member.serialization.get("name", name)
        if where == "uri" and wire in path:
            found[name] = unquote(path[wire])
        elif where == "querystring" and wire in given:
            found[name] = given[wire]
    if payload and shape.members[payload].type_name in {"blob", "string"}:
        found[payload] = request.body.decode(errors="replace")
    return found


def _renamed(shape: Shape, value: Any) -> Any:
    """A part of a JSON body under the names that a caller gives, which the wire may spell small."""
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        names = {m.serialization.get("name", name): name for name, m in shape.members.items()}
        known = {names[wire]: held for wire, held in value.items() if wire in names}
        return {name: _renamed(shape.members[name], held) for name, held in known.items()}
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_renamed(shape.member, each) for each in value]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {name: _renamed(shape.value, each) for name, each in value.items()}
    return value


def _in_path(request: AwsRequest) -> dict[str, str]:
    template = operation(request.service, request.operation).http["requestUri"].partition("?")[0]
    names = re.findall(r"\{([^}+]*)\+?\}", template)
    found = _pattern(template, greedy="(.+)", plain="([^/]+)").fullmatch(request.path)
    return dict(zip(names, found.groups(), strict=True)) if found else {}


def _pattern(template: str, *, greedy: str, plain: str) -> re.Pattern[str]:
    pattern = re.sub(r"\\\{[^}]*\\\+\\\}", greedy, re.escape(template.rstrip("/") or "/"))
    return re.compile(re.sub(r"\\\{[^}]*\\\}", plain, pattern) + "/?")


def _is_form(request: AwsRequest) -> bool:
    return str(request.environ.get("CONTENT_TYPE", "")).startswith(
        "application/x-www-form-urlencoded"
    )


def _by_path(request: AwsRequest) -> str:
    """The longest matching template with the most query keys wins."""
    given = {key for key, _ in parse_qsl(request.query, keep_blank_values=True)}
    best, name = (-1, -1), ""
    for method, pattern, keys, length, candidate in _routes(request.service):
        rank = (length, len(keys))
        fits = method == request.method and keys <= given and pattern.fullmatch(request.path)
        if fits and rank > best:
            best, name = rank, candidate
    return name


@cache
def _routes(service: str) -> tuple[tuple[str, re.Pattern[str], frozenset[str], int, str], ...]:
    routes = []
    for name in model(service).operation_names:
        http = operation(service, name).http
        path, _, query = http["requestUri"].partition("?")
        pattern = _pattern(path, greedy=".+", plain="[^/]+")
        keys = frozenset(key for key, _ in parse_qsl(query, keep_blank_values=True))
        fixed = len(re.sub(r"\{[^}]*\}", "", path))
        routes.append((http["method"], pattern, keys, fixed, name))
    return tuple(routes)


def parameters(service: str, name: str, body: bytes) -> dict[str, Any]:
    """The arguments of a query or ec2 body, in the structure of the operation's input."""
    flat = dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
    shape = operation(service, name).input_shape
    if shape is None:
        return {}
    found = _structure(shape, flat, "", ec2=service == "ec2")
    return found if isinstance(found, dict) else {}


def _structure(shape: Shape, flat: Mapping[str, str], prefix: str, *, ec2: bool) -> Any:
    if isinstance(shape, StructureShape):
        members = {}
        for name, member in shape.members.items():
            path = f"{prefix}.{_key(name, member, ec2)}" if prefix else _key(name, member, ec2)
            value = _structure(member, flat, path, ec2=ec2)
            if value is not None:
                members[name] = value
        return members or None
    if isinstance(shape, ListShape):
        return _list(shape, flat, prefix, ec2=ec2)
    if isinstance(shape, MapShape):
        return None
    return _scalar(shape, flat.get(prefix))


def _list(shape: ListShape, flat: Mapping[str, str], prefix: str, *, ec2: bool) -> Any:
    base = prefix
    if not ec2 and not shape.serialization.get("flattened"):
        base = f"{prefix}.{shape.member.serialization.get('name', 'member')}"
    items = []
    for number in range(1, 1001):
        value = _structure(shape.member, flat, f"{base}.{number}", ec2=ec2)
        if value is None:
            break
        items.append(value)
    return items or None


def _key(name: str, member: Shape, ec2: bool) -> str:
    serialization = member.serialization
    if ec2:
        if "queryName" in serialization:
            return str(serialization["queryName"])
        given = str(serialization.get("name", name))
        return given[:1].upper() + given[1:]
    if isinstance(member, ListShape) and serialization.get("flattened"):
        return str(member.member.serialization.get("name", serialization.get("name", name)))
    return str(serialization.get("name", name))


def _scalar(shape: Shape, text: str | None) -> Any:
    if text is None:
        return None
    match shape.type_name:
        case "integer" | "long":
            return int(text)
        case "float" | "double":
            return float(text)
        case "boolean":
            return text == "true"
        case _:
            return unquote(text) if "%" in text and shape.type_name == "blob" else text
