"""Changes the input and the matcher in one place at a time, and runs the tests on each change. They must notice.

usage: mutants.py FOLDER [--share PERCENT] [--seed N] [--only TEXT]

A mutant that survives must be in mutants.txt, with the reason, and mutants in mutants.txt must survive. Of the others,
95 % must be noticed. Those that are not noticed fail the stage too: they show a gap in the tests, or belong into
mutants.txt.

SPDX-License-Identifier: BSD-3-Clause"""

import argparse
import collections
import concurrent.futures
import hashlib
import os
import pathlib
import queue
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
EXPLAINED = TOP / "tests/thorough/mutants.txt"
FILES = ["framer/match.h", "framer/match.c", "framer/framer.h", "framer/framer.c", "framer/say.h",
         "framer/plan.c", "channel/deliver.c", "channel/calls/settings.c"]
CFLAGS = ["-std=gnu11", "-O1", "-w", "-D_GNU_SOURCE", "-D_FILE_OFFSET_BITS=64", f"-I{TOP}/include"]

DOES_NOT_COMPILE, IS_THE_SAME = "does not compile", "is the same program"

Mutant = collections.namedtuple("Mutant", "file function text change start end new")


def key(mutant):
    return (f"{mutant.file} {mutant.function}", mutant.text, mutant.change)


# --- the changes ---

