#include "model/dns_message.h"

#include <stdlib.h>

#include "tests/unit/unit.h"

/* A message in the making. */
struct wire {
    unsigned char data[70000];
    size_t length;
};

static void put(struct wire *wire, const char *bytes, size_t length)
{
    assert_true(wire->length + length <= sizeof(wire->data));
    memcpy(wire->data + wire->length, bytes, length);
    wire->length += length;
}

static void put16(struct wire *wire, unsigned value)
{
    put(wire, (const char[]){(char)(value >> 8), (char)value}, 2);
}

static void put_name(struct wire *wire, const char *name)
{
    while (*name != '\0') {
        size_t length = strcspn(name, ".");
        put(wire, (const char[]){(char)length}, 1);
        put(wire, name, length);
        name += length + (name[length] == '.');
    }
    put(wire, "", 1);
}

/* An answer to a question about example.test, which stands at 12, with `answers` records to come. */
static void begin(struct wire *wire, unsigned flags, unsigned answers)
{
    wire->length = 0;
    put16(wire, 0x1234);
    put16(wire, flags);
    put16(wire, 1);
    put16(wire, answers);
    put16(wire, 0);
    put16(wire, 0);
    put_name(wire, "Example.TEST");
    put16(wire, DNS_TXT);
    put16(wire, 1);
}

static void put_record(struct wire *wire, unsigned type, const char *data, size_t length)
{
    put16(wire, 0xc00c);
    put16(wire, type);
    put16(wire, 1);
    put16(wire, 0);
    put16(wire, 300);
    put16(wire, (unsigned)length);
    put(wire, data, length);
}

static const char *read_fault(struct arena *arena, const struct wire *wire, struct dns_message *message)
{
    const char *fault;
    /* A copy of the exact size: the sanitizer sees whoever reads behind it. */
    unsigned char *exact = malloc(wire->length + (wire->length == 0));
    assert_non_null(exact);
    memcpy(exact, wire->data, wire->length);
    bool is_read = dns_message_read(arena, exact, wire->length, message, &fault);
    assert_int_equal(is_read, fault == NULL);
    free(exact);
    return fault != NULL ? fault : "ok";
}

#define BYTES(text) (text), sizeof(text) - 1

static void test_each_type_is_read(void **state)
{
    static struct wire wire;
    struct dns_message message;
    begin(&wire, 0x8400, 8);
    put_record(&wire, DNS_A, BYTES("\300\0\2\1"));
    put_record(&wire, DNS_AAAA, BYTES("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"));
    put_record(&wire, DNS_NS, BYTES("\3ns1\300\014"));
    put_record(&wire, DNS_CNAME, BYTES("\5other\7INVALID\0"));
    put_record(&wire, DNS_MX, BYTES("\0\012\2mx\300\014"));
    put_record(&wire, DNS_MX, BYTES("\0\0\0"));
    put_record(&wire, DNS_SOA, BYTES("\300\014\0hostmaster-and-numbers"));
    put_record(&wire, DNS_TXT, BYTES("\3one\0\4\"\\\0\377"));
    assert_string_equal(read_fault(*state, &wire, &message), "ok");

    static const char *const values[] = {"192.0.2.1",     "2001:db8::1",         "ns1.example.test",
                                         "other.invalid", "10 mx.example.test",  "0 .",
                                         "example.test",  "one\"\\092\\000\\255"};
    assert_int_equal(message.count, COUNT(values));
    for (size_t i = 0; i < COUNT(values); i++) {
        assert_string_equal(message.records[i].value, values[i]);
        assert_string_equal(message.records[i].name, "example.test");
        assert_int_equal(message.records[i].ttl, 300);
        assert_int_equal(message.records[i].section, DNS_ANSWER);
    }
    assert_int_equal(message.records[4].preference, 10);
    assert_string_equal(message.records[4].target, "mx.example.test");
    assert_int_equal(message.records[7].strings, 3);
    assert_int_equal(message.id, 0x1234);
    assert_true(message.is_response && message.is_authoritative && !message.is_truncated);
    assert_string_equal(message.question, "example.test");
    assert_int_equal(message.question_type, DNS_TXT);
}

