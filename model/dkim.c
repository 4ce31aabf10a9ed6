#include "model/dkim.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

const char *const dkim_algorithms[] = {[DKIM_RSA_2048] = "RSA_2048", [DKIM_ED25519] = "ED25519", NULL};
const char *const dkim_states[] = {"PUBLISHED", "ACTIVE", "RETIRED", NULL};

/* --- keys --- */

static void free_pair(EVP_PKEY **pair)
{
    EVP_PKEY_free(*pair);
}

static void free_pkcs8(PKCS8_PRIV_KEY_INFO **pkcs8)
{
    PKCS8_PRIV_KEY_INFO_free(*pkcs8);
}

static void free_bio(BIO **bio)
{
    BIO_free(*bio); /* wipes what a memory BIO held */
}

#define PAIR  __attribute__((cleanup(free_pair))) EVP_PKEY *
#define PKCS8 __attribute__((cleanup(free_pkcs8))) PKCS8_PRIV_KEY_INFO *
#define BIO_  __attribute__((cleanup(free_bio))) BIO *

static bool copy_private_key(EVP_PKEY *pair, struct arena *arena, struct dkim_key *key)
{
    unsigned char *der = NULL;
    PKCS8 pkcs8 = EVP_PKEY2PKCS8(pair);
    int size = pkcs8 != NULL ? i2d_PKCS8_PRIV_KEY_INFO(pkcs8, &der) : -1;
    if (size <= 0)
        return false;
    key->size = (size_t)size;
    key->private_key = arena_copy(arena, (const char *)der, key->size);
    OPENSSL_clear_free(der, key->size);
    return true;
}

static const char *base64(const unsigned char *bytes, size_t size, struct arena *arena)
{
    char *text = arena_alloc(arena, (size + 2) / 3 * 4 + 1);
    EVP_EncodeBlock((unsigned char *)text, bytes, (int)size);
    return text;
}

/* RFC 8463 wants the bare 32 bytes, RFC 6376 a SubjectPublicKeyInfo. */
static bool write_value(EVP_PKEY *pair, enum dkim_algorithm algorithm, struct arena *arena,
                        struct dkim_key *key)
{
    unsigned char raw[32];
    size_t size = sizeof(raw);
    unsigned char *der = NULL;
    if (algorithm == DKIM_ED25519) {
        if (EVP_PKEY_get_raw_public_key(pair, raw, &size) != 1)
            return false;
        key->value = arena_printf(arena, "v=DKIM1; k=ed25519; p=%s", base64(raw, size, arena));
        return true;
    }
    int length = i2d_PUBKEY(pair, &der);
    if (length <= 0)
        return false;
    key->value = arena_printf(arena, "v=DKIM1; k=rsa; p=%s", base64(der, (size_t)length, arena));
    OPENSSL_free(der);
    return true;
}

bool dkim_key_new(enum dkim_algorithm algorithm, struct arena *arena, struct dkim_key *ret_key)
{
    struct dkim_key key;
    PAIR pair = algorithm == DKIM_RSA_2048 ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048)
                                           : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    if (pair == NULL || !copy_private_key(pair, arena, &key) || !write_value(pair, algorithm, arena, &key))
        return false;
    *ret_key = key;
    return true;
}

const char *dkim_private_pem(const char *private_key, size_t size, struct arena *arena)
{
    char *text = NULL;
    BIO_ memory = BIO_new(BIO_s_mem());
    if (memory == NULL ||
        PEM_write_bio(memory, PEM_STRING_PKCS8INF, "", (const unsigned char *)private_key, (long)size) <= 0)
        return NULL;
    long length = BIO_get_mem_data(memory, &text);
    return arena_copy(arena, text, (size_t)length);
}

/* --- the zone --- */

#define STRING_MAX 255

void dkim_write_record(const char *name, const char *value, struct buffer *out)
{
    buffer_printf(out, "%s. " DKIM_TTL " IN TXT", name);
    for (size_t left = strlen(value); left > 0;) {
        size_t length = left < STRING_MAX ? left : STRING_MAX;
        buffer_printf(out, " \"%.*s\"", (int)length, value);
        value += length;
        left -= length;
    }
    buffer_byte(out, '\n');
}

/* --- turns --- */

static int find_active(const struct dkim_slot slots[static DKIM_SLOTS], enum dkim_algorithm algorithm)
{
    for (int i = 0; i < DKIM_SLOTS; i++)
        if (slots[i].state == DKIM_ACTIVE && slots[i].algorithm == algorithm)
            return i;
    return -1;
}

static int find_compromised(const struct dkim_slot slots[static DKIM_SLOTS])
{
    for (int i = 0; i < DKIM_SLOTS; i++)
        if (slots[i].state == DKIM_ACTIVE && slots[i].is_compromised)
            return i;
    return -1;
}

static int find_spare(const struct dkim_slot slots[static DKIM_SLOTS])
{
    int spare = 0;
    while (spare < DKIM_SLOTS - 1 && slots[spare].state == DKIM_ACTIVE)
        spare++;
    return spare;
}

