#!/usr/bin/env python3
"""Writes the manual in mdoc(7): mdoc.py SOURCE_FOLDER MAN_FOLDER

Section 3 comes from include/asynchat/*.h, as headers.py reads them. The first name of a page is its file; the other
names are links to it. asynchat(7) is made of asynchat.7.in, the program and the table of README, and the table of
limits.md; asynchat-cookbook(7) of asynchat-cookbook.7.in and examples/cookbook. The pages of a header that asynchat.h
does not include say which library they are about.
SPDX-License-Identifier: BSD-3-Clause"""
import re
import shutil
import sys
from pathlib import Path

from headers import Page, blocks_of, fail, lower, name_of, pages_of, upper
from text import Text, code, escape

# Headers of other libraries.
APART = {"tls.h": "asynchat-openssl", "uring.h": "asynchat-uring", "testing.h": "asynchat-testing"}
ERROR = re.compile(r"((?:-E|ASYNCHAT_E)[A-Z]+)(?: \(((?:[^()]|\([^()]*\))*)\))?(?:, (?:and |or )?|$)")


def names(functions):
    """a, b and c"""
    lines = [f".Fn {name}" for name in functions]
    lines[:-2] = [line + " ," for line in lines[:-2]]
    return [*lines[:-1], *["and"] * (len(lines) > 1), lines[-1]]


def paragraphs(parts):
    parts = [part for part in parts if part]
    return [line for i, part in enumerate(parts)
            for line in ([".Pp"] if i and not part[0].startswith((".Bl", ".Bd")) else []) + part]


def arguments(parameters):
    """The arguments in a synopsis. Lines break only between arguments. An argument that is a function may be longer
    than a line, so its own parameters count as arguments as well."""
    return [f'.Fa "{part}"' for parameter in parameters for part in parameter.split(", ")]


def tag_list(items):
    return [".Bl -tag -width Ds", *(line for item in items for line in item), ".El"]


