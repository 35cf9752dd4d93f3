"""A stand-in for a store that speaks S3, with nothing but Python's library.

It checks each request's signature (AWS Signature Version 4) by itself, from the published rules, so
that a client is held against those and not against its own idea of them. Objects are files below
its folder, so that a test can look at them and damage them. A file `fault` there makes it behave:

    away                 closes connections without an answer
    away-after-parts N   the same, once so many parts of an upload were taken
    slow SECONDS         answers late
    busy N               answers 503 to so many requests, then as usual

Usage: s3_store.py FOLDER PORT BUCKET REGION KEY_ID SECRET [CERTIFICATE KEY]

With a certificate it speaks TLS alone.
"""

import datetime
import hashlib
import hmac
import os
import re
import ssl
import sys
import threading
import time
import urllib.parse
import uuid
import xml.etree.ElementTree as ElementTree
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape

FOLDER, PORT, BUCKET, REGION, KEY_ID, SECRET = sys.argv[1:7]
OBJECTS = os.path.join(FOLDER, "objects")
UPLOADS = os.path.join(FOLDER, "uploads")
UNFINISHED = os.path.join(FOLDER, "unfinished")
FAULT = os.path.join(FOLDER, "fault")

# So few that a list of a handful of objects has several pages.
PAGE = 3
# All parts but the last are at least this large, as S3 has it.
LEAST_PART = 5 * 1024 * 1024
# A request whose time is further off is refused.
MOST_SKEW_S = 900

lock = threading.Lock()
parts_taken = 0
busy_answers = 0


class Refused(Exception):
    """An answer that is an error of S3."""

    def __init__(self, status, code, message=""):
        super().__init__(code)
        self.status, self.code, self.message = status, code, message