COMMENT_OR_STRING = re.compile(r"""/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.S)
DIRECTIVE = re.compile(r"^#(?!define \w+ )(?:[^\n]*\\\n)*[^\n]*", re.M)
FUNCTION = re.compile(r"^(?![#/ ])[\w*, ]*?\b(\w+)\(", re.M)
OPERATOR = re.compile(
    r" (<=|>=|==|!=|&&|\|\||[<>+\-*/%]|[+\-*]=) |(\+\+|--)(?!;)|(?<!\w)(!)(?=[\w(])|\b(\d+)u?\b|\b(true|false)\b")
STATEMENT = re.compile(r"(?:(?<=[;{})])|(?<=else))\s*\n +(?=[\w*(])")
NO_STATEMENT = re.compile(
    r"(if|while|for|else|do|switch|case|default|return|goto|typedef|static|struct|enum|const|unsigned)\b"
    r"|\w+ \**\w+( =|;|,|\[)|__m256i")
CONDITION = re.compile(r"\b(?:if|while) \(")
REPLACED = {
    "<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==", "&&": "||", "||": "&&", "+": "-", "-": "+",
    "*": "/", "/": "*", "%": "/", "+=": "-=", "-=": "+=", "*=": "+=", "++": "--", "--": "++", "!": "",
    "true": "false", "false": "true"}


def blank(match):
    """Replaces a text by as many spaces, so that places stay the same."""
    return re.sub(r"[^\n]", " ", match.group())


def code_of(source):
    """The source, without the parts that must not be changed."""
    return DIRECTIVE.sub(blank, COMMENT_OR_STRING.sub(blank, source))


def closing(code, at):
    """The place behind the parenthesis that closes the one at `at`."""
    depth = 0
    for place in range(at, len(code)):
        depth += (code[place] == "(") - (code[place] == ")")
        if depth == 0:
            return place + 1
    return len(code)


def replacement(old):
    return str(int(old) + 1) if old.isdigit() else REPLACED[old]


def changed_operators(code):
    for match in OPERATOR.finditer(code):
        group = match.lastindex
        old = match.group(group)
        yield match.start(group), match.end(group), replacement(old), f"{old} becomes {replacement(old) or 'nothing'}"


def is_negated_already(condition):
    """Whether another mutant negates the condition already, by a change of its only operator."""
    alone = "&&" not in condition and "||" not in condition
    return alone and re.search(r"==|!=|^\(!", condition) is not None


def negated_conditions(code):
    for match in CONDITION.finditer(code):
        end = closing(code, match.end() - 1)
        condition = code[match.end() - 1:end]
        if not is_negated_already(condition):
            yield match.end() - 1, end, f"(!{condition})", "negated"


def removed_statements(code):
    for match in STATEMENT.finditer(code):
        begin = match.end()
        end = code.find(";", begin)
        if end >= 0 and "{" not in code[begin:end] and not NO_STATEMENT.match(code, begin):
            yield begin, end, "", "removed"


def function_at(code, at):
    name = "-"
    if line_at(code, at).startswith("#"):
        return name
    for match in FUNCTION.finditer(code, 0, at):
        name = match.group(1)
    return name


def line_at(source, at):
    begin = source.rfind("\n", 0, at) + 1
    end = source.find("\n", at)
    return source[begin:end].strip()


def mutants_of(file):
    """Equal changes of one line are numbered."""
    source = (TOP / "src" / file).read_text()
    code = code_of(source)
    seen = collections.Counter()
    changes = [*changed_operators(code), *negated_conditions(code), *removed_statements(code)]
    for start, end, new, change in sorted(changes):
        function, text = function_at(code, start), line_at(source, start)
        seen[function, text, change] += 1
        count = seen[function, text, change]
        change += f" ({count})" if count > 1 else ""
        yield Mutant(file, function, text, change, start, end, new)


def mutated(mutant):
    source = (TOP / "src" / mutant.file).read_text()
    return source[:mutant.start] + mutant.new + source[mutant.end:]


# --- those that are explained ---

def explained():
    """Reads records, separated by empty lines: file and function, the line, the change, and the reason."""
    records = {}
    for record in EXPLAINED.read_text().split("\n\n"):
        lines = [line.strip() for line in record.splitlines() if line and not line.startswith("#")]
        if lines and len(lines) < 4:
            sys.exit(f"mutants.txt: no reason is given: {lines}")
        if lines:
            records[tuple(lines[:3])] = lines[3]
    return records


# --- building ---

def run(*command):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True)


class Kind:
    """One way to build the library and link it with tests."""

    def __init__(self, pool, out, flags, for_library=(), link=()):
        self.flags, self.for_library, self.link = [*CFLAGS, *flags], for_library, link
        self.out = out
        out.mkdir(parents=True)
        names = sorted(str(path.relative_to(TOP / "src")) for path in (TOP / "src").rglob("*.c")
                       if path.parent.name not in ("tls", "uring", "testing"))  # libraries of their own
        self.library = dict(zip(names, pool.map(self.compile_unit, names)))

    def compile(self, source, target, *flags):
        run("gcc", *self.flags, *flags, "-c", source, "-o", target)
        return target

    def compile_unit(self, name, bench=None):
        """Compiles a file of src, or of a bench."""
        target = (bench or self.out) / f"{self.out.name}_{name.replace('/', '_')}.o"
        src = (bench or TOP) / "src"
        return self.compile(src / name, target, f"-I{src}", *self.for_library)

    def compile_test(self, source):
        target = self.out / f"test_{source.replace('/', '_')}.o"
        if target.exists():
            return target
        return self.compile(TOP / "tests" / source, target, f"-I{TOP}/tests", f"-I{TOP}/src")


class Program:
    """A test, to be linked with a library. One that takes several times as long as with nothing changed is ended: after
    `cpu_time` seconds of CPU time, or after `patience` seconds."""

    def __init__(self, pool, kind, name, sources, *arguments, through=()):
        self.kind, self.name, self.arguments, self.through = kind, name, arguments, through
        self.objects = list(pool.map(kind.compile_test, sources))
        self.cpu_time, self.patience = 60, 90

    def succeeds(self, folder, units):
        """Links with these objects in place of the library's own."""
        target = folder / "program"
        library = {**self.kind.library, **units}
        run("gcc", *self.kind.flags, *self.objects, *library.values(), *self.kind.link, "-lcmocka", "-levent_core",
            "-o", target)
        limited = ["prlimit", f"--cpu={self.cpu_time}", "--core=0"]
        return ends_well([*limited, *self.through, target, *self.arguments], folder, self.patience)

    def measure(self, folder):
        """Links with the unchanged library."""
        before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        if not self.succeeds(folder, {}):
            sys.exit(f"{self.name} fails with nothing changed:\n{(folder / 'said').read_text()}")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.cpu_time = 4 + int(5 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime))
        self.patience = 30 + 10 * (time.monotonic() - begin)


def ends_well(command, folder, patience):
    """A test that would wait for ever is ended. (ASan's limit for all memory needs a thread, whose descriptor the tests
    see.)"""
    environment = {**os.environ, "CMOCKA_TEST_ABORT": "1", "TMPDIR": str(folder),
                   "ASAN_OPTIONS": "max_allocation_size_mb=512:quarantine_size_mb=16"}
    with open(folder / "said", "w") as said:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environment,
                                   cwd=folder, start_new_session=True)
    try:
        return process.wait(timeout=patience) == 0
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        (folder / "said").write_text(f"it waited for {patience:.0f} s")
        return False


