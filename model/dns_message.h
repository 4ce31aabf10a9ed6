/* Reads DNS messages (RFC 1035) that came from anybody: every length, pointer and count is bounded. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/arena.h"

enum dns_type {
    DNS_A = 1,
    DNS_NS = 2,
    DNS_CNAME = 5,
    DNS_SOA = 6,
    DNS_MX = 15,
    DNS_TXT = 16,
    DNS_AAAA = 28,
};

enum dns_rcode {
    DNS_NOERROR = 0,
    DNS_FORMERR = 1,
    DNS_SERVFAIL = 2,
    DNS_NXDOMAIN = 3,
    DNS_REFUSED = 5,
    DNS_NOTAUTH = 9,
};

enum dns_section { DNS_ANSWER, DNS_AUTHORITY, DNS_ADDITIONAL };

#define DNS_NAME_MAX    255 /* bytes of a name in a message */
#define DNS_RECORDS_MAX 512 /* of a message that is read */

struct dns_record {
    enum dns_section section;
    uint16_t type;
    uint32_t ttl;
    const char *name; /* in lower case, without the last dot; the root is "". Odd bytes are \DDD */
    const char
        *value; /* A, AAAA: the address. NS, CNAME: the name. MX: "10 name". SOA: its first name. TXT: all its
                            strings joined, where what is not printable ASCII, and the backslash, is \DDD */
    const char *target;  /* MX: the name alone */
    uint16_t preference; /* MX */
    unsigned strings;    /* TXT: of how many it is made */
};

struct dns_message {
    uint16_t id;
    bool is_response;
    bool is_authoritative;
    bool is_truncated;
    unsigned rcode;
    const char *question; /* the name asked for; "" also when there is no question */
    uint16_t question_type;
    struct dns_record *records; /* of the types above and of class IN, in the order of the message */
    size_t count;
};

/* False when the message is malformed; *ret_fault then says how. What is in `ret` lives in the arena. */
bool dns_message_read(struct arena *arena, const unsigned char *data, size_t length, struct dns_message *ret,
                      const char **ret_fault);

/* What a datagram from a server is to a query that was sent to it. */
enum dns_match {
    DNS_IS_NOISE,     /* no answer to anything */
    DNS_IS_UNRELATED, /* perhaps to an earlier query: a late one */
    DNS_IS_MISMATCH,  /* with the id of the query and another question, or the other way round */
    DNS_IS_ANSWER,
};
enum dns_match dns_message_match(const unsigned char *query, size_t query_length, const unsigned char *data,
                                 size_t length);

/* Whether `name` is `ancestor` or below it. Both as above. */
bool dns_name_is_within(const char *name, const char *ancestor);

/* The name without its first label: "" from a single label, NULL from the root. */
const char *dns_name_parent(const char *name);
