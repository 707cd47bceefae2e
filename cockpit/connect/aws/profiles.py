"""How a profile of AWS's configuration signs in, for the words of an error.

Source: AWS CLI User Guide, "Login for AWS local development using console credentials": `aws login`
writes `login_session` into a profile, which the botocore that we hold cannot use.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from botocore.configloader import load_config
from botocore.exceptions import ConfigNotFound, ConfigParseError


def signed_in_by_login(profile: str) -> str:
    """The profile, or the one it takes its credentials from, that `aws login` signed in; empty:
    none. Reads the configuration file anew.
    """
    name = profile or os.environ.get("AWS_PROFILE") or "default"
    path = os.environ.get("AWS_CONFIG_FILE") or "~/.aws/config"
    try:
        profiles: Mapping[str, Mapping[str, object]] = load_config(path)["profiles"]
    except (ConfigNotFound, ConfigParseError, OSError, UnicodeDecodeError):
        return ""
    seen: set[str] = set()
    while name not in seen and name in profiles:
        seen.add(name)
        if "login_session" in profiles[name]:
            return name
        name = str(profiles[name].get("source_profile", ""))
    return ""
