#!/usr/bin/env bash
# botocore 1.40.61: the first call of an S3 client takes `/{Bucket}` out of the paths of its operation in the service
# model that the session's loader keeps, not in a copy: whoever reads the model afterwards (a second client, a stub
# that routes by path, a check of what a call would send) is told another API than before. Only the operation that was
# called changes, so what one reads depends on what was called before.
# Seen: "HeadBucket before '/{Bucket}', after its first call ''", "ListObjectsV2, not called, '/{Bucket}?list-type=2'"
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check botocore==1.40.61
"$work/venv/bin/python" - <<'PY' | tee "$work/seen"
from botocore.session import Session
from botocore.stub import Stubber

session = Session()

def path(operation, service="s3"):
    return session.get_service_model(service).operation_model(operation).http["requestUri"]

before = path("HeadBucket")
keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
client = session.create_client("s3", **keys)
with Stubber(client) as stub:
    stub.add_response("head_bucket", {})
    client.head_bucket(Bucket="reports")
print(f"HeadBucket before {before!r}, after its first call {path('HeadBucket')!r}")
print(f"ListObjectsV2, not called, {path('ListObjectsV2')!r}")
PY
grep -qx "HeadBucket before '/{Bucket}', after its first call ''" "$work/seen"
grep -qx "ListObjectsV2, not called, '/{Bucket}?list-type=2'" "$work/seen"
