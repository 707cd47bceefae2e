"""What a failed AWS call means: every error of the client as one blind reason and a next step.

Sources: botocore's and aiobotocore's error trees as measured (catalogue moto §2.3), the services'
"Common errors" pages (catalogue A §0.2). Two traps shape it: aiobotocore reports a reset after
sending as "could not connect", and a page of HTML can become a `KeyError` or nothing at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from cockpit.connect.aws.denial import denial
from cockpit.connect.aws.profiles import signed_in_by_login
from cockpit.connect.aws.reads import iam_action
from cockpit.connect.aws.transport import TooLarge
from cockpit.connect.meaning import NO_FILES, out_of_files
from cockpit.errors import BlindError, ListTooLong, Reason
from cockpit.text import visible

FAILURES: tuple[type[Exception], ...] = (
    boto.BotoCoreError,
    boto.ClientError,
    ResponseParserError,
    aiohttp.ClientError,
    OSError,
    TimeoutError,
    # what botocore's parsers and endpoint rules raise when an answer or a URL is not what it is
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    RuntimeError,
)
"""Everything that a call through botocore can raise, apart from cancellation."""


def _words(names: str) -> frozenset[str]:
    return frozenset(names.split())


_DENIED = _words(
    """
    AccessDenied AccessDeniedException AccessDeniedFault UnauthorizedOperation AuthorizationError
    AuthorizationErrorException Client.UnauthorizedOperation UnauthorizedException NotAuthorized
    NotAuthorizedException AllAccessDisabled Forbidden ForbiddenException KMSAccessDeniedException
    WAFAccessDeniedException OperationNotPermittedException
    """
)
_EXPIRED = _words(
    """
    ExpiredToken ExpiredTokenException RequestExpired TokenRefreshRequired InvalidToken
    InvalidClientTokenId UnrecognizedClientException AuthFailure InvalidAccessKeyId
    MissingAuthenticationToken MissingAuthenticationTokenException IncompleteSignature
    """
)
_SIGNATURE = _words(
    """
    SignatureDoesNotMatch InvalidSignatureException InvalidSignature RequestTimeTooSkewed
    RequestInTheFuture
    """
)
_THROTTLED = _words(
    """
    Throttling ThrottlingException ThrottledException Throttled RequestLimitExceeded
    RequestThrottled RequestThrottledException TooManyRequestsException TooManyRequests SlowDown
    EC2ThrottledException BandwidthLimitExceeded LimitExceededException
    ProvisionedThroughputExceededException PriorRequestNotComplete 429
    """
)
_UNSUPPORTED = _words(
    """
    OptInRequired SubscriptionRequiredException SubscriptionRequired UnknownOperationException
    UnknownOperation InvalidAction UnsupportedOperation UnsupportedOperationException
    UnsupportedFeatureException NotImplemented MethodNotAllowed
    """
)
_LONGEST = 2000
"""Characters of a message that are kept: AWS puts the id of a refusal at its end."""
MOVED = _words("PermanentRedirect TemporaryRedirect Redirect")
"""S3 does nothing with a request for a bucket of another region, and says where it is."""

_MISSING = re.compile(r"NotFound|NoSuch|DoesNotExist|NonExistent|Nonexistent")


@dataclass(frozen=True, slots=True)
class AwsCall:
    """What was asked of whom: for the words of an error."""

    service: str
    operation: str
    region: str
    profile: str = ""
    keys: bool = False
    """Whether the configuration names keys instead of a profile."""

    @property
    def name(self) -> str:
        """`elbv2.DescribeTargetHealth`."""
        return f"{self.service}.{self.operation}"


def blind(error: Exception, call: AwsCall) -> BlindError:
    """The blind reason of whatever a call raised. A `BlindError` is passed through."""
    if isinstance(error, BlindError):
        return error
    if isinstance(error, boto.ClientError):
        return from_answer(error.response, call)
    return _from_client(error, call)


def from_answer(answer: Mapping[str, object], call: AwsCall) -> BlindError:
    """The reason of an error that somebody answered: a service, or what pretends to be one."""
    error = answer.get("Error")
    error = error if isinstance(error, Mapping) else {}
    code = str(error.get("Code") or "")
    message = visible(str(error.get("Message") or error.get("message") or ""), _LONGEST)
    metadata = answer.get("ResponseMetadata")
    status = metadata.get("HTTPStatusCode", 0) if isinstance(metadata, Mapping) else 0
    bare = code.rpartition(":")[2].rpartition("#")[2]
    return (
        _credentials(bare, message, call)
        or _numbered(bare, status, call)
        or _named(bare, message, call=call, status=status)
    )


def _credentials(code: str, message: str, call: AwsCall) -> BlindError | None:
    if code in _DENIED:
        return denied(message, call)
    if code in _EXPIRED:
        return BlindError(Reason.EXPIRED, f"{call.name}: {code}: {message}", hint=login(call))
    if code in _SIGNATURE:
        skewed = "Skewed" in code or "Future" in code or "xpired" in message or "current" in message
        return BlindError(
            Reason.EXPIRED if skewed else Reason.MISCONFIGURED,
            f"{call.name}: {code}: {message}",
            hint="check this machine's clock: timedatectl status"
            if skewed
            else "the secret access key does not belong to the access key id",
        )
    return None


def denied(message: str, call: AwsCall) -> BlindError:
    """Names the IAM action, the resource and the kind of refusal, as far as AWS tells them."""
    found = denial(message)
    action = found.action or iam_action(call.service, call.operation)
    on = f" on {found.resource}" if found.resource else ""
    who = f" for {found.who}" if found.who else ""
    why = f" ({found.why})" if found.why else ""
    rest = f": {found.rest}" if found.rest else ""
    return BlindError(
        Reason.DENIED, f"not permitted: {action}{on}{who}{why}{rest}", hint=found.hint(action)
    )


def _numbered(code: str, status: int, call: AwsCall) -> BlindError | None:
    """A bare number as code: botocore found no error of AWS in the body, or there was no body."""
    if code and not code.isdigit():
        return None
    number = int(code) if code else status
    if call.operation == "HeadBucket" and number in {301, 307}:
        return BlindError(
            Reason.MISCONFIGURED,
            f"{call.name}: the bucket is not in {call.region}",
            hint="name an [aws.NAME] of the bucket's region as its place",
        )
    if call.operation.startswith("Head") and number in {403, 404}:
        reason = Reason.DENIED if number == 403 else Reason.MISSING
        return BlindError(reason, f"{call.name}: HTTP {number}")
    if number == 429:
        return throttled(f"HTTP {number}", call)
    if number >= 500:
        return BlindError(Reason.UNREACHABLE, f"{call.name}: HTTP {number}, no error of AWS in it")
    return BlindError(
        Reason.UNREADABLE,
        f"{call.name}: HTTP {number} without an error of AWS in it",
        hint="is a proxy or a captive portal in between? check endpoint_url",
    )


def _named(code: str, message: str, *, call: AwsCall, status: int) -> BlindError:
    said = f"{call.name}: {code}: {message}" if message else f"{call.name}: {code}"
    if code in _THROTTLED or "Rate exceeded" in message:
        return throttled(code, call)
    if code in _UNSUPPORTED:
        region = f"enable the region {call.region}, or look elsewhere" if "OptIn" in code else ""
        return BlindError(Reason.UNSUPPORTED, said, hint=region)
    if _MISSING.search(code):
        return BlindError(Reason.MISSING, said, hint=f"does it exist in {call.region}?")
    if code == "HealthUnavailableException":
        return BlindError(Reason.UNREACHABLE, f"{call.name}: health is not available right now")
    if status >= 500:
        # Not a throttle, 503 neither: looking less often does not help in a region's event.
        hint = f"the service is in trouble in {call.region}: see the AWS Health Dashboard"
        return BlindError(Reason.UNREACHABLE, said, hint=hint)
    if "does not exist" in message or "not found" in message:
        return BlindError(Reason.MISSING, said, hint=f"does it exist in {call.region}?")
    return BlindError(Reason.MISCONFIGURED, said)


def throttled(code: str, call: AwsCall) -> BlindError:
    """The service slowed us down: the cockpit looks less often by itself."""
    return BlindError(
        Reason.THROTTLED,
        f"{call.name}: throttled ({code}) in {call.region}",
        hint="the limit is shared with deployments: lower calls_per_second of the place",
    )


def too_long(key: str, most: int, call: AwsCall) -> ListTooLong:
    """A list that goes on beyond what is read of one: told as that, and nobody is accused."""
    return ListTooLong(
        Reason.UNREADABLE,
        f"{call.name}: more than {most:,} {key} in {call.region}, and no more are read of a list",
        hint="nothing is known of those beyond: look in the console",
    )


def unreadable(what: str, call: AwsCall) -> BlindError:
    """An answer that is not what the interface promises."""
    return BlindError(
        Reason.UNREADABLE,
        f"{call.name}: {what}",
        hint="is a proxy or a captive portal in between? check endpoint_url",
    )


def outdated(error: Exception, found: BlindError) -> bool:
    """Whether other credentials may lie on this machine by now than those that were read."""
    return found.reason is Reason.EXPIRED or isinstance(
        error, boto.NoCredentialsError | boto.ProfileNotFound
    )


def login(call: AwsCall) -> str:
    """The line to type when credentials have run out."""
    if call.keys:
        return "renew the keys that access_key_id and secret_access_key of the place refer to"
    if by_login := signed_in_by_login(call.profile):
        export = f"aws configure export-credentials --profile {by_login} --format process"
        return f"aws login; then a profile of its own with credential_process = {export}"
    if call.profile:
        return f"aws sso login --profile {call.profile}"
    return "renew the credentials: aws sso login, or set AWS_PROFILE"


def _from_client(error: Exception, call: AwsCall) -> BlindError:
    if isinstance(error, boto.BotoCoreError):
        beneath = error.kwargs.get("error")
        if isinstance(beneath, OSError) and beneath.errno in NO_FILES:
            return out_of_files(call.name)
        if isinstance(beneath, BlindError):
            of_aws = beneath.code in _DNS and _OF_AWS in beneath.message
            hint = _unresolved(call) if of_aws else beneath.hint
            return BlindError(beneath.reason, f"{call.name}: {beneath.message}", hint=hint)
        found = _credentials_on_this_side(error, call) or _connection(error, call)
        if found is not None:
            return found
    said = visible(str(error) or type(error).__name__)
    if isinstance(error, TooLarge):
        return unreadable(said, call)
    if isinstance(error, RecursionError):
        return unreadable("the answer is nested too deep", call)
    if isinstance(error, ResponseParserError | boto.IncompleteReadError | LookupError):
        return unreadable("the answer is not what the API promises", call)
    if isinstance(error, boto.BotoCoreError):
        return BlindError(Reason.MISCONFIGURED, f"{call.name}: {said}")
    if isinstance(error, TimeoutError):
        return BlindError(Reason.TIMEOUT, f"{call.name}: no answer in time")
    if isinstance(error, aiohttp.ClientError | OSError | RuntimeError):
        return BlindError(Reason.UNREACHABLE, f"{call.name}: {said}")
    if isinstance(error, ValueError) and "endpoint" in said.lower():
        return BlindError(Reason.MISCONFIGURED, f"{call.name}: {said}", hint="check endpoint_url")
    return unreadable(f"the answer could not be read ({type(error).__name__})", call)


_DNS = {"NET_DNS_NXDOMAIN", "NET_DNS_SERVFAIL"}
_OF_AWS = ".amazonaws.com"


def _unresolved(call: AwsCall) -> str:
    """Nobody deletes an endpoint of AWS's: what to look at when its name has no address."""
    return (
        f"the name server of this machine, or its way out; then whether {call.region} is a region,"
        " and at the AWS Health Dashboard whether its names are in trouble"
    )


