"""docs/security.md: whatever it claims has a test that is there, and it answers every line of the standards."""
import ast
import functools
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")
REFERENCE = re.compile(r"`([^`]+)`")
# What an answer begins with, and whether it needs to be shown.
ANSWERS = {"met": True, "not met": False, "not applicable": False, "left to the operator": False}
# OWASP ASVS 4.0.3: what level 2 asks for, by section. What is not here was deleted from the standard or is of level 3.
ASVS = {
    "2.1": range(1, 13), "2.2": range(1, 4), "2.3": range(1, 4), "2.4": range(1, 6), "2.5": range(1, 8), "2.6": range(1, 4),
    "2.7": range(1, 7), "2.8": range(1, 8), "2.9": range(1, 4), "2.10": range(1, 5),
    "3.1": [1], "3.2": range(1, 5), "3.3": range(1, 5), "3.4": range(1, 6), "3.5": range(1, 4), "3.7": [1],
    "4.1": [1, 2, 3, 5], "4.2": [1, 2], "4.3": [1, 2, 3],
    "5.1": range(1, 6), "5.2": range(1, 9), "5.3": range(1, 11), "5.4": range(1, 4), "5.5": range(1, 5),
    "6.1": range(1, 4), "6.2": range(1, 7), "6.3": [1, 2], "6.4": [1, 2],
    "7.1": range(1, 5), "7.2": [1, 2], "7.3": [1, 3, 4], "7.4": range(1, 4),
    "8.1": range(1, 5), "8.2": range(1, 4), "8.3": range(1, 9), "9.1": range(1, 4), "9.2": range(1, 5),
    "10.2": [1, 2], "10.3": range(1, 4), "11.1": range(1, 9),
    "12.1": range(1, 4), "12.2": [1], "12.3": range(1, 7), "12.4": [1, 2], "12.5": [1, 2], "12.6": [1],
    "13.1": [1, 3, 4, 5], "13.2": [1, 2, 3, 5, 6], "13.3": [1, 2], "13.4": [1, 2],
    "14.1": range(1, 5), "14.2": range(1, 7), "14.3": [2, 3], "14.4": range(1, 8), "14.5": range(1, 5),
}


def rows_below(header):
    """The cells of all rows of the tables that begin with this header."""
    rows, inside = [], False
    for line in PAGE.splitlines():
        if line == header:
            inside = True
        elif not line.startswith("|"):
            inside = False
        elif inside and not line.startswith("|---"):
            rows.append([cell.strip() for cell in line.strip("|").split(" |")])
    return rows


CLAIMS = rows_below("| claim | shown by |")
RISKS = rows_below("| no. | risk | answer | shown by |")
REQUIREMENTS = rows_below("| no. | about | answer | shown by |")


@functools.cache
def names_in(path):
    """The tests that a file holds, by their names."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".c":
        return set(re.findall(r"\b(?:UNIT_TEST|cmocka_unit_test)\((\w+)\)", text))
    return {node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def is_there(reference):
    file, _, test = reference.partition("::")
    path = ROOT / "tests" / file if test else ROOT / file
    return path.is_file() and (not test or test in names_in(path))


def numbers(text):
    """2.4.3–2.4.4 → 2.4.3, 2.4.4."""
    first, _, last = text.partition("–")
    section, _, begin = first.rpartition(".")
    last_section, _, end = (last or first).rpartition(".")
    assert section == last_section, text
    return [f"{section}.{number}" for number in range(int(begin), int(end) + 1)]


@pytest.mark.parametrize("claim,shown_by", CLAIMS, ids=[row[0] for row in CLAIMS])
def test_claim_has_a_test(claim, shown_by):
    assert [reference for reference in REFERENCE.findall(shown_by) if "::" in reference], claim


@pytest.mark.parametrize("number,_,answer,shown_by", RISKS + REQUIREMENTS, ids=[row[0] for row in RISKS + REQUIREMENTS])
def test_answer_is_one_of_four_and_shown(number, _, answer, shown_by):
    kind = next(kind for kind in ANSWERS if re.match(kind + r"\b", answer))
    assert REFERENCE.findall(shown_by) or not ANSWERS[kind], number


@pytest.mark.parametrize("reference", sorted({reference for row in CLAIMS + RISKS + REQUIREMENTS
                                              for reference in REFERENCE.findall(row[-1])}))
def test_what_is_named_is_there(reference):
    assert is_there(reference)


@pytest.mark.parametrize("reference", ["api/test_auth.py::test_nothing", "api/test_auth.py::new_identity", "api/test_none.py::test_nothing",
                                       "unit/test_policy.c::test_nothing", "unit/test_policy.c::statement", "api/nothing.c"])
def test_what_is_not_there_is_noticed(reference):
    assert not is_there(reference)


def test_every_risk_and_requirement_is_answered_once():
    assert [row[0] for row in RISKS] == [f"API{number}" for number in range(1, 11)]
    assert [number for row in REQUIREMENTS for number in numbers(row[0])] == [
        f"{section}.{number}" for section, own in ASVS.items() for number in own]
    assert len(CLAIMS) > 40
