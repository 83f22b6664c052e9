#!/usr/bin/env python3
"""A browser opens the listing, follows a link, goes back, and uploads with fetch: by WebDriver.

usage: browser.py PORT DRIVER [BROWSER ARGUMENT...]    PORT is where the server listens on a folder of client.py's
SPDX-License-Identifier: BSD-3-Clause
"""
import json
import re
import subprocess
import sys
import tempfile
import urllib.request

PORT, DRIVER, ARGUMENTS = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
SITE = f"http://127.0.0.1:{PORT}"

# Uploads bodies of the given size, several at once, and returns how many came back unchanged.
UPLOAD = """
const done = arguments[arguments.length - 1];
const bytes = new Uint8Array(arguments[0]).map((_, i) => i * 31 % 251);
async function upload() {
    const answer = await fetch('/echo', {method: 'POST', body: bytes});
    const back = new Uint8Array(await answer.arrayBuffer());
    return answer.status == 200 && back.length == bytes.length && back.every((byte, i) => byte == bytes[i]);
}
Promise.all(Array.from({length: 12}, upload)).then(all => done(all.filter(good => good).length), error => done('' + error));
"""

FETCH_RANGE = """
const done = arguments[arguments.length - 1];
fetch('/hello.txt', {headers: {Range: 'bytes=7-11'}}).then(async a => done([a.status, await a.text()]), e => done('' + e));
"""


def expect(got, wanted):
    if got != wanted:
        raise AssertionError(f"{got!r:.300} instead of {wanted!r:.300}")


class Browser:
    def __init__(self, driver_port):
        self.url = f"http://127.0.0.1:{driver_port}/session"
        options = {"args": ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", *ARGUMENTS]}
        session = self.call("", {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}})
        self.url += "/" + session["sessionId"]

    def call(self, path, content=None, method=None):
        data = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def click(self, text):
        element = self.call("/element", {"using": "link text", "value": text})
        self.call(f"/element/{next(iter(element.values()))}/click", {})

    def run(self, script, *arguments):
        return self.call("/execute/async", {"script": script, "args": arguments})

    def text(self):
        return self.call("/execute/sync", {"script": "return document.body.innerText", "args": []})


def visit(browser):
    browser.call("/url", {"url": SITE + "/"})
    expect(browser.call("/title"), "Listing")
    browser.click("sub/")
    expect(browser.call("/url"), SITE + "/sub/")
    browser.click("a b%.txt")
    expect((browser.call("/url"), browser.text().strip()), (SITE + "/sub/a%20b%25.txt", "odd"))
    browser.call("/back", {})
    browser.call("/back", {})
    browser.click("<b>&\"'/")
    expect((browser.call("/url"), browser.call("/title")), (SITE + "/%3Cb%3E&%22'/".replace("&", "%26").replace("'", "%27"),
                                                           "Listing"))
    browser.call("/back", {})
    browser.click("page.html")
    expect(browser.text().strip(), "page")
    for size in (0, 1, 1000, 1000000):
        expect(browser.run(UPLOAD, size), 12)
    expect(browser.run(FETCH_RANGE), [206, "world"])


def main():
    with tempfile.TemporaryDirectory() as folder:
        driver = subprocess.Popen([DRIVER, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  env={"HOME": folder, "TMPDIR": folder, "PATH": "/usr/bin:/bin"})
        try:
            port = next(match[1] for match in (re.search(r"on port (\d+)\.", line) for line in driver.stdout) if match)
            browser = Browser(int(port))
            try:
                visit(browser)
            finally:
                browser.call("", method="DELETE")
        finally:
            driver.terminate()
            driver.communicate()
    print("browser: listing, links, 48 uploads, a range")


main()
