#include "api/basic.h"

#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

#include "model/buffer.h"
#include "model/text.h"

#define SCHEME     "Basic "
#define BASE64_MAX 2048

/* NULL when it is no base64. */
static char *decode(struct arena *arena, const char *base64, size_t *ret_length)
{
    size_t length = strlen(base64);
    if (length == 0 || length > BASE64_MAX || length % 4 != 0)
        return NULL;
    char *decoded = arena_alloc(arena, length / 4 * 3 + 1);
    int size = EVP_DecodeBlock((unsigned char *)decoded, (const unsigned char *)base64, (int)length);
    if (size < 0)
        return NULL;
    size_t padding = (base64[length - 1] == '=') + (size_t)(base64[length - 2] == '=');
    *ret_length = (size_t)size - padding;
    decoded[*ret_length] = '\0';
    return decoded;
}

static const char *from_latin1(struct arena *arena, const char *text)
{
    struct buffer out = {.arena = arena};
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte >= 0x80)
            buffer_byte(&out, (char)(0xC0 | byte >> 6));
        buffer_byte(&out, (char)(byte >= 0x80 ? 0x80 | (byte & 0x3F) : byte));
    }
    return buffer_string(&out);
}

bool basic_read(struct arena *arena, const char *authorization, const char **ret_user,
                const char **ret_password)
{
    size_t length = 0;
    if (strncasecmp(authorization, SCHEME, strlen(SCHEME)) != 0)
        return false;
    const char *text = decode(arena, authorization + strlen(SCHEME), &length);
    if (text == NULL || strlen(text) != length)
        return false;
    if (!text_is_utf8(text, length))
        text = from_latin1(arena, text);
    const char *colon = strchr(text, ':');
    if (colon == NULL)
        return false;
    *ret_user = arena_copy(arena, text, (size_t)(colon - text));
    *ret_password = colon + 1;
    return true;
}
