"""Drives Chromium by the W3C WebDriver protocol, with nothing but Python: browser.py <address of the page>.

Steps come as JSON on standard input: {"size": [w, h]}, {"open": path}, {"type": [css, text]}, {"click": css},
{"forget": true} (all cookies), {"note": name}. What was seen at each note goes to standard output, as JSON, with the errors
of the browser's console.
"""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request

PAGE = sys.argv[1].rstrip("/")
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"

driver = subprocess.Popen(["/usr/bin/chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
port = None
for line in driver.stdout:
    if "started successfully on port" in line:
        port = line.rsplit(" ", 1)[1].strip().rstrip(".")
        break
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(method, path, body=None):
    data = json.dumps(body if body is not None else {}).encode() if method == "POST" else None
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, {"Content-Type": "application/json"}, method=method)
    try:
        with opener.open(request, timeout=60) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        sys.exit(f"{method} {path}: {error.read().decode()}")


capabilities = {
    "browserName": "chrome",
    "acceptInsecureCerts": True,
    "goog:loggingPrefs": {"browser": "ALL"},
    "goog:chromeOptions": {
        "binary": "/usr/bin/chromium",
        "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server"],
    },
}
try:
    session = "/session/" + ask("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})["sessionId"]
    notes = {}
    try:
        def find(css):
            return ask("POST", session + "/element", {"using": "css selector", "value": css})[ELEMENT]

        def run(script):
            return ask("POST", session + "/execute/sync", {"script": script, "args": []})

        for step in json.load(sys.stdin):
            (what, value), = step.items()
            if what == "size":
                ask("POST", session + "/window/rect", {"width": value[0], "height": value[1]})
            elif what == "open":
                ask("POST", session + "/url", {"url": PAGE + value})
            elif what == "type":
                element = find(value[0])
                ask("POST", f"{session}/element/{element}/clear")
                ask("POST", f"{session}/element/{element}/value", {"text": value[1]})
            elif what == "click":
                before = find("html")
                ask("POST", f"{session}/element/{find(value)}/click")
                # The page that follows has another root.
                for _ in range(200):
                    if find("html") != before:
                        break
                    time.sleep(0.05)
            elif what == "forget":
                ask("DELETE", session + "/cookie")
            elif what == "note":
                notes[value] = {
                    "path": run("return location.pathname + location.search"),
                    "text": run("return document.body.innerText"),
                    "wider": run("return document.documentElement.scrollWidth > innerWidth"),
                }
        log = ask("POST", session + "/se/log", {"type": "browser"})
        # Answers that say no are told there as well.
        errors = [line["message"] for line in log if line["level"] == "SEVERE" and "the server responded with a status" not in line["message"]]
        print(json.dumps({"notes": notes, "errors": errors}))
    finally:
        ask("DELETE", session)
finally:
    driver.terminate()
    driver.wait()