static void test_other_types_and_classes_are_passed_over(void **state)
{
    static struct wire wire;
    struct dns_message message;
    begin(&wire, 0x8600 | DNS_NXDOMAIN, 2);
    put_record(&wire, 46, BYTES("anything"));
    put_record(&wire, DNS_A, BYTES("too long for an address"));
    wire.data[wire.length - sizeof("too long for an address") - 6] = 3; /* its class: CHAOS */
    assert_string_equal(read_fault(*state, &wire, &message), "ok");
    assert_int_equal(message.count, 0);
    assert_int_equal(message.rcode, DNS_NXDOMAIN);
    assert_true(message.is_truncated);
}

static void test_what_is_malformed_is_refused(void **state)
{
    static const struct {
        unsigned type;
        const char *data;
        size_t length;
        const char *fault;
    } rows[] = {
        {DNS_A, BYTES("\300\0\2"), "an address has the wrong length"},
        {DNS_AAAA, BYTES("\300\0\2\1"), "an address has the wrong length"},
        {DNS_MX, BYTES("\0\012"), "an MX record ends too early"},
        {DNS_MX, BYTES("\0\012\2mx\0more"), "the data of a record has another length than its name"},
        {DNS_TXT, BYTES("\5four"), "a string of a TXT record ends too early"},
        {DNS_TXT, BYTES(""), "a TXT record has no string"},
        {DNS_NS, BYTES("\3ns"), "a name ends too early"},
        {DNS_NS, BYTES("\300"), "a name ends too early"},
        {DNS_NS, BYTES("\300\377"), "the pointer of a name does not lead back"},
        {DNS_NS, BYTES("\300\0"), "the pointer of a name does not lead back"},
        {DNS_NS, BYTES("\300\052"), "the pointer of a name does not lead back"}, /* to itself */
        {DNS_NS, BYTES("\1a\300\052"), "a name is too long"},                    /* to its own label */
        {DNS_NS, BYTES("\100"), "a name has an unknown kind of label"},
        {DNS_SOA, BYTES("\300\014"), "ok"},
    };
    static struct wire wire;
    struct dns_message message;
    for (size_t i = 0; i < COUNT(rows); i++) {
        begin(&wire, 0x8400, 1);
        put_record(&wire, rows[i].type, rows[i].data, rows[i].length);
        const char *fault = read_fault(*state, &wire, &message);
        /* A loop ends by whichever bound comes first. */
        bool is_loop = strcmp(rows[i].fault, "a name is too long") == 0 &&
                       strcmp(fault, "a name has too many pointers") == 0;
        assert_row(is_loop || strcmp(fault, rows[i].fault) == 0, "row %zu: %s", i, fault);
    }
}

static void test_every_beginning_of_a_message_is_refused(void **state)
{
    static struct wire wire;
    struct dns_message message;
    begin(&wire, 0x8400, 2);
    put_record(&wire, DNS_MX, BYTES("\0\012\2mx\300\014"));
    put_record(&wire, DNS_TXT, BYTES("\3one\3two"));
    for (size_t whole = wire.length; wire.length > 0;) {
        const char *fault = read_fault(*state, &wire, &message);
        assert_row((strcmp(fault, "ok") == 0) == (wire.length == whole), "%zu bytes: %s", wire.length, fault);
        wire.length--;
    }
}

static void test_names_have_a_bound(void **state)
{
    static struct wire wire;
    struct dns_message message;
    struct buffer name = {.arena = *state};
    for (int i = 0; i < 3; i++)
        buffer_printf(&name, "%s.", unit_repeat(*state, "x", 63));
    const char *most = unit_repeat(*state, "y", 61);
    for (int i = 0; i < 2; i++) {
        begin(&wire, 0x8400, 1);
        wire.length = 12;
        put_name(&wire, arena_printf(*state, "%s%s%s", buffer_string(&name), most, i == 0 ? "" : "y"));
        put16(&wire, DNS_A);
        put16(&wire, 1);
        put_record(&wire, DNS_A, BYTES("\300\0\2\1"));
        assert_string_equal(read_fault(*state, &wire, &message), i == 0 ? "ok" : "a name is too long");
    }
}

static void test_records_have_a_bound(void **state)
{
    static struct wire wire;
    struct dns_message message;
    for (unsigned count = DNS_RECORDS_MAX; count <= DNS_RECORDS_MAX + 1; count++) {
        begin(&wire, 0x8400, count);
        for (unsigned i = 0; i < count; i++)
            put_record(&wire, DNS_A, BYTES("\300\0\2\1"));
        assert_string_equal(read_fault(*state, &wire, &message),
                            count <= DNS_RECORDS_MAX ? "ok" : "it has too many records");
    }
}

