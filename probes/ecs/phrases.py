"""The words by which failure texts of ECS are judged, most certain first.

Each phrase is whole words in lower case, without punctuation and without names of anything, since
`probes.ecs.failure` takes those out before it compares; `^` and `$` are the ends of a text. The
first rule that has a phrase decides.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias, TypeVar


class Cause(StrEnum):
    """Why it failed, or was stopped."""

    THROTTLED = "throttled"
    DENIED = "denied"
    MISSING = "missing"
    MISSING_OR_DENIED = "missing or denied"
    """Registries give the same answer for what is not there and what may not be seen."""
    NETWORK = "network"
    DISK = "disk"
    ARCHITECTURE = "architecture"
    INVALID = "invalid"
    SERVICE_ERROR = "service error"
    TIMEOUT = "timeout"
    COMMAND = "command"
    PORT = "port taken"
    MEMORY = "memory"
    HEALTH_CHECK = "health check"
    ADDRESSES = "no free addresses"
    CAPACITY = "no capacity"
    QUOTA = "quota"
    PERCENTAGES = "deployment percentages"
    AGENT = "agent disconnected"
    EXITED = "exited"
    NOT_STARTED = "not started"
    SCHEDULER = "scheduler"
    PERSON = "stopped by a person"
    SPOT = "spot interruption"
    HOST = "host gone"
    MAINTENANCE = "maintenance"
    UNKNOWN = "unknown"


class Resource(StrEnum):
    """What it failed at."""

    IMAGE = "image"
    REGISTRY = "registry"
    SECRET = "secret"  # noqa: S105 (a kind of thing, no password)
    PARAMETER = "parameter"
    SECRET_OR_REGISTRY = "secret or registry"  # noqa: S105
    ENVIRONMENT_FILE = "environment file"
    LOGS = "logs"
    FILE_SYSTEM = "file system"
    VOLUME = "volume"
    INTERFACE = "network interface"
    ROLE = "role"
    CONTAINER = "container"
    TASK_DEFINITION = "task definition"
    HOST = "host"
    CPU = "cpu"
    MEMORY = "memory"
    PORTS = "port"
    ATTRIBUTE = "attribute"
    UNKNOWN = ""


Value = TypeVar("Value")
Rules: TypeAlias = tuple[tuple[Value, tuple[str, ...]], ...]


def _phrases(text: str) -> tuple[str, ...]:
    return tuple(" ".join(each.split()) for each in text.split("|"))


PULL = "cannotpull"
"""How the codes of every failed pull begin."""
SET_UP = frozenset({"resourceinitializationerror"})
CONTAINER = frozenset(
    _phrases("""
        cannotstartcontainererror | cannotcreatecontainererror | cannotinspectcontainererror |
        cannotstopcontainererror | cannotdescribecontainererror | cannotremovecontainererror |
        cannotgetdockerclienterror | containerruntimeerror | containerruntimetimeouterror |
        dockertimeouterror | dockerstateerror | containernetworkingerror |
        containervanishederror | hostconfigerror | dockerclientconfigerror |
        cannotcreatevolumeerror | cannotinspectvolumeerror | invalidvolumeerror |
        outofmemoryerror
    """)
)
CODES = (SET_UP | CONTAINER).union(
    _phrases("""
        cannotpullcontainererror | cannotpullecrcontainererror | cannotpullcontainerautherror |
        cannotpullimagemanifesterror | internalerror | taskdependencyerror |
        taskstoppedbeforepullbeginerror
    """)
)

_THROTTLED = _phrases("""
    throttlingexception | throttledexception | throttling | throttled | toomanyrequests |
    toomanyrequestsexception | requestlimitexceeded | slowdown | too many requests |
    rate exceeded | rate limit | status code 429 | statuscode 429
""")
_DENIED = _phrases("""
    accessdeniedexception | accessdenied | unauthorizedoperation | authfailure |
    unrecognizedclientexception | expiredtokenexception | invalidclienttokenid |
    tagpolicyviolation | decryptionfailure | is not authorized to perform | not authorized |
    no basic auth credentials | unauthorized | forbidden | incorrect username or password |
    authorization token has expired | the role has the permissions | unable to assume |
    status code 401 | status code 403 | statuscode 401 | statuscode 403 | api error 401 |
    api error 403
""")
_NETWORK = _phrases("""
    connection issue between the task and | check your network configuration |
    check your task network configuration | i/o timeout | request canceled | requestcanceled |
    context canceled | context deadline exceeded | deadline exceeded | connection refused |
    connection reset by peer | connection timed out | no such host | no route to host |
    network is unreachable | tls handshake timeout | unexpected eof | dial tcp |
    send request failed | request send failed | could not reach any registry endpoint |
    nil pointer dereference
""")
"""The last one is what a pull says when the bucket of the layers cannot be reached."""
_MISSING = _phrases("""
    resourcenotfoundexception | parameternotfound | repositorynotfoundexception |
    imagenotfoundexception | nosuchkey | nosuchbucket | manifest unknown | manifestunknown |
    not found | notfound | no such image | does not exist | cannot find | can't find |
    invalid ssm parameters | marked for deletion | scheduled for deletion
