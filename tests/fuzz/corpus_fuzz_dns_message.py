#!/usr/bin/python3
"""Writes the first inputs of fuzz_dns_message to a folder: answers of each kind, and some that are wrong."""
import pathlib
import struct
import sys

import dns.flags
import dns.message
import dns.rrset

ANSWERS = {
    "address": ("example.test", "A", ["192.0.2.1", "192.0.2.2"]),
    "address6": ("example.test", "AAAA", ["2001:db8::1"]),
    "servers": ("example.test", "NS", ["ns1.example.test.", "ns2.example.test."]),
    "alias": ("autodiscover.example.test", "CNAME", ["autodiscover.mail.example.net."]),
    "mail": ("example.test", "MX", ["10 mx1.example.test.", "20 mx2.example.net.", "0 ."]),
    "text": ("_amazonses.example.test", "TXT", ['"one" "two"', '"' + "x" * 255 + '" "' + "y" * 200 + '"', r'"\000\255\""']),
    "start": ("example.test", "SOA", ["ns1.example.test. hostmaster.example.test. 1 3600 600 86400 60"]),
}


def answer(name, kind, values):
    made = dns.message.make_response(dns.message.make_query(name, kind, use_edns=True))
    made.flags |= dns.flags.AA
    made.answer.append(dns.rrset.from_text(name + ".", 3600, "IN", kind, *values))
    return made.to_wire(max_size=65535)


def main(folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for title, question in ANSWERS.items():
        wire = answer(*question)
        (folder / title).write_bytes(wire)
        (folder / f"{title}-cut").write_bytes(wire[:-3])
    head = struct.pack("!6H", 1, 0x8400, 1, 1, 0, 0)
    (folder / "loop").write_bytes(head + b"\xc0\x0c\0\1\0\1\xc0\x0c\0\1\0\1\0\0\0\0\0\4\x7f\0\0\1")
    (folder / "nothing").write_bytes(b"")


if __name__ == "__main__":
    main(sys.argv[1])
