"""A mail server (RFC 5321, 3207, 4954), as small as it can be: keeps each mail as a file.

mail_server.py PORT FOLDER [CHAIN KEY LOGIN PASSWORD]

With a chain and a key it speaks STARTTLS and takes mails only after that and a login.
"""

import asyncio
import base64
import json
import pathlib
import ssl
import sys
import uuid

port, folder = int(sys.argv[1]), pathlib.Path(sys.argv[2])
tls = None
if len(sys.argv) > 3:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(sys.argv[3], sys.argv[4])
    expected = "\0".join(["", sys.argv[5], sys.argv[6]])


async def talk(reader, writer):
    async def say(text):
        writer.write(text.encode() + b"\r\n")
        await writer.drain()

    state = {"tls": False, "login": False, "to": [], "from": None}
    await say("220 stranger")
    while line := (await reader.readline()).decode().rstrip("\r\n"):
        word, _, rest = line.partition(" ")
        word = word.upper()
        if word in ("EHLO", "HELO"):
            more = []
            if tls and not state["tls"]:
                more.append("STARTTLS")
            if tls and state["tls"]:
                more.append("AUTH PLAIN")
            for name in more:
                await say("250-" + name)
            await say("250 8BITMIME")
        elif word == "STARTTLS":
            await say("220 go on")
            await writer.start_tls(tls)
            state["tls"] = True
        elif word == "AUTH":
            _, _, given = rest.partition(" ")
            if not given:
                await say("334 ")
                given = (await reader.readline()).decode().strip()
            state["login"] = base64.b64decode(given).decode() == expected
            await say("235 fine" if state["login"] else "535 no")
        elif word == "MAIL":
            if tls and not state["login"]:
                await say("530 log in first")
                continue
            state["from"], state["to"] = rest, []
            await say("250 fine")
        elif word == "RCPT":
            if "nobody@" in rest:
                await say("550 no such mailbox")
                continue
            state["to"].append(rest)
            await say("250 fine")
        elif word == "DATA":
            await say("354 go on")
            lines = []
            while (part := await reader.readline()) not in (b".\r\n", b""):
                lines.append(part[1:] if part.startswith(b".") else part)
            name = uuid.uuid4().hex
            (folder / (name + ".json")).write_text(json.dumps({"from": state["from"], "to": state["to"]}))
            (folder / (name + ".part")).write_bytes(b"".join(lines))
            (folder / (name + ".part")).rename(folder / (name + ".eml"))
            await say("250 kept")
        elif word == "QUIT":
            await say("221 bye")
            break
        else:
            await say("250 fine")
    writer.close()


async def main():
    server = await asyncio.start_server(talk, "127.0.0.1", port)
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


asyncio.run(main())