def wrap_options():
    """The wrapped calls, as in tests/faults/CMakeLists.txt."""
    names = re.search(r"set\(wrapped (.*?)\)", (TOP / "tests/faults/CMakeLists.txt").read_text(), re.S).group(1)
    return [f"-Wl,--wrap={name}" for name in names.split()]


def make_programs(pool, out):
    """The tests that run the changed code. Those that are cheap for what they find come first, since the first one that
    fails ends the search."""
    asan = Kind(pool, out / "asan", ["-fsanitize=address"])
    counted = Kind(pool, out / "counted", [], for_library=["-fsanitize-coverage=trace-pc"])
    plain = Kind(pool, out / "plain", [], link=[*wrap_options(), "-l:libevent_core.a"])
    corpus = TOP / "tests/fuzz/corpus"
    faults = [f"faults/{name}.c" for name in ("memory", "inject", "scenarios", "threads", "sweep", "world")] + ["toy.c"]

    def test(name, *more):
        return Program(pool, asan, name, [f"{name}.c", "fixture.c", "descriptors.c", "serving.c", *more])

    return [
        Program(pool, asan, "test_framer_calls", ["test_framer_calls.c"]),
        Program(pool, asan, "test_match", ["test_match.c"]), Program(pool, asan, "test_framer", ["test_framer.c"]),
        test("test_channel_framing", "toy.c"), test("test_message_limit"), test("test_asynchat"),
        test("test_connect_time", "clock.c"), test("test_pair"), test("test_server_stop", "clock.c"),
        Program(pool, asan, "conformance", ["replay.c", "replay_socket.c"], through=[TOP / "tests/conformance/run"]),
        Program(pool, asan, "fuzz_stream", [f"fuzz/{name}.c" for name in ("replay", "stream", "model")] + ["naive.c"],
                corpus / "stream"),
        Program(pool, asan, "fuzz_calls", [f"fuzz/{name}.c" for name in ("replay", "calls", "ends", "wire")],
                corpus / "calls"),
        test("test_channel_pause"), test("test_half_close"), test("test_channel"), test("test_stats"),
        test("test_channel_time"), test("test_channel_in"), test("test_set_handler", "toy.c", "clock.c"),
        test("test_detach", "toy.c"), Program(pool, asan, "test_framing", ["test_framing.c", "naive.c"]),
        test("test_channel_out"), Program(pool, plain, "faults_memory", faults, "quick"),
        test("test_chunks"), test("test_channel_pressure"), test("test_quick_ack", "toy.c"),
        Program(pool, counted, "linear", ["linear.c"]),
    ]


# --- running ---

USERS = {
    "framer/match.h": ["framer/match.c", "framer/framer.c", "framer/plan.c", "channel/deliver.c", "channel/calls/settings.c"],
    "framer/framer.h": ["framer/framer.c", "framer/plan.c", "framer/calls.c", "channel/deliver.c", "channel/times.c",
                        "channel/owner.c", "channel/calls/settings.c", "channel/calls/framing.c"],
    "framer/say.h": ["framer/framer.c", "framer/plan.c"]}
# These run nothing else: files whose names begin so.
ALONE = {"test_match": "framer/match", "test_framer": "framer/", "test_framing": "framer/", "test_framer_calls": "framer/"}


class Bench:
    """A folder where one mutant at a time is built and run. It has all of src, with one changed file."""

    def __init__(self, folder, programs):
        self.folder, self.programs = folder, programs
        for path in (TOP / "src").rglob("*.[ch]"):
            place = folder / path.relative_to(TOP)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(path)

    def fate(self, mutant):
        """The result: the name of the test that noticed, None if the mutant survives, or why it cannot be built."""
        (self.folder / "said").write_text("")
        place = self.folder / "src" / mutant.file
        place.unlink()
        place.write_text(mutated(mutant))
        try:
            return self.fate_of_file(mutant.file)
        except subprocess.CalledProcessError:
            return DOES_NOT_COMPILE
        finally:
            place.unlink()
            place.symlink_to(TOP / "src" / mutant.file)

    def fate_of_file(self, file):
        names = USERS.get(file, [file])
        units = {}
        for program in self.programs:
            kind = program.kind
            if kind not in units:
                units[kind] = {name: kind.compile_unit(name, self.folder) for name in names}
            if file.startswith(ALONE.get(program.name, "")) and not program.succeeds(self.folder, units[kind]):
                return program.name
        return IS_THE_SAME if self.is_the_same(names) else None

    def is_the_same(self, names):
        """Whether an optimizing compiler makes the same code of it."""
        def compiled(src, name):
            target = self.folder / "optimized.o"
            run("gcc", *CFLAGS, f"-I{src}", "-O2", "-c", src / name, "-o", target)
            return target.read_bytes()
        return all(compiled(self.folder / "src", name) == compiled(TOP / "src", name) for name in names)


