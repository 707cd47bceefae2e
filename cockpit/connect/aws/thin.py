"""Reads with less work: what botocore works out anew for every call is worked out once.

The request is made by botocore's serializer and read by its parser; the endpoint comes from its
rules. Handlers that do nothing at an operation are not called, endpoint and user agent are kept
where no argument decides them, and the signature is our own (`sigv4`). That is the first attempt,
and the way of an answer that is good. Every other ending goes on in aiobotocore's own code, with
its retries, quota and errors; and an operation at which something unknown hangs never leaves it
(`routes`). Acts and credentials do not come here at all.

Source: aiobotocore.client and .endpoint 2.25, as run; a test compares every read with theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode

from botocore import xform_name
from botocore.awsrequest import AWSPreparedRequest, prepare_request_dict
from botocore.compat import get_current_datetime
from botocore.context import get_context, start_as_current_context
from botocore.exceptions import NoCredentialsError
from botocore.hooks import first_non_none_response

from cockpit.connect.aws.errors import FAILURES
from cockpit.connect.aws.routes import ReadRoute, ResolvedEndpoint, route_of, stays
from cockpit.connect.aws.sessions import compiled_parser
from cockpit.connect.aws.sigv4 import Signer
from cockpit.connect.aws.transport import Untyped

if TYPE_CHECKING:
    from aiobotocore.awsrequest import AioAWSResponse
    from aiobotocore.client import AioBaseClient
    from botocore.model import OperationModel

Answer = dict[str, Untyped]
"""What botocore gives: members of the model, and `ResponseMetadata`."""
_OF_ENDPOINT = ("auth_type", "signing", "endpoint_properties")
"""What the rules of an endpoint write into the context of a call."""


class PreparedRead(NamedTuple):
    """What a transport takes of botocore's prepared request, which copies its headers twice."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None
    stream_output: bool = False


