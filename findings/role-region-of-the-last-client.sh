#!/usr/bin/env bash
# botocore 1.40.61: the region in which a profile's role is asked for is that of the client that the session made last,
# and it is fixed when the credentials are first read. A session whose credentials are read before its first client was
# made (to warm them up, to show whose they are) has no region to ask in, and a client that is made with a region
# afterwards fails with them for as long as the session lives. Read after the client was made, the same credentials are
# asked for in its region. Only a session with a region of its own (a profile's, a variable's) does not mind the order.
# Seen: "read before the first client: NoRegionError", "read after it: asked sts in eu-west-1"
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check botocore==1.40.61
cat > "$work/config" <<'INI'
[profile operator]
role_arn = arn:aws:iam::123456789012:role/operator
source_profile = keys
[profile keys]
aws_access_key_id = a
aws_secret_access_key = b
INI
unset AWS_REGION AWS_DEFAULT_REGION AWS_PROFILE AWS_ACCESS_KEY_ID AWS_STS_REGIONAL_ENDPOINTS
export AWS_CONFIG_FILE="$work/config" AWS_SHARED_CREDENTIALS_FILE="$work/none"
"$work/venv/bin/python" - <<'PY' | tee "$work/seen"
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from os import environ

from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

asked = []

class Sts(BaseHTTPRequestHandler):
    def do_POST(self):
        asked.append(self.headers["Authorization"].split("/")[2])  # the region that was signed for
        body = b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>"
        self.send_response(403)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

server = HTTPServer(("127.0.0.1", 0), Sts)
threading.Thread(target=server.serve_forever, daemon=True).start()
environ["AWS_ENDPOINT_URL_STS"] = f"http://127.0.0.1:{server.server_port}"

def end(*, credentials_first):
    asked.clear()
    session = Session(profile="operator")
    if credentials_first:
        session.get_credentials()
    client = session.create_client("ecs", region_name="eu-west-1")
    try:
        client.list_clusters()
    except (BotoCoreError, ClientError) as error:
        return f"asked sts in {asked[0]}" if asked else type(error).__name__

print("read before the first client:", end(credentials_first=True))
print("read after it:", end(credentials_first=False))
PY
grep -qx "read before the first client: NoRegionError" "$work/seen"
grep -qx "read after it: asked sts in eu-west-1" "$work/seen"
