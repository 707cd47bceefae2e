"""Answers and errors on the wire, for each protocol that AWS services speak.

Errors are as in the catalogue (moto §2.3): another body per protocol, another code per service.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from xml.sax.saxutils import escape

from botocore.parsers import create_parser

from cockpit.world.identify import AwsRequest, description, operation


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A whole HTTP answer."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


_QUERY_CODES = {
    "throttled": (400, "Throttling", "Rate exceeded"),
    "denied": (403, "AccessDenied", ""),
    "expired": (403, "ExpiredToken", "The security token included in the request is expired"),
    "bad-key": (403, "InvalidClientTokenId", "The security token in the request is invalid"),
    "internal": (500, "InternalFailure", "The request processing has failed"),
}
_EC2_CODES = {
    "throttled": (503, "RequestLimitExceeded", "Request limit exceeded."),
    "denied": (403, "UnauthorizedOperation", ""),
    "expired": (400, "RequestExpired", "Request has expired."),
    "bad-key": (401, "AuthFailure", "AWS was not able to validate the provided credentials"),
    "internal": (500, "InternalError", "An internal error has occurred"),
}
_JSON_CODES = {
    "throttled": (400, "ThrottlingException", "Rate exceeded"),
    "denied": (400, "AccessDeniedException", ""),
    "expired": (
        400,
        "ExpiredTokenException",
        "The security token included in the request is expired",
    ),
    "bad-key": (
        400,
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
    ),
    "internal": (500, "InternalServerError", "The request processing has failed"),
}
_REST_JSON_CODES = {
    "throttled": (429, "TooManyRequestsException", "Rate Exceeded."),
    "denied": (403, "AccessDeniedException", ""),
    "expired": (403, "ExpiredTokenException", _JSON_CODES["expired"][2]),
    "bad-key": (403, "UnrecognizedClientException", _JSON_CODES["bad-key"][2]),
    "internal": (500, "ServiceException", "The service encountered an internal error."),
}
_S3_CODES = {
    "throttled": (503, "SlowDown", "Please reduce your request rate."),
    "denied": (403, "AccessDenied", "Access Denied"),
    "expired": (400, "ExpiredToken", "The provided token has expired."),
    "bad-key": (403, "InvalidAccessKeyId", "The AWS Access Key Id does not exist."),
    "internal": (500, "InternalError", "We encountered an internal error. Please try again."),
}
_TABLES = {
    "query": _QUERY_CODES,
    "ec2": _EC2_CODES,
    "json": _JSON_CODES,
    "rest-json": _REST_JSON_CODES,
    "rest-xml": _S3_CODES,
}
_OLD_CODES = {"throttled": "Throttling", "denied": "AccessDenied", "expired": "ExpiredToken"}
_IAM_PREFIXES = {
    "elbv2": "elasticloadbalancing",
    "service-quotas": "servicequotas",
    "resourcegroupstaggingapi": "tag",
    "accessanalyzer": "access-analyzer",
    "stepfunctions": "states",
}
CONDITIONS = tuple(_QUERY_CODES)


class Refusal(Exception):
    """An answer of ours that is an AWS error: `code` with `message` and an HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


def failure(request: AwsRequest, condition: str, principal: str = "") -> HttpReply:
    """The service's own error for one of `CONDITIONS`, in the body of its protocol."""
    status, code, message = _TABLES.get(request.protocol, _JSON_CODES)[condition]
    if condition == "denied" and request.protocol != "rest-xml":
        message = _denial(request, principal)
    answer = error(request, code, message, status=status)
    if request.protocol == "json" and request.service in {"cloudwatch", "sqs"}:
        old = _OLD_CODES.get(condition, code)
        answer.headers["x-amzn-query-error"] = f"{old};Sender"
    return answer


def error(request: AwsRequest, code: str, message: str, *, status: int = 400) -> HttpReply:
    """An AWS error in the body of the request's protocol."""
    number = str(uuid.uuid4())
    match request.protocol:
        case "query":
            body = (
                f"<ErrorResponse><Error><Type>Sender</Type><Code>{escape(code)}</Code>"
                f"<Message>{escape(message)}</Message></Error>"
                f"<RequestId>{number}</RequestId></ErrorResponse>"
            )
            return _xml(status, body, number)
        case "ec2":
            body = (
                f"<Response><Errors><Error><Code>{escape(code)}</Code>"
                f"<Message>{escape(message)}</Message></Error></Errors>"
                f"<RequestID>{number}</RequestID></Response>"
            )
            return _xml(status, body, number)
        case "rest-xml":
            body = (
                f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
                f"<RequestId>{number}</RequestId></Error>"
            )
            return _xml(status, body, number)
        case "rest-json":
            headers = _headers("application/json", number) | {"x-amzn-ErrorType": code}
            return HttpReply(
                status, json.dumps({"message": message, "Message": message}).encode(), headers
            )
        case _:
            headers = _headers("application/x-amz-json-1.1", number)
            return HttpReply(
                status, json.dumps({"__type": code, "message": message}).encode(), headers
            )


def success(request: AwsRequest, result: dict[str, Any]) -> HttpReply:
    """A result in the structure of botocore's output, serialised for the request's protocol."""
    from moto.core.serialize import SerializationContext, get_serializer_class

    model = _motos_model(request.service).operation_model(request.operation)
    serializer = get_serializer_class(request.service, request.protocol)
    number = str(uuid.uuid4())
    context = SerializationContext(request_id=number)
    wire = serializer(model, context).serialize(result)
    body = wire["body"]
    kind = "text/xml" if request.protocol in {"query", "ec2"} else "application/x-amz-json-1.1"
    headers = {**_headers(kind, number), **wire["headers"]}
    encoded = body if isinstance(body, bytes) else str(body).encode()
    return HttpReply(wire["status_code"], encoded, headers)


def parsed(request: AwsRequest, answer: HttpReply) -> dict[str, Any]:
    """A successful answer as botocore's caller would get it, without `ResponseMetadata`."""
    parser = create_parser(request.protocol)
    shape = operation(request.service, request.operation).output_shape
    wire = {"body": answer.body, "headers": answer.headers, "status_code": answer.status}
    result: dict[str, Any] = parser.parse(wire, shape)
    result.pop("ResponseMetadata", None)
    return result


@cache
def _motos_model(service: str) -> Any:
    from moto.core.model import ServiceModel

    return ServiceModel(description(service), service)


def _denial(request: AwsRequest, principal: str) -> str:
    prefix = _IAM_PREFIXES.get(request.service, request.service)
    return (
        f"User: arn:aws:iam::123456789012:user/{principal or 'cockpit'} is not authorized to "
        f"perform: {prefix}:{request.operation} because no identity-based policy allows the "
        f"{prefix}:{request.operation} action"
    )


def _xml(status: int, body: str, number: str) -> HttpReply:
    return HttpReply(status, body.encode(), _headers("text/xml", number))


def _headers(kind: str, number: str) -> dict[str, str]:
    return {"Content-Type": kind, "x-amzn-RequestId": number}
