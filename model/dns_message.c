#include "model/dns_message.h"

#include <arpa/inet.h>
#include <string.h>

#include "model/buffer.h"

#define HEADER       12U
#define CLASS_IN     1U
#define MAX_POINTERS 32 /* more than a name of 127 labels has where it is compressed sensibly */

struct reader {
    struct arena *arena;
    const unsigned char *data;
    size_t length;
    size_t at;
    const char *fault; /* the first one */
};

static bool fail(struct reader *reader, const char *fault)
{
    if (reader->fault == NULL)
        reader->fault = fault;
    return false;
}

static bool has(struct reader *reader, size_t wanted)
{
    return reader->length - reader->at >= wanted || fail(reader, "it ends too early");
}

static uint16_t two_bytes(const unsigned char *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static bool take16(struct reader *reader, uint16_t *ret)
{
    if (!has(reader, 2))
        return false;
    *ret = two_bytes(reader->data + reader->at);
    reader->at += 2;
    return true;
}

static bool take32(struct reader *reader, uint32_t *ret)
{
    uint16_t high;
    uint16_t low;
    if (!take16(reader, &high) || !take16(reader, &low))
        return false;
    *ret = (uint32_t)high << 16 | low;
    return true;
}

static void put_escaped(struct buffer *out, unsigned char byte, bool is_name)
{
    if (is_name && byte >= 'A' && byte <= 'Z')
        buffer_byte(out, (char)(byte - 'A' + 'a'));
    else if (byte < 0x20 || byte > 0x7e || byte == '\\' || (is_name && (byte == '.' || byte == ' ')))
        buffer_printf(out, "\\%03u", (unsigned)byte);
    else
        buffer_byte(out, (char)byte);
}

/* A name at `at`, whose pointers only lead backwards; ret_end is behind it. */
static bool read_name(struct reader *reader, size_t at, size_t *ret_end, const char **ret_name)
{
    struct buffer name = {.arena = reader->arena};
    size_t total = 1; /* the empty label at its end */
    size_t end = 0;   /* once a pointer was followed */
    int pointers = 0;
    buffer_reserve(&name, 64);
    for (;;) {
        if (at >= reader->length)
            return fail(reader, "a name ends too early");
        unsigned char byte = reader->data[at];
        if (byte == 0)
            break;
        if (byte >= 0xc0) {
            if (reader->length - at < 2)
                return fail(reader, "a name ends too early");
            size_t target = two_bytes(reader->data + at) & 0x3fffU;
            if (target >= at || target < HEADER)
                return fail(reader, "the pointer of a name does not lead back");
            if (++pointers > MAX_POINTERS)
                return fail(reader, "a name has too many pointers");
            if (end == 0)
                end = at + 2;
            at = target;
            continue;
        }
        if (byte > 63)
            return fail(reader, "a name has an unknown kind of label");
        total += byte + 1U;
        if (total > DNS_NAME_MAX)
            return fail(reader, "a name is too long");
        if (reader->length - at <= byte)
            return fail(reader, "a name ends too early");
        if (name.length > 0)
            buffer_byte(&name, '.');
        for (size_t i = 1; i <= byte; i++)
            put_escaped(&name, reader->data[at + i], true);
        at += byte + 1U;
    }
    *ret_end = end != 0 ? end : at + 1;
    *ret_name = buffer_string(&name);
    return true;
}

static bool take_name(struct reader *reader, const char **ret_name)
{
    return read_name(reader, reader->at, &reader->at, ret_name);
}

/* The name that data from `from` to `end` must be made of. */
static bool read_whole_name(struct reader *reader, size_t from, size_t end, const char **ret_name)
{
    size_t behind = 0;
    return read_name(reader, from, &behind, ret_name) &&
           (behind == end || fail(reader, "the data of a record has another length than its name"));
}

static bool read_text(struct reader *reader, size_t from, size_t end, struct dns_record *record)
{
    struct buffer text = {.arena = reader->arena};
    buffer_reserve(&text, end - from + 1);
    for (size_t at = from; at < end;) {
        size_t size = reader->data[at++];
        if (end - at < size)
            return fail(reader, "a string of a TXT record ends too early");
        for (size_t i = 0; i < size; i++)
            put_escaped(&text, reader->data[at + i], false);
        at += size;
        record->strings++;
    }
    record->value = buffer_string(&text);
    return record->strings > 0 || fail(reader, "a TXT record has no string");
}

static bool read_address(struct reader *reader, int family, size_t from, size_t size, size_t wanted,
                         const char **ret_address)
{
    char text[INET6_ADDRSTRLEN];
    if (size != wanted || inet_ntop(family, reader->data + from, text, sizeof(text)) == NULL)
        return fail(reader, "an address has the wrong length");
    *ret_address = arena_string(reader->arena, text);
    return true;
}

/* Its data, from `from` to `end`. */
static bool read_data(struct reader *reader, size_t from, size_t end, struct dns_record *record)
{
    size_t behind = 0;
    switch ((enum dns_type)record->type) {
    case DNS_A:
        return read_address(reader, AF_INET, from, end - from, 4, &record->value);
    case DNS_AAAA:
        return read_address(reader, AF_INET6, from, end - from, 16, &record->value);
    case DNS_NS:
    case DNS_CNAME:
        return read_whole_name(reader, from, end, &record->value);
    case DNS_SOA:
        return read_name(reader, from, &behind, &record->value) &&
               (behind <= end || fail(reader, "a SOA record ends too early"));
    case DNS_MX:
        if (end - from < 3)
            return fail(reader, "an MX record ends too early");
        record->preference = two_bytes(reader->data + from);
        record->target = "";
        if (!read_whole_name(reader, from + 2, end, &record->target))
            return false;
        record->value = arena_printf(reader->arena, "%u %s", (unsigned)record->preference,
                                     record->target[0] != '\0' ? record->target : ".");
        return true;
    case DNS_TXT:
        return read_text(reader, from, end, record);
    }
    return true;
}

static bool is_read(uint16_t type)
{
    return type == DNS_A || type == DNS_AAAA || type == DNS_NS || type == DNS_CNAME || type == DNS_SOA ||
           type == DNS_MX || type == DNS_TXT;
}

static bool take_record(struct reader *reader, enum dns_section section, struct dns_message *message)
{
    struct dns_record record = {.section = section};
    uint16_t class_;
    uint16_t size;
    if (!take_name(reader, &record.name) || !take16(reader, &record.type) || !take16(reader, &class_) ||
        !take32(reader, &record.ttl) || !take16(reader, &size) || !has(reader, size))
        return false;
    size_t from = reader->at;
    reader->at += size;
    if (class_ != CLASS_IN || !is_read(record.type))
        return true;
    if (record.ttl > INT32_MAX)
        record.ttl = 0; /* RFC 2181, 8 */
    if (!read_data(reader, from, reader->at, &record))
        return false;
    message->records[message->count++] = record;
    return true;
}

static bool take_header(struct reader *reader, struct dns_message *message, uint16_t counts[4])
{
    uint16_t flags;
    if (!take16(reader, &message->id) || !take16(reader, &flags))
        return false;
    message->is_response = (flags & 0x8000) != 0;
    message->is_authoritative = (flags & 0x0400) != 0;
    message->is_truncated = (flags & 0x0200) != 0;
    message->rcode = flags & 0xfU;
    for (size_t i = 0; i < 4; i++)
        if (!take16(reader, &counts[i]))
            return false;
    return true;
}

static bool read_message(struct reader *reader, struct dns_message *message)
{
    uint16_t counts[4];
    uint16_t question_class;

    if (!take_header(reader, message, counts))
        return false;
    if (counts[0] > 1)
        return fail(reader, "it has more than one question");
    if (counts[0] == 1 && (!take_name(reader, &message->question) ||
                           !take16(reader, &message->question_type) || !take16(reader, &question_class)))
        return false;
    size_t total = (size_t)counts[1] + counts[2] + counts[3];
    if (total > DNS_RECORDS_MAX)
        return fail(reader, "it has too many records");
    message->records = arena_alloc(reader->arena, total * sizeof(message->records[0]));
    for (size_t section = 0; section < 3; section++)
        for (unsigned i = 0; i < counts[section + 1]; i++)
            if (!take_record(reader, (enum dns_section)section, message))
                return false;
    return true;
}

bool dns_message_read(struct arena *arena, const unsigned char *data, size_t length, struct dns_message *ret,
                      const char **ret_fault)
{
    struct reader reader = {.arena = arena, .data = data, .length = length};
    *ret = (struct dns_message){.question = ""};
    bool is_read_whole = read_message(&reader, ret);
    *ret_fault = reader.fault;
    return is_read_whole;
}

/* Behind the question of a query, whose name is not compressed. */
static size_t question_end(const unsigned char *query, size_t length)
{
    size_t at = HEADER;
    while (at < length && query[at] != 0)
        at += query[at] + 1U;
    return at + 1 + 4;
}

static unsigned char lower(unsigned char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (unsigned char)(byte - 'A' + 'a') : byte;
}

static bool same_question(const unsigned char *query, size_t query_length, const unsigned char *data,
                          size_t length)
{
    size_t end = question_end(query, query_length);
    if (end > query_length || end > length || two_bytes(data + 4) != 1)
        return false;
    for (size_t at = HEADER; at < end; at++)
        if (lower(query[at]) != lower(data[at])) /* lengths of labels are no letters */
            return false;
    return true;
}

enum dns_match dns_message_match(const unsigned char *query, size_t query_length, const unsigned char *data,
                                 size_t length)
{
    if (length < HEADER || (data[2] & 0x80) == 0)
        return DNS_IS_NOISE;
    bool is_id = two_bytes(query) == two_bytes(data);
    bool is_question = same_question(query, query_length, data, length);
    return is_id && is_question ? DNS_IS_ANSWER : is_id || is_question ? DNS_IS_MISMATCH : DNS_IS_UNRELATED;
}

bool dns_name_is_within(const char *name, const char *ancestor)
{
    size_t length = strlen(name);
    size_t wanted = strlen(ancestor);
    if (wanted == 0)
        return true;
    if (length < wanted || strcmp(name + length - wanted, ancestor) != 0)
        return false;
    return length == wanted || name[length - wanted - 1] == '.';
}

const char *dns_name_parent(const char *name)
{
    if (name[0] == '\0')
        return NULL;
    const char *dot = strchr(name, '.');
    return dot != NULL ? dot + 1 : "";
}
