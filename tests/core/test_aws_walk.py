"""Every operation of every service that the list names, called in triage, by the
real client and by the thin path.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError, HTTPClientError
from botocore.model import ListShape, MapShape, OperationModel, Shape, StringShape, StructureShape

from cockpit.connect.aws import clients, reads
from cockpit.connect.aws.sessions import ACTS_LOADER
from cockpit.errors import Refused
from tests.core.aws_stub import Reply, Request, reading, stubbed
from tests.core.managed_policies import is_in

NAMED = {"Bucket": "shop-orders", "AccountId": "123456789012", "Key": "orders"}
"""Members that a client checks before it sends anything, or that become a part of the host's name."""
XML = "<ErrorResponse><Error><Code>No</Code><Message>no</Message></Error></ErrorResponse>"
NO = {True: Reply('{"__type": "No", "message": "no"}', 400, type="application/json"),
      False: Reply(XML, 400)}  # fmt: skip
"""A refusal of AWS's own, by whether a service speaks JSON."""


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COCKPIT_TEST_KEY", "testing-key")


def least(shape: Shape | None, name: str = "", depth: int = 0) -> Any:
    """The smallest value of a shape that a client accepts."""
    match shape:
        case StructureShape():
            inner = shape.required_members if depth < 6 else ()
            one_of = depth > 0 and shape.is_tagged_union
            picked = inner or ([*shape.members][:1] if one_of else ())
            return {member: least(shape.members[member], member, depth + 1) for member in picked}
        case ListShape():
            many = shape.metadata.get("min", 0)
            return [least(shape.member, name, depth + 1)] * many
        case MapShape():
            many = shape.metadata.get("min", 0)
            return {f"k{n}": least(shape.value, name, depth + 1) for n in range(many)}
        case StringShape():
            text = NAMED.get(name, shape.enum[0] if shape.enum else "x")
            return text.ljust(shape.metadata.get("min", 1), "x")
    if shape is None:
        return {}
    kinds: dict[str, Any] = {"boolean": True, "blob": b"x", "timestamp": 0}
    return kinds.get(shape.type_name, shape.metadata.get("min", 1))


def refusing(no: Reply, request: Request) -> Reply:
    """The answer to a read; that to a HEAD has no body."""
    return Reply(status=404) if request.method == "HEAD" else no


def operations(client: Any) -> Iterator[OperationModel]:
    """The operations of a service that its client can call."""
    model = client.meta.service_model
    for name in model.operation_names:
        yield model.operation_model(name)


async def test_nothing_but_the_list_leaves_a_session_of_triage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also with whole models: a look's have no others, and the guard does not count on it."""
    monkeypatch.setattr(clients, "LOADER", ACTS_LOADER)
    refused, sent, held = 0, set(), 0
    async with stubbed() as stub, reading(stub) as session:
        for service in sorted(reads.ALLOW):
            thin = await session._clients.reads(service)
            client = thin.client
            no = NO["json" in client.meta.service_model.protocol]
            stub.answer = partial(refusing, no)
            for operation in operations(client):
                allowed = operation.name in reads.ALLOW[service]
                arguments = least(operation.input_shape)
                for call in (
                    partial(getattr(client, xform_name(operation.name)), **arguments),
                    partial(thin.call, operation.name, arguments),
                ):
                    before, arrived = session.cost.api_calls, len(stub.requests)
                    try:
                        await call()
                        outcome = "sent"
                    except Refused:
                        outcome = "refused"
                    except (ClientError, HTTPClientError):  # s3control asks a host of its own
                        outcome = "sent"
                    assert outcome == ("sent" if allowed else "refused"), operation.name
                    assert (session.cost.api_calls > before) == allowed, operation.name
                    assert allowed or len(stub.requests) == arrived, operation.name
                if allowed:
                    sent.add(f"{service}.{operation.name}")
                else:
                    refused += 1
                    dangerous = reads.SECRET, reads.ACTING, reads.UNASKED
                    held += any(operation.name in d.get(service, ()) for d in dangerous)
    assert held > 60
    print(f"{len(sent)} sent, {refused} refused, of which {held} look like reads and are none")
    assert len(sent) == sum(map(len, reads.ALLOW.values()))


def test_aws_counts_all_of_the_list_as_reads_and_many_more_that_are_held_back() -> None:
    listed = {reads.iam_action(s, o) for t in (reads.ALLOW, reads.CONSENT) for s in t for o in t[s]}
    outside = {action for action in listed if not is_in("ReadOnlyAccess", action)}
    assert outside == {"signin:ListSessions"}, "which is newer than moto's copy of the policy"
    tables = reads.SECRET, reads.ACTING, reads.UNASKED
    held = {(s, o) for table in tables for s in table for o in table[s]}
    known = {one for one in held if is_in("ReadOnlyAccess", reads.iam_action(*one))}
    assert len(known) > 60, "ReadOnlyAccess lets secrets and customers' data through"
    for service, operation in held:
        with pytest.raises(Refused):
            reads.check(service, operation, frozenset({f"{service}.{operation}"}))