def fault():
    try:
        with open(FAULT, encoding="ascii") as file:
            words = file.read().split()
    except FileNotFoundError:
        return ("", 0.0)
    return (words[0], float(words[1]) if len(words) > 1 else 0.0) if words else ("", 0.0)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def keyed(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def quote(text):
    return urllib.parse.quote(text, safe="-_.~")


def check_signature(method, path, query, headers, body):
    """Raises unless the request has the right signature of the only key there is."""
    found = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, ?"
        r"SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})",
        headers.get("authorization", ""),
    )
    if not found:
        raise Refused(403, "AccessDenied", "no signature")
    key_id, day, region, signed, signature = found.groups()
    if key_id != KEY_ID:
        raise Refused(403, "InvalidAccessKeyId")
    if region != REGION:
        raise Refused(400, "AuthorizationHeaderMalformed", f"the region is {REGION}")
    names = signed.split(";")
    if not {"host", "x-amz-content-sha256", "x-amz-date"} <= set(names):
        raise Refused(403, "AccessDenied", "what must be signed is not")
    at = headers["x-amz-date"]
    then = datetime.datetime.strptime(at, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    now = datetime.datetime.now(datetime.timezone.utc)
    if abs((now - then).total_seconds()) > MOST_SKEW_S or not at.startswith(day):
        raise Refused(403, "RequestTimeTooSkewed")
    told = headers["x-amz-content-sha256"]
    if told not in ("UNSIGNED-PAYLOAD", sha256(body)):
        raise Refused(400, "XAmzContentSHA256Mismatch")
    pairs = sorted((quote(name), quote(value)) for name, value in query)
    canonical = "\n".join(
        [method, path, "&".join(f"{name}={value}" for name, value in pairs)]
        + [f"{name}:{' '.join(headers[name].split())}" for name in names]
        + ["", signed, told]
    )
    scope = f"{day}/{region}/s3/aws4_request"
    to_sign = "\n".join(["AWS4-HMAC-SHA256", at, scope, sha256(canonical.encode())])
    key = keyed(keyed(keyed(keyed(f"AWS4{SECRET}".encode(), day), region), "s3"), "aws4_request")
    if not hmac.compare_digest(keyed(key, to_sign).hex(), signature):
        raise Refused(403, "SignatureDoesNotMatch")


def object_path(key):
    return os.path.join(OBJECTS, urllib.parse.quote(key, safe=""))


def tag(data):
    return f'"{hashlib.md5(data).hexdigest()}"'


def write(path, data):
    """Whole or not at all, as an object is."""
    fresh = os.path.join(UNFINISHED, uuid.uuid4().hex)
    with open(fresh, "wb") as file:
        file.write(data)
    os.replace(fresh, path)


def read(key):
    try:
        with open(object_path(key), "rb") as file:
            return file.read()
    except FileNotFoundError:
        raise Refused(404, "NoSuchKey") from None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        names = {name.lower() for name, _ in headers}
        for name, value in headers:
            self.send_header(name, value)
        if "content-length" not in names:
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def xml(self, text, status=200):
        body = ('<?xml version="1.0" encoding="UTF-8"?>' + text).encode()
        self.answer(status, body, [("content-type", "application/xml")])

    def goes_away(self):
        """Whether this request gets no answer."""
        global busy_answers
        word, number = fault()
        if word == "slow":
            time.sleep(number)
        with lock:
            if word == "busy" and busy_answers < number:
                busy_answers += 1
                raise Refused(503, "SlowDown")
            return word == "away" or (word == "away-after-parts" and parts_taken >= number)

    def handle_request(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        try:
            if self.goes_away():
                self.close_connection = True
                return
            path, _, text = self.path.partition("?")
            query = urllib.parse.parse_qsl(text, keep_blank_values=True)
            headers = {name.lower(): value for name, value in self.headers.items()}
            check_signature(self.command, path, query, headers, body)
            bucket, _, key = urllib.parse.unquote(path).lstrip("/").partition("/")
            if bucket != BUCKET:
                raise Refused(404, "NoSuchBucket", f"there is no bucket {bucket}")
            self.carry_out(key, dict(query), headers, body)
        except Refused as refused:
            self.xml(
                f"<Error><Code>{refused.code}</Code><Message>{escape(refused.message)}</Message></Error>",
                refused.status,
            )

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_request

    def carry_out(self, key, query, headers, body):
        global parts_taken
        if self.command == "GET" and query.get("list-type") == "2":
            return self.list(query)
        if not key:
            raise Refused(405, "MethodNotAllowed")
        if self.command in ("GET", "HEAD"):
            return self.get(key, headers)
        upload = os.path.join(UPLOADS, query.get("uploadId", "none"))
        if "uploadId" in query and not os.path.isdir(upload):
            raise Refused(404, "NoSuchUpload")
        if self.command == "POST" and "uploads" in query:
            name = uuid.uuid4().hex
            os.makedirs(os.path.join(UPLOADS, name))
            return self.xml(
                f"<InitiateMultipartUploadResult><Bucket>{BUCKET}</Bucket><Key>{escape(key)}</Key>"
                f"<UploadId>{name}</UploadId></InitiateMultipartUploadResult>"
            )
        if self.command == "PUT" and "uploadId" in query:
            write(os.path.join(upload, query["partNumber"]), body)
            with lock:
                parts_taken += 1
            return self.answer(200, b"", [("etag", tag(body))])
        if self.command == "POST" and "uploadId" in query:
            return self.complete(key, upload, body)
        if self.command == "DELETE" and "uploadId" in query:
            self.forget(upload)
            return self.answer(204)
        if self.command == "PUT":
            write(object_path(key), body)
            return self.answer(200, b"", [("etag", tag(body))])
        if self.command == "DELETE":
            try:
                os.remove(object_path(key))
            except FileNotFoundError:
                pass
            return self.answer(204)
        raise Refused(405, "MethodNotAllowed")

    def forget(self, upload):
        for part in os.listdir(upload):
            os.remove(os.path.join(upload, part))
        os.rmdir(upload)

    def complete(self, key, upload, body):
        named = []
        for part in ElementTree.fromstring(body).iter():
            if part.tag.rpartition("}")[2] == "Part":
                fields = {field.tag.rpartition("}")[2]: field.text for field in part}
                named.append((int(fields["PartNumber"]), fields["ETag"]))
        whole = []
        for number, named_tag in named:
            try:
                with open(os.path.join(upload, str(number)), "rb") as file:
                    data = file.read()
            except FileNotFoundError:
                raise Refused(400, "InvalidPart") from None
            if named_tag.strip('"') != tag(data).strip('"'):
                raise Refused(400, "InvalidPart")
            whole.append(data)
        if [number for number, _ in named] != sorted(number for number, _ in named) or not named:
            raise Refused(400, "InvalidPartOrder")
        if any(len(data) < LEAST_PART for data in whole[:-1]):
            raise Refused(400, "EntityTooSmall")
        data = b"".join(whole)
        write(object_path(key), data)
        self.forget(upload)
        self.xml(
            f"<CompleteMultipartUploadResult><Bucket>{BUCKET}</Bucket><Key>{escape(key)}</Key>"
            f"<ETag>{escape(tag(data))}</ETag></CompleteMultipartUploadResult>"
        )

    def get(self, key, headers):
        data = read(key)
        modified = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(os.path.getmtime(object_path(key))))
        told = [("etag", tag(data)), ("last-modified", modified), ("accept-ranges", "bytes")]
        if headers.get("if-match", tag(data)) != tag(data):
            raise Refused(412, "PreconditionFailed")
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", headers.get("range", ""))
        if not asked:
            return self.answer(200, data, told)
        first = int(asked[1])
        last = min(int(asked[2]) if asked[2] else len(data) - 1, len(data) - 1)
        if first > last:
            raise Refused(416, "InvalidRange")
        told.append(("content-range", f"bytes {first}-{last}/{len(data)}"))
        self.answer(206, data[first : last + 1], told)

    def list(self, query):
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        keys = sorted(urllib.parse.unquote(name) for name in os.listdir(OBJECTS))
        keys = [key for key in keys if key.startswith(prefix)]
        if delimiter:
            keys = [key for key in keys if delimiter not in key[len(prefix) :]]
        after = query.get("continuation-token", "")
        page = [key for key in keys if key > after][:PAGE]
        more = bool(page) and page[-1] != keys[-1]
        contents = []
        for key in page:
            data = read(key)
            modified = datetime.datetime.fromtimestamp(os.path.getmtime(object_path(key)), datetime.timezone.utc)
            contents.append(
                f"<Contents><Key>{escape(key)}</Key><LastModified>{modified:%Y-%m-%dT%H:%M:%S.000Z}</LastModified>"
                f"<ETag>{escape(tag(data))}</ETag><Size>{len(data)}</Size></Contents>"
            )
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        self.xml(
            f"<ListBucketResult><Name>{BUCKET}</Name><Prefix>{escape(prefix)}</Prefix>"
            f"<KeyCount>{len(page)}</KeyCount><MaxKeys>{PAGE}</MaxKeys>"
            f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>{token}{''.join(contents)}</ListBucketResult>"
        )


def main():
    for folder in (OBJECTS, UPLOADS, UNFINISHED):
        os.makedirs(folder, exist_ok=True)
    server = ThreadingHTTPServer(("127.0.0.1", int(PORT)), Handler)
    server.daemon_threads = True
    if sys.argv[7:]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*sys.argv[7:9])
        # The handshake is for the thread of its connection.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print(server.server_address[1], flush=True)
    # Ends with whoever started it, however that ends.
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    server.serve_forever()


main()
