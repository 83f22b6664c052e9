"""The text of comments as lines of mdoc(7). SPDX-License-Identifier: BSD-3-Clause"""
import re
import textwrap

from headers import fail, name_of

LITERAL = str.maketrans({"\\": r"\e", "^": r"\(ha", "~": r"\(ti", "'": r"\(aq", "`": r"\(ga", "-": r"\-"})
CODE = re.compile(r"""(?P<open>[(\[]*)(?:
    `(?P<quoted>[^`]*)` | (?P<page>\w+)\((?P<section>[1-9])\) | (?P<Fn>[a-z_]\w*)\(\) | (?P<Er>-E[A-Z0-9]+)
    | (?P<Dv>[A-Z][A-Z0-9]*_\w+ | NULL | SIG[A-Z]+ | SOMAXCONN) | \*(?P<Em>\w+)\*
    | (?P<Fa>\*[a-z]\w* | [a-z]\w*\[\w\]) | (?P<name>[a-z]\w*_\w+))
    (?P<close>[.,:;?!)\]]*)(?P<rest>.*)""", re.X | re.S)


def escape(text):
    text = text.replace("\\", r"\e").replace("^", r"\(ha").replace("~", r"\(ti")
    return re.sub(r"^-(?=.?\d|E|$)", r"\-", text)


def code(text, option="-offset 3n", width=70):
    """Lines of C. Lines that are too long for a terminal are broken after commas."""
    lines = []
    for line in text.splitlines():
        kept = re.sub(r'(?<=[^,]) |//.*|"(?:[^"\\]|\\.)*"', lambda part: part[0].replace(" ", "\0"), line)
        indent = "\0" * (len(line) - len(line.lstrip()) + 4)
        lines += textwrap.wrap(kept, width, subsequent_indent=indent, break_on_hyphens=False,
                               break_long_words=False) or [""]
    lines = [line.replace("\0", " ").translate(LITERAL) for line in lines]
    return [f".Bd -literal {option}".rstrip(), *(r"\&" + s if s.startswith(".") else s for s in lines), ".Ed"]


class Text:
    """Knows all pages: `owner` has the page of each name, `fields` the names of the fields of all structs."""

    def __init__(self, pages):
        self.owner = {name: page for page in pages for name in page.names()}
        self.fields = {name_of(what) for page in pages for item in page.items if item.kind == "struct"
                       for what, _ in item.entries()}

    def refer(self, name, page):
        if name not in self.owner:
            fail(f"{page.header}: there is no {name}")
        if self.owner[name] is page:
            return "Fn " + name
        page.refers.add(name)
        return f"Xr {name} 3"

    def quoted(self, text, page):
        """`text`, which may be a call."""
        call = re.fullmatch(r"(?:struct )?(\w*)(\(.*\))?", text, re.S)
        if call and call[1].startswith("asynchat_"):
            return self.refer(call[1], page)
        if call and call[2]:
            return " ".join(["Fn", call[1], *(f'"{a}"' for a in re.findall(r"[^, ][^,]*", call[2][1:-1]))])
        return f"Fa {text}" if re.fullmatch(r"\w+", text) else f'Ql "{text.translate(LITERAL)}"'

    def macro(self, m, page):
        """The macro for a word that is code, without the dot; None for an ordinary word."""
        name = m["Fn"] or m["name"] or ""
        if m["quoted"]:
            return self.quoted(m["quoted"], page)
        if m["page"]:
            return "Xr {page} {section}".format_map(m.groupdict())
        if name.startswith("asynchat_"):
            return self.refer(name, page)
        if name in self.fields:
            return "Fa " + name
        return next((f"{group} {escape(m[group])}" for group in ("Fn", "Er", "Dv", "Em", "Fa") if m[group]), None)

    def prose(self, text, page):
        """Each sentence, and each macro, is on a line of its own."""
        lines, words = [], []
        for word in [*re.findall(r"(?:[^\s`]|`[^`]*`)+", text), None]:
            m = word and CODE.fullmatch(word)
            macro = m and self.macro(m, page)
            if word and not macro:
                words.append(escape(word))
            if words and (macro or not word or re.search(r'[.?!][")]*$', word)):
                wrapped = textwrap.wrap(" ".join(words), 79, break_long_words=False, break_on_hyphens=False)
                lines += [r"\&" + line if line[0] in ".'" else line for line in wrapped]
                words = []
            if macro:
                name, _, argument = macro.partition(" ")
                rest = ["Ns", escape(m["rest"])] if m["rest"] else []
                lines.append(" ".join(["." + name, *m["open"], argument, *m["close"], *rest]))
        return lines

    def blocks(self, blocks, page):
        lines, before = [], None
        for kind, text in blocks:
            if before == "bullet" != kind:
                lines.append(".El")
            if kind == "code":
                lines += code(text)
            elif kind == "bullet":
                lines += [".Bl -bullet"] * (before != kind) + [".It", *self.prose(text, page)]
            else:
                lines += [".Pp"] * (before is not None) + self.prose(text, page)
            before = kind
        return lines + [".El"] * (before == "bullet")
