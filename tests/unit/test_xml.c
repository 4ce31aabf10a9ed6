#include "model/autodiscover.h"
#include "tests/unit/unit.h"

static const char *read_one(struct arena *arena, const char *text, struct xml_root *ret_root)
{
    struct xml_element wanted[] = {{.name = "Name"}};
    const char *detail;
    if (!xml_read(arena, text, strlen(text), wanted, 1, ret_root, &detail))
        return detail;
    return wanted[0].text != NULL ? wanted[0].text : "(none)";
}

static void test_elements_are_found_and_documents_refused(void **state)
{
    static const char malformed[] = "It is not well-formed XML.";
    static const char typed[] = "It has a document type, which is not taken.";
    const struct {
        const char *document;
        const char *found;
    } rows[] = {
        {"<x><Name>a</Name></x>", "a"},
        {"<x><name> \n a b\t</name></x>", "a b"},
        {"<Name>a</Name>", "a"},
        {"<x><p:NAME xmlns:p='u'>a</p:NAME></x>", "a"},
        {"<x><Name>a</Name><Name>b</Name></x>", "a"},
        {"<x><Name>a<b>c</b>d</Name></x>", "ad"},
        {"<x><Name>a<Name>b</Name></Name></x>", "a"},
        {"<x><Name>&lt;&#65;&amp;<![CDATA[<b>]]></Name></x>", "<A&<b>"},
        {"<x><Name/></x>", ""},
        {"<x/>", "(none)"},
        {"<x xmlns='a\nb c'/>", "(none)"},
        {"<?xml version='1.0' encoding='ISO-8859-1'?><Name>\xE9</Name>", "\xC3\xA9"},
        {"", "It is no XML document."},
        {"x", malformed},
        {"<x>", malformed},
        {"<x></y>", malformed},
        {"<x/><y/>", malformed},
        {"<x>&y;</x>", malformed},
        {"<Name>\xFF</Name>", malformed},
        {"<!DOCTYPE x><x/>", typed},
        {"<!DOCTYPE x [<!ENTITY e 'a'>]><x><Name>&e;</Name></x>", typed},
        {"<!DOCTYPE x SYSTEM 'file:///etc/passwd'><x/>", typed},
    };
    struct xml_root root;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_string_equal(read_one(*state, rows[i].document, &root), rows[i].found);
}

static void test_root_has_its_namespace(void **state)
{
    struct xml_root root = {0};
    read_one(*state, "<p:x xmlns:p='urn:a' xmlns='urn:b'><Name/></p:x>", &root);
    assert_string_equal(root.name, "x");
    assert_string_equal(root.namespace, "urn:a");
    read_one(*state, "<x/>", &root);
    assert_string_equal(root.namespace, "");
}

static void test_depth_and_length_are_bounded(void **state)
{
    struct xml_root root;
    const char *open = unit_repeat(*state, "<a>", XML_DEPTH_MAX);
    const char *close = unit_repeat(*state, "</a>", XML_DEPTH_MAX);
    const char *letters = unit_repeat(*state, "a", XML_TEXT_MAX);
    assert_string_equal(read_one(*state, arena_printf(*state, "%s%s", open, close), &root), "(none)");
    assert_string_equal(read_one(*state, arena_printf(*state, "<b>%s%s</b>", open, close), &root),
                        "Its elements are nested too deep.");
    assert_string_equal(read_one(*state, arena_printf(*state, "<Name>%s</Name>", letters), &root), letters);
    assert_string_equal(read_one(*state, arena_printf(*state, "<Name>%sa</Name>", letters), &root),
                        "The text of an element is too long.");
}

static void test_what_is_written_is_read_back(void **state)
{
    static const char *const texts[] = {
        "plain", "<&>\"'", "a\tb\nc\rd", "\xC3\xA9\xE2\x9C\x89\xF0\x9F\x93\xA7", "]]>", "&amp;"};
    struct xml_root root;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct buffer out = {.arena = *state};
        xml_member(&out, "Name", texts[i]);
        assert_string_equal(read_one(*state, buffer_string(&out), &root), texts[i]);
        out.length = 0;
        buffer_text(&out, "<Name a=\"");
        xml_text(&out, texts[i]);
        buffer_text(&out, "\"/>");
        assert_string_equal(read_one(*state, buffer_string(&out), &root), "");
    }
}

static void test_what_xml_cannot_hold_is_replaced(void **state)
{
    struct buffer out = {.arena = *state};
    xml_text(&out, "a\x01\x1F\xEF\xBF\xBE\xEF\xBF\xBF\x7F");
    assert_string_equal(buffer_string(&out), "a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\x7F");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_elements_are_found_and_documents_refused),
        UNIT_TEST(test_root_has_its_namespace),
        UNIT_TEST(test_depth_and_length_are_bounded),
        UNIT_TEST(test_what_is_written_is_read_back),
        UNIT_TEST(test_what_xml_cannot_hold_is_replaced),
    };
    xml_prepare();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
