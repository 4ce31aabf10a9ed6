#include "model/email.h"

#include <idn2.h>
#include <string.h>

#include "model/text.h"

#define LOCAL_MAX  64
#define DOMAIN_MAX 253

/* RFC 5321, 4.1.2: atoms of these characters, joined by single dots. */
static bool is_dot_atom(const char *text)
{
    static const char atom[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~";
    for (;;) {
        size_t length = strspn(text, atom);
        if (length == 0)
            return false;
        text += length;
        if (*text == '\0')
            return true;
        if (*text++ != '.')
            return false;
    }
}

static bool is_host_name(const char *domain)
{
    bool has_dot = false;
    while (*domain != '\0') {
        size_t length = strspn(domain, "abcdefghijklmnopqrstuvwxyz0123456789-");
        if (length == 0 || length > 63 || domain[0] == '-' || domain[length - 1] == '-')
            return false;
        domain += length;
        if (*domain == '\0')
            return has_dot;
        if (*domain++ != '.')
            return false;
        has_dot = true;
    }
    return false;
}

bool email_domain_parse(struct arena *arena, const char *text, const char **ret_domain,
                        const char **ret_detail)
{
    char *label = NULL;
    int result = idn2_to_ascii_8z(text, &label, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT);
    if (result != IDN2_OK) {
        *ret_detail = "The domain is not a valid internationalized domain name.";
        return false;
    }
    const char *domain = text_lower(arena, label);
    idn2_free(label);
    if (strlen(domain) > DOMAIN_MAX || !is_host_name(domain)) {
        *ret_detail =
            "The domain is two or more labels of letters, digits and inner hyphens, joined by dots.";
        return false;
    }
    *ret_domain = domain;
    return true;
}

bool email_parse(struct arena *arena, const char *text, const char *default_domain, struct email *ret_email,
                 const char **ret_detail)
{
    const char *at = strrchr(text, '@');
    const char *local = at != NULL ? arena_copy(arena, text, (size_t)(at - text)) : text;
    const char *domain = default_domain;

    if (!is_dot_atom(local) || strlen(local) > LOCAL_MAX) {
        *ret_detail =
            "The part before the @ is 1 to 64 ASCII letters, digits, symbols and single inner dots.";
        return false;
    }
    if (at != NULL && !email_domain_parse(arena, at + 1, &domain, ret_detail))
        return false;
    local = text_lower(arena, local);
    const char *address = arena_printf(arena, "%s@%s", local, domain);
    if (strlen(address) > EMAIL_MAX) {
        *ret_detail = "The address has more than 254 characters.";
        return false;
    }
    *ret_email = (struct email){.address = address, .local = local, .domain = domain};
    return true;
}

bool email_parse_whole(struct arena *arena, const char *text, struct email *ret_email,
                       const char **ret_detail)
{
    *ret_detail = "Give the whole address.";
    return strchr(text, '@') != NULL && email_parse(arena, text, NULL, ret_email, ret_detail);
}

const char *email_local_part_of_name(struct arena *arena, const char *name)
{
    return arena_copy(arena, name, strcspn(name, "@"));
}
