#!/usr/bin/python3
"""Holds the C files against the rules of the house: who may include whom, and which functions nobody calls."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("api", "model", "db", "workers")

# folder or file → the folders whose headers it may include
MAY_INCLUDE = {
    "model": {"model"},
    "db": {"db", "model"},
    "workers": {"workers", "db", "model"},
    "api": {"api", "db", "model"},
    "api/main.c": {"api", "db", "model", "workers"},
    "tests/unit": set(FOLDERS) | {"tests"},
}
# a library's header → the only folders or files that may include it
LIBRARY_USERS = {
    "libpq-fe.h": {"db"},
    "microhttpd.h": {"api/server.c", "api/server_parts.h", "api/metrics_server.c"},
}
# function → what to do instead
BANNED = {
    "strcpy": "copy with a length", "strcat": "build text with a length", "gets": "use getline",
    "sprintf": "use snprintf", "vsprintf": "use vsnprintf", "strtok": "use strcspn or strtok_r",
    "atoi": "use strtol and check it", "atol": "use strtol and check it", "alloca": "use an arena",
    "system": "start the program itself", "popen": "start the program itself",
    "PQexec": "use the functions of db/query.h",
}
BANNED_EXCEPT = {"PQexec": "db/"}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
# Comments and literals, which are blanked so that only code is searched.
NOT_CODE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
CALL = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")


def include_fault(name, quote, header):
    """What is wrong with this include of the file `name`, or None."""
    if quote == "<":
        users = LIBRARY_USERS.get(header)
        if users and not name.startswith("tests/") and not any(name == u or name.startswith(u + "/") for u in users):
            return f"<{header}> is for {', '.join(sorted(users))} alone"
        return None
    folder = header.split("/")[0]
    if "/" not in header or not (ROOT / header).is_file():
        return f'"{header}" is not a header written from the root, as in "model/arena.h"'
    allowed = MAY_INCLUDE.get(name) or MAY_INCLUDE[str(pathlib.PurePath(name).parent)]
    if folder not in allowed:
        return f'"{header}": only {", ".join(sorted(allowed))} may be included here'
    return None


def faults(name, text):
    for number, line in enumerate(text.splitlines(), 1):
        if match := INCLUDE.match(line):
            if fault := include_fault(name, *match.groups()):
                yield number, fault
    code = NOT_CODE.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)
    for match in CALL.finditer(code):
        function = match.group(1)
        if not name.startswith(BANNED_EXCEPT.get(function, "\n")):
            yield code.count("\n", 0, match.start()) + 1, f"{function} is banned: {BANNED[function]}"


def main():
    count = 0
    for folder in (*FOLDERS, "tests/unit"):
        for path in sorted((ROOT / folder).glob("*.[ch]")):
            name = str(path.relative_to(ROOT))
            for line, fault in faults(name, path.read_text()):
                print(f"{name}:{line}: {fault}")
                count += 1
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
