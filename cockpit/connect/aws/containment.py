"""Acts that contain: an IP set is added to, never replaced, and nobody shuts himself out.

Sources: WAFV2 API Reference, `UpdateIPSet` (it replaces the whole list); IAM User Guide, "Revoke
IAM role temporary security credentials". The trade's runbooks put one address as the whole list,
and deny the very role or user that they act as (catalogue A §8.4).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network

IP_SET = "wafv2.UpdateIPSet"
_INLINE: Mapping[str, str] = {"iam.PutRolePolicy": "RoleName", "iam.PutUserPolicy": "UserName"}
_KEY = "iam.UpdateAccessKey"
_WIDEST = {4: 16, 6: 32}
"""Prefix lengths; what is wider is half a country."""


def replaces(before: Iterable[str], after: Iterable[str]) -> str:
    """Why a new list is none that adds to the old one, or takes back what was added; empty: it is.

    What was there before may stay, whatever it is.
    """
    old, new = _networks(before), _networks(after)
    if old is None or new is None:
        return "an address of the set cannot be read"
    added, gone = new - old, old - new
    if added and gone:
        return f"it adds and drops at once: {_shown(gone)} would be let in again"
    if len(old) > 1 and not new:
        return "it would empty the set"
    for each in added:
        if each.prefixlen < _WIDEST[each.version]:
            return f"{each} is wider than /{_WIDEST[each.version]}"
        if not each.is_global or each.is_multicast:
            return f"{each} is not public: it is a proxy's or a neighbour's of yours"
    return ""


def _networks(texts: Iterable[str]) -> set[IPv4Network | IPv6Network] | None:
    try:
        return {ip_network(each, strict=False) for each in texts}
    except ValueError:
        return None


def _shown(networks: set[IPv4Network | IPv6Network]) -> str:
    names = sorted(map(str, networks))
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def contains_itself(call: str, arguments: Mapping[str, object], arn: str) -> str:
    """Why an act would contain the very one who sends it; empty: it would not, as far as its ARN
    tells: `arn:aws:iam::123456789012:user/NAME`, `arn:aws:sts::…:assumed-role/NAME/session`.
    """
    path = arn.split(":", 5)[-1].split("/")
    if call == _KEY:
        ours = path[0] == "user" and arguments.get("UserName", path[-1]) == path[-1]
        off = arguments.get("Status") == "Inactive"
        return f"{path[-1]} is who acts: it could not switch the key on again" if ours * off else ""
    member = _INLINE.get(call)
    if member is None or not _denies(arguments.get("PolicyDocument")):
        return ""
    own = path[1] if path[0] == "assumed-role" and len(path) > 1 else path[-1]
    sort = "UserName" if path[0] == "user" else "RoleName"
    if member == sort and arguments.get(member) == own:
        return f"{own} is who acts: it could not take the policy away again"
    return ""


def about(call: str) -> bool:
    """Whether it is one that could."""
    return call in _INLINE or call == _KEY


def _denies(document: object) -> bool:
    """A text that cannot be read counts as one that does."""
    try:
        held = json.loads(document) if isinstance(document, str) else None
        rows = held["Statement"] if isinstance(held, dict) else None
    except (ValueError, KeyError, RecursionError):
        return True
    listed = rows if isinstance(rows, list) else [rows]
    return any(not isinstance(each, dict) or each.get("Effect") != "Allow" for each in listed)