class Writer:
    """Writes one page of section 3."""

    def __init__(self, page, text):
        self.page, self.text = page, text

    def prose(self, text):
        return self.text.prose(text, self.page)

    def blocks(self, blocks):
        return self.text.blocks(blocks, self.page)

    def sentence(self, name, text):
        """What a function does, in a sentence that begins with its name."""
        return [f".Fn {name}", *self.prose(lower(text))]

    def include(self):
        """asynchat.h, if it includes the page's header."""
        header = "asynchat/" + self.page.header.name
        included = f"<{header}>" in self.page.header.parent.with_suffix(".h").read_text()
        if included == (self.page.header.name in APART):
            fail(f"{self.page.header}: which library is it of?")
        return "asynchat.h" if included else header

    def synopsis(self):
        page = self.page
        if page.type and page.type not in (item.name for item in page.items):
            yield f".Vt struct {page.type} ;"
        for item in page.items:
            if item.kind == "struct":
                fields = "".join(f"    {what};\n" for what, _ in item.entries())
                yield from code(f"struct {item.name} {{\n{fields}}};", option="", width=73)
        if page.functions() and any(item.kind == "struct" for item in page.items):
            yield ".Pp"
        for item in page.functions():
            yield from [".Ft " + item.type, ".Fo " + item.name, *arguments(item.parameters or ["void"]),
                        ".Fc"]

    def item(self, item):
        """A function, macro or type, in a list."""
        if item.kind == "function":
            tag = " ".join(["Fn", item.name, *map(name_of, item.parameters)])
        elif item.kind == "macro":
            tag = f"Dv {item.name}" + f" Pq {item.value}" * item.value.isdigit()
        else:
            tag = f"Vt {item.kind} {item.name}"
        return [f".It {tag}", *self.said(item)]

    def said(self, item):
        """The text about an item, and about the fields or constants in it."""
        entries = [self.entry(item, what, said) for what, said in item.entries() if said or item.kind == "enum"]
        return self.blocks(item.words.blocks) + (tag_list(entries) if entries else [])

    def entry(self, item, what, said):
        """A field or constant, in a list."""
        callback, constant = re.search(r"\(\*(\w+)\)\((.*)\)", what), re.fullmatch(r"(\w+)(?: = (.*))?", what)
        if callback:
            tag = " ".join([".It Fn", callback[1], *map(name_of, callback[2].split(","))])
        elif item.kind == "enum":
            tag = f".It Dv {constant[1]}" + (f" Pq {escape(constant[2])}" if constant[2] else "")
        else:
            tag = f".It Fa {name_of(what)}"
        return [tag, *self.blocks(said)]

    def description(self):
        parts = [self.blocks(words.blocks) for words in self.page.intro]
        items = [item for item in self.page.items if item.words.blocks]
        if len(items) == 1 and items[0].kind == "function":
            (_, text), *more = items[0].words.blocks
            return paragraphs([*parts, self.sentence(items[0].name, text) + self.blocks(more)])
        listed = []
        for item in [*items, None]:
            if item and item.name and not (item.text and len(items) == 1):
                listed.append(self.item(item))
                continue
            parts += [tag_list(listed)] if listed else []
            listed = []
            parts += [self.said(item)] if item else []
        return paragraphs(parts)

    def return_values(self):
        functions = self.page.functions()
        failing = [item.name for item in functions if item.is_error()]
        parts = [self.sentence(item.name, " ".join(item.words.returns)) for item in functions if item.words.returns]
        if failing:
            said = "0, or a negative error code; see asynchat_strerror()."
            parts.insert(0, names(failing) + self.prose(f"{'return' + 's' * (len(failing) == 1)} {said}"))
        return paragraphs(parts)

    def errors(self):
        common = next((words.errors for words in self.page.intro if words.errors), "")
        groups = {}
        for item in self.page.functions():
            if item.can_fail():
                groups.setdefault(item.words.errors or common, []).append(item.name)
        all_failing = sum(groups.values(), [])
        return paragraphs([part for text, failing in groups.items()
                           for part in self.errors_of(failing, self.all_or(failing, all_failing), text)])

    def errors_of(self, failing, who, text):
        coded, rest = [], text
        while m := ERROR.match(rest):
            why = m[2] or ("there is not enough memory" if m[1] == "-ENOMEM" else fail(f"{failing[0]}: why {m[1]}?"))
            coded.append([f".It {'Dv' if m[1][0] == 'A' else 'Er'} {escape(m[1])}",
                          *self.prose(upper(why) + ".")])
            rest = rest[m.end():]
        if not coded and not rest or rest and not rest.startswith("those of "):
            fail(f"{failing[0]}: errors {text!r}")
        also = rest.replace("those", "the errors", 1) + "."
        if not coded:
            return [who + self.prose(f"can fail with {also}")]
        return [who + ["can fail with:"], tag_list(coded), self.prose(f"And with {also}") if rest else []]

    def see_also(self):
        page, owner = self.page, self.text.owner
        related = {owner[name] for name in page.refers} | {p for p in owner.values() if p.header == page.header}
        for item in page.functions():
            related |= {owner[word] for word in re.findall(r"\w+", f"{item.type} {item.parameters}") if word in owner}
        names = sorted(other.names()[0] for other in related - {page})
        return [*(f".Xr {name} 3 ," for name in names), ".Xr asynchat 7"]

    def history(self):
        since = {}
        for item in self.page.functions():
            since.setdefault(item.words.since or fail(f"{item.name}: since when?"), []).append(item.name)
        return paragraphs([[*self.all_or(functions, self.page.functions()), f"first appeared in libasynchat {version}."]
                           for version, functions in since.items()])

    @staticmethod
    def all_or(functions, of):
        return ["These functions"] if 1 < len(functions) == len(of) else names(functions)

    def lines(self, date, version):
        page = self.page
        yield from [f".Dd {date}", f".Dt {page.names()[0].upper()} 3", f'.Os "libasynchat {version}"', ".Sh NAME"]
        yield from [f".Nm {name} ," for name in page.names()[:-1]] + [f".Nm {page.names()[-1]}"]
        yield ".Nd " + page.title
        if page.header.name in APART:
            yield from [".Sh LIBRARY", f"lib{APART[page.header.name]}", f".Pq Fl l{APART[page.header.name]}"]
        yield from [".Sh SYNOPSIS", f".In {self.include()}", *self.synopsis()]
        for title in ("description", "return_values", "errors", "see_also", "history"):
            section = getattr(self, title)()
            if section:
                yield from [".Sh " + title.upper().replace("_", " "), *section]


