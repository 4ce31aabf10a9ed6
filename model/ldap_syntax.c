#include "model/ldap_syntax.h"

#include <stddef.h>
#include <string.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS  "0123456789"
#define HEX     DIGITS "abcdefABCDEF"

#define FILTER_DEPTH_MAX   20
#define ATTRIBUTE_NAME_MAX 64
#define ATTRIBUTES_MAX     4

/* The length of a name (RFC 4512, 1.4), or of an OID; 0: it is neither. */
static size_t attribute_length(const char *text)
{
    size_t length = strspn(text, LETTERS DIGITS "-");
    if (length > 0 && strchr(LETTERS, text[0]) != NULL)
        return length;
    length = strspn(text, DIGITS ".");
    return length > 0 && text[0] != '.' && text[length - 1] != '.' ? length : 0;
}

/* Each of these reads one thing at `at` and is where it ends; NULL: it is not one. */
static const char *filter_end(const char *at, unsigned depth);

static const char *filter_list_end(const char *at, unsigned depth)
{
    do {
        at = filter_end(at, depth);
    } while (at != NULL && *at == '(');
    return at;
}

/* attribute, one of = ~= >= <= := (with its rule), and a value without bare parentheses. */
static const char *filter_item_end(const char *at)
{
    bool has_name = attribute_length(at) > 0;
    at += attribute_length(at);
    while (has_name && *at == ';') {
        size_t option = strspn(at + 1, LETTERS DIGITS "-");
        if (option == 0)
            return NULL;
        at += 1 + option;
    }
    if (*at == ':') {
        if (strncmp(at, ":dn", 3) == 0 && at[3] == ':')
            at += 3;
        if (at[1] != '=') {
            size_t rule = attribute_length(at + 1);
            if (rule == 0 || at[1 + rule] != ':')
                return NULL;
            at += 1 + rule;
            has_name = true;
        }
        at++;
    } else if (*at != '\0' && strchr("~<>", *at) != NULL) {
        at++;
    }
    if (!has_name || *at != '=')
        return NULL;
    at++;
    while (*at != '(' && *at != ')' && *at != '\0') {
        if (*at == '\\' && strspn(at + 1, HEX) < 2)
            return NULL;
        at += *at == '\\' ? 3 : 1;
    }
    return at;
}

static const char *filter_end(const char *at, unsigned depth)
{
    if (*at != '(' || depth > FILTER_DEPTH_MAX)
        return NULL;
    at++;
    if (*at == '&' || *at == '|')
        at = filter_list_end(at + 1, depth + 1);
    else if (*at == '!')
        at = filter_end(at + 1, depth + 1);
    else
        at = filter_item_end(at);
    return at != NULL && *at == ')' ? at + 1 : NULL;
}

bool ldap_check_filter(const char *filter, const char **ret_detail)
{
    const char *end = filter_end(filter, 1);
    if (end != NULL && *end == '\0')
        return true;
    *ret_detail = "A filter is written as in RFC 4515, in parentheses: (&(objectClass=person)(mail=*)).";
    return false;
}

/* What follows a backslash: a special character, or two hex digits. 0: neither. */
static size_t dn_escape_length(const char *at)
{
    if (*at != '\0' && strchr(" \"#+,;<=>\\", *at) != NULL)
        return 1;
    return strspn(at, HEX) >= 2 ? 2 : 0;
}

/* Of a value up to a comma or plus sign, with its escapes (RFC 4514, 2.4). */
static const char *dn_value_end(const char *at)
{
    if (*at == '#') {
        size_t digits = strspn(at + 1, HEX);
        return digits > 0 && digits % 2 == 0 ? at + 1 + digits : NULL;
    }
    if (*at == ' ')
        return NULL;
    const char *begin = at;
    while (*at != ',' && *at != '+' && *at != '\0') {
        if (strchr("\"<>;", *at) != NULL)
            return NULL;
        if (*at == '\\') {
            size_t escaped = dn_escape_length(at + 1);
            if (escaped == 0)
                return NULL;
            at += escaped;
        }
        at++;
    }
    return at > begin && at[-1] == ' ' && at[-2] != '\\' ? NULL : at;
}

bool ldap_check_dn(const char *dn, const char **ret_detail)
{
    const char *at = dn;
    while (true) {
        at += strspn(at, " ");
        size_t length = attribute_length(at);
        if (length == 0 || at[length] != '=' || (at = dn_value_end(at + length + 1)) == NULL)
            break;
        if (*at == '\0')
            return true;
        at++;
    }
    *ret_detail = "A distinguished name is written as in RFC 4514: OU=People,DC=acme,DC=test.";
    return false;
}

bool ldap_check_attributes(const char *names, const char **ret_detail)
{
    const char *at = names;
    for (unsigned count = 1; *at != '\0'; count++) {
        size_t length = attribute_length(at);
        if (length == 0 || length > ATTRIBUTE_NAME_MAX || count > ATTRIBUTES_MAX ||
            (at[length] != ',' && at[length] != '\0') || (at[length] == ',' && at[length + 1] == '\0')) {
            *ret_detail = "Up to four names of attributes, by comma without spaces: displayName,cn.";
            return false;
        }
        at += length + (at[length] == ',');
    }
    return true;
}
