#!/usr/bin/python3
"""Writes the first inputs of fuzz_xml to a folder: requests and answers of each kind, and some that are hostile."""
import pathlib
import sys

SCHEMAS = "http://schemas.microsoft.com/exchange/autodiscover/"
REQUEST = ('<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="%s"><Request><EMailAddress>ada@example.test</EMailAddress>'
           "<AcceptableResponseSchema>%s</AcceptableResponseSchema></Request></Autodiscover>")
INPUTS = {
    "mobile": REQUEST % (SCHEMAS + "mobilesync/requestschema/2006", SCHEMAS + "mobilesync/responseschema/2006"),
    "outlook": REQUEST % (SCHEMAS + "outlook/requestschema/2006", SCHEMAS + "outlook/responseschema/2006a"),
    "soap": '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><m:ResponseCode xmlns:m="m">NoError</m:ResponseCode></s:Body></s:Envelope>',
    "entities": '<!DOCTYPE x [<!ENTITY a "b"><!ENTITY c "&a;&a;">]><x>&c;</x>',
    "external": '<!DOCTYPE x SYSTEM "file:///etc/passwd" [<!ENTITY % p SYSTEM "http://127.0.0.1/">%p;]><x/>',
    "deep": "<a>" * 40 + "</a>" * 40,
    "text": "<EMailAddress><![CDATA[&]]>&#65;&amp;&lt;<!-- --><?p i?></EMailAddress>",
    "utf16": '<a b="c">d</a>',
    "nothing": "",
}


def main(folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for title, text in INPUTS.items():
        (folder / title).write_bytes(text.encode("utf-16" if title == "utf16" else "utf-8"))


if __name__ == "__main__":
    main(sys.argv[1])