struct dkim_step dkim_next(const struct dkim_slot slots[static DKIM_SLOTS], int64_t publication_us)
{
    int spare = find_spare(slots);
    const struct dkim_slot *other = &slots[spare];
    int rsa = find_active(slots, DKIM_RSA_2048);
    int ed25519 = find_active(slots, DKIM_ED25519);
    if (rsa < 0 || ed25519 < 0)
        return (struct dkim_step){.slot = spare,
                                  .makes_key = true,
                                  .is_active = true,
                                  .algorithm = rsa < 0 ? DKIM_RSA_2048 : DKIM_ED25519};

    /* The key that waits takes its place, or else a new one that nobody knows yet: the other signature is verified. */
    int leaked = find_compromised(slots);
    if (leaked >= 0) {
        enum dkim_algorithm algorithm = slots[leaked].algorithm;
        bool is_there = other->state == DKIM_PUBLISHED && other->algorithm == algorithm;
        return (struct dkim_step){.slot = is_there ? spare : leaked,
                                  .makes_key = !is_there,
                                  .is_active = !is_there,
                                  .algorithm = algorithm};
    }

    /* Whose turn comes first; when both are due, that of the key which is there already. */
    int64_t ahead_us = slots[ed25519].retire_us - slots[rsa].retire_us;
    enum dkim_algorithm next =
        ahead_us > 0 ||
                (ahead_us == 0 && !(other->state == DKIM_PUBLISHED && other->algorithm == DKIM_ED25519))
            ? DKIM_RSA_2048
            : DKIM_ED25519;
    if (other->state != DKIM_PUBLISHED || other->algorithm != next)
        return (struct dkim_step){.slot = spare,
                                  .makes_key = true,
                                  .algorithm = next,
                                  .at_us = other->state == DKIM_RETIRED ? other->remove_us : 0};
    int64_t ready_us = other->published_us + publication_us;
    int64_t due_us = slots[next == DKIM_RSA_2048 ? rsa : ed25519].retire_us;
    return (struct dkim_step){
        .slot = spare, .algorithm = next, .at_us = ready_us > due_us ? ready_us : due_us};
}

/* --- the API --- */

static const char *const next_states[] = {"ACTIVE", "RETIRED", "REMOVED", NULL};
/* The columns of the view in db/dkim.c, in this order. */
static const struct field key_fields[] = {
    FIELD_READ_ONLY_ROW("slot", FIELD_INTEGER),
    FIELD_READ_ONLY_ROW("selector", FIELD_STRING),
    FIELD_READ_ONLY_ROW("algorithm", FIELD_ENUM, .values = dkim_algorithms),
    FIELD_READ_ONLY_ROW("state", FIELD_ENUM, .values = dkim_states),
    FIELD_READ_ONLY_ROW("value", FIELD_STRING),
    FIELD_READ_ONLY_ROW("published_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("active_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("retired_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("next_state", FIELD_ENUM, .values = next_states),
    FIELD_READ_ONLY_ROW("next_state_at", FIELD_TIME),
};
const struct field_table dkim_key_table = FIELD_TABLE("dkim_key", key_fields);

static const struct field rotation_fields[] = {
    FIELD_ENUM_ROW(struct dkim_rotation, algorithm, 0, dkim_algorithms),
    FIELD_BOOLEAN_ROW(struct dkim_rotation, compromised, 0),
};
const struct field_table dkim_rotation_table = FIELD_TABLE("dkim_rotation", rotation_fields);

static const struct field signing_key_fields[] = {
    FIELD_READ_ONLY_ROW("selector", FIELD_STRING),
    FIELD_READ_ONLY_ROW("algorithm", FIELD_ENUM, .values = dkim_algorithms),
    FIELD_READ_ONLY_ROW("private_key", FIELD_STRING),
};
const struct field_table dkim_signing_key_table = FIELD_TABLE("dkim_signing_key", signing_key_fields);

static const char *const record_types[] = {"TXT", NULL};
/* The columns of the list in db/dkim_zone.c, in this order. */
static const struct field record_fields[] = {
    FIELD_READ_ONLY_ROW("name", FIELD_STRING),
    FIELD_READ_ONLY_ROW("type", FIELD_ENUM, .values = record_types),
    FIELD_READ_ONLY_ROW("ttl", FIELD_INTEGER),
    FIELD_READ_ONLY_ROW("value", FIELD_STRING),
};
const struct field_table dkim_record_table = FIELD_TABLE("dkim_record", record_fields);

static const struct field part_fields[] = {
    FIELD_STRING_ROW(struct dkim_zone_part, after, 0, 1, 63),
    FIELD_INTEGER_ROW(struct dkim_zone_part, limit, 0, 1, DKIM_ZONE_PART_MAX),
};
const struct field_table dkim_zone_part_table = FIELD_TABLE("get_dkim_zone_file_query", part_fields);
