#!/usr/bin/env bash
# botocore 1.40.61: "at most one attempt" does not hold for S3. When a bucket answers that it lives in another
# region (301 PermanentRedirect, or 400 with `x-amz-bucket-region`), the S3 region redirector sends the request
# again, although the client was made with `total_max_attempts = 1`. A DELETE leaves twice. Whoever promises that an
# act is sent once must switch the redirector off beside the retries.
# Seen: "attempts allowed 1, DELETE requests that arrived 2"
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check botocore==1.40.61
"$work/venv/bin/python" - <<'PY' | tee "$work/seen"
import http.server, threading
import botocore.config, botocore.exceptions, botocore.session

seen = []
BODY = b'<?xml version="1.0"?><Error><Code>PermanentRedirect</Code><Message>elsewhere</Message></Error>'

class Bucket(http.server.BaseHTTPRequestHandler):
    def answer(self):
        seen.append(self.command)
        self.send_response(301)
        self.send_header("x-amz-bucket-region", "eu-west-1")
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)
    do_DELETE = answer
    def log_message(self, *_): ...

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
threading.Thread(target=server.serve_forever, daemon=True).start()
s3 = botocore.session.Session().create_client(
    "s3", region_name="us-east-1", endpoint_url=f"http://127.0.0.1:{server.server_port}",
    aws_access_key_id="a", aws_secret_access_key="b",
    config=botocore.config.Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
)
try:
    s3.delete_object(Bucket="shop", Key="order")
except botocore.exceptions.ClientError:
    pass
print(f"attempts allowed 1, DELETE requests that arrived {seen.count('DELETE')}")
PY
grep -qx "attempts allowed 1, DELETE requests that arrived 2" "$work/seen"
