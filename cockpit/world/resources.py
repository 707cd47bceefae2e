"""What an account holds besides the shop, put into moto through its API: `[[resource]]`.

Each `kind` is a method of `Resources`, which says what a row of it may hold; `call` is any call.
What moto cannot hold is an `[[answer]]`. Ids that only moto knows become texts for the rest of the
file, such as `{shop-api.deployment.2}`.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

from botocore import xform_name

from cockpit.errors import Misconfigured
from cockpit.world import account_series, layout, mutate, series
from cockpit.world.answers.scripted import Script
from cockpit.world.clients import WorldClients
from cockpit.world.metrics import Book
from cockpit.world.shop import throughput

Row = Mapping[str, Any]
_LAMBDA = f"arn:aws:lambda:{layout.REGION}:{layout.ACCOUNT}:function"
_DAY = 86400.0
ACCESS_LOG = (
    '{"requestId":"$context.requestId","status":"$context.status",'
    '"path":"$context.resourcePath","integration":"$context.integration.status",'
    '"why":"$context.error.responseType"}'
)
"""The format of access logs: one JSON object a line."""


class Resources:
    """Makes them, in the order of the file. Used from one thread."""

    def __init__(self, clients: WorldClients, book: Book, script: Script) -> None:
        self._aws = clients
        self._book = book
        self._script = script
        self._at_once = 0.0
        self._kinds = {
            "call": self._call,
            "role": self._role,
            "user": self._user,
            "function": self._function,
            "api": self._api,
            "bucket": self._bucket,
            "topic": self._topic,
            "acl": self._acl,
            "nat": self._nat,
            "database": self._database,
            "table": self._table,
        }

    def place(self, rows: tuple[Row, ...]) -> None:
        """Make everything. Raises `Misconfigured` for a kind that there is not."""
        for row in rows:
            if row.get("kind") not in self._kinds:
                raise Misconfigured(f"there is no resource of kind {row.get('kind')!r}")
            self._kinds[row["kind"]](self._script.filled(row))
        if self._at_once:
            self._enter(account_series.region(self._at_once))

    def _enter(self, metrics: Any) -> None:
        for metric in metrics:
            self._book.add(metric)

    def _call(self, row: Row) -> None:
        """`of` = "sns.CreateTopic", `with` = its arguments, `as` = a name for what it answers:
        `{name.TopicArn}`. A text at `json` inside `with` is a structure written as JSON.
        """
        service, _, operation = str(row["of"]).partition(".")
        arguments = {name: _plain(value) for name, value in row.get("with", {}).items()}
        answer = self._aws(service, xform_name(operation), **arguments)
        if "as" in row:
            self._script.texts |= _texts(str(row["as"]), answer)

    def _role(self, row: Row) -> None:
        """`name`, `service` = who may assume it, `policies` = name → statements."""
        trusted = {"Service": str(row.get("service", "lambda.amazonaws.com"))}
        trust = [{"Effect": "Allow", "Principal": trusted, "Action": "sts:AssumeRole"}]
        name = row["name"]
        self._aws("iam", "create_role", RoleName=name, AssumeRolePolicyDocument=_policy(trust))
        for policy, statements in row.get("policies", {}).items():
            self._aws(
                "iam",
                "put_role_policy",
                RoleName=name,
                PolicyName=policy,
                PolicyDocument=_policy(statements),
            )

    def _user(self, row: Row) -> None:
        """`name`, `key` = the id of its access key, `policies` = name → statements."""
        name = row["name"]
        self._aws("iam", "create_user", UserName=name)
        if "key" in row:
            with mutate.next_key(row["key"]):
                self._aws("iam", "create_access_key", UserName=name)
        for policy, statements in row.get("policies", {}).items():
            self._aws(
                "iam",
                "put_user_policy",
                UserName=name,
                PolicyName=policy,
                PolicyDocument=_policy(statements),
            )

    def _function(self, row: Row) -> None:
        """`name`, `memory`, `timeout`, `role`, `versions` = the age of each in seconds, `changed` =
        of the newest configuration, `alias` with the version that it `serves`; `requests` a
        minute, `seconds` that one takes.
        """
        name, role = row["name"], row.get("role", f"{row['name']}-role")
        ages = [float(age) for age in row.get("versions", [9 * _DAY])]
        if "role" not in row:
            self._role({"name": role})
        self._aws(
            "lambda",
            "create_function",
            FunctionName=name,
            Role=f"arn:aws:iam::{layout.ACCOUNT}:role/{role}",
            Handler="app.handler",
            Runtime=row.get("runtime", "python3.13"),
            Code={"ZipFile": zipped("1")},
            MemorySize=int(row.get("memory", 512)),
            Timeout=int(row.get("timeout", 10)),
            Publish=True,
        )
        for number in range(2, len(ages) + 1):
            code = zipped(str(number))
            self._aws(
                "lambda", "update_function_code", FunctionName=name, ZipFile=code, Publish=True
            )
        for version, age in (
            *((str(n), age) for n, age in enumerate(ages, 1)),
            ("$LATEST", float(row.get("changed", ages[-1]))),
        ):
            mutate.set_function_modified(name, version, at=self._script.begun - age)
        if alias := row.get("alias", ""):
            serves = str(row.get("serves", len(ages)))
            self._aws(
                "lambda", "create_alias", FunctionName=name, Name=alias, FunctionVersion=serves
            )
        requests, seconds = float(row.get("requests", 300)), float(row.get("seconds", 0.15))
        self._at_once += requests / 60 * seconds
        self._enter(account_series.function(name, requests=requests, seconds=seconds, alias=alias))

    def _api(self, row: Row) -> None:
        """A REST API: `id`, `name`, `stage`, `path`, `method`, `function` (`name:alias`), which it
        may call unless `permit` is false; `deployments` = the age of each in seconds, of which the
        stage `serves` one; `rate` = its limit, requests a second; `log` = its access log's group.
        """
        id_, name, stage = row["id"], row["name"], row.get("stage", "prod")
        self._aws("apigateway", "create_rest_api", name=name, tags={"_custom_id_": id_})
        self._method(row)
        made = []
        for number, age in enumerate(row.get("deployments", [9 * _DAY]), 1):
            found = self._aws("apigateway", "create_deployment", restApiId=id_)["id"]
            mutate.set_deployment_created(id_, found, at=self._script.begun - float(age))
            self._script.texts[f"{name}.deployment.{number}"] = found
            made.append(found)
        served = made[int(row.get("serves", len(made))) - 1]
        self._aws("apigateway", "create_stage", restApiId=id_, stageName=stage, deploymentId=served)
        if patches := _stage_patches(row):
            self._aws(
                "apigateway",
                "update_stage",
                restApiId=id_,
                stageName=stage,
                patchOperations=patches,
            )
        requests, seconds = float(row.get("requests", 300)), float(row.get("seconds", 0.18))
        self._enter(account_series.rest_api(name, stage, requests=requests, seconds=seconds))

    def _bucket(self, row: Row) -> None:
        """`name`, `policy` = its statements; closed to everybody unless it is `open`, versioned, as
        a bucket that somebody looks after is.
        """
        name = row["name"]
        self._aws("s3", "create_bucket", Bucket=name)
        shut = dict.fromkeys(
            ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"),
            True,
        )
        if not row.get("open"):
            self._aws(
                "s3", "put_public_access_block", Bucket=name, PublicAccessBlockConfiguration=shut
            )
        kept = {"Status": "Enabled"}
        self._aws("s3", "put_bucket_versioning", Bucket=name, VersioningConfiguration=kept)
        if "policy" in row:
            self._aws("s3", "put_bucket_policy", Bucket=name, Policy=_policy(row["policy"]))

    def _topic(self, row: Row) -> None:
        """`name`, `mail` = addresses that have confirmed; `published` messages a minute."""
        name = row["name"]
        arn = self._aws("sns", "create_topic", Name=name)["TopicArn"]
        mail = row.get("mail", [])
        for address in mail:
            self._aws("sns", "subscribe", TopicArn=arn, Protocol="email", Endpoint=address)
        mutate.set_subscribers(arn, confirmed=len(mail))
        published = float(row.get("published", 2))
        self._enter(account_series.topic(name, published=published, subscribers=len(mail)))

    def _acl(self, row: Row) -> None:
        """A network ACL of the shop's VPC: `id`, `subnet` by its name, `entries` = arguments of
        `CreateNetworkAclEntry`.
        """
        place = layout.subnet(row["subnet"])
        held = self._aws(
            "ec2",
            "describe_network_acls",
            Filters=[{"Name": "association.subnet-id", "Values": [place]}],
        )["NetworkAcls"][0]["Associations"]
        old = next(each for each in held if each["SubnetId"] == place)
        with mutate.next_id("acl", row["id"]):
            self._aws("ec2", "create_network_acl", VpcId=layout.VPC)
        for entry in row["entries"]:
            self._aws("ec2", "create_network_acl_entry", NetworkAclId=row["id"], **entry)
        association = old["NetworkAclAssociationId"]
        self._aws(
            "ec2",
            "replace_network_acl_association",
            AssociationId=association,
            NetworkAclId=row["id"],
        )

    def _nat(self, row: Row) -> None:
        """Another NAT gateway: `id`, `subnet` by its name."""
        address = self._aws("ec2", "allocate_address", Domain="vpc")["AllocationId"]
        with mutate.next_id("nat", row["id"]):
            self._aws(
                "ec2",
                "create_nat_gateway",
                SubnetId=layout.subnet(row["subnet"]),
                AllocationId=address,
            )
        self._enter(series.nat(row["id"]))

    def _table(self, row: Row) -> None:
        """A DynamoDB table with provisioned capacity: `name`."""
        self._aws("dynamodb", "create_table", TableName=row["name"], **throughput(200, 100))
        self._enter(series.table(row["name"]))

    def _database(self, row: Row) -> None:
        """A PostgreSQL of RDS that only AWS tells of: `name`, `zone`, `source` of a replica."""
        name, source = row["name"], row.get("source", "")
        common = {
            "DBInstanceIdentifier": name,
            "DBInstanceClass": "db.r6g.xlarge",
            "AvailabilityZone": row["zone"],
        }
        if source:
            self._aws(
                "rds",
                "create_db_instance_read_replica",
                SourceDBInstanceIdentifier=source,
                **common,
            )
        else:
            self._aws(
                "rds",
                "create_db_instance",
                Engine="postgres",
                EngineVersion="16.6",
                MasterUsername="root",
                MasterUserPassword="not-a-password",
                AllocatedStorage=100,
                MaxAllocatedStorage=500,
                StorageType="gp3",
                MultiAZ=True,
                BackupRetentionPeriod=7,
                StorageEncrypted=True,
                **common,
            )
        self._enter(series.database(name, float(row.get("connections", 20)), replica=bool(source)))

    def _method(self, row: Row) -> None:
        id_, method = row["id"], row.get("method", "POST")
        (root,) = self._aws("apigateway", "get_resources", restApiId=id_)["items"]
        path = self._aws(
            "apigateway",
            "create_resource",
            restApiId=id_,
            parentId=root["id"],
            pathPart=row.get("path", "orders"),
        )["id"]
        where = {"restApiId": id_, "resourceId": path, "httpMethod": method}
        self._script.texts[f"{row['name']}.resource"] = path
        self._aws("apigateway", "put_method", **where, authorizationType="NONE")
        arn = f"{_LAMBDA}:{row['function']}"
        by = f"arn:aws:apigateway:{layout.REGION}:lambda:path/2015-03-31/functions"
        uri = f"{by}/{arn}/invocations"
        proxied: dict[str, Any] = {"type": "AWS_PROXY", "integrationHttpMethod": "POST"}
        self._aws("apigateway", "put_integration", **where, **proxied, uri=uri)
        if not row.get("permit", True):
            return
        function, _, qualifier = str(row["function"]).partition(":")
        self._aws(
            "lambda",
            "add_permission",
            FunctionName=function,
            **({"Qualifier": qualifier} if qualifier else {}),
            StatementId=f"{row['name']}-may-call",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn=f"arn:aws:execute-api:{layout.REGION}:{layout.ACCOUNT}:{id_}/*/*/*",
        )


def _stage_patches(row: Row) -> list[dict[str, str]]:
    """What `UpdateStage` sets of a stage: its limit and its access log."""
    told: dict[str, str] = {}
    if "rate" in row:
        told["/*/*/throttling/rateLimit"] = told["/*/*/throttling/burstLimit"] = str(row["rate"])
    if "log" in row:
        group = f"arn:aws:logs:{layout.REGION}:{layout.ACCOUNT}:log-group:{row['log']}"
        told["/accessLogSettings/destinationArn"] = group
        told["/accessLogSettings/format"] = ACCESS_LOG
    return [{"op": "replace", "path": path, "value": value} for path, value in told.items()]


def _policy(statements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def _plain(value: Any) -> Any:
    """Arguments with `{json = …}` as the text that AWS wants there."""
    if isinstance(value, Mapping) and set(value) == {"json"}:
        return json.dumps(value["json"])
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def _texts(name: str, answer: Any) -> dict[str, str]:
    """Every text in an answer under its way, such as `web.WebACL.Id`."""
    if isinstance(answer, Mapping):
        found: dict[str, str] = {}
        for key, value in answer.items():
            found |= _texts(f"{name}.{key}", value)
        return found
    return {name: answer} if isinstance(answer, str) else {}


def zipped(text: str) -> bytes:
    """A program of a function: only its difference to another one matters."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(zipfile.ZipInfo("app.py"), f"# {text}\n")
    return made.getvalue()
