"""Secrets inside harmless answers, taken out before anything else sees the answer.

Environment values, commands, overrides, user data, presigned URLs, pre-shared keys, parameters of
stacks and of recorded API calls (catalogue moto §3.3). Names stay: that a variable exists is what a
person needs to know. Answers are changed in place, by their top-level members, so that the answers
of mutating calls are covered like those of reads.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from cockpit.redact import MASK
from cockpit.text import without_literals

_SECRETIVE = re.compile(
    r"(?i)passw|secret|token|credential|private_?key|apikey|api_key|accesskey|access_key|userdata"
    r"|environment|command|presharedkey|authparam|signature|^value$|^variables$|^string$|plaintext"
)
_PLAIN_PATHS = ("/deploymentId",)
"""Of API Gateway's patches: it sets an id. Other paths set stage variables, with secrets."""
_PRESIGNED = re.compile(r"(?i)(?<![^\s\"'])([^\s?\"']*+)\?(?=[^\s\"']*?X-Amz-)[^\s\"']*+")
_NAMED = re.compile(
    r"(?i)((?<![\w-])(?=[\w-]*?(?:passw(?:or)?d|passphrase|secret|token|api[-_]?key"
    r"|access[-_]?key|credential|private[-_]?key|cookie|signature|authorization))"
    r"[\w-]*+[\"'\\]*+\s*+[=:]\s*+)"
    r"(?:\\?\"[^\"]*\"|'[^']*'|(?:bearer|basic)\s+\S+|[^\s,;&}\])]+)"
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/-]{8,}=*")
_IN_URL = re.compile(r"(://[^\s:/@]*:)[^\s@/]+@")
_KEYS = re.compile(
    r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b"
    r"|(?<![\w-])((?>[\w-]*?\b(?=eyJ)))[\w-]{8,}+\.[\w-]+(?:\.[\w-]*)?"
)
_OVERRIDDEN = ("command", "environment", "environmentFiles")
_IN_CONTAINER = ("command", "entryPoint", "environmentFiles", "resourceRequirements")
_DEEPEST = 40

Members = dict[str, object]
"""An answer, or a structure in it."""

Rule = Callable[[Members], None]
"""Takes the secrets out of a structure, in place."""


def redact(service: str, answer: Members) -> Members:
    """The answer without secrets, changed in place."""
    rules = _RULES.get(service)
    if rules is not None:
        for member in answer.keys() & rules.keys():
            rules[member](answer)
    return answer


async def redacted(service: str, answer: Members) -> Members:
    """The same; lines of logs beside the loop, since thousands of them come in one answer."""
    if service != "logs":
        return redact(service, answer)
    return await asyncio.to_thread(redact, service, answer)


def _all(member: str, clean: Rule) -> Rule:
    """A rule for a member that holds one structure or a list of them."""

    def rule(answer: Members) -> None:
        for each in _structures(answer.get(member)):
            clean(each)

    return rule


def _structures(value: object) -> Iterable[Members]:
    if isinstance(value, dict):
        yield value
    elif isinstance(value, list):
        yield from (each for each in value if isinstance(each, dict))


def _drop(*names: str) -> Rule:
    def clean(item: Members) -> None:
        for name in names:
            item.pop(name, None)

    return clean


def _mask_values(member: str, value: str = "value") -> Rule:
    """`[{name, value}]` or `{name: value}` under a member: the names stay."""

    def clean(item: Members) -> None:
        held = item.get(member)
        if isinstance(held, dict):
            item[member] = dict.fromkeys(held, MASK)
        for each in held if isinstance(held, list) else ():
            if isinstance(each, dict) and value in each:
                each[value] = MASK

    return clean


def _task_definition(item: Members) -> None:
    for container in _structures(item.get("containerDefinitions")):
        _mask_values("environment")(container)
        _mask_values("secrets", "valueFrom")(container)
        _mask_values("dockerLabels")(container)
        _drop(*_IN_CONTAINER)(container)
        for check in _structures(container.get("healthCheck")):
            _drop("command")(check)
        _log_options(container.get("logConfiguration"))


def _log_options(configuration: object) -> None:
    for each in _structures(configuration):
        options = each.get("options")
        if isinstance(options, dict):
            each["options"] = {
                name: value if name.startswith("awslogs-") else MASK
                for name, value in options.items()
            }
        _mask_values("secretOptions", "valueFrom")(each)


def _task(item: Members) -> None:
    for overrides in _structures(item.get("overrides")):
        for container in _structures(overrides.get("containerOverrides")):
            _drop(*_OVERRIDDEN)(container)


def _service(item: Members) -> None:
    for deployment in _structures(item.get("deployments")):
        for connect in _structures(deployment.get("serviceConnectConfiguration")):
            _log_options(connect.get("logConfiguration"))


def _function(item: Members) -> None:
    for environment in _structures(item.get("Environment")):
        _mask_values("Variables")(environment)
    for code in _structures(item.get("Code")):
        _drop("Location")(code)


def _whole_function(answer: Members) -> None:
    _function(answer)


def _vpn(item: Members) -> None:
    _drop("CustomerGatewayConfiguration")(item)
    for options in _structures(item.get("Options")):
        for tunnel in _structures(options.get("TunnelOptions")):
            _drop("PreSharedKey")(tunnel)


def _recorded(item: Members) -> None:
    """A CloudTrail event: who, what and when stay; parameters that may be secret are masked."""
    item.pop("AccessKeyId", None)
    raw = item.get("CloudTrailEvent")
    if not isinstance(raw, str):
        return
    try:
        event = json.loads(raw)
    except ValueError:
        event = None
    if not isinstance(event, dict):
        item["CloudTrailEvent"] = ""
        return
    for member in ("requestParameters", "responseElements", "additionalEventData"):
        event[member] = masked(event.get(member))
    for identity in _structures(event.get("userIdentity")):
        identity.pop("accessKeyId", None)
    item["CloudTrailEvent"] = json.dumps(event)


