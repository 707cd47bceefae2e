"""A stand-in for elbv2 and CloudWatch that answers every call after a fixed latency.

Its own process, so that its work does not count as ours: `python -m tests.bench.stub PORT MS`, and
with `sick` behind them no member of any target group answers its health check.
"""

from __future__ import annotations

import asyncio
import sys
from urllib.parse import parse_qs

TEXT = "text/xml"
HEALTH = """<DescribeTargetHealthResponse xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/">
<DescribeTargetHealthResult><TargetHealthDescriptions>{targets}</TargetHealthDescriptions>
</DescribeTargetHealthResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>
</DescribeTargetHealthResponse>"""
TARGET = """<member><HealthCheckPort>8080</HealthCheckPort><Target><Id>10.0.{a}.{b}</Id><Port>8080</Port>
<AvailabilityZone>us-east-1a</AvailabilityZone></Target><TargetHealth><State>healthy</State></TargetHealth></member>"""
GROUP = """<member><TargetGroupArn>{arn}</TargetGroupArn><TargetGroupName>tg</TargetGroupName>
<Protocol>HTTP</Protocol><Port>8080</Port><VpcId>vpc-1</VpcId><HealthCheckProtocol>HTTP</HealthCheckProtocol>
<HealthCheckPort>traffic-port</HealthCheckPort><HealthCheckEnabled>true</HealthCheckEnabled>
<HealthCheckIntervalSeconds>10</HealthCheckIntervalSeconds><HealthCheckTimeoutSeconds>5</HealthCheckTimeoutSeconds>
<HealthyThresholdCount>3</HealthyThresholdCount><UnhealthyThresholdCount>2</UnhealthyThresholdCount>
<HealthCheckPath>/health</HealthCheckPath><Matcher><HttpCode>200</HttpCode></Matcher>
<TargetType>ip</TargetType><LoadBalancerArns></LoadBalancerArns></member>"""
GROUPS = """<DescribeTargetGroupsResponse xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/">
<DescribeTargetGroupsResult><TargetGroups>{groups}</TargetGroups></DescribeTargetGroupsResult>
<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></DescribeTargetGroupsResponse>"""
ATTRIBUTES = """<DescribeTargetGroupAttributesResponse xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/">
<DescribeTargetGroupAttributesResult><Attributes><member><Key>deregistration_delay.timeout_seconds</Key>
<Value>300</Value></member></Attributes></DescribeTargetGroupAttributesResult>
<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></DescribeTargetGroupAttributesResponse>"""
IDENTITY = """<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:iam::123456789012:user/x</Arn><UserId>x</UserId><Account>123456789012</Account>
</GetCallerIdentityResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></GetCallerIdentityResponse>"""
ASSUMED = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>ASIABENCHBENCHBENCH</AccessKeyId><SecretAccessKey>bench</SecretAccessKey><SessionToken>bench</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""
METRICS = """<GetMetricDataResponse xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/"><GetMetricDataResult>
<MetricDataResults></MetricDataResults></GetMetricDataResult>
<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></GetMetricDataResponse>"""
WELL_ONES = "".join(TARGET.format(a=1, b=n) for n in range(6))
SICK_ONES = "".join(TARGET.format(a=1, b=n) for n in range(3)).replace(
    "<State>healthy</State>",
    "<State>unhealthy</State><Reason>Target.Timeout</Reason><Description>Request timed out</Description>",
)
SICK = "sick" in sys.argv
USED = GROUP.replace("<LoadBalancerArns>", "<LoadBalancerArns><member>{balancer}</member>")
LISTENERS = """<DescribeListenersResponse xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/">
<DescribeListenersResult><Listeners><member><ListenerArn>{balancer}/l</ListenerArn><Protocol>HTTP</Protocol>
<Port>80</Port><DefaultActions><member><Type>forward</Type><TargetGroupArn>{arn}</TargetGroupArn></member>
</DefaultActions></member></Listeners></DescribeListenersResult>
<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></DescribeListenersResponse>"""
RULES = """<DescribeRulesResponse xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/">
<DescribeRulesResult><Rules></Rules></DescribeRulesResult>
<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></DescribeRulesResponse>"""

calls: dict[str, int] = {}


def answer(body: bytes) -> str:
    """The answer of one query-protocol request."""
    words = parse_qs(body.decode())
    action = words.get("Action", ["?"])[0]
    calls[action] = calls.get(action, 0) + 1
    match action:
        case "DescribeTargetHealth":
            return HEALTH.format(targets=SICK_ONES if SICK else WELL_ONES)
        case "DescribeTargetGroups":
            arns = [
                values[0] for key, values in words.items() if key.startswith("TargetGroupArns.")
            ]
            group = USED if SICK else GROUP
            each = (group.format(arn=arn, balancer=_balancer(arn)) for arn in arns)
            return GROUPS.format(groups="".join(each))
        case "DescribeListeners":
            balancer = words["LoadBalancerArn"][0]
            arn = balancer.replace("loadbalancer/app", "targetgroup")
            return LISTENERS.format(balancer=balancer, arn=arn)
        case "DescribeRules":
            return RULES
        case "DescribeTargetGroupAttributes":
            return ATTRIBUTES
        case "GetMetricData":
            return METRICS
        case "AssumeRole":
            return ASSUMED
        case "GetCallerIdentity":
            return IDENTITY
        case _:
            return "<ErrorResponse><Error><Code>InvalidAction</Code><Message>no</Message></Error></ErrorResponse>"


def _balancer(group: str) -> str:
    """Each group has its own."""
    return group.replace("targetgroup", "loadbalancer/app")


async def serve(port: int, latency: float) -> None:
    """Answer until the process ends. `GET /calls` gives and resets the counts."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (
                        int(line.split(b":")[1])
                        for line in head.split(b"\r\n")
                        if line.lower().startswith(b"content-length")
                    ),
                    0,
                )
                body = await reader.readexactly(length)
                if head.startswith(b"GET /calls"):
                    text = repr(calls)
                    calls.clear()
                else:
                    text = answer(body)
                    await asyncio.sleep(latency)
                data = text.encode()
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nx-amzn-RequestId: r\r\nContent-Length: %d\r\n\r\n"
                    % len(data)
                    + data
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2]) / 1000))
