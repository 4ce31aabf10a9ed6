/* DKIM keys of mail domains (RFC 6376, RFC 8463): what they are, and how they take turns (docs/dkim.md). */
#pragma once

#include "model/buffer.h"
#include "model/field.h"

/* --- keys --- */

enum dkim_algorithm { DKIM_RSA_2048, DKIM_ED25519, DKIM_ALGORITHMS };
extern const char *const dkim_algorithms[]; /* NULL after the last */

/* In the arena, which wipes it. */
struct dkim_key {
    const char *private_key; /* PKCS#8 in DER */
    size_t size;
    const char *value; /* of the TXT record: v=DKIM1; k=…; p=… */
};

/* Takes up to half a second for RSA. False when OpenSSL fails. */
bool dkim_key_new(enum dkim_algorithm algorithm, struct arena *arena, struct dkim_key *ret_key);

/* The private key as PEM, in the arena. NULL when OpenSSL fails. */
const char *dkim_private_pem(const char *private_key, size_t size, struct arena *arena);

/* --- the zone --- */

#define DKIM_TTL "3600"

/* A line of a master file: the name is absolute without its dot, the value is split into strings of 255 bytes. */
void dkim_write_record(const char *name, const char *value, struct buffer *out);

/* --- turns --- */

#define DKIM_SLOTS 3

/* Of a domain's three selectors two sign, one with each algorithm; the third has the key that comes next, or the one that
 * signed before. */
enum dkim_state {
    DKIM_NONE,      /* no key was made yet */
    DKIM_PUBLISHED, /* in the zone; waits until resolvers know it, and for its turn */
    DKIM_ACTIVE,    /* signs */
    DKIM_RETIRED,   /* signs no more; in the zone for mail that is still on its way */
    DKIM_STATES
};
extern const char *const dkim_states[]; /* from DKIM_PUBLISHED on, NULL after the last */

/* Times are in microseconds since 1970. */
struct dkim_slot {
    enum dkim_state state;
    enum dkim_algorithm algorithm;
    bool is_compromised; /* ACTIVE: it is in wrong hands, and is to go at once */
    int64_t published_us;
    int64_t retire_us; /* ACTIVE: when the next key is to take its place */
    int64_t remove_us; /* RETIRED: when its slot is to have a new key */
};

struct dkim_step {
    int slot;       /* 0 … 2 */
    bool makes_key; /* a new key comes into the slot; else the one that is PUBLISHED there begins to sign */
    bool is_active; /* the new key signs at once: there is no other of its algorithm that may */
    enum dkim_algorithm algorithm;
    int64_t at_us; /* not before */
};

/* What comes next; there is always something. */
struct dkim_step dkim_next(const struct dkim_slot slots[static DKIM_SLOTS], int64_t publication_us);

/* --- the API --- */

extern const struct field_table dkim_key_table;

/* What ExportDkimSigningKeys answers of a key. */
extern const struct field_table dkim_signing_key_table;

/* What RotateMailDomainDkim is asked. */
struct dkim_rotation {
    const char *algorithm; /* NULL: all */
    bool compromised;
};
extern const struct field_table dkim_rotation_table;

/* A record of the zone. */
extern const struct field_table dkim_record_table;

/* What GetDkimZoneFile is asked. */
struct dkim_zone_part {
    const char *after; /* records behind this selector; NULL: from the first one on */
    int64_t limit;
};
#define DKIM_ZONE_PART_MAX 5000
extern const struct field_table dkim_zone_part_table;
