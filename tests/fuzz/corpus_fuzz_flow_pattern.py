#!/usr/bin/python3
"""Writes the first inputs of fuzz_flow_pattern to a folder: patterns of each form, and some that are wrong."""
import pathlib
import sys

TEXTS = ["mailbox@domain.com", "domain.com", "*.domain.com", "*.bücher.example", "xn--bcher-kva.example", "例え.テスト", "a@b@c.d",
         '"a b"@domain.com', '"a\\"b"@c.d', "*", "*.", "*.*.a.b", "a..b", "-a.b", "a-.b", "ab--c.d", "a@[192.0.2.1]", "", "@", "٠.example",
         "ａ．ｂ", "a.b.", "x@my_host.b.c", "x@r3---sn.b.c", "x@[a].b.c.", "x@a..b.c", "x" * 64 + "@" + "d." * 126 + "d"]


def main(folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for number, text in enumerate(TEXTS):
        (folder / str(number)).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
