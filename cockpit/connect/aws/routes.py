"""Which operations may take the thin path: those at which nothing hangs that it does not know.

botocore keeps what is special about a service in handlers of events. Each handler that stands at an
operation is one that the thin path does itself, one that does nothing there, or a reason to leave
the operation to aiobotocore. What a newer botocore hangs up is a reason until somebody looked.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import botocore.handlers as known
from aiobotocore.retries.standard import AioRetryHandler

if TYPE_CHECKING:
    from aiobotocore.client import AioBaseClient
    from botocore.model import OperationModel

PROTOCOLS = frozenset({"query", "ec2", "json", "rest-json", "rest-xml", "smithy-rpc-v2-cbor"})
_OWN_WAYS = {"s3": "other hosts, paths and signatures", "s3control": "other hosts and signatures"}
"""Services of which single requests are changed in many places, and of which few are sent."""
_NOBODY = (
    "provide-client-params",
    "before-sign",
    "before-parse",
    "after-call-error",
)
"""Events that the thin path has no place for."""
_ACCOUNT = "AWS::Auth::AccountId"


@dataclass(frozen=True, slots=True)
class ResolvedEndpoint:
    """Where a request goes and how it is signed."""

    url: str
    headers: Mapping[str, str]
    agent: str
    features: frozenset[str]
    """What botocore noted for the agent of a later attempt."""
    region: str
    """To sign for; empty: the signature is not one of ours."""
    signing_name: str
    context: Mapping[str, object]
    """What a later attempt of botocore's has to know of it."""


@dataclass(slots=True)
class ReadRoute:
    """What is known of an operation that takes the thin path."""

    model: OperationModel
    name: str
    """`service-id.Operation`, as events end."""
    edits: bool
    """Whether somebody edits its arguments."""
    calls: bool
    """Whether somebody edits its request."""
    sends: bool
    """Whether somebody but us sees the request leave, or answers it."""
    fixed: bool
    """Whether its endpoint is always the same."""
    endpoint: ResolvedEndpoint | None = None


def route_of(client: AioBaseClient, operation: str, ours: frozenset[object]) -> ReadRoute | None:
    """What is known of an operation; None: it is left to aiobotocore."""
    if operation not in client.meta.method_to_api_mapping.values():
        return None
    model = client.meta.service_model.operation_model(operation)
    if stays(client, model, ours):
        return None
    nothing = idle(model)

    def anybody(event: str, but: frozenset[object]) -> bool:
        return any(each not in but for each in handlers(client, event, model))

    return ReadRoute(
        model,
        f"{model.service_model.service_id.hyphenize()}.{operation}",
        edits=anybody("before-parameter-build", nothing),
        calls=anybody("before-call", nothing | ours),
        sends=anybody("before-send", ours),
        fixed=always_there(client, model),
    )


def handlers(
    client: AioBaseClient, event: str, operation: OperationModel
) -> tuple[Callable[..., object], ...]:
    """What botocore calls at an event of an operation, in its order."""
    # no public name tells who listens; emitting would call them
    events = client.meta.events
    service = operation.service_model.service_id.hyphenize()
    name = events._alias_event_name(f"{event}.{service}.{operation.name}")  # noqa: SLF001
    return tuple(events._emitter._handlers.prefix_search(name))  # noqa: SLF001


def idle(operation: OperationModel) -> frozenset[object]:
    """Handlers of botocore's that do nothing at this operation."""
    found: set[object] = set()
    if not operation.idempotent_members:
        found.add(known.generate_idempotent_uuid)
    if not operation.http_checksum:
        found.add(known._handle_request_validation_mode_member)  # noqa: SLF001
    if not operation.is_endpoint_discovery_operation:
        found.add(known.inject_api_version_header_if_needed)
    if "AWS_LAMBDA_FUNCTION_NAME" not in os.environ:
        found.add(known.add_recursion_detection_header)
    return frozenset(found)


def stays(client: AioBaseClient, operation: OperationModel, ours: frozenset[object]) -> str:
    """Why an operation is left to aiobotocore; empty: it may take the thin path.

    `ours` are the handlers of this client that the thin path calls in its own way.
    """
    return next(_reasons(client, operation, ours), "")


def _reasons(
    client: AioBaseClient, operation: OperationModel, ours: frozenset[object]
) -> Iterator[str]:
    service = operation.service_model
    if way := _OWN_WAYS.get(service.service_name):
        yield way
    if service.resolved_protocol not in PROTOCOLS:
        yield f"protocol {service.resolved_protocol}"
    if (
        operation.has_streaming_input
        or operation.has_streaming_output
        or operation.has_event_stream_input
        or operation.has_event_stream_output
    ):
        yield "a stream"
    if operation.unsigned_payload or operation.resolved_auth_type not in {None, "v4"}:
        yield "another signature"
    if operation.http_checksum or operation.http_checksum_required:
        yield "checksums"
    if operation.request_compression or operation.endpoint_discovery:
        yield "compression or discovery of endpoints"
    signer = client._request_signer.handler  # noqa: SLF001
    agent = client._user_agent_creator.rebuild_and_replace_user_agent_handler  # noqa: SLF001
    allowed: dict[str, frozenset[object]] = {
        **dict.fromkeys(_NOBODY, frozenset()),
        "before-call": idle(operation) | ours | {known.add_accept_header},
        "request-created": frozenset({signer, agent, known.add_retry_headers}),
        "choose-signer": frozenset(
            {known.set_operation_specific_signer, known._set_auth_scheme_preference_signer}  # noqa: SLF001
        ),
        "response-received": ours,
    }
    for event, these in allowed.items():
        for handler in handlers(client, event, operation):
            if handler not in these:
                yield f"{getattr(handler, '__name__', handler)} at {event}"
    for handler in handlers(client, "needs-retry", operation):
        if not isinstance(getattr(handler, "__self__", None), AioRetryHandler):
            yield f"{getattr(handler, '__name__', handler)} at needs-retry"


def always_there(client: AioBaseClient, operation: OperationModel) -> bool:
    """Whether an operation's endpoint depends on no argument and no credential."""
    rules = client._ruleset_resolver  # noqa: SLF001
    if rules is None:
        return True
    builtins = {each.builtin for each in rules._param_definitions.values()}  # noqa: SLF001
    return not (
        operation.context_parameters
        or operation.operation_context_parameters
        or _ACCOUNT in builtins
        or handlers(client, "before-endpoint-resolution", operation)
    )
