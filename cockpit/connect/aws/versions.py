"""Acts on versions: none of them may be lost for good, and none that allows everything comes back.

Sources: S3 User Guide, "Managing delete markers" (deleting a marker by its version id brings the
object back; any other version that is deleted by its id is gone); IAM User Guide, "Versioning IAM
policies".
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from cockpit.connect.aws.asks import Asks
from cockpit.connect.aws.resource_policy import PolicyProblem, matches, statements_of, wide_in
from cockpit.errors import BlindError, Refused, UnknownOutcome

DELETE = "s3.DeleteObject"
DEFAULT = "iam.SetDefaultPolicyVersion"


async def refuse_loss(acts: Asks, arguments: Mapping[str, object]) -> None:
    """Raise `Refused` unless nothing is lost: a version that is the newest delete marker of exactly
    that key, or a key of a bucket that keeps versions. What cannot be told refuses too.
    """
    bucket, key, version = (arguments.get(name) for name in ("Bucket", "Key", "VersionId"))
    try:
        if version is None:
            kept = await acts.run("s3.GetBucketVersioning", {"Bucket": bucket})
            if kept.get("Status") != "Enabled":
                raise Refused(f"{DELETE}: the bucket keeps no versions: the object would be gone")
            return
        asked = {"Bucket": bucket, "Prefix": key, "MaxKeys": 100}
        markers = (await acts.run("s3.ListObjectVersions", asked)).get("DeleteMarkers")
    except (BlindError, UnknownOutcome) as error:
        raise Refused(f"{DELETE}: whether anything is lost cannot be told: {error}") from None
    wanted = {"Key": key, "VersionId": version, "IsLatest": True}
    rows = markers if isinstance(markers, list) else []
    if not any(isinstance(row, Mapping) and wanted.items() <= row.items() for row in rows):
        raise Refused(f"{DELETE}: that version is no delete marker on top of this key, but data")


async def refuse_all_of_it(acts: Asks, arguments: Mapping[str, object]) -> None:
    """Raise `Refused` for a version of a policy that allows everything, or all of IAM, on
    everything, and for one that cannot be read.
    """
    which = {name: arguments[name] for name in ("PolicyArn", "VersionId")}
    try:
        held = (await acts.run("iam.GetPolicyVersion", which)).get("PolicyVersion")
        document = held.get("Document") if isinstance(held, Mapping) else None
        wide = wide_in(statements_of(json.dumps(document)))
    except (BlindError, UnknownOutcome, PolicyProblem) as error:
        raise Refused(f"{DEFAULT}: what that version allows cannot be told: {error}") from None
    if any(each.not_actions or any(matches(a, "iam:*") for a in each.actions) for each in wide):
        raise Refused(f"{DEFAULT}: that version allows everything, or all of IAM, on everything")
