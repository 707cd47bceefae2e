"""The path probe over the real connector against moto: real HTTP, real botocore, real paging."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from cockpit.connect.aws.settings import VpcEnd
from cockpit.errors import BlindError, Reason
from probes.vpc_path.config import tried
from tests.servers.vpc_shop import FrontAtPort, Shop, codes, fronted, permission, shopping

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def front() -> Iterator[FrontAtPort]:
    with fronted() as made:
        yield made


@pytest.fixture
async def shop(front: FrontAtPort, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    async with shopping(front, monkeypatch) as made:
        yield made


async def test_the_path_is_open_by_the_group_reference(shop: Shop) -> None:
    snapshot = await shop.look()
    assert (snapshot.verdict, codes(snapshot), snapshot.unknown) == ("open", [], ())
    allowed = next(hop for hop in snapshot.ways[0].hops if hop.name.startswith("ingress"))
    assert allowed.why.startswith("sgr-")


async def test_a_revoked_rule_is_found_and_its_suggestion_repairs_it(shop: Shop) -> None:
    await shop.do("RevokeSecurityGroupIngress", **shop.flow())
    broken = await shop.look()
    assert broken.verdict == "blocked"
    assert broken.blockers[0].code == "PATH_SG_INGRESS_DENIED"
    assert broken.blockers[0].suggestion == shop.flow()
    assert tried(broken, "ec2.AuthorizeSecurityGroupIngress", shop.flow()).verdict == "open"
    await shop.do("AuthorizeSecurityGroupIngress", **broken.blockers[0].suggestion)
    assert (await shop.look()).verdict == "open"


async def test_an_interface_and_the_internet_as_ends(shop: Shop) -> None:
    found = await shop.look(VpcEnd(interface=shop.interface), source=VpcEnd(internet=True))
    assert found.verdict == "blocked"
    assert {"PATH_IGW_DETACHED", "PATH_SG_INGRESS_DENIED"} <= set(codes(found))
    assert found.blockers[0].code == "PATH_IGW_DETACHED"


async def test_a_rule_for_a_prefix_list_is_expanded(shop: Shop) -> None:
    made = await shop.do(
        "CreateManagedPrefixList",
        PrefixListName="clients",
        MaxEntries=5,
        AddressFamily="IPv4",
        Entries=[{"Cidr": "10.0.11.0/24"}],
    )
    await shop.do("RevokeSecurityGroupIngress", **shop.flow())
    listed = made["PrefixList"]["PrefixListId"]
    await shop.allow(shop.db, permission(5432, listed=listed))
    assert (await shop.look()).verdict == "open"


async def test_an_end_that_does_not_exist_is_a_blind_reading(shop: Shop) -> None:
    with pytest.raises(BlindError) as caught:
        await shop.look(VpcEnd(interface="eni-0123456789abcdef0"))
    assert caught.value.reason is Reason.MISSING


async def test_an_address_that_nobody_has_is_undetermined(shop: Shop) -> None:
    assert codes(await shop.look(VpcEnd(address="10.0.21.77"))) == ["PATH_UNDETERMINED"]


@pytest.mark.parametrize("many", [1, 11, 101])
async def test_many_groups_change_nothing(shop: Shop, many: int) -> None:
    for number in range(many):
        await shop.group(f"g{number}")
    snapshot = await shop.look()
    assert snapshot.verdict == "open"
    assert len(snapshot.network.groups) == 2