def masked(value: object, depth: int = 0) -> object:
    """A JSON value with what hangs under secret-sounding names masked, and no presigned query."""
    if depth > _DEEPEST:
        return MASK
    if isinstance(value, Mapping):
        plain = {"value"} if value.get("path") in _PLAIN_PATHS else set()
        return {
            name: MASK
            if _SECRETIVE.search(str(name)) and name not in plain
            else masked(each, depth + 1)
            for name, each in value.items()
        }
    if isinstance(value, list):
        return [masked(each, depth + 1) for each in value]
    return unsigned(value) if isinstance(value, str) else value


def unsigned(value: str) -> str:
    """Text without the query of presigned URLs: whoever has the query has the object."""
    return _PRESIGNED.sub(rf"\1?{MASK}", value)


def without_secrets(line: str) -> str:
    """Free text, such as a line of a log, without what looks like a secret or signs something.

    Words after a secret-sounding name, passwords in URLs, bearer tokens, access key ids, presigned
    queries. What nobody could tell from a word stays: lines are kept as patterns besides.
    """
    line = unsigned(line)
    line = _NAMED.sub(rf"\1{MASK}", line)
    line = _BEARER.sub(rf"\1 {MASK}", line)
    line = _IN_URL.sub(rf"\1{MASK}@", line)
    return _KEYS.sub(rf"\1{MASK}", line)


def _line(item: Members) -> None:
    message = item.get("message")
    if isinstance(message, str):
        item["message"] = without_secrets(message)


def _results(answer: Members) -> None:
    """Rows of a query of Logs Insights: a list of fields each."""
    rows = answer.get("results")
    for row in rows if isinstance(rows, list) else ():
        for cell in _structures(row):
            value = cell.get("value")
            if isinstance(value, str):
                cell["value"] = without_secrets(value)


def _request(item: Members) -> None:
    """A sampled request: who asks for what; no header but those two, and no query."""
    for request in _structures(item.get("Request")):
        kept = ("user-agent", "host")
        held = _structures(request.get("Headers"))
        request["Headers"] = [e for e in held if str(e.get("Name", "")).lower() in kept]
        uri = request.get("URI")
        if isinstance(uri, str):
            request["URI"] = uri.partition("?")[0]
    _drop("RequestHeadersInserted")(item)


def _run(answer: Members) -> None:
    """An execution of a state machine: its data are the customer's; its error is the reason."""
    _drop("input", "output")(answer)
    cause = answer.get("cause")
    if isinstance(cause, str):
        answer["cause"] = without_secrets(cause)


def _stack(item: Members) -> None:
    for member, value in (("Parameters", "ParameterValue"), ("Outputs", "OutputValue")):
        _mask_values(member, value)(item)
        _mask_values(member, "ResolvedValue")(item)


def _stack_event(item: Members) -> None:
    _drop("ResourceProperties")(item)


def _execution(item: Members) -> None:
    query = item.get("Query")
    if isinstance(query, str):
        item["Query"] = without_literals(query)
    _drop("ExecutionParameters")(item)


def _database(item: Members) -> None:
    _drop("MasterUsername")(item)
    for pending in _structures(item.get("PendingModifiedValues")):
        _drop("MasterUserPassword")(pending)


def _stage(item: Members) -> None:
    _mask_values("variables")(item)
    _mask_values("StageVariables")(item)


def _distribution(item: Members) -> None:
    """Headers that CloudFront adds for an origin are how the origin knows it: a shared secret."""
    for config in _structures(item.get("DistributionConfig")):
        for origins in _structures(config.get("Origins")):
            _all("Items", _drop("CustomHeaders"))(origins)


def _one(clean: Rule, *members: str) -> dict[str, Rule]:
    return {member: _all(member, clean) for member in members}


_RULES: Mapping[str, Mapping[str, Rule]] = MappingProxyType(
    {
        "ecs": {
            **_one(_task_definition, "taskDefinition"),
            **_one(_task, "tasks", "task"),
            **_one(_service, "services", "service"),
        },
        "lambda": {
            **_one(_function, "Functions", "Versions", "Configuration"),
            "Environment": _whole_function,
            "Code": _whole_function,
        },
        "logs": {**_one(_line, "events"), "results": _results},
        "stepfunctions": {
            "definition": _drop("definition", "variableReferences"),
            **dict.fromkeys(("input", "output", "cause"), _run),
        },
        "ec2": _one(_vpn, "VpnConnections"),
        "rds": _one(_database, "DBInstances", "DBInstance", "DBClusters", "DBCluster"),
        "cloudtrail": _one(_recorded, "Events"),
        "cloudformation": {
            **_one(_stack, "Stacks"),
            **_one(_stack_event, "StackEvents"),
        },
        "athena": _one(_execution, "QueryExecution", "QueryExecutions"),
        "apigateway": {
            **_one(_stage, "item", "items"),
            "variables": _stage,
            "value": _drop("value"),  # of a key, which a change of it hands back
        },
        "apigatewayv2": {**_one(_stage, "Items"), "StageVariables": _stage},
        "cloudfront": _one(_distribution, "Distribution"),
        "events": _one(_drop("Input", "InputTransformer", "HttpParameters"), "Targets"),
        "glue": _one(_drop("Arguments"), "JobRuns"),
        "wafv2": _one(_request, "SampledRequests"),
    }
)
