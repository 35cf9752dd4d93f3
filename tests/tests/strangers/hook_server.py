"""A program that is called by a webhook: keeps each call, and says whether its signature is right.

hook_server.py PORT FOLDER SECRET [STATUS]
"""

import hashlib
import hmac
import http.server
import json
import pathlib
import sys

port, folder, secret = int(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3].encode()
status = int(sys.argv[4]) if len(sys.argv) > 4 else 204
count = 0


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        global count
        body = self.rfile.read(int(self.headers["content-length"]))
        expected = "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()
        count += 1
        kept = {
            "path": self.path,
            "type": self.headers["content-type"],
            "delivery": self.headers["x-tillway-delivery"],
            "signed": hmac.compare_digest(expected, self.headers["x-tillway-signature"] or ""),
            "body": json.loads(body),
        }
        part = folder / f"{count:04}.part"
        part.write_text(json.dumps(kept))
        part.rename(part.with_suffix(".json"))
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", port), Handler)
print("ready", flush=True)
server.serve_forever()
