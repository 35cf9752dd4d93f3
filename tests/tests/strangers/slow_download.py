"""Fetches a package slowly, until somebody ends it.

Arguments: the port, the path of the link, a token or nothing. Says `in` once it has begun, and then how many bytes came.
"""
import http.client
import json
import sys
import time

port, path, token = sys.argv[1:4]
# What comes is taken a little at a time, and well above what counts as too slow.
STEP_BYTES, STEP_S = 64 * 1024, 0.1

connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=60)
connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
answer = connection.getresponse()
assert answer.status == 200, answer.status
taken = len(answer.read(1))
print("in", flush=True)
try:
    while part := answer.read(STEP_BYTES):
        taken += len(part)
        time.sleep(STEP_S)
except (OSError, http.client.HTTPException):
    pass
print(json.dumps({"bytes": taken}))