static void test_a_text_of_64_kB_is_read(void **state)
{
    static struct wire wire;
    static char data[65000];
    struct dns_message message;
    memset(data, 'x', sizeof(data));
    for (size_t i = 0; i < sizeof(data); i += 250)
        data[i] = (char)(unsigned char)249;
    begin(&wire, 0x8400, 1);
    put_record(&wire, DNS_TXT, data, sizeof(data));
    assert_string_equal(read_fault(*state, &wire, &message), "ok");
    assert_int_equal(strlen(message.records[0].value), 260 * 249);
    assert_int_equal(message.records[0].strings, 260);
}

static void test_names_are_within_their_ancestors(void **state)
{
    (void)state;
    assert_true(dns_name_is_within("a.example.test", "example.test"));
    assert_true(dns_name_is_within("example.test", "example.test"));
    assert_true(dns_name_is_within("example.test", ""));
    assert_false(dns_name_is_within("badexample.test", "example.test"));
    assert_false(dns_name_is_within("test", "example.test"));
    assert_string_equal(dns_name_parent("a.b"), "b");
    assert_string_equal(dns_name_parent("b"), "");
    assert_null(dns_name_parent(""));
}

static void test_what_a_datagram_is_to_a_query(void **state)
{
#define QUESTION "\7example\4test\0\0\020\0\1"
#define QUERY    "\x12\x34\0\0\0\1\0\0\0\0\0\1" QUESTION "\0\0\x29\4\xd0\0\0\0\0\0\0"
#define HEAD     "\x84\0\0\1\0\0\0\0\0\0"
    static const struct {
        const char *what, *data;
        size_t length;
        enum dns_match match;
    } cases[] = {
        {"nothing", "", 0, DNS_IS_NOISE},
        {"half a header", BYTES("\x12\x34" HEAD) - 1, DNS_IS_NOISE},
        {"the query", BYTES(QUERY), DNS_IS_NOISE},
        {"noise", BYTES("GET / HTTP/1.1\r\n"), DNS_IS_NOISE},
        {"the answer", BYTES("\x12\x34" HEAD QUESTION), DNS_IS_ANSWER},
        {"with more behind it", BYTES("\x12\x34" HEAD QUESTION "more"), DNS_IS_ANSWER},
        {"in other letters", BYTES("\x12\x34" HEAD "\7EXample\4tesT\0\0\020\0\1"), DNS_IS_ANSWER},
        {"another id", BYTES("\x12\x35" HEAD QUESTION), DNS_IS_MISMATCH},
        {"another name", BYTES("\x12\x34" HEAD "\7example\4nest\0\0\020\0\1"), DNS_IS_MISMATCH},
        {"another type", BYTES("\x12\x34" HEAD "\7example\4test\0\0\017\0\1"), DNS_IS_MISMATCH},
        {"a shorter name", BYTES("\x12\x34" HEAD "\7example\0\0\020\0\1"), DNS_IS_MISMATCH},
        {"a question that ends too early", BYTES("\x12\x34" HEAD QUESTION) - 1, DNS_IS_MISMATCH},
        {"no question", BYTES("\x12\x34\x84\0\0\0\0\0\0\0\0\0"), DNS_IS_MISMATCH},
        {"of another query", BYTES("\x12\x35" HEAD "\7example\4nest\0\0\020\0\1"), DNS_IS_UNRELATED},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        unsigned char *exact =
            malloc(cases[i].length > 0 ? cases[i].length : 1); /* so that reading too far is found out */
        assert_non_null(exact);
        memcpy(exact, cases[i].data, cases[i].length);
        enum dns_match match =
            dns_message_match((const unsigned char *)QUERY, sizeof(QUERY) - 1, exact, cases[i].length);
        free(exact);
        assert_row(match == cases[i].match, "%s: %d", cases[i].what, (int)match);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_each_type_is_read),
        UNIT_TEST(test_other_types_and_classes_are_passed_over),
        UNIT_TEST(test_what_is_malformed_is_refused),
        UNIT_TEST(test_every_beginning_of_a_message_is_refused),
        UNIT_TEST(test_names_have_a_bound),
        UNIT_TEST(test_records_have_a_bound),
        UNIT_TEST(test_a_text_of_64_kB_is_read),
        UNIT_TEST(test_names_are_within_their_ancestors),
        UNIT_TEST(test_what_a_datagram_is_to_a_query),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