class Template:
    """Writes a page of section 7: its template, where lines with an @ stand for text from elsewhere. Such a line names
    the method that gives the text."""

    def __init__(self, name, text):
        file = Path(__file__).parent / f"{name}.7.in"
        self.template, self.text, self.page = file.read_text(), text, Page(name, file)

    def lines(self, date, version):
        for line in self.template.replace("@DATE@", date).replace("@VERSION@", version).splitlines():
            method, *names = line[1:].split() if line.startswith("@") else [""]
            yield from getattr(self, method)(*names) if method else [line]


class Introduction(Template):
    """Writes asynchat(7)."""

    def __init__(self, readme, pages, text):
        super().__init__("asynchat", text)
        self.readme, self.pages = readme.read_text(), pages
        self.section = re.search(r"^## From Python\n(.*?)^## ", self.readme, re.M | re.S)[1]

    def program(self):
        """The first C program of README."""
        return code(re.search(r"```c\n(.*?)```", self.readme, re.S)[1])

    def ported(self):
        """The table of README's section about Python, for a list."""
        for python, here in re.findall(r"^\| (.*?) \| (.*) \|$", self.section, re.M)[2:]:
            yield from [f".It {escape(python.replace('`', ''))}", *self.text.prose(here, self.page)]

    def limits(self):
        """The table of limits.md, for a list."""
        rows = re.findall(r"^\| (.*?) \| (.*) \|$", (Path(__file__).parent / "limits.md").read_text(), re.M)
        return tag_list([f".It {escape(what)}", *self.text.prose(said, self.page)] for what, said in rows[1:])

    def differences(self):
        """The paragraphs and the list of that section."""
        text = "\n".join(line for line in self.section.splitlines() if not line.startswith("|"))
        return self.text.blocks(blocks_of(text), self.page)

    def contents(self):
        """All pages, with the names on each."""
        return tag_list([".It Xr " + " , Xr ".join(f"{name} 3" for name in page.names()), page.title]
                        for page in self.pages)

    def see_also(self):
        names = sorted(page.names()[0] for page in self.pages)
        return [*(f".Xr {name} 3 ," for name in names), ".Xr asynchat-cookbook 7"]


class Cookbook(Template):
    """Writes asynchat-cookbook(7). Each recipe is a file: a title, a text, and code."""

    def __init__(self, recipes, text):
        super().__init__("asynchat-cookbook", text)
        self.recipes = {file.stem: file for file in recipes.glob("*.c")}

    def recipe(self, name):
        comment, program = re.fullmatch(r"/\*(.*?)\*/\n(.*)", self.recipes.pop(name).read_text(), re.S).groups()
        (_, title), *blocks = blocks_of(comment)
        self.page.refers |= self.text.owner.keys() & set(re.findall(r"\w+", program))
        yield from [f".Ss {title}", *self.text.blocks(blocks, self.page), *code(program, option="", width=75)]

    def see_also(self):
        """Also checks that no recipe is left out."""
        if self.recipes:
            fail(f"not in the cookbook: {', '.join(sorted(self.recipes))}")
        names = sorted({self.text.owner[name].names()[0] for name in self.page.refers})
        return [*(f".Xr {name} 3 ," for name in names), ".Xr asynchat 7"]


def write(file, lines):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(line + "\n" for line in lines))


def main(top, out):
    include = top / "include/asynchat"
    version = re.search(r'ASYNCHAT_VERSION "(.*)"', (include / "version.h").read_text())[1]
    types = {name.removeprefix("asynchat_"): name
             for header in ("api.h", *APART)
             for name in re.findall(r"^struct (\w+);", (include / header).read_text(), re.M)}
    pages = [page for header in sorted(include.glob("*.h")) if header.stem != "api"
             for page in pages_of(header, types)]
    text = Text(pages)
    sevens = [Introduction(top / "README.md", pages, text), Cookbook(top / "examples/cookbook", text)]
    date = re.search(r"^\.Dd (.*)", sevens[0].template, re.M)[1]

    shutil.rmtree(out, ignore_errors=True)
    for page in pages:
        name, *others = page.names()
        write(out / f"man3/{name}.3", Writer(page, text).lines(date, version))
        for other in others:
            (out / f"man3/{other}.3").symlink_to(f"{name}.3")
    for seven in sevens:
        write(out / f"man7/{seven.page.title}.7", seven.lines(date, version))


main(*map(Path, sys.argv[1:]))