""")
_SERVICE_ERROR = _phrases("""
    internalserviceerror | internalservererror | internalfailure | internalerror |
    serviceunavailable | serviceunavailableexception | internal server error |
    service unavailable | bad gateway | gateway timeout | status code 500 | status code 502 |
    status code 503 | statuscode 500 | statuscode 503
""")
_INVALID = _phrases("""
    validationexception | invalidparameterexception | invalidrequestexception |
    invalid arn format | did not contain json key | invalid character | invalid name |
    invalid reference format | invalid argument | no processor for media-type |
    unsupported media type | filesystem layer verification failed | invalid tar header
""")
_ARCHITECTURE = _phrases("""
    exec format error | exec format | matching platform | match the platform |
    match the specified platform | no matching manifest | cannot be used on this platform
""")
_DISK = _phrases("no space left on device | devmapper thin pool | no space left")
_ALREADY_THERE = _phrases("bind for | port is already allocated | address already in use")
PULL_CAUSES: Rules[Cause] = (
    (Cause.THROTTLED, _THROTTLED),
    (Cause.DISK, _DISK),
    (Cause.ARCHITECTURE, _ARCHITECTURE),
    (Cause.DENIED, _DENIED),
    (Cause.NETWORK, _NETWORK),
    (
        Cause.MISSING_OR_DENIED,
        _phrases("""
            repository does not exist or may require |
            requested access to the resource is denied | insufficient_scope | pull access denied
        """),
    ),
    (Cause.MISSING, _MISSING + _phrases("check whether the image exists")),
    (Cause.SERVICE_ERROR, _SERVICE_ERROR),
    (Cause.INVALID, _INVALID),
    (Cause.DENIED, _phrases("denied | access denied | failed to authorize")),
    (Cause.TIMEOUT, _phrases("timeout | timed out | signal killed")),
)
SET_UP_CAUSES: Rules[Cause] = (
    (Cause.THROTTLED, _THROTTLED),
    (Cause.DISK, _DISK),
    (Cause.DENIED, _DENIED),
    (Cause.NETWORK, _NETWORK + _phrases("mount attempt failed due to timeout")),
    (Cause.MISSING, _MISSING),
    (Cause.SERVICE_ERROR, _SERVICE_ERROR),
    (Cause.INVALID, _INVALID),
    (Cause.DENIED, _phrases("access denied | permission denied | operation not permitted")),
    (Cause.TIMEOUT, _phrases("timeout | timed out | signal killed")),
)
FILE_SYSTEM_CAUSES: Rules[Cause] = (
    (Cause.NETWORK, _phrases("failed to resolve")),
    (Cause.MISSING, _phrases("no such file or directory")),
)
"""What a mount says besides: a name that does not resolve, a folder that is not there."""
CONTAINER_CAUSES: Rules[Cause] = (
    (Cause.MEMORY, _phrases("outofmemoryerror | memory usage")),
    (Cause.DISK, _DISK),
    (Cause.ARCHITECTURE, _ARCHITECTURE),
    (Cause.PORT, _ALREADY_THERE),
    (
        Cause.COMMAND,
        _phrases("""
            executable file not found in | no such file or directory | not a directory |
            is a directory | permission denied
        """),
    ),
    (Cause.CAPACITY, _phrases("cannot allocate memory | resource temporarily unavailable")),
    (Cause.DENIED, _DENIED + _phrases("operation not permitted | access denied")),
    (
        Cause.TIMEOUT,
        _phrases("""
            timed out | timeout | context deadline exceeded | context canceled |
            containerruntimetimeouterror | dockertimeouterror
        """),
    ),
    (Cause.MISSING, _MISSING),
    (
        Cause.SERVICE_ERROR,
        _SERVICE_ERROR + _phrases("transport is closing | connection refused"),
    ),
    (
        Cause.INVALID,
        _INVALID
        + _phrases("minimum memory limit | invalid mount config | invalid container | conflict"),
    ),
)
TASK_CAUSES: Rules[Cause] = (
    (Cause.MEMORY, _phrases("container killed due to memory usage")),
    (
        Cause.HEALTH_CHECK,
        _phrases("""
            failed elb health checks | failed container health checks | failed health checks |
            failed cloud map health checks | failed the health check
        """),
    ),
    (
        Cause.SPOT,
        _phrases("spot task was interrupted | spot interruption | spot instance termination"),
    ),
    (
        Cause.MAINTENANCE,
        _phrases("""
            performing maintenance on the underlying infrastructure | retirement |
            infrastructure maintenance
        """),
    ),
    (
        Cause.HOST,
        _phrases("""
            host ec2 terminated | host ec2 stopped | host ec2 instance terminated |
            host ec2 instance stopped | container instance deregistration forced by user |
            container instance deregistered | container instance is unhealthy
        """),
    ),
    (
        Cause.ADDRESSES,
        _phrases("insufficientfreeaddressesinsubnet | insufficient free addresses"),
    ),
    (Cause.THROTTLED, _THROTTLED),
    (Cause.DENIED, _DENIED),
    (
        Cause.QUOTA,
        _phrases("""
            reached the limit on the number of | configuration is above your limit |
            limit exceeded
        """),
    ),
    (
        Cause.PERCENTAGES,
        _phrases("""
            because of the service deployment configuration | because of minimumhealthypercent |
            minimumhealthypercent or maximumpercent
        """),
    ),
    (Cause.AGENT, _phrases("^ agent $ | encountered error agent")),
    (
        Cause.CAPACITY,
        _phrases("""
            capacity is unavailable at this time | resource:cpu | resource:memory |
            resource:ports | resource:port | resource:eni | resource:gpu | resource:fargate |
            no container instance met all of its requirements |
            no container instances were found in | ^ attribute $ | ^ no active instances $ |
            ^ empty capacity provider $ | memberof constraint unsatisfied |
            memberof placement constraint unsatisfied | unused device index | insufficient cpu |
            insufficient memory
        """),
    ),
    (Cause.ADDRESSES, _phrases("with public ip assignment enabled in subnet")),
    (
        Cause.TIMEOUT,
        _phrases("""
            timeout waiting for network interface | timeout wait for network interface |
            timeout waiting for ephemeralstorage | timeout waiting for | timed out while
        """),
    ),
    (Cause.NETWORK, _NETWORK),
    (Cause.MISSING, _MISSING),
    (
        Cause.INVALID,
        _INVALID
        + _phrases("""
            not compatible with the selected compute strategy | idempotentparametermismatch |
            must be associated with | invalid networking configuration
        """),
    ),
    (
        Cause.SERVICE_ERROR,
        _SERVICE_ERROR + _phrases("unexpected ec2 error | internal error"),
    ),
    (
        Cause.SCHEDULER,
        _phrases("""
            scaling activity initiated by | service scheduler initiated | taskset | task set
        """),
    ),
    (
        Cause.EXITED,
        _phrases("essential container in task exited | essential container exited"),
    ),
    (Cause.NOT_STARTED, _phrases("task failed to start | failed to start")),
    (Cause.PERSON, _phrases("task stopped by user | stopped by user | task stopped by")),
)
SET_UP_RESOURCES: Rules[Resource] = (
    (
        Resource.ENVIRONMENT_FILE,
        _phrases("env files | env file | environment file | environment files | envfile"),
    ),
    (
        Resource.PARAMETER,
        _phrases("secrets from ssm | from ssm | ssm | systems manager | parameternotfound"),
    ),
    (Resource.SECRET, _phrases("from asm | asm | secrets manager | secrets from")),
    (
        Resource.REGISTRY,
        _phrases("registry auth from | ecr registry auth | amazon ecr | operation error ecr"),
    ),
    (
        Resource.SECRET_OR_REGISTRY,
        _phrases("secrets or registry auth | registry auth | secrets | secret"),
    ),
    (
        Resource.LOGS,
        _phrases("""
            logger args | logging driver | log driver | create stream | cloudwatch log |
            cloudwatch | log group | log stream | firelens
        """),
    ),
    (Resource.FILE_SYSTEM, _phrases("efs | efs utils | fsx | mount")),
    (
        Resource.INTERFACE,
        _phrases("eni | network interface | network namespace | netplugin | trunk eni"),
    ),
    (
        Resource.VOLUME,
        _phrases("ebs | volume | volumes | ephemeral storage | ephemeralstorage"),
    ),
    (Resource.ROLE, _phrases("role | credentials")),
)
CONTAINER_RESOURCES: Rules[Resource] = (
    (
        Resource.LOGS,
        _phrases("""
            logging driver | logger args | log group | log stream | cloudwatch log stream
        """),
    ),
    (
        Resource.VOLUME,
        _phrases("""
            mounting volume | while mounting | volumedriver.mount | volume |
            cannotcreatevolumeerror | cannotinspectvolumeerror | invalidvolumeerror
        """),
    ),
    (Resource.INTERFACE, _phrases("containernetworkingerror | network namespace | eni")),
)
TASK_RESOURCES: Rules[Resource] = (
    (Resource.ROLE, _phrases("assume the role | ecs infrastructure role")),
    (Resource.VOLUME, _phrases("ebs | ephemeralstorage | volume")),
    (
        Resource.INTERFACE,
        _phrases("network interface | resource:eni | insufficientfreeaddressesinsubnet"),
    ),
    (Resource.CPU, _phrases("insufficient cpu | resource:cpu | requested cpu | vcpus")),
    (Resource.MEMORY, _phrases("insufficient memory | resource:memory | requested memory")),
    (Resource.PORTS, _phrases("already using a port | resource:ports | resource:port")),
    (
        Resource.ATTRIBUTE,
        _phrases("missing an attribute | missing required attribute | ^ attribute $"),
    ),
    (Resource.TASK_DEFINITION, _phrases("selected task definition")),
    (Resource.HOST, _phrases("host ec2 | container instance | container instances | agent")),
    (Resource.CONTAINER, _phrases("container")),
)
