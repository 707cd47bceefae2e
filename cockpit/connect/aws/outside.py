"""Endpoints that do not come from our configuration: a shell set up for an emulator, a profile.

Source: AWS SDKs and Tools Reference Guide, "Service-specific endpoints": the service's variable
goes before `AWS_ENDPOINT_URL`, that before the profile's `services` section, that before its
`endpoint_url`. botocore keeps its own reading of them private.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiobotocore.client import AioBaseClient
    from aiobotocore.session import AioSession


def outside(session: AioSession, client: AioBaseClient) -> str:
    """The endpoint that the environment or the profile gives a client; empty: AWS's own."""
    if session.get_config_variable("ignore_configured_endpoint_urls"):
        return ""
    service = str(client.meta.service_model.service_id).replace(" ", "_").replace("-", "_")
    return named(
        service.lower(),
        environment=os.environ,
        profile=session.get_scoped_config(),
        sections=session.full_config.get("services", {}),
    )


def named(
    service: str,
    *,
    environment: Mapping[str, str],
    profile: Mapping[str, object],
    sections: Mapping[str, object],
) -> str:
    """The same from what was read: `service` is an id such as `elastic_load_balancing_v2`."""
    section = sections.get(str(profile.get("services", "")))
    own = section.get(service) if isinstance(section, Mapping) else None
    found = (
        environment.get(f"AWS_ENDPOINT_URL_{service.upper()}")
        or environment.get("AWS_ENDPOINT_URL")
        or (own.get("endpoint_url") if isinstance(own, Mapping) else "")
        or profile.get("endpoint_url")
    )
    return str(found or "")
