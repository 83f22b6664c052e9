"""Draws what a run has measured, as ratios to bare epoll, or of smtpd to its peers: tests/bench/run --plot JSON SVG

A bar is the median of the rounds, and has its figure in it; the line goes from the lower to the upper quartile. A bar
that is higher than the picture is cut. The picture has a background of its own, for pages in light and in dark.

SPDX-License-Identifier: BSD-3-Clause
"""
import json
import subprocess
import sys
import textwrap

TOP = 2.5  # where bars are cut
GAP = 1.5  # between two workloads, in bars
LABEL = 16  # characters in a line of a title

# In the order of a group: the name, the colour of the bar, and that of the figure in it. epoll is the line at 1.
PEERS = {
    "asynchat": ("libasynchat, pieces", "#005a9e", "#ffffff"),
    "asynchat, whole": ("libasynchat, whole messages", "#7ab8e6", "#000000"),
    "libuv": ("libuv", "#54b483", "#000000"),
    "bufferevent": ("bufferevents", "#eba53a", "#000000"),
    "asyncio streams": ("Python's asyncio", "#a0a0a0", "#000000"),
    "CPython asynchat": ("Python's asynchat", "#cccccc", "#000000"),
    "smtpd": ("smtpd", "#005a9e", "#ffffff"),
}

COMMANDS = """
set terminal svg size %(width)d,500 font "sans-serif,12" background "#ffffff" noenhanced
set title "CPU time of the server, as a ratio to %(reference)s: medians and quartiles; bars above %(top)g are cut"
set border 3 linecolor "#555555"
set xtics nomirror scale 0 font ",11" (%(tics)s)
set ytics nomirror 0, 0.5
set grid ytics linecolor "#dddddd" linewidth 1 linetype 1
set xrange [%(left)g:%(right)g]
set yrange [0:%(top)g]
set key outside bottom center horizontal
set style fill solid noborder
set bmargin 10
plot %(plots)s
"""


def ratios(everything):
    """Of each workload that has a ratio to epoll: its title, and the ratio of each peer; and those of smtpd."""
    for result in everything.get("results", []):
        if "ratio" in result:
            yield "%(title)s, to %(peer)s" % result, {"smtpd": result["ratio"]}
        rows = result.get("summary", {}).get("figure", [])
        to_epoll = {row["peer"]: row["ratio"]["epoll"] for row in rows if "epoll" in row["ratio"]}
        if to_epoll:
            yield result["title"], {peer: to_epoll[peer] for peer in PEERS if peer in to_epoll}


def arrange(groups):
    """Of each peer the places and the ratios of its bars; of each workload the middle; and where the last bar stands."""
    bars, middles, place = {peer: [] for peer in PEERS}, [], 0
    for title, to_epoll in groups:
        middles.append((title, place + (len(to_epoll) - 1) / 2))
        for peer, ratio in to_epoll.items():
            bars[peer].append((place, ratio))
            place += 1
        place += GAP
    return {peer: of for peer, of in bars.items() if of}, middles, place - GAP - 1


def block(number, bars):
    """What gnuplot reads of a peer: place, height, lower and upper quartile, and the figure as a text."""
    rows = ['%g %.4f %.4f %.4f "%.2f"' % (place, *(min(x, TOP) for x in (r["median"], *r["quartiles"])), r["median"])
            for place, r in bars]
    return "\n".join(["$peer%d << END" % number, *rows, "END", ""])


def plots(peers, reference):
    for number, peer in enumerate(peers):
        yield '$peer%d using 1:2:(0.94) with boxes linecolor "%s" title "%s"' % (number, PEERS[peer][1], PEERS[peer][0])
    for number, peer in enumerate(peers):
        yield '$peer%d using 1:3:(0):($4-$3) with vectors nohead linecolor "#000000" notitle' % number
        yield '$peer%d using 1:(0.06):5 with labels left rotate font ",10" textcolor "%s" notitle' % (
            number, PEERS[peer][2])
    yield '1 with lines linecolor "#c00020" linewidth 1.5 title "%s"' % reference


def wrapped(title):
    return r"\n".join(line for part in title.replace(";", ",").split(", ") for line in textwrap.wrap(part, LABEL))


def commands(groups):
    bars, middles, last = arrange(groups)
    reference = "the peer" if "smtpd" in bars else "bare epoll"
    tics = ", ".join('"%s" %g' % (wrapped(title), middle) for title, middle in middles)
    return "".join(block(number, of) for number, of in enumerate(bars.values())) + COMMANDS % {
        "tics": tics, "left": -GAP, "right": last + GAP, "top": TOP, "reference": reference,
        "width": 900 if "smtpd" in bars else 1200, "plots": ", ".join(plots(bars, reference))}


def draw(groups):
    return subprocess.run(["gnuplot"], input=commands(groups), stdout=subprocess.PIPE, text=True, check=True).stdout


def main(path, svg):
    try:
        with open(path) as file:
            groups = list(ratios(json.load(file)))
        if not groups:
            sys.exit("plot.py: no ratio is in %s" % path)
        drawn = draw(groups)
        with open(svg, "w") as file:
            file.write(drawn)
    except (OSError, ValueError, subprocess.CalledProcessError) as why:
        sys.exit("plot.py: %s" % why)


if len(sys.argv) != 3:
    sys.exit("usage: tests/bench/run --plot JSON SVG")
main(*sys.argv[1:])