def try_all(mutants, programs, out):
    """Prints the fate of each mutant, also into a file, with the message of the test."""
    workers = os.cpu_count() or 1
    benches = queue.Queue()
    for number in range(workers):
        benches.put(Bench(out / f"bench{number}", programs))

    def fate(mutant):
        bench, begin = benches.get(), time.monotonic()
        try:
            result = bench.fate(mutant)
            took = f"{time.monotonic() - begin:.1f} s"
            return result, took, (bench.folder / "said").read_text(errors="replace")[-2000:]
        finally:
            benches.put(bench)

    fates, words = {}, {}
    with concurrent.futures.ThreadPoolExecutor(workers) as pool, open(out / "fates", "w", buffering=1) as log:
        for mutant, (result, took, said) in zip(mutants, pool.map(fate, mutants)):
            fates[mutant], words[mutant] = result, said
            print(" | ".join([*key(mutant), result or "LIVES", took]), file=log)
    return fates, words


# --- what came of it ---

def described(mutant):
    return f"{mutant.file} {mutant.function}\n    {mutant.text}\n    {mutant.change}"


def complain(what, descriptions):
    count = 0
    for count, description in enumerate(descriptions, 1):
        print(f"{what}:\n{description}\n")
    return count


def judge(fates, words, reasons):
    """Returns how many mutants are wrong."""
    lives = [mutant for mutant, fate in fates.items() if fate is None]
    noticed = [mutant for mutant, fate in fates.items() if fate not in (None, DOES_NOT_COMPILE, IS_THE_SAME)]
    unexplained = [mutant for mutant in lives if key(mutant) not in reasons]
    wrong = complain("lives, and is not in mutants.txt", map(described, unexplained))
    dead = [f"{described(mutant)}: {fates[mutant]}\n{words[mutant]}" for mutant in noticed if key(mutant) in reasons]
    wrong += complain("is in mutants.txt, but does not live", dead)
    counts = collections.Counter(fates.values())
    print(f"{len(fates)} mutants: {counts[DOES_NOT_COMPILE]} do not compile, {counts[IS_THE_SAME]} are the same program, "
          f"{len(noticed)} are noticed, {len(lives)} live, of which {len(lives) - len(unexplained)} are explained: "
          f"{100 * len(noticed) / max(1, len(noticed) + len(unexplained)):.1f} % of the others are noticed")
    return wrong


def show_tests(fates, programs):
    counts = collections.Counter(fates.values())
    print("noticed first by: " + ", ".join(f"{program.name} {counts[program.name]}" for program in programs))


def is_chosen(mutant, share, seed):
    """What is chosen depends on the mutant alone, so that a change of one line brings no other mutants."""
    number = hashlib.sha256(" ".join([str(seed), *key(mutant)]).encode()).digest()
    return int.from_bytes(number, "big") % 100 < share


def chosen(mutants, reasons, options):
    """Surviving mutants take longest, since they go through all tests. So a partial run tries only a fifth of them."""
    share, lives_share = options.share, options.share if options.share >= 100 else options.share // 5
    return [mutant for mutant in mutants if options.only in " ".join(key(mutant))
            and is_chosen(mutant, lives_share if key(mutant) in reasons else share, options.seed)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--share", type=int, default=100, help="how many of a hundred to try")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10 ** 6), help="chooses the mutants")
    parser.add_argument("--only", default="", help="only mutants with this text in file, function, line or change")
    options = parser.parse_args()
    out = options.folder / "mutants"
    shutil.rmtree(out, ignore_errors=True)

    everything = [mutant for file in FILES for mutant in mutants_of(file)]
    reasons = explained()
    gone = set(reasons) - {key(mutant) for mutant in everything}
    wrong = complain("is in mutants.txt, but there is no such change", ["\n    ".join(lines) for lines in sorted(gone)])

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        programs = make_programs(pool, out)
    for program in programs:
        program.measure(out)
    mutants = chosen(everything, reasons, options)
    print(f"{len(mutants)} of {len(everything)} mutants, seed {options.seed}", flush=True)
    fates, words = try_all(mutants, programs, out)
    show_tests(fates, programs)
    sys.exit(judge(fates, words, reasons) + wrong > 0)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"{error}\n{error.stderr}")
