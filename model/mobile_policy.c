#include "model/mobile_policy.h"

#include <inttypes.h>

/* All that are not read-only, then what the service says of them: the columns of db/mobile_policy.h, in this order. */
static const struct field fields[] = {
    FIELD_BOOLEAN_ROW(struct mobile_policy, password_required, FIELD_REQUIRED),
    FIELD_BOOLEAN_ROW(struct mobile_policy, allow_simple_password, FIELD_REQUIRED),
    FIELD_INTEGER_ROW(struct mobile_policy, min_password_length, FIELD_REQUIRED, 1, 18),
    FIELD_BOOLEAN_ROW(struct mobile_policy, require_alphanumeric_password, FIELD_REQUIRED),
    FIELD_INTEGER_ROW(struct mobile_policy, min_character_sets, FIELD_REQUIRED, 1, 4),
    FIELD_INTEGER_ROW(struct mobile_policy, max_failed_attempts, FIELD_REQUIRED, 4, 16),
    FIELD_INTEGER_ROW(struct mobile_policy, password_expiration_days, FIELD_REQUIRED, 0, 730),
    FIELD_INTEGER_ROW(struct mobile_policy, screen_lock_seconds, FIELD_REQUIRED, 0, 9998),
    FIELD_INTEGER_ROW(struct mobile_policy, password_history, FIELD_REQUIRED, 0, 50),
    FIELD_BOOLEAN_ROW(struct mobile_policy, require_device_encryption, FIELD_REQUIRED),
    FIELD_BOOLEAN_ROW(struct mobile_policy, require_storage_card_encryption, FIELD_REQUIRED),
    FIELD_READ_ONLY_ROW("policy_version", FIELD_INTEGER),
    FIELD_READ_ONLY_ROW("created_at", FIELD_TIME),
    FIELD_READ_ONLY_ROW("updated_at", FIELD_TIME),
};
const struct field_table mobile_policy_table = FIELD_TABLE("mobile_policy", fields);

enum code mobile_policy_check(const struct mobile_policy *policy, struct problem *problem)
{
    const bool alphanumeric = policy->require_alphanumeric_password;
    const struct {
        bool contradicts;
        const char *member;
        const char *detail;
    } rules[] = {
        {!policy->password_required && alphanumeric, "require_alphanumeric_password",
         "Without a password there is none to be alphanumeric: set password_required, or leave this false."},
        {!policy->password_required && policy->min_character_sets > 1, "min_character_sets",
         "Without a password it has no characters: set password_required, or leave this 1."},
        {!policy->password_required && policy->password_expiration_days > 0, "password_expiration_days",
         "Without a password none expires: set password_required, or leave this 0."},
        {!policy->password_required && policy->password_history > 0, "password_history",
         "Without a password there is none to remember: set password_required, or leave this 0."},
        {policy->min_password_length < policy->min_character_sets, "min_password_length",
         "A password has at least one character of each set: it is no shorter than min_character_sets."},
        {alphanumeric && policy->min_password_length < 2, "min_password_length",
         "An alphanumeric password has a letter and a digit: it is no shorter than 2."},
    };
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        if (rules[i].contradicts)
            problem_add_member(problem, rules[i].member, "contradiction", "%s", rules[i].detail);
    return problem->first_fault == NULL ? CODE_OK : CODE_VALIDATION_FAILED;
}

static void write_element(struct buffer *out, const char *name, int64_t value)
{
    buffer_printf(out, "<%s>%" PRId64 "</%s>", name, value, name);
}

/* What devices are not told about they may refuse to leave open: everything that this policy says nothing of is allowed,
 * word by word, as servers of the protocol do. */
static void write_what_is_allowed(struct buffer *out)
{
    static const struct {
        const char *name;
        int value;
    } elements[] = {
        {"AllowStorageCard", 1},
        {"AllowCamera", 1},
        {"AllowUnsignedApplications", 1},
        {"AllowUnsignedInstallationPackages", 1},
        {"AllowWiFi", 1},
        {"AllowTextMessaging", 1},
        {"AllowPOPIMAPEmail", 1},
        {"AllowBluetooth", 2}, /* altogether; 1 is for headsets */
        {"AllowIrDA", 1},
        {"RequireManualSyncWhenRoaming", 0},
        {"AllowDesktopSync", 1},
        {"MaxCalendarAgeFilter", 0},
        {"AllowHTMLEmail", 1},
        {"MaxEmailAgeFilter", 0},
        {"MaxEmailBodyTruncationSize", -1},
        {"MaxEmailHTMLBodyTruncationSize", -1},
        {"RequireSignedSMIMEMessages", 0},
        {"RequireEncryptedSMIMEMessages", 0},
        {"RequireSignedSMIMEAlgorithm", 0},
        {"RequireEncryptionSMIMEAlgorithm", 0},
        {"AllowSMIMEEncryptionAlgorithmNegotiation", 2},
        {"AllowSMIMESoftCerts", 1},
        {"AllowBrowser", 1},
        {"AllowConsumerEmail", 1},
        {"AllowRemoteDesktop", 1},
        {"AllowInternetSharing", 1},
    };
    for (size_t i = 0; i < sizeof(elements) / sizeof(elements[0]); i++)
        write_element(out, elements[i].name, elements[i].value);
}

void mobile_policy_write_provision_doc(const struct mobile_policy *policy, struct buffer *out)
{
    buffer_text(out, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<EASProvisionDoc xmlns=\"Provision:\">");
    write_element(out, "DevicePasswordEnabled", policy->password_required);
    write_element(out, "AlphanumericDevicePasswordRequired", policy->require_alphanumeric_password);
    write_element(out, "PasswordRecoveryEnabled", 0);
    write_element(out, "RequireStorageCardEncryption", policy->require_storage_card_encryption);
    write_element(out, "AttachmentsEnabled", 1);
    if (policy->password_required) {
        write_element(out, "MinDevicePasswordLength", policy->min_password_length);
        write_element(out, "MaxDevicePasswordFailedAttempts", policy->max_failed_attempts);
        write_element(out, "AllowSimpleDevicePassword", policy->allow_simple_password);
        write_element(out, "DevicePasswordExpiration", policy->password_expiration_days);
        write_element(out, "DevicePasswordHistory", policy->password_history);
        write_element(out, "MinDevicePasswordComplexCharacters", policy->min_character_sets);
    }
    if (policy->screen_lock_seconds > 0) /* left out: the policy sets no lock; 0 would be one at once */
        write_element(out, "MaxInactivityTimeDeviceLock", policy->screen_lock_seconds);
    write_element(out, "RequireDeviceEncryption", policy->require_device_encryption);
    write_what_is_allowed(out);
    buffer_text(out, "</EASProvisionDoc>\n");
}
