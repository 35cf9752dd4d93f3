"""A till that was broken into, at the server's ports of HTTP: it has the till's token and tries what is not its own.

Arguments: ports of REST, page and AIF, its id, its token, the id of another till, the name of somebody's code, the file
of another's package. Prints what became of each try, as the status of the answer. With `flood <seconds>` as last arguments it asks as fast as it can for so
long, on eight connections, and prints how often it was answered.
"""
import base64
import http.client
import json
import socket
import ssl
import sys
import threading
import time

rest, page, aif, own, token, other, code, package = sys.argv[1:9]
PORTS = {"rest": int(rest), "page": int(page), "aif": int(aif)}
BEARER = {"Authorization": f"Bearer {token}"}
JSON = {"Content-Type": "application/json"}
PACKAGE = "0" * 64 + ".twp"


def ask(method, path, body=None, headers=BEARER, port="rest", tls=False):
    if tls:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", PORTS[port], timeout=60, context=context)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", PORTS[port], timeout=60)
    # As it is written: nothing in between tidies the path up.
    connection.putrequest(method, path, skip_accept_encoding=True)
    data = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
    more = dict(JSON) if data is not None else {}
    if data is not None:
        more["Content-Length"] = str(len(data))
    for name, value in {**headers, **more}.items():
        connection.putheader(name, value)
    try:
        connection.endheaders()
        if data is not None:
            connection.send(data)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return "cut off"
    finally:
        connection.close()


def raw(text):
    """The status of an answer to bytes that no client of HTTP would send."""
    with socket.create_connection(("127.0.0.1", PORTS["rest"]), timeout=60) as stream:
        try:
            stream.sendall(text)
            answer = stream.recv(65536)
        except OSError:
            return "cut off"
    return int(answer.split(b" ")[1]) if answer.startswith(b"HTTP/1.1 ") else "cut off"


def flood(seconds):
    until, answered = time.monotonic() + seconds, []

    def ask_on():
        count = 0
        while time.monotonic() < until:
            connection = http.client.HTTPConnection("127.0.0.1", PORTS["rest"], timeout=60)
            try:
                for _ in range(200):
                    if time.monotonic() >= until:
                        break
                    connection.request("GET", "/api/v1/tills", headers=BEARER)
                    connection.getresponse().read()
                    count += 1
            except (OSError, http.client.HTTPException):
                pass
            finally:
                connection.close()
        answered.append(count)

    threads = [threading.Thread(target=ask_on) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(answered)


if sys.argv[9:10] == ["flood"]:
    print(flood(float(sys.argv[10])))
    sys.exit()

till, node = f"/api/v1/tills/{other}", f"/api/v1/nodes/{other}"
as_password = {"Authorization": "Basic " + base64.b64encode(f"admin:{token}".encode()).decode()}
claim = {"code": code, "proof": "00" * 32, "attempt": "00" * 32}
told = {
    # What administrators alone may do.
    "look at the network": ask("GET", "/api/v1/nodes"),
    "look over TLS": ask("GET", "/api/v1/nodes", tls=True),
    "make a till": ask("POST", "/api/v1/nodes", {"parent": "All", "level": "group", "code": "66"}),
    "remove another": ask("DELETE", node),
    "park another": ask("PATCH", node, {"parked": True}),
    "move itself": ask("PATCH", f"/api/v1/nodes/{own}", {"parent": "All"}),
    "look at another": ask("GET", till),
    "look at itself": ask("GET", f"/api/v1/tills/{own}"),
    "settings of another": ask("GET", f"{till}/cash-ini"),
    "a new secret": ask("POST", f"/api/v1/tills/{own}/token"),
    "a new secret of another": ask("POST", f"{till}/token"),
    "shut another out": ask("POST", f"{till}/stolen", {}),
    "a code for another": ask("POST", "/api/v1/attach-codes", {"tills": [{"till": other}]}),
    "codes": ask("GET", "/api/v1/attach-codes"),
    "end a code": ask("DELETE", f"{till}/attach-code"),
    "sales of another": ask("POST", f"{till}/unload", {}),
    "receipts of another": ask("GET", f"{till}/shifts/1/receipts"),
    "findings": ask("GET", "/api/v1/findings"),
    "close a finding": ask("POST", "/api/v1/findings/1/close", {}),
    "audit": ask("GET", "/api/v1/audit"),
    "a backup": ask("POST", "/api/v1/backups", {}),
    "the page": ask("GET", "/", port="page"),
    "a load": ask("POST", "/aifexchange/loaddicts?shopcode=7", [{"command": "clearInventItems"}], port="aif"),
    "token for a password": ask("GET", "/api/v1/nodes", headers=as_password),
    # What another till alone may do.
    "token of another": ask("GET", f"{till}/token"),
    "shift of another": ask("POST", f"{till}/shift-closed", {}),
    # What there is not.
    "up from packages": ask("GET", "/packages/../credentials/admin"),
    "up from packages, escaped": ask("GET", "/packages/%2e%2e%2fcredentials%2fadmin"),
    "up from packages, with its end": ask("GET", "/packages/..%2f..%2fcredentials%2fbackup-key.twp"),
    "up with backslashes": ask("GET", "/packages/..\\..\\credentials\\admin"),
    "a zero in a name": ask("GET", "/packages/%00.twp"),
    "up from tills": ask("GET", f"/api/v1/tills/{own}/../../nodes"),
    "two tills in one": ask("GET", f"/api/v1/tills/{own}%2f..%2f{other}/token"),
    "no such package": ask("GET", f"/packages/{PACKAGE}"),
    "a package without its link": ask("GET", f"/packages/{package}"),
    "a package by another's link": ask("GET", f"/packages/{package}?till={other}&code={'ab' * 32}"),
    "a package by a link of its own making": ask("GET", f"/packages/{package}?till={own}&until=99999999999&code={'ab' * 32}"),
    "another method": ask("DELETE", f"/api/v1/tills/{own}/shift-closed"),
    "write a package": ask("PUT", f"/packages/{PACKAGE}", b"x"),
    "trace": ask("TRACE", f"/api/v1/tills/{own}/token"),
    "connect": raw(b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nhost: x\r\n\r\n"),
    # Too much.
    "a long path": ask("GET", "/api/v1/tills/" + "x" * 20_000 + "/token"),
    "a large head": ask("GET", f"/api/v1/tills/{own}/token", headers={**BEARER, "X-Large": "x" * 60_000}),
    "a large body": ask("POST", "/api/v1/attach/hello", b" " * 3_000_000, tls=True),
    "two lengths": raw(b"POST /api/v1/nodes HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 50\r\n\r\nx"),
    "both framings": raw(b"POST /api/v1/nodes HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n"
                         b"0\r\n\r\nGET /api/v1/nodes HTTP/1.1\r\nhost: x\r\n\r\n"),
    # Attaching without knowing the code.
    "attach without TLS": ask("POST", "/api/v1/attach", claim, headers={}),
}
told["attach as another"] = sorted({ask("POST", "/api/v1/attach", claim, headers={}, tls=True) for _ in range(25)})
told["itself"] = ask("GET", f"/api/v1/tills/{own}/token")
print(json.dumps(told))
