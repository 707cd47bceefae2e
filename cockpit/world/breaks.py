"""How each kind of fault of a scenario is put into the shop, and how its end is noticed."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from cockpit.errors import Misconfigured
from cockpit.world import layout, mutate
from cockpit.world.answers.cache import SIZES
from cockpit.world.checkout import Pile
from cockpit.world.ecs import Rollout, RunningService
from cockpit.world.faults import Fault
from cockpit.world.metrics import course_of, gauge
from cockpit.world.path_breaks import PathBreaks
from cockpit.world.release_breaks import ReleaseBreaks
from cockpit.world.store_breaks import StoreBreaks
from cockpit.world.stores import MEGABYTE
from cockpit.world.trail import ApiCall, ServiceEvent

if TYPE_CHECKING:
    from cockpit.world.stage import Stage

Parameters = Mapping[str, Any]
Break = Callable[[Parameters], Awaitable[None]]
_OF_CALL = ("answer", "error", "key", "address", "agent", "role", "read_only")
"""What a fault of kind `call` may say besides; see `trail.ApiCall`."""
LATER = 1.0
"""What `after` is multiplied with; 0: whatever comes later is there from the start."""


class Breaks:
    """Puts the scenario's faults into the shop, in the world's loop, and sees them end."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.resting = 12
        """Idle sessions of checkout's pool in quiet times."""
        self._demand = 0.0
        self._throttle = 0
        self._over: list[Callable[[], bool]] = []
        self._repaired = False
        self._renewals: dict[str, Callable[[], None]] = {}
        self._wanted: dict[str, int] = {}
        self._kinds: dict[str, Break] = {
            "lock": self._lock,
            "deployment": self._deployment,
            "stopped": self._stopped,
            "health_path": self._health_path,
            "crash": self._crash,
            "throttle": self._throttle_writes,
            "memory": self._memory,
            "revoke": self._revoke,
            "certificate": self._certificate,
            "aws": self._aws,
            "hang": self._hang,
            "call": self._call,
            "event": self._event,
            "unwell": self._unwell,
            "surge": self._surge,
            **StoreBreaks(stage, self._over, self._renewals).kinds,
            **PathBreaks(stage).kinds,
            **ReleaseBreaks(stage).kinds,
        }

    async def apply(self) -> None:
        """Everything that the scenario breaks, distractors first."""
        scenario = self._stage.scenario
        if scenario.mend:
            self._over.append(self._stage.phases.over)
        self._stage.cache.on_size = self._resized
        for one in (*scenario.distractor, *scenario.fault):
            if one.get("kind") not in self._kinds:
                raise Misconfigured(f"{scenario.name}: there is no fault {one.get('kind')!r}")
            await self._kinds[one["kind"]](one)
        onset = time.time() - scenario.onset
        for one in scenario.series:
            metrics = self._stage.book.named(one["metric"], one["about"])
            if not metrics:
                raise Misconfigured(f"{scenario.name}: there is no series {one['metric']}")
            self._stage.book.break_(metrics, course_of(one), onset)

    def tick(self) -> None:
        """Notice that everything is well again; then the metrics turn too."""
        if self._over and not self._repaired and all(over() for over in self._over):
            self._repaired = True
            self._stage.book.repair()

    def renew(self, service: str) -> None:
        """A service's tasks are started anew: what the old ones held on to is gone."""
        if service in self._renewals:
            self._renewals[service]()

    async def _lock(self, asked: Parameters) -> None:
        """A forgotten transaction holds shards; waiters and an idle crowd pile up behind it."""
        pile = Pile(
            self._stage.database,
            shards=int(asked["shards"]),
            waiters=int(asked["waiters"]),
            idle=int(asked["idle"]),
        )
        self._stage.spawn(pile.run())
        await pile.held.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(4):
                await pile.full.wait()
        self._over.append(pile.over.is_set)
        self._over.append(lambda: self._is_well(layout.CHECKOUT.name))

    async def _deployment(self, asked: Parameters) -> None:
        """A deployment that went well, some time ago; `before`: what ran till then."""
        service = self._stage.cluster.services[asked["service"]]
        begun = time.time() - float(asked["ago"])
        with self._stage.cluster.lock:
            version = int(asked.get("version", service.primary.version))
            before = service.primary
            fresh = Rollout(
                version,
                rollout="COMPLETED",
                created=begun,
                updated=begun + 25,
                finished=begun + 25,
            )
            fresh.reason = f"ECS deployment {fresh.id} completed."
            before.status = "INACTIVE"
            before.version = int(asked.get("before", version - 1))
            fresh.replaces, fresh.completed = (before,), True
            service.deployments, service.history = [fresh], [before]
            for task in service.tasks:
                task.deployment, task.version = fresh.id, version
                task.created = task.activated = task.started = begun + 12
            self._stage.cluster.versions[service.plan.name] = max(version, before.version)
            service.events = []
            service.say(f"(deployment {fresh.id}) deployment completed.", begun + 25)
            service.say("has reached a steady state.", begun + 26)
        self._update_service(service, asked, begun)

    def _update_service(self, service: RunningService, asked: Parameters, at: float) -> None:
        self._stage.trail.add(
            ApiCall(
                at=at,
                source="ecs.amazonaws.com",
                name="UpdateService",
                user=str(asked.get("user", "ci-deployer")),
                parameters={
                    "cluster": layout.CLUSTER,
                    "service": service.plan.name,
                    "taskDefinition": f"{service.plan.name}:{service.primary.version}",
                },
                resources=(("AWS::ECS::Service", service.plan.name),),
            )
        )

    async def _unwell(self, asked: Parameters) -> None:
        """The targets of these slots have failed their checks for a while already."""
        plan = next(one for one in layout.SERVICES if one.name == asked["service"])
        group = self._stage.health.group(plan.group_arn)
        slots = set(asked["slots"])
        service = self._stage.cluster.services[plan.name]
        service.kills = bool(asked.get("kills", False))
        addresses = {task.address for task in service.tasks if task.slot in slots}
        for target in group.targets.values():
            if target.id in addresses:
                target.failed = group.check.unhealthy
                target.turn("unhealthy", asked["reason"], asked["description"])

    async def _surge(self, asked: Parameters) -> None:
        """More is asked of a service than its tasks can do: it wants more of them."""
        name, wanted = asked["service"], int(asked["wants"])
        self._wanted[name] = wanted
        service = self._stage.cluster.services[name]
        self._over.append(lambda: service.desired >= wanted and self._is_well(name))

    def scale_service(self, name: str, most: int) -> None:
        """A service follows the load up to its new maximum."""
        if wanted := self._wanted.get(name):
            self._stage.cluster.update(name, desired=min(most, wanted))

    async def _stopped(self, asked: Parameters) -> None:
        """Tasks that their load balancer's checks ended; the new ones are not well either."""
        cluster = self._stage.cluster
        service = cluster.services[asked["service"]]
        at = time.time() - float(asked["ago"])
        with cluster.lock:
            service.patient = True
            for slot in asked["slots"]:
                task = next(t for t in service.tasks if t.slot == slot)
                cluster.fail_check(service, task, at)
                task.status, task.stopping, task.stopped = "STOPPED", at - 8, at
                self._stage.fleet.stop(task)
                self._stage.health.forget(service.plan.group_arn, task.address)
                fresh = cluster.add_task(service, service.primary)
                fresh.slot = slot
                fresh.created, fresh.activated = at + 2, at + 20
                fresh.status = "ACTIVATING"
                self._stage.health.register(service.plan.group_arn, fresh.address, zone=fresh.zone)
                service.say(f"has started 1 tasks: (task {fresh.id}).", at + 2)

    async def _health_path(self, asked: Parameters) -> None:
        """A version has its health check at another path than the target group asks for."""
        name, version = asked["service"], int(asked["version"])
        fleet, cluster = self._stage.fleet, self._stage.cluster
        fleet.paths[name, version] = asked["path"]
        for task in cluster.services[name].tasks:
            await fleet.restart(task)
        self._over.append(lambda: self._is_well(name))

    async def _crash(self, asked: Parameters) -> None:
        """A version whose program ends soon after its start is being deployed."""
        cluster = self._stage.cluster
        service = cluster.services[asked["service"]]
        version, begun = int(asked["version"]), time.time() - float(asked["ago"])
        with cluster.lock:
            cluster.crashes[service.plan.name, version] = int(asked["exit_code"])
            cluster.versions[service.plan.name] = version
            old = list(service.tasks)
            cluster.update(service.plan.name, version=version, at=begun)
            fresh = service.primary
            keep = service.desired * service.minimum // 100
            for task in old[keep:]:
                self._gone(service, task, at=begun + 20, reason=None, code=0)
            for number in range(int(asked["failed"])):
                task = cluster.add_task(service, fresh)
                task.created = begun + 25 + 30 * number
                task.started = task.created + 3
                reason = "Essential container in task exited"
                exit_code = int(asked["exit_code"])
                self._gone(service, task, at=task.started + 2, reason=reason, code=exit_code)
            fresh.failed = int(asked["failed"])
            fresh.next_start = time.time() + 3
            service.say("is unable to consistently start tasks successfully.", begun + 120)
        self._update_service(service, asked, begun)
        self._over.append(lambda: self._is_well(service.plan.name))

    def _gone(
        self, service: RunningService, task: Any, *, at: float, reason: str | None, code: int
    ) -> None:
        scaled = f"Scaling activity initiated by (deployment {service.primary.id})"
        task.status, task.stopping, task.stopped = "STOPPED", at - 1, at
        task.reason = reason or scaled
        task.stop_code = "EssentialContainerExited" if reason else "ServiceSchedulerInitiated"
        task.exit_code = code if reason else 143
        self._stage.fleet.stop(task)
        self._stage.health.forget(service.plan.group_arn, task.address)
        service.say(f"has stopped 1 running tasks: (task {task.id}).", at)

    def _is_well(self, name: str) -> bool:
        service = self._stage.cluster.services[name]
        group = self._stage.health.group(service.plan.group_arn)
        running = service.count("RUNNING")
        return running == service.desired == group.count("healthy") and not group.count("unhealthy")

    async def _throttle_writes(self, asked: Parameters) -> None:
        """More writes than the table's capacity: DynamoDB refuses the rest."""
        writes = int(asked["writes"])
        mutate.set_table_throughput(layout.TABLE, writes=writes, reads=200)
        provisioned = self._stage.book.named("ProvisionedWriteCapacityUnits", layout.TABLE)
        self._stage.book.break_(provisioned, gauge(float(writes), 0.0), 0.0)
        scalable = self._stage.scaling.target(f"table/{layout.TABLE}")
        scalable.most = writes
        self._stage.scaling.tell(
            scalable,
            status="Unfulfilled",
            text=f"Attempting to scale: the maximum capacity {writes} is reached.",
            ago=200.0,
            not_scaled="AlreadyAtMaxCapacity",
        )
        self._demand = float(asked["demand"])
        self._refuse_writes()
        self._over.append(lambda: not self._throttle)

    def set_capacity(self, units: float) -> None:
        """The table can take so many writes a second from now on."""
        if not self._demand:
            return
        if units >= self._demand and self._throttle:
            self._stage.faults.remove(self._throttle)
            self._throttle = 0
        elif units < self._demand and not self._throttle:
            self._refuse_writes()

    def _refuse_writes(self) -> None:
        self._throttle = self._stage.faults.add(
            Fault(kind="capacity", service="dynamodb", operation="PutItem", who="shop")
        )

    def scale_table(self, most: int) -> None:
        """Auto scaling follows the demand up to its maximum, a few seconds later."""
        if self._throttle:
            self._stage.spawn(self._scale_table(min(most, int(self._demand * 1.4))))

    async def _scale_table(self, units: int) -> None:
        await asyncio.sleep(2)
        mutate.set_table_throughput(layout.TABLE, writes=units, reads=200)
        scalable = self._stage.scaling.target(f"table/{layout.TABLE}")
        text = f"Successfully set write capacity units to {units}."
        self._stage.scaling.tell(scalable, status="Successful", text=text)
        self.set_capacity(float(units))

    async def _memory(self, asked: Parameters) -> None:
        """More sessions than fit: the cache evicts."""
        traffic = self._stage.sessions
        traffic.keys, traffic.per_second = int(asked["keys"]), int(asked["per_second"])
        await asyncio.to_thread(self._fill_cache, int(asked["keys"]))
        needed = int(asked["needs"])
        self._over.append(lambda: SIZES[self._stage.cache.node_type] >= needed)

    def _fill_cache(self, keys: int) -> None:
        """Write until it is full, so that the first look finds it evicting."""
        import os

        import redis

        port = self._stage.prepared.ports.sessions
        with redis.Redis(host="127.0.0.1", port=port) as client:
            pipe = client.pipeline(transaction=False)
            for number in range(1, keys + 1):
                pipe.set(f"session:{number}", os.urandom(4000), ex=3600)
                if number % 500 == 0:
                    pipe.execute()
            pipe.execute()

    def _resized(self, node_type: str) -> None:
        """The node type of the cache changed: the real server gets its memory."""
        cache = self._stage.stores.cache
        if cache is not None:
            cache.send("CONFIG", "SET", "maxmemory", SIZES[node_type] * MEGABYTE)
        self._stage.trail.tell(
            ServiceEvent(
                at=time.time(),
                service="elasticache",
                source=layout.CACHE,
                source_type="replication-group",
                message=f"Replication group {layout.CACHE} was modified to {node_type}",
            )
        )

    async def _revoke(self, asked: Parameters) -> None:
        """Somebody took the rule away that let checkout reach its database."""
        group, source = layout.GROUPS["orders-db"], layout.GROUPS["checkout"]
        permission = {
            "IpProtocol": "tcp",
            "FromPort": 5432,
            "ToPort": 5432,
            "UserIdGroupPairs": [{"GroupId": source}],
        }
        await asyncio.to_thread(
            self._stage.clients,
            "ec2",
            "revoke_security_group_ingress",
            GroupId=group,
            IpPermissions=[permission],
        )
        self.set_gate(False)
        await self._call(
            {
                "service": "ec2",
                "name": "RevokeSecurityGroupIngress",
                "user": asked["user"],
                "ago": asked["ago"],
                "resource_type": "AWS::EC2::SecurityGroup",
                "resource": group,
                "parameters": {"groupId": group, "ipPermissions": {"items": [permission]}},
            }
        )
        self._over.append(lambda: self._stage.gate.is_open and self._is_well("checkout"))

    def set_gate(self, is_open: bool) -> None:
        """Let checkout reach its database, or not."""
        if is_open:
            self._stage.gate.open()
        else:
            self._stage.gate.shut()

    async def _certificate(self, asked: Parameters) -> None:
        """The certificate that the front presents ran out."""
        self._stage.edge.expire(asked["name"])
        self.present(layout.CERTIFICATES[asked["name"]])

    def present(self, arn: str) -> None:
        """The front presents the certificate with this ARN from now on."""
        self._stage.edge.present(arn)

    async def _aws(self, asked: Parameters) -> None:
        """A fault of the front: throttled, denied, expired, …; `fault` is its kind. `after`: only
        so many seconds later.
        """
        given = {k: value for k, value in asked.items() if k not in {"kind", "fault", "after"}}
        fault = Fault(kind=asked["fault"], **given)
        if later := float(asked.get("after", 0)) * LATER:
            self._stage.spawn(self._add_later(fault, later))
        else:
            self._stage.faults.add(fault)

    async def _add_later(self, fault: Fault, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._stage.faults.add(fault)

    async def _hang(self, asked: Parameters) -> None:
        """A server is there, takes connections, and says nothing: SIGSTOP."""
        server = getattr(self._stage.stores, asked["server"])
        if server is not None:
            server.pause()

    async def _call(self, asked: Parameters) -> None:
        """An API call that CloudTrail has, some time ago; `times`: so many, one `every` seconds."""
        resources: tuple[tuple[str, str], ...] = ()
        if "resource" in asked:
            resources = ((str(asked["resource_type"]), str(asked["resource"])),)
        for number in range(int(asked.get("times", 1))):
            self._called(
                asked, float(asked["ago"]) - number * float(asked.get("every", 10)), resources
            )

    def _called(
        self, asked: Parameters, ago: float, resources: tuple[tuple[str, str], ...]
    ) -> None:
        self._stage.trail.add(
            ApiCall(
                at=time.time() - ago,
                source=f"{asked['service']}.amazonaws.com",
                name=asked["name"],
                user=asked["user"],
                parameters=self._stage.script.filled(asked.get("parameters", {})),
                resources=resources,
                **{key: self._stage.script.filled(asked[key]) for key in _OF_CALL if key in asked},
            )
        )

    async def _event(self, asked: Parameters) -> None:
        """A line in RDS' or ElastiCache's history, some time ago."""
        self._stage.trail.tell(
            ServiceEvent(
                at=time.time() - float(asked["ago"]),
                service=asked["service"],
                source=asked["source"],
                source_type=asked["source_type"],
                message=asked["message"],
                categories=tuple(asked.get("categories", ())),
            )
        )
