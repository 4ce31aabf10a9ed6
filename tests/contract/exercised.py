#!/usr/bin/python3
"""exercised.py FILE: says which operations of openapi.yaml never succeeded in the tests that wrote FILE.

FILE is what openapi_check.py collected under POSTREEVE_EXERCISED. Exit status 1 when an operation is missing.
"""

import pathlib
import sys

from openapi_check import Document

OPENAPI = pathlib.Path(__file__).resolve().parents[2] / "openapi.yaml"


def missing(operation_ids, lines):
    """The operations without a line "operationId status" of a success, sorted."""
    succeeded = set()
    for line in lines:
        operation_id, _, status = line.strip().partition(" ")
        if status.startswith("2") or status == "302":
            succeeded.add(operation_id)
    return sorted(set(operation_ids) - succeeded)


def main(arguments):
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        lines = pathlib.Path(arguments[0]).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        lines = []
    every = [operation["operationId"] for _, _, operation in Document.load(OPENAPI).operations()]
    never = missing(every, lines)
    for operation_id in never:
        print(f"never answered with success: {operation_id}")
    print(f"{len(every) - len(never)} of {len(every)} operations answered with success")
    return 1 if never else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
