"""A client with nothing but Python: `tls.py <authority file> <host> <port>...`

Speaks TLS as Python does by default, and strictly (RFC 5280), to each port; then TLS 1.2 alone. Prints for each port the
SHA-256 of who signed, as it checked it, and what /health or the first byte says.
"""

import hashlib
import json
import socket
import ssl
import sys

authority, host, *ports = sys.argv[1:]
seen = []
for port in ports:
    for newest in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
        context = ssl.create_default_context(cafile=authority)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.maximum_version = newest
        with socket.create_connection((host, int(port)), timeout=30) as plain:
            with context.wrap_socket(plain, server_hostname=host) as stream:
                stream.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
                answer = b""
                while piece := stream.recv(65536):
                    answer += piece
                seen.append({
                    "port": int(port),
                    "version": stream.version(),
                    "status": answer.split(b" ")[1].decode() if answer.startswith(b"HTTP/") else answer[:40].hex(),
                })
(certificate,) = ssl.create_default_context(cafile=authority).get_ca_certs(binary_form=True)
print(json.dumps({"authority": hashlib.sha256(certificate).hexdigest(), "seen": seen}))
