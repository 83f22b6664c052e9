"""Reads the headers: their pages, the items of each page, and the comments on these items.

A page is the part of a header above its first "--- Title ---", or below such a title. Some words of a comment have
their own place on the page:

- a comment with nothing directly below it is about the whole page;
- "Errors: -EINVAL (why), -ENOMEM, and those of connect(2)." is for ERRORS; "Returns ...", and "Gives ..." of a function
  that returns a pointer, for RETURN VALUES; "Since 0.1." for HISTORY. A function that returns int, and does not say
  what, returns 0 or an error;
- lines with a dash are a list, and lines indented by four more spaces are code; `x` is a name in C.

Anything that cannot be read in this way is an error. SPDX-License-Identifier: BSD-3-Clause"""
import re
import sys


def fail(message):
    sys.exit(f"manual: {message}")


def name_of(declaration):
    """The name of a parameter or field."""
    return re.search(r"(?:\(\*)?(\w+|\.\.\.)\)?(?:\[\w*\])?(?:\(.*\))?\s*$", declaration)[1]


def lower(text):
    """For the middle of a sentence. NULL or TLS is not changed."""
    return text[0].lower() + text[1:] if re.match(r"[A-Z][a-z ]", text) else text


def upper(text):
    """For the beginning of a sentence. A name in C is not changed."""
    return text[0].upper() + text[1:] if re.match(r"[a-z]+\b(?!\()", text) else text


UNIT = re.compile(r"""(?:/\*(?P<comment>(?:[^*]|\*(?!/))*)\*/\n)?
    (?:\#define\ (?P<macro>ASYNCHAT_\w+)(?P<value>(?:[^\n\\]|\\\n)*)
    | (?P<type>ASYNCHAT_API[^;(]*?[\s*])(?P<function>\w+)\((?P<parameters>[^;]*?)\)(\s*ASYNCHAT_FORMAT\([^)]*\))?;
    | (?P<struct>(?:struct|enum)(?P<tag>\ \w+)?\ \{\n.*?\n\};))?""", re.X | re.S)
ENTRY = re.compile(r"""(?:/\*(?P<above>(?:[^*]|\*(?!/))*)\*/\s*)?
    (?P<what>[a-zA-Z_](?:[^;,/()]|\((?:[^()]|\([^()]*\))*\))*)[;,]?(?:[ ]*/\*(?P<beside>.*?)\*/)?""", re.X | re.S)


def blocks_of(comment):
    """The blocks of a comment, as [kind, words]; the kind is text, bullet or code."""
    blocks, new = [], True
    for line in re.sub(r"\s*SPDX-License-Identifier: \S+", "", comment or "").strip().splitlines():
        line = re.sub(r"^\s*\*( |$)", "", line)
        kind = "code" if line.startswith("    ") else "bullet" if line.startswith("- ") else "text"
        if kind == "code" and blocks and blocks[-1][0] == "code":
            blocks[-1][1] += "\n" * (1 + new) + line[4:]
        elif kind == "text" and line and not new:
            blocks[-1][1] += " " + line.strip()
        elif line:
            blocks.append([kind, line[4:] if kind == "code" else line.removeprefix("- ")])
        new = not line
    return blocks


class Words:
    """A comment, with its sentences sorted by their place on the page."""

    def __init__(self, comment, type=""):
        self.blocks, self.returns, self.errors, self.since = [], [], "", ""
        for kind, text in blocks_of(comment):
            said = [text] if kind == "code" else [s for s in self.sentences(text) if not self.take(s, type)]
            if said and text.startswith("Returns "):
                self.returns += said
            elif said:
                self.blocks.append((kind, " ".join(said)))

    @staticmethod
    def sentences(text):
        text = re.sub(r"\s*(\((?:Python|medusa|asyncio): (?:[^()]|\([^()]*\))*\))\s*", r"\n\1\n", text)
        return [s for s in re.split(r"(?<=[.?!])\s+|\n", text) if s]

    def take(self, sentence, type):
        if sentence.startswith("Errors: "):
            self.errors = sentence.removeprefix("Errors: ").rstrip(".")
        elif sentence.startswith("Since "):
            self.since = sentence.removeprefix("Since ").rstrip(".")
        elif type and sentence.startswith("Returns ") or "*" in type and sentence.startswith("Gives "):
            self.returns.append(sentence)
        else:
            return False
        return True


class Item:
    """A function, a macro, or the definition of a struct or enum."""

    def __init__(self, m, header):
        self.kind = "macro" if m["macro"] else "function" if m["function"] else m["struct"].split()[0]
        self.name = m["macro"] or m["function"] or (m["tag"] or "").strip()
        self.type = re.sub(r"ASYNCHAT_(API|NODISCARD)\s+", "", m["type"] or "").strip()
        if not m["comment"]:
            fail(f"{header}: {self.name or 'an enum'} has no comment")
        self.words = Words(m["comment"], self.type)
        self.value, self.text = (m["value"] or "").strip(), m["struct"]
        parameters = " ".join((m["parameters"] or "void").split())
        inner = re.sub(r"\([^()]*\)", lambda part: part[0].replace(",", "\0"), parameters)
        self.parameters = [p.strip().replace("\0", ",") for p in inner.split(",") if p != "void"]

    def entries(self):
        """The fields of a struct, or the constants of an enum, each with its comment."""
        inner = self.text and self.text[self.text.index("{") + 1:self.text.rindex("}")]
        for m in ENTRY.finditer(inner or ""):
            beside = " ".join((m["beside"] or "").split())
            yield " ".join(m["what"].split()), blocks_of(m["above"] or beside and upper(beside) + ".")

    def is_error(self):
        """Whether the function returns 0 or an error."""
        return self.type == "int" and not self.words.returns

    def can_fail(self):
        return self.is_error() or self.type == "int" and bool(self.words.errors)


class Page:
    def __init__(self, title, header):
        self.title, self.header, self.type = title, header, None
        self.intro, self.items, self.refers = [], [], set()

    def functions(self):
        return [item for item in self.items if item.kind == "function"]

    def names(self):
        """The type that the page is about, functions, other types. The first name is the name of the page."""
        named = self.functions() + [item for item in self.items if item.text and item.name]
        return ([self.type] if self.type else []) + [item.name for item in named]


def pages_of(header, types):
    """The pages of a header. The first sentence of its first comment is the title of the first."""
    pages = []
    for m in UNIT.finditer(header.read_text()):
        title = re.fullmatch(r"\s*--- (.*) ---\s*", m["comment"] or "")
        if title:
            pages.append(Page(lower(title[1]), header))
        elif m["comment"] and not pages:
            words = Words(m["comment"])
            sentence = Words.sentences(words.blocks[0][1])[0]
            pages.append(Page(lower(re.sub(r"^(The )?\w+: ", "", sentence).rstrip(".")), header))
            pages[0].type = types.get(header.stem)
            pages[0].intro += [words] * (words.blocks != [("text", sentence)])
        elif m["function"] or m["struct"] or m["macro"] and m["comment"]:
            pages[-1].items.append(Item(m, header))
        elif m["comment"]:
            pages[-1].intro.append(Words(m["comment"]))
    return [page for page in pages if page.names() or fail(f"{header}: nothing is called {page.title}")]
