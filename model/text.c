#include "model/text.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model/buffer.h"

/* Length of the well-formed sequence at `s`, 0 when there is none. */
static size_t sequence(const unsigned char *s, size_t left)
{
    unsigned char lead = s[0];
    if (lead < 0x80)
        return lead == 0 ? 0 : 1;
    size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || left < length)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    /* Overlong forms, surrogates, and what lies above U+10FFFF. */
    if ((lead == 0xE0 && s[1] < 0xA0) || (lead == 0xED && s[1] > 0x9F) || (lead == 0xF0 && s[1] < 0x90) ||
        (lead == 0xF4 && s[1] > 0x8F))
        return 0;
    return length;
}

bool text_is_utf8(const char *text, size_t length)
{
    const unsigned char *s = (const unsigned char *)text;
    while (length > 0) {
        size_t taken = sequence(s, length);
        if (taken == 0)
            return false;
        s += taken;
        length -= taken;
    }
    return true;
}

size_t text_characters(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++)
        count += ((unsigned char)*text & 0xC0) != 0x80;
    return count;
}

bool text_has_no_outer_space(const char *text, const char **ret_detail)
{
    if (text[0] != ' ' && text[strlen(text) - 1] != ' ')
        return true;
    *ret_detail = "A name neither begins nor ends with a space.";
    return false;
}

bool text_has_control(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7F)
            return true;
    return false;
}

/* The number in these digits; -1 when they are none. */
static int digits_at(const char *text, unsigned first, unsigned count)
{
    int value = 0;
    for (unsigned i = first; i < first + count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

static bool is_offset(const char *text)
{
    if (strcmp(text, "Z") == 0)
        return true;
    if (strlen(text) != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':')
        return false;
    int hours = digits_at(text, 1, 2);
    int minutes = digits_at(text, 4, 2);
    return hours >= 0 && hours <= 14 && minutes >= 0 && minutes <= 59;
}

bool text_is_time(const char *text)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd";
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (strlen(text) < sizeof(form))
        return false;
    for (unsigned i = 0; i < sizeof(form) - 1; i++)
        if (form[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
            return false;
    int year = digits_at(text, 0, 4);
    int month = digits_at(text, 5, 2);
    int day = digits_at(text, 8, 2);
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > days[month - 1] + (leap && month == 2) ||
        digits_at(text, 11, 2) > 23 || digits_at(text, 14, 2) > 59 || digits_at(text, 17, 2) > 59)
        return false;
    const char *rest = text + sizeof(form) - 1;
    if (*rest == '.') {
        size_t decimals = strspn(rest + 1, "0123456789");
        if (decimals < 1 || decimals > 6)
            return false;
        rest += 1 + decimals;
    }
    return is_offset(rest);
}

bool text_read_time(const char *text, int64_t *ret_seconds)
{
    struct tm tm = {0};
    if (!text_is_time(text))
        return false;
    tm.tm_year = digits_at(text, 0, 4) - 1900;
    tm.tm_mon = digits_at(text, 5, 2) - 1;
    tm.tm_mday = digits_at(text, 8, 2);
    tm.tm_hour = digits_at(text, 11, 2);
    tm.tm_min = digits_at(text, 14, 2);
    tm.tm_sec = digits_at(text, 17, 2);
    const char *offset = text + strlen(text) - 6; /* +01:00 */
    int64_t seconds = 0;
    if (text[strlen(text) - 1] != 'Z')
        seconds = (digits_at(offset, 1, 2) * 60 + digits_at(offset, 4, 2)) * 60 * (*offset == '-' ? -1 : 1);
    *ret_seconds = (int64_t)timegm(&tm) - seconds;
    return true;
}

char *text_lower(struct arena *arena, const char *text)
{
    char *copy = arena_string(arena, text);
    for (char *at = copy; *at != '\0'; at++)
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at + ('a' - 'A'));
    return copy;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool text_percent_decode(struct arena *arena, const char *text, size_t length, bool plus_is_space,
                         const char **ret_text)
{
    char *decoded = arena_alloc(arena, length + 1);
    size_t used = 0;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (c == '%') {
            int high = length - i > 2 ? hex_digit(text[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
            if (low < 0)
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        decoded[used++] = c;
    }
    if (!text_is_utf8(decoded, used))
        return false;
    *ret_text = decoded;
    return true;
}

const char *text_percent_encode(struct arena *arena, const char *text)
{
    struct buffer out = {.arena = arena};
    for (; *text != '\0'; text++) {
        char c = *text;
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            strchr("-._~", c) != NULL)
            buffer_byte(&out, c);
        else
            buffer_printf(&out, "%%%02X", (unsigned)(unsigned char)c);
    }
    return buffer_string(&out);
}

bool text_to_integer(const char *text, long long *ret_value)
{
    const char *digits = text[0] == '-' ? text + 1 : text;
    if (*digits == '\0' || strspn(digits, "0123456789") != strlen(digits))
        return false;
    errno = 0;
    long long value = strtoll(text, NULL, 10);
    if (errno != 0)
        return false;
    *ret_value = value;
    return true;
}
