"""Comes to a broker over TLS again and again: `tls_renewal.py <authority file> <host> <port> <seconds>`

Checks the certificate each time as Python does by default. Prints which certificates it saw, after how many seconds the second
one came, how often it came in, and what it was refused with.
"""

import hashlib
import json
import socket
import ssl
import sys
import time

authority, host, port, seconds = sys.argv[1:]
context = ssl.create_default_context(cafile=authority)
began, seen, refused, connections, seen_after = time.monotonic(), [], [], 0, None
while time.monotonic() - began < float(seconds):
    try:
        with socket.create_connection((host, int(port)), timeout=30) as plain:
            with context.wrap_socket(plain, server_hostname=host) as stream:
                shown = hashlib.sha256(stream.getpeercert(binary_form=True)).hexdigest()
                # A broker that speaks AMQP answers a wrong beginning with the right one.
                stream.sendall(b"AMQP\x00\x00\x09\x00")
                assert stream.recv(8)[:4] == b"AMQP"
        connections += 1
        if shown not in seen:
            seen.append(shown)
            seen_after = round(time.monotonic() - began, 1)
    except (OSError, AssertionError) as error:
        refused.append(f"after {time.monotonic() - began:.1f} s: {error}")
    time.sleep(0.5)
print(json.dumps({"certificates": seen, "seen_after_s": seen_after, "connections": connections, "refused": refused}))
