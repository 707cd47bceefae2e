"""What is read of Lambda's answers."""

from __future__ import annotations

from msgspec import field

from cockpit.connect.aws.answer import Answer, GivenText
from cockpit.text import SafeText


class FunctionVpcRow(Answer, frozen=True):
    """Where a function's interfaces are."""

    subnet_ids: tuple[SafeText, ...] = ()
    security_group_ids: tuple[SafeText, ...] = ()


class LayerRow(Answer, frozen=True):
    """One layer of a function."""

    arn: SafeText = ""


class EnvironmentRow(Answer, frozen=True):
    """Names of variables; their values are masked before we see them."""

    variables: dict[SafeText, SafeText] = field(default_factory=dict)


class ChangedFunctionRow(Answer, frozen=True):
    """A function's configuration, or a version's."""

    of = "lambda.FunctionConfiguration"

    function_name: GivenText
    version: SafeText = ""
    last_modified: SafeText = ""
    code_sha256: SafeText = field(default="", name="CodeSha256")
    timeout: int | None = None
    memory_size: int | None = None
    role: SafeText = ""
    runtime: SafeText = ""
    handler: SafeText = ""
    layers: tuple[LayerRow, ...] = ()
    vpc_config: FunctionVpcRow = FunctionVpcRow()
    environment: EnvironmentRow = EnvironmentRow()
    state: SafeText = ""
    last_update_status: SafeText = ""
    last_update_status_reason: SafeText = ""
    last_update_status_reason_code: SafeText = ""


class RoutingRow(Answer, frozen=True):
    """The share of an alias's calls that go elsewhere."""

    additional_version_weights: dict[SafeText, float] = field(default_factory=dict)


class ChangedAliasRow(Answer, frozen=True):
    """One of `ListAliases`."""

    of = "lambda.AliasConfiguration"

    name: GivenText
    function_version: SafeText = ""
    routing_config: RoutingRow = RoutingRow()
