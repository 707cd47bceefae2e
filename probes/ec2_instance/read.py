"""What is read of EC2's answers about an instance, and as which value of the model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from cockpit.connect.aws.answer import Answer, GivenText
from cockpit.text import SafeText
from probes.ec2_instance.model import HostEvent, Snapshot, StatusCheck

_OVER = ("[completed]", "[canceled]", "[cancelled]")


class InstanceStateRow(Answer, frozen=True):
    """Its state."""

    name: GivenText


class StateReasonRow(Answer, frozen=True):
    """Why the state is what it is."""

    code: SafeText = ""
    message: SafeText = ""


class InstancePlacement(Answer, frozen=True):
    """Where it is."""

    availability_zone: SafeText = ""


class Monitoring(Answer, frozen=True):
    """How often metrics are published."""

    state: SafeText = ""


class InstanceTag(Answer, frozen=True):
    """A tag."""

    key: SafeText = ""
    value: SafeText = ""


class Volume(Answer, frozen=True):
    """The volume behind a device."""

    volume_id: SafeText = ""


class Device(Answer, frozen=True):
    """A device."""

    ebs: Volume = Volume()


class InterfaceAssociation(Answer, frozen=True):
    """A public address; its owner is `amazon` where it is not an Elastic IP."""

    ip_owner_id: SafeText = ""


class InstanceInterfaceRow(Answer, frozen=True):
    """A network interface."""

    association: InterfaceAssociation = InterfaceAssociation()


class Ec2InstanceRow(Answer, frozen=True):
    """An instance."""

    of = "ec2.Instance"
    instance_id: GivenText
    state: InstanceStateRow
    state_reason: StateReasonRow = StateReasonRow()
    state_transition_reason: SafeText = ""
    instance_type: SafeText = ""
    instance_lifecycle: SafeText = ""
    placement: InstancePlacement = InstancePlacement()
    private_ip_address: SafeText = ""
    public_ip_address: SafeText = ""
    launch_time: datetime | None = None
    image_id: SafeText = ""
    root_device_type: SafeText = ""
    monitoring: Monitoring = Monitoring()
    block_device_mappings: tuple[Device, ...] = ()
    network_interfaces: tuple[InstanceInterfaceRow, ...] = ()
    tags: tuple[InstanceTag, ...] = ()


class CheckDetail(Answer, frozen=True):
    """What a check looked at."""

    impaired_since: datetime | None = None


class CheckRow(Answer, frozen=True):
    """A check."""

    status: SafeText = ""
    details: tuple[CheckDetail, ...] = ()


class ApplicationStatusRow(Answer, frozen=True):
    """What the checks say that were set up for the application on it; empty: there are none."""

    status: SafeText = ""
    impaired_since: datetime | None = None


class EventRow(Answer, frozen=True):
    """A scheduled event."""

    instance_event_id: SafeText = ""
    code: SafeText = ""
    description: SafeText = ""
    not_before: datetime | None = None
    not_after: datetime | None = None
    not_before_deadline: datetime | None = None


class StatusRow(Answer, frozen=True):
    """Checks and events of an instance."""

    of = "ec2.InstanceStatus"
    instance_id: GivenText
    system_status: CheckRow = CheckRow()
    instance_status: CheckRow = CheckRow()
    attached_ebs_status: CheckRow = CheckRow()
    application_status: ApplicationStatusRow = ApplicationStatusRow()
    events: tuple[EventRow, ...] = ()


class CreditRow(Answer, frozen=True):
    """How a burstable instance gets on without credits."""

    of = "ec2.InstanceCreditSpecification"
    instance_id: GivenText
    cpu_credits: SafeText = ""


def id_of(id_: str) -> str:
    """The id out of an ARN (`…:instance/i-0abc`), or as it is."""
    return id_.rpartition("/")[2] if id_.startswith("arn:") else id_


def snapshot_of(row: Ec2InstanceRow, at: datetime) -> Snapshot:
    """The instance, without what other calls tell."""
    tags = {each.key: each.value for each in row.tags}
    owners = {each.association.ip_owner_id for each in row.network_interfaces}
    volumes = (each.ebs.volume_id for each in row.block_device_mappings)
    return Snapshot(
        at=at,
        id=row.instance_id,
        name=tags.get("Name", ""),
        state=row.state.name,
        state_code=row.state_reason.code,
        state_reason=row.state_reason.message,
        transition=row.state_transition_reason,
        type=row.instance_type,
        zone=row.placement.availability_zone,
        address=row.private_ip_address,
        public_address=row.public_ip_address,
        elastic=bool(owners - {"", "amazon"}),
        launched=row.launch_time,
        group=tags.get("aws:autoscaling:groupName", ""),
        spot=row.instance_lifecycle == "spot",
        image=row.image_id,
        root=row.root_device_type,
        volumes=tuple(each for each in volumes if each),
        detailed=row.monitoring.state == "enabled",
    )


def checks_of(row: StatusRow) -> tuple[StatusCheck, ...]:
    """The checks that were made; EC2 leaves that of volumes out for old instance types."""
    kinds = (
        ("system", row.system_status),
        ("instance", row.instance_status),
        ("volumes", row.attached_ebs_status),
    )
    return tuple(_checks(kinds))


def application_of(row: StatusRow) -> StatusCheck | None:
    """The customer's own checks of the application: none of EC2's, so a restart may not help."""
    told = row.application_status
    if told.status in {"", "not-applicable"}:
        return None
    return StatusCheck(kind="application", status=told.status, since=told.impaired_since)


def _checks(kinds: Iterable[tuple[str, CheckRow]]) -> Iterator[StatusCheck]:
    for kind, row in kinds:
        if row.status:
            began = [d.impaired_since for d in row.details if d.impaired_since is not None]
            yield StatusCheck(kind=kind, status=row.status, since=min(began, default=None))


def events_of(row: StatusRow) -> tuple[HostEvent, ...]:
    """What is still to come: EC2 shows what is over for a week, and says so in the description."""
    return tuple(
        HostEvent(
            id=each.instance_event_id,
            code=each.code,
            text=each.description,
            begins=each.not_before,
            ends=each.not_after,
            deadline=each.not_before_deadline,
        )
        for each in row.events
        if not each.description.lower().startswith(_OVER)
    )
