"""Tells of the mails in a folder, as Python's own parser reads them, in JSON."""

import email
import email.policy
import html
import json
import pathlib
import sys

told = []
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.eml"), key=lambda path: path.stat().st_mtime_ns):
    mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    bodies = {part.get_content_type(): part.get_content() for part in mail.walk() if not part.is_multipart()}
    told.append({
        "envelope": json.loads(path.with_suffix(".json").read_text()),
        "headers": [name for name, _ in mail.items()],
        "from": mail["from"],
        "to": mail["to"],
        "subject": mail["subject"],
        "id": mail["message-id"],
        "automatic": mail["auto-submitted"],
        "type": mail.get_content_type(),
        "defects": [str(defect) for defect in mail.defects],
        "text": bodies.get("text/plain", ""),
        "html": html.unescape(bodies.get("text/html", "")),
    })
print(json.dumps(told))
