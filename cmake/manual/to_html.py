#!/usr/bin/env python3
"""Writes the manual as HTML, by mandoc, with an index: to_html.py MANDOC MAN_FOLDER HTML_FOLDER

A link to one of the further names of a page leads to that place on it; what is not of this manual, such as connect(2),
is no link. SPDX-License-Identifier: BSD-3-Clause"""
import re
import shutil
import subprocess
import sys
from html import escape
from pathlib import Path

HEAD = """<!DOCTYPE html>
<html>
<head>
  <meta charset="utf-8"/>
  <meta name="viewport" content="width=device-width, initial-scale=1.0"/>
  <link rel="stylesheet" href="style.css"/>
  <title>libasynchat</title>
</head>
<body>
"""


def linked(text, pages, owner):
    """`text`, in which every link leads somewhere."""
    def link(m):
        name = m[1]
        if name not in owner:
            return m[2]
        page = owner[name]
        place = f"#{name}" if name != page and f'id="{name}"' in pages[page] else ""
        return f'<a class="Xr" href="{page}.html{place}">{m[2]}</a>'
    return re.sub(r'<a class="Xr" href="([^"]*)\.html">(.*?)</a>', link, text, flags=re.S)


def index(man, pages, owner):
    yield HEAD + '<h1>libasynchat</h1>\n<p>Begin with <a href="asynchat.html">asynchat(7)</a>.</p>\n<dl>\n'
    for page in pages:
        about = re.search(r"^\.Nd (.*)", man[page].read_text(), re.M)[1]
        names = ", ".join(f'<a class="Xr" href="{name}.html">{name}</a>' for name in owner if owner[name] == page)
        yield linked(f"<dt>{names}</dt>\n<dd>{escape(about)}</dd>\n", pages, owner)
    yield "</dl>\n</body>\n</html>\n"


def main(mandoc, folder, out):
    files = sorted(Path(folder).glob("man?/*"))
    man = {file.stem: file for file in files if not file.is_symlink()}
    names = {page: re.findall(r"^\.Nm ([\w-]+)", file.read_text(), re.M) for page, file in man.items()}
    owner = {name: page for page in man for name in names[page]}
    pages = {page: subprocess.run([mandoc, "-Thtml", "-O", "style=style.css,man=%N.html", file], check=True,
                                  capture_output=True, text=True).stdout
             for page, file in man.items()}

    out = Path(out)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    for page, text in pages.items():
        (out / f"{page}.html").write_text(linked(text, pages, owner))
    (out / "index.html").write_text("".join(index(man, pages, owner)))
    shutil.copyfile(Path(__file__).parent / "style.css", out / "style.css")


main(*sys.argv[1:])