def _credentials_on_this_side(error: boto.BotoCoreError, call: AwsCall) -> BlindError | None:
    said = visible(str(error))
    if isinstance(error, boto.SSOError | boto.TokenRetrievalError | boto.CredentialRetrievalError):
        return BlindError(Reason.EXPIRED, f"{call.name}: {said}", hint=login(call))
    if isinstance(error, boto.NoCredentialsError | boto.NoAuthTokenError):
        return BlindError(Reason.MISCONFIGURED, f"{call.name}: no credentials", hint=login(call))
    if isinstance(error, boto.ProfileNotFound):
        return BlindError(
            Reason.MISCONFIGURED, said, hint=f"aws configure sso --profile {call.profile or 'NAME'}"
        )
    if isinstance(error, boto.ParamValidationError):
        return BlindError(Reason.MISCONFIGURED, f"{call.name}: {said}")
    return None


def _connection(error: boto.BotoCoreError, call: AwsCall) -> BlindError | None:
    at = f"the {call.service} endpoint in {call.region}"
    match error:
        case boto.ReadTimeoutError():
            return BlindError(Reason.TIMEOUT, f"{call.name}: {at} did not answer in time")
        case boto.ConnectTimeoutError():
            return BlindError(Reason.UNREACHABLE, f"{call.name}: no connection to {at} in time")
        case boto.SSLError():
            return BlindError(
                Reason.UNREACHABLE, f"{call.name}: TLS to {at} failed: {_cause(error)}"
            )
        case boto.ConnectionClosedError():
            return BlindError(Reason.UNREACHABLE, f"{call.name}: {at} hung up in mid-answer")
        case boto.HTTPClientError() | boto.ConnectionError() | boto.MetadataRetrievalError():
            return BlindError(
                Reason.UNREACHABLE,
                f"{call.name}: {at} cannot be reached: {_cause(error)}",
                hint="check this machine's network, VPN and endpoint_url",
            )
        case _:
            return None


def _cause(error: boto.BotoCoreError) -> str:
    cause = error.kwargs.get("error")
    return visible(str(cause) or type(cause).__name__) if cause is not None else "no detail"


def never_sent(error: Exception) -> bool:
    """Whether it is certain that a request did not leave: refused, no address, no credentials.

    aiobotocore turns a reset *after* sending into `EndpointConnectionError` too; only the error
    beneath tells the two apart.
    """
    if isinstance(error, boto.ConnectTimeoutError | boto.ProxyConnectionError | boto.SSLError):
        return True
    if isinstance(error, boto.EndpointConnectionError):
        return isinstance(error.kwargs.get("error"), aiohttp.ClientConnectorError)
    if isinstance(error, boto.BotoCoreError) and isinstance(error.kwargs.get("error"), BlindError):
        return True
    if isinstance(error, boto.HTTPClientError | boto.ConnectionError | ResponseParserError):
        return False
    return isinstance(error, boto.BotoCoreError)
