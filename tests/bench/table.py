"""Figures of several rounds in one table: for measure.py. SPDX-License-Identifier: BSD-3-Clause"""
import statistics

BARS = ("libuv", "bufferevent")  # the peers with which libasynchat is compared, besides the reference


def spread(values):
    """Returns the median, the least, the lower and upper quartile, and the largest."""
    low, median, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    return {"median": median, "least": min(values), "quartiles": [low, high], "most": max(values)}


def ratios(rounds, name, to, key):
    """The ratios of each pair, where a pair is one round."""
    if name not in rounds or to not in rounds:
        return None
    return spread([a[key] / b[key] for a, b in zip(rounds[name], rounds[to])])


def summary(rounds, key, reference):
    """A row for each peer: its figure, its rate, its ratio to the reference, and for our peers also to the others."""
    rows = []
    for name, samples in rounds.items():
        bars = [reference] + [bar for bar in BARS if bar != reference and name.startswith("asynchat")]
        to = {bar: ratios(rounds, name, bar, key) for bar in bars}
        rows.append({"peer": name, "figure": spread([s[key] for s in samples]),
                     "rate": statistics.median(s["rate"] for s in samples),
                     "ratio": {bar: r for bar, r in to.items() if r}})
    return rows


def ratio_text(r):
    return "%.2f (%.2f %.2f %.2f %.2f)" % (r["median"], r["least"], *r["quartiles"], r["most"])


def number(x):
    return "%.0f" % x if x >= 100 else "%.2f" % x


def text(title, rows, rate, reference):
    """Makes the columns equally wide in all tables of a run."""
    bars = [reference] + [bar for bar in BARS if any(bar in r["ratio"] for r in rows) and bar != reference]
    lines = [title, "%-20s%10s%10s%10s%15s" % ("", "median", "least", "most", rate) +
             "".join("   %-30s" % ("to " + bar) for bar in bars)]
    for r in rows:
        figure = r["figure"]
        line = "%-20s%10s%10s%10s%15.0f" % (
            r["peer"], number(figure["median"]), number(figure["least"]), number(figure["most"]), r["rate"])
        line += "".join("   %-30s" % (ratio_text(r["ratio"][bar]) if bar in r["ratio"] else "") for bar in bars)
        lines.append(line.rstrip())
    return "\n".join([lines[0], lines[1].rstrip()] + lines[2:])