class ThinClient:
    """The reads of one client. `client` is aiobotocore's, for all else."""

    def __init__(
        self,
        client: AioBaseClient,
        *,
        guard: Callable[[str, str], None],
        sending: Callable[[], None],
        answered: Callable[[Mapping[str, object]], None],
        ours: frozenset[object],
    ) -> None:
        self.client = client
        self._guard = guard
        self._sending = sending
        self._answered = answered
        self._ours = ours
        self._routes: dict[str, ReadRoute | None] = {}
        self._signer = Signer()
        self._agents: dict[frozenset[str], str] = {}
        # what follows has no public name: `routes` and the comparison of all reads watch over it
        self._endpoint = client._endpoint  # noqa: SLF001
        self._credentials = client._request_signer._credentials  # noqa: SLF001
        service = client.meta.service_model
        self._service = str(service.service_name)
        self._parser = compiled_parser(service.resolved_protocol)

    async def call(self, operation: str, arguments: Mapping[str, object]) -> Answer:
        """One operation, named as the API spells it. Raises what aiobotocore raises, and `Refused`.

        Nothing is made, resolved or signed before the guard has seen it.
        """
        self._guard(self._service, operation)
        route = self._known(operation)
        if route is None:
            return await self._whole(operation, arguments)
        given, context = dict(arguments), self._context(route.model)
        if route.edits:
            await self.client.meta.events.emit(
                f"before-parameter-build.{route.name}",
                params=given,
                model=route.model,
                context=context,
            )
        endpoint = route.endpoint or await self._resolved(route, given, context)
        if not endpoint.region:
            return await self._whole(operation, arguments)
        context |= endpoint.context
        return await self._called(route, endpoint, given, context)

    def reason(self, operation: str) -> str:
        """Why an operation stays with aiobotocore; empty: it takes the thin path."""
        model = self.client.meta.service_model.operation_model(operation)
        return stays(self.client, model, self._ours)

    async def close(self) -> None:
        """Give the connections up."""
        await self.client.close()

    async def _whole(self, operation: str, arguments: Mapping[str, object]) -> Answer:
        answer: Answer = await getattr(self.client, xform_name(operation))(**arguments)
        return answer

    def _known(self, operation: str) -> ReadRoute | None:
        if operation not in self._routes:
            self._routes[operation] = route_of(self.client, operation, self._ours)
        return self._routes[operation]

    def _context(self, model: OperationModel) -> dict[str, Untyped]:
        return {
            "client_region": self.client.meta.region_name,
            "client_config": self.client.meta.config,
            "has_streaming_input": False,
            "auth_type": model.resolved_auth_type,
            "unsigned_payload": model.unsigned_payload,
            "auth_options": model.service_model.metadata.get("auth"),
        }

    async def _resolved(
        self, route: ReadRoute, given: Mapping[str, object], context: dict[str, Untyped]
    ) -> ResolvedEndpoint:
        """Where botocore sends it, and how it would sign; kept where that is always the same."""
        client, model = self.client, route.model
        signer = client._request_signer  # noqa: SLF001
        with start_as_current_context():
            url, headers, properties = await client._resolve_endpoint_ruleset(  # noqa: SLF001
                model, given, context
            )
            if self._credentials is not None:
                await self._credentials.get_frozen_credentials()  # whose source the agent names
            noted = frozenset(get_context().features)
            version = await signer._choose_signer(model.name, "standard", context)  # noqa: SLF001
        if properties:
            context["endpoint_properties"] = properties
        signing = context.get("signing", {})
        region = signing.get("region") or signer._region_name  # noqa: SLF001
        ours = version == "v4" and isinstance(region, str) and "identity_cache" not in signing
        endpoint = ResolvedEndpoint(
            url,
            headers,
            self._agents.get(noted) or self._agent(noted),
            noted,
            region=region if ours else "",
            signing_name=signing.get("signing_name") or signer._signing_name,  # noqa: SLF001
            context={name: context[name] for name in _OF_ENDPOINT if name in context},
        )
        if route.fixed:
            route.endpoint = endpoint
        return endpoint

    def _agent(self, noted: frozenset[str]) -> str:
        """The user agent with what botocore noted."""
        with _noting(noted):
            agent = self._agents[noted] = str(self.client._user_agent_creator.to_string())  # noqa: SLF001
        return agent

    async def _called(
        self,
        route: ReadRoute,
        endpoint: ResolvedEndpoint,
        given: dict[str, object],
        context: dict[str, Untyped],
    ) -> Answer:
        client, model = self.client, route.model
        request = client._serializer.serialize_to_request(given, model)  # noqa: SLF001
        if not client._client_config.inject_host_prefix:  # noqa: SLF001
            request.pop("host_prefix", None)
        request["headers"].update(endpoint.headers)
        prepare_request_dict(
            request, endpoint_url=endpoint.url, user_agent=endpoint.agent, context=context
        )
        if route.calls:
            await client.meta.events.emit(
                f"before-call.{route.name}",
                model=model,
                params=request,
                request_signer=client._request_signer,  # noqa: SLF001
                context=context,
            )
        http, parsed = await self._exchanged(route, request, endpoint)
        await client.meta.events.emit(
            f"after-call.{route.name}",
            http_response=http,
            parsed=parsed,
            model=model,
            context=context,
        )
        if http.status_code >= 300:
            code = context.get("error_code_override") or parsed.get("Error", {}).get("Code")
            raise client.exceptions.from_code(code)(parsed, model.name)
        return parsed

    async def _exchanged(
        self, route: ReadRoute, request: dict[str, Untyped], endpoint: ResolvedEndpoint
    ) -> tuple[AioAWSResponse, Answer]:
        """One attempt of ours; those after it, if there are any, are aiobotocore's."""
        way, context, attempts = self._endpoint, request["context"], 1
        way._update_retries_context(context, attempts)  # noqa: SLF001
        prepared = await self._prepared(request, endpoint)
        found, error = await self._attempt(route, prepared)
        while self._doubtful(found) and await way._needs_retry(  # noqa: SLF001
            attempts, route.model, request, found, error
        ):
            attempts += 1
            way._update_retries_context(context, attempts, found)  # noqa: SLF001
            with _noting(endpoint.features):
                again = await way.create_request(request, route.model)
            found, error = await way._get_response(again, route.model, context)  # noqa: SLF001
        if found is None:
            assert error is not None
            raise error
        if "ResponseMetadata" in found[1]:
            found[1]["ResponseMetadata"]["RetryAttempts"] = attempts - 1
        return found

    def _doubtful(self, found: tuple[AioAWSResponse, Answer] | None) -> bool:
        """Whether botocore could want to ask again; `x-amz-crc32` is DynamoDB's."""
        if found is None:
            return True
        http, parsed = found
        return http.status_code >= 300 or "Error" in parsed or "x-amz-crc32" in http.headers

    async def _prepared(
        self, request: dict[str, Untyped], endpoint: ResolvedEndpoint
    ) -> PreparedRead:
        keys = self._credentials and await self._credentials.get_frozen_credentials()
        if keys is None:
            raise NoCredentialsError
        headers = {name: _text(value) for name, value in request["headers"].items()}
        body = _body(request["body"])
        method = request["method"]
        self._signer.sign(
            headers,
            method=method,
            url=request["url"],
            body=body,
            keys=keys,
            region=endpoint.region,
            service=endpoint.signing_name,
            at=get_current_datetime(),
        )
        retries = request["context"]["retries"]
        headers["amz-sdk-invocation-id"] = retries["invocation-id"]
        headers["amz-sdk-request"] = f"attempt={retries['attempt']}"
        if method not in {"GET", "HEAD", "OPTIONS"}:
            headers["Content-Length"] = str(len(body))
        return PreparedRead(method, request["url"], headers, body or None)

    async def _attempt(
        self, route: ReadRoute, request: PreparedRead
    ) -> tuple[tuple[AioAWSResponse, Answer] | None, Exception | None]:
        model = route.model
        try:
            http = await self._sent(route, request)
        except FAILURES as error:
            return None, error
        answer = {
            "headers": http.headers,
            "status_code": http.status_code,
            "context": {"operation_name": model.name},
            "body": await http.content,
        }
        parsed: Answer = await self._parser.parse(answer, model.output_shape)
        parsed.update(())  # an answer that is no structure fails here, as it does there
        if http.status_code >= 300:
            await self._endpoint._add_modeled_error_fields(  # noqa: SLF001
                answer, parsed, model, self._parser
            )
        self._answered(parsed)
        return (http, parsed), None

    async def _sent(self, route: ReadRoute, request: PreparedRead) -> AioAWSResponse:
        if not route.sends:
            self._sending()
            return await self._endpoint.http_session.send(request)
        theirs = AWSPreparedRequest(
            request.method, request.url, request.headers, request.body, request.stream_output
        )
        said = await self.client.meta.events.emit(f"before-send.{route.name}", request=theirs)
        answer = first_non_none_response(said)
        return answer or await self._endpoint.http_session.send(theirs)


@contextmanager
def _noting(features: frozenset[str]) -> Iterator[None]:
    """What botocore reads when it writes a user agent."""
    with start_as_current_context():
        get_context().features.update(features)
        yield


def _body(body: object) -> bytes:
    """What is sent: a form is written, text encoded, bytes are as they are."""
    if isinstance(body, dict):
        body = urlencode(body, doseq=True)
    return body.encode() if isinstance(body, str) else bytes(body or b"")  # type: ignore[call-overload]


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
