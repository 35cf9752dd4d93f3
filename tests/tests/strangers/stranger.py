"""Whoever is at an address that is not the server's: takes connections, answers that all is well, and keeps what he was sent.

Arguments: the address to listen on; then certificate and key, where he speaks TLS. Says his port, and when his standard input
ends how many connections came, how many got as far as a request, and what they brought.
"""
import json
import socket
import ssl
import sys
import threading

address, *pair = sys.argv[1:]
ANSWER = b'HTTP/1.1 200 OK\r\ntillway-code: 1.' + b"ab" * 32 + b'\r\ncontent-length: 2\r\n\r\n{}'
context = None
if pair:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
told = {"connections": 0, "requests": 0, "heard": ""}
lock = threading.Lock()


def talk(stream):
    with lock:
        told["connections"] += 1
    try:
        stream.settimeout(20)
        if context:
            stream = context.wrap_socket(stream, server_side=True)
        while part := stream.recv(65536):
            with lock:
                told["requests"] += 1
                told["heard"] += part.decode("latin-1")
            stream.sendall(ANSWER)
    except OSError:
        pass
    finally:
        stream.close()


def listen(listener):
    while True:
        stream, _ = listener.accept()
        threading.Thread(target=talk, args=[stream], daemon=True).start()


listener = socket.create_server((address, 0))
threading.Thread(target=listen, args=[listener], daemon=True).start()
print(listener.getsockname()[1], flush=True)
sys.stdin.read()
print(json.dumps(told))
