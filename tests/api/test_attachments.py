"""Files that mail cannot carry: the guide's list, and which names are on it."""
import re

import pytest

# Guide, "Unsupported Attachment Types".
GUIDE = """
.ade .fxp .mag .msc .prg .url .adp .gadget .mam .msh .reg .vb .app .hlp .maq .msh1 .scf .vbe .asp .hta .mar .msh2 .scr .vbs
.bas .inf .mas .mshxml .sct .vps .bat .ins .mat .msh1xml .shb .vsmacros .cer .isp .mau .msh2xml .shs .vss .chm .its .mav .msi
.sys .vst .cmd .js .maw .msp .ps1 .vsw .com .jse .mda .mst .ps1xml .vxd .cpl .ksh .mdb .ops .ps2 .ws .crt .lib .mde .pcd
.ps2xml .wsc .csh .lnk .mdt .pif .psc1 .wsf .der .mad .mdw .plg .psc2 .wsh .exe .maf .mdz .prf .tmp .xnk
""".split()
DIRECTION, INVISIBLE, DOT, OTHER = "direction", "not shown", "looks like a dot", "outside ASCII"


def look(api, *names, expect=200):
    return api.post("/v1/attachment-types/test", expect=expect, json={"file_names": list(names)})


def one(api, name):
    item, = look(api, name)["items"]
    assert item["file_name"] == name and bool(re.search(r"not accepted", item["detail"])) != item["is_supported"]
    return item


def test_list_is_that_of_the_guide(api):
    assert len(GUIDE) == 90
    listed = [item["extension"] for item in api.get("/v1/attachment-types")["items"]]
    assert listed == sorted(extension[1:] for extension in GUIDE)


def test_each_extension_of_the_guide_is_refused_in_any_case(api):
    names = [name + case(extension) for extension in GUIDE for case in (str.lower, str.upper, str.title) for name in ("file", "")]
    items = look(api, *names)["items"]
    assert [item["file_name"] for item in items] == names and not any(item["is_supported"] for item in items)
    assert {item["extension"] for item in items} == {extension[1:] for extension in GUIDE}


@pytest.mark.parametrize("name,extension", [
    ("a.pdf.exe", "exe"), ("a.exe.", "exe"), ("a.exe...", "exe"), ("a.exe ", "exe"), ("a.exe . . ", "exe"), ("a.ExE", "exe"),
    (".exe", "exe"), ("..exe", "exe"), ("a b.exe", "exe"), ("ä.exe", "exe"), ("photo\u202egpj.exe", "exe")])
def test_names_that_are_refused(api, name, extension):
    item = one(api, name)
    assert not item["is_supported"] and item["extension"] == extension


@pytest.mark.parametrize("name,extension", [
    ("a.pdf", "pdf"), ("a.exe.pdf", "pdf"), ("exe", ""), ("aexe", ""), ("a.exe1", "exe1"), ("a.xexe", "xexe"), ("a", ""), ("...", ""),
    ("a.", ""), ("a. exe", " exe"), ("a.zip", "zip"), ("a.docx", "docx"), ("a.e x e", "e x e"), ("a.exe-", "exe-")])
def test_names_that_are_accepted(api, name, extension):
    item = one(api, name)
    assert item["is_supported"] and item["extension"] == extension and item["warnings"] == []


@pytest.mark.parametrize("name,is_supported,said", [
    ("photo\u202egpj.exe", False, [DIRECTION]), ("invoice\u202exe.pdf", True, [DIRECTION]), ("a\u2067b.pdf", True, [DIRECTION]),
    ("a.e\u200bxe", True, [INVISIBLE, OTHER]), ("a\u00adb.exe", False, [INVISIBLE]), ("a.exe\ufeff", True, [INVISIBLE, OTHER]),
    ("a\uff0eexe", True, [DOT]), ("a\u2024exe", True, [DOT]), ("a.pdf\u3002exe", True, [DOT, OTHER]),
    ("a.\u0435x\u0435", True, [OTHER]), ("a.\uff45\uff58\uff45", True, [OTHER]), ("a.exe\u00a0", True, [OTHER]), ("Ünïcödé.pdf", True, [])])
def test_names_that_look_like_others_are_told_of(api, name, is_supported, said):
    item = one(api, name)
    assert item["is_supported"] is is_supported and len(item["warnings"]) == len(said), item
    assert all(word in warning for word, warning in zip(said, item["warnings"])), item


@pytest.mark.parametrize("body,faults", [
    ({}, {"/file_names required"}), ({"file_names": []}, {"/file_names too_short"}), ({"file_names": 1001 * ["a"]}, {"/file_names too_long"}),
    ({"file_names": ["a", ""]}, {"/file_names invalid_format"}), ({"file_names": ["a\n.exe"]}, {"/file_names invalid_format"}),
    ({"file_names": [1]}, {"/file_names wrong_type"}), ({"file_names": ["x" * 257]}, {"/file_names invalid_format"})])
def test_faults_are_named(api, body, faults):
    assert api.post("/v1/attachment-types/test", expect="validation_failed", json=body).faults == faults
