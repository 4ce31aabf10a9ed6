#include "model/audit.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "model/digest.h"

const char *const audit_outcomes[] = {"ALLOWED", "DENIED", "FAILED", NULL};
static const char *const actor_kinds[] = {"ROOT", "IAM_USER", "SERVICE", "OPERATOR", "ANONYMOUS", NULL};

static const struct field event_fields[] = {
    FIELD_READ_ONLY_ROW("sequence", FIELD_INTEGER),
    FIELD_READ_ONLY_ROW("at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("account_id", FIELD_STRING),
    FIELD_READ_ONLY_ROW("organization_id", FIELD_STRING),
    FIELD_READ_ONLY_ROW("actor.kind", FIELD_ENUM, .values = actor_kinds),
    FIELD_READ_ONLY_ROW("actor.id", FIELD_STRING),
    FIELD_READ_ONLY_ROW("actor.access_key_id", FIELD_STRING),
    FIELD_READ_ONLY_ROW("source_address", FIELD_STRING),
    FIELD_READ_ONLY_ROW("request_id", FIELD_STRING),
    FIELD_READ_ONLY_ROW("action", FIELD_STRING),
    FIELD_READ_ONLY_ROW("target", FIELD_STRING),
    FIELD_READ_ONLY_ROW("outcome", FIELD_ENUM, .values = audit_outcomes),
    FIELD_READ_ONLY_ROW("reason", FIELD_STRING),
    FIELD_READ_ONLY_ROW("omitted", FIELD_INTEGER),
    FIELD_READ_ONLY_ROW("changes", FIELD_JSON),
    FIELD_READ_ONLY_ROW("hash", FIELD_STRING),
};
const struct field_table audit_event_table = FIELD_TABLE("audit_event", event_fields);

static bool check_hash(const char *text, const char **ret_detail)
{
    *ret_detail = "A hash is 64 hexadecimal digits in lower case.";
    return strspn(text, "0123456789abcdef") == AUDIT_HASH_LENGTH;
}

static const struct field verify_fields[] = {
    FIELD_INTEGER_ROW(struct audit_verify, sequence, 0, 1, 9007199254740991),
    FIELD_STRING_ROW(struct audit_verify, hash, 0, AUDIT_HASH_LENGTH, AUDIT_HASH_LENGTH, .check = check_hash),
    FIELD_INTEGER_ROW(struct audit_verify, limit, 0, 1, 1000000),
};
const struct field_table audit_verify_table = FIELD_TABLE("audit_verify", verify_fields);

static const char *const results[] = {"WHOLE", "BROKEN", "UNFINISHED", NULL};
static const char *const faults[] = {
    "ALTERED",   "OUT_OF_ORDER", "MISSING",      "TAIL_MISSING",       "SURPLUS",
    "REWRITTEN", "HEAD_ALTERED", "HEAD_MISSING", "CHECKPOINT_ALTERED", NULL};
static const struct field verification_fields[] = {
    FIELD_READ_ONLY_ROW("result", FIELD_ENUM, .values = results),
    FIELD_READ_ONLY_ROW("checked", FIELD_INTEGER),
    FIELD_READ_ONLY_ROW("unsealed", FIELD_INTEGER),
    FIELD_READ_ONLY_ROW("verified_to.sequence", FIELD_INTEGER),
    FIELD_READ_ONLY_ROW("verified_to.hash", FIELD_STRING),
    FIELD_READ_ONLY_ROW("head.sequence", FIELD_INTEGER),
    FIELD_READ_ONLY_ROW("head.hash", FIELD_STRING),
    FIELD_READ_ONLY_ROW("head.signed_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("head.signature", FIELD_STRING),
    FIELD_READ_ONLY_ROW("checkpoint.sequence", FIELD_INTEGER),
    FIELD_READ_ONLY_ROW("checkpoint.hash", FIELD_STRING),
    FIELD_READ_ONLY_ROW("checkpoint.signed_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("checkpoint.signature", FIELD_STRING),
    FIELD_READ_ONLY_ROW("public_key", FIELD_STRING),
    FIELD_READ_ONLY_ROW("fault.kind", FIELD_ENUM, .values = faults),
    FIELD_READ_ONLY_ROW("fault.sequence", FIELD_INTEGER),
    FIELD_READ_ONLY_ROW("fault.detail", FIELD_STRING),
};
const struct field_table audit_verification_table = FIELD_TABLE("audit_verification", verification_fields);

static const struct field export_fields[] = {
    FIELD_INTEGER_ROW(struct audit_export, after, 0, 0, 9007199254740991),
    FIELD_INTEGER_ROW(struct audit_export, limit, 0, 1, AUDIT_EXPORT_MAX),
};
const struct field_table audit_export_query_table = FIELD_TABLE("export_audit_events_query", export_fields);

const struct audit_value audit_values[AUDIT_VALUE_COUNT] = {
    {"chain", false},         {"at_us", true},           {"organization_id", false}, {"actor", false},
    {"access_key_id", false}, {"source_address", false}, {"request_id", false},      {"action", false},
    {"target", false},        {"outcome", false},        {"reason", false},          {"omitted", true},
    {"changes", false}};

/* --- hex --- */

/* False unless it is `size` bytes in lower case. */
static bool from_hex(const char *hex, unsigned char *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    if (strlen(hex) != 2 * size || strspn(hex, digits) != 2 * size)
        return false;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)((strchr(digits, hex[2 * i]) - digits) << 4 |
                                   (strchr(digits, hex[2 * i + 1]) - digits));
    return true;
}

/* --- chains --- */

static void add_netstring(struct buffer *out, const char *value)
{
    if (value == NULL) {
        buffer_byte(out, '-');
        return;
    }
    size_t length = strlen(value);
    buffer_printf(out, "%zu:", length);
    buffer_append(out, value, length);
    buffer_byte(out, ',');
}

void audit_hash(struct buffer *scratch, const char *previous, int64_t sequence, const char *const *values,
                size_t count, char ret_hash[static AUDIT_HASH_LENGTH + 1])
{
    unsigned char digest[DIGEST_SIZE];
    char number[24];
    scratch->length = 0;
    snprintf(number, sizeof(number), "%" PRId64, sequence);
    add_netstring(scratch, previous);
    add_netstring(scratch, number);
    for (size_t i = 0; i < count; i++)
        add_netstring(scratch, values[i]);
    digest_sha256(scratch->data, scratch->length, digest);
    digest_to_hex(digest, sizeof(digest), ret_hash);
}

/* --- heads and checkpoints --- */

static void free_key(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static void free_context(EVP_MD_CTX **context)
{
    EVP_MD_CTX_free(*context);
}

#define KEY     __attribute__((cleanup(free_key))) EVP_PKEY *
#define CONTEXT __attribute__((cleanup(free_context))) EVP_MD_CTX *

/* What is signed: lines of text. A chain is an account's number or a word; 0 when it is longer than either. */
static size_t write_statement(const struct audit_head *head, char *text, size_t size)
{
    int length = snprintf(text, size, "postreeve audit %s\n%s\n%" PRId64 "\n%s\n%" PRId64 "\n",
                          head->is_checkpoint ? "checkpoint" : "head", head->chain, head->sequence,
                          head->hash, head->signed_at_us);
    return length > 0 && (size_t)length < size ? (size_t)length : 0;
}

bool audit_sign(const struct audit_head *head, const uint8_t key[static SECRET_KEY_SIZE],
                char ret_signature[static AUDIT_SIGNATURE_LENGTH + 1])
{
    unsigned char signature[AUDIT_SIGNATURE_LENGTH / 2];
    size_t size = sizeof(signature);
    char statement[256];
    size_t length = write_statement(head, statement, sizeof(statement));
    KEY pair = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, key, SECRET_KEY_SIZE);
    CONTEXT context = EVP_MD_CTX_new();
    if (length == 0 || pair == NULL || context == NULL ||
        EVP_DigestSignInit(context, NULL, NULL, NULL, pair) != 1 ||
        EVP_DigestSign(context, signature, &size, (const unsigned char *)statement, length) != 1)
        return false;
    digest_to_hex(signature, sizeof(signature), ret_signature);
    return true;
}

bool audit_is_signed(const struct audit_head *head, const char *signature, const char *public_key)
{
    unsigned char bytes[AUDIT_SIGNATURE_LENGTH / 2];
    unsigned char key[AUDIT_PUBLIC_KEY_LENGTH / 2];
    char statement[256];
    size_t length = write_statement(head, statement, sizeof(statement));
    if (length == 0 || !from_hex(signature, bytes, sizeof(bytes)) || !from_hex(public_key, key, sizeof(key)))
        return false;
    KEY pair = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, sizeof(key));
    CONTEXT context = EVP_MD_CTX_new();
    return pair != NULL && context != NULL && EVP_DigestVerifyInit(context, NULL, NULL, NULL, pair) == 1 &&
           EVP_DigestVerify(context, bytes, sizeof(bytes), (const unsigned char *)statement, length) == 1;
}

bool audit_public_key(const uint8_t key[static SECRET_KEY_SIZE],
                      char ret_public_key[static AUDIT_PUBLIC_KEY_LENGTH + 1])
{
    unsigned char bytes[SECRET_KEY_SIZE];
    size_t size = sizeof(bytes);
    KEY pair = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, key, SECRET_KEY_SIZE);
    if (pair == NULL || EVP_PKEY_get_raw_public_key(pair, bytes, &size) != 1 || size != sizeof(bytes))
        return false;
    digest_to_hex(bytes, size, ret_public_key);
    return true;
}
