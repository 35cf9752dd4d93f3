"""Writes down every byte that passes on a network device: `listen.py <device> <file>`

Says `listening` when it does, and ends when its standard input is closed.
"""

import select
import socket
import sys

device, path = sys.argv[1:]
ALL = 3
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(ALL))
wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 << 20)
wire.bind((device, 0))
with open(path, "wb") as out:
    print("listening", flush=True)
    while True:
        ready, _, _ = select.select([wire, sys.stdin], [], [])
        if wire in ready:
            out.write(wire.recv(1 << 16))
        elif not sys.stdin.buffer.read1(1024):
            break
