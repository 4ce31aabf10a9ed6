"""Reads Prometheus' text format, version 0.0.4, and forgives nothing."""
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (-?[0-9]+(?:\.[0-9]+)?|\+Inf|-Inf|NaN)")
TYPES = {"counter", "gauge", "histogram"}
PARTS = {"histogram": ("_bucket", "_sum", "_count")}


class Metrics:
    """families: name → (type, help); values: (sample's name, its labels as a sorted tuple of pairs) → number."""

    def __init__(self, text):
        assert text.endswith("\n"), "the last line does not end"
        self.families, self.values, current, helped = {}, {}, None, None
        for line in text[:-1].split("\n"):
            if line.startswith("# HELP "):
                name, about = line[7:].split(" ", 1)
                assert re.fullmatch(NAME, name) and about and name not in self.families, line
                helped = (name, about)
            elif line.startswith("# TYPE "):
                name, kind = line[7:].split(" ")
                assert helped and helped[0] == name and kind in TYPES, line
                current, helped = name, None
                self.families[name] = kind
                assert (kind == "counter") == name.endswith("_total"), line
            else:
                self.read_sample(line, current)
        for name, kind in self.families.items():
            if kind == "histogram":
                self.check_histogram(name)

    def read_sample(self, line, family):
        match = SAMPLE.fullmatch(line)
        assert match, f"not a sample: {line!r}"
        name, labels, value = match.groups()
        pairs = tuple(sorted(re.findall(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"', labels or "")))
        assert len({key for key, _ in pairs}) == len(pairs), line
        expected = {family + part for part in PARTS.get(self.families[family], ("",))}
        assert name in expected, f"{line!r} stands under {family}"
        assert (name, pairs) not in self.values, f"twice: {line!r}"
        number = float(value.replace("Inf", "inf"))
        assert number >= 0, line
        self.values[name, pairs] = number

    def check_histogram(self, name):
        groups = {}
        for (sample, pairs), value in self.values.items():
            if sample == name + "_bucket":
                rest = tuple(pair for pair in pairs if pair[0] != "le")
                groups.setdefault(rest, []).append((float(dict(pairs)["le"].replace("Inf", "inf")), value))
        counts = {pairs for sample, pairs in self.values if sample == name + "_count"}
        assert counts == set(groups) == {pairs for sample, pairs in self.values if sample == name + "_sum"}
        for rest, buckets in groups.items():
            bounds, numbers = [bound for bound, _ in buckets], [number for _, number in buckets]
            assert bounds == sorted(set(bounds)) and bounds[-1] == float("inf"), f"{name}{rest}: {bounds}"
            assert numbers == sorted(numbers), f"{name}{rest}: {numbers}"
            assert numbers[-1] == self.values[name + "_count", rest], f"{name}{rest}"
            assert self.values[name + "_sum", rest] >= 0

    def get(self, name, **labels):
        """0 for a sample that is not there: it has not been counted yet."""
        assert any(name in (family, *(family + part for part in PARTS.get(kind, ())))
                   for family, kind in self.families.items()), f"there is no {name}"
        return self.values.get((name, tuple(sorted(labels.items()))), 0)

    def labels(self, name, label):
        return {dict(pairs)[label] for sample, pairs in self.values if sample == name}
