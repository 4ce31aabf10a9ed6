/* What dns_message_read makes of any bytes holds to its header. */
#include <stdlib.h>
#include <string.h>

#include "model/dns_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int condition)
{
    if (!condition)
        abort();
}

static void check_name(const char *name)
{
    must(name != NULL && strlen(name) <= (size_t)4 * DNS_NAME_MAX);
    must(dns_name_is_within(name, name) && dns_name_is_within(name, ""));
    for (const char *at = name; at != NULL; at = dns_name_parent(at))
        must(dns_name_is_within(name, at));
    for (const char *at = name; *at != '\0'; at++)
        must(*at > ' ' && *at < 0x7f && (*at < 'A' || *at > 'Z'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new();
    struct dns_message message;
    const char *fault;

    bool is_read = dns_message_read(arena, data, size, &message, &fault);
    must(is_read == (fault == NULL));
    must(message.count <= DNS_RECORDS_MAX);
    check_name(message.question);
    for (size_t i = 0; i < message.count; i++) {
        const struct dns_record *record = &message.records[i];
        check_name(record->name);
        must(record->value != NULL && strlen(record->value) <= 4 * size + 46);
        must(record->ttl <= INT32_MAX);
        if (record->type == DNS_NS || record->type == DNS_CNAME)
            check_name(record->value);
        if (record->type == DNS_MX)
            check_name(record->target);
    }
    arena_free(arena);
    return 0;
}
