#include "api/body.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 4096

size_t body_capacity(const struct buffer *body, size_t announced, size_t more)
{
    size_t length = body->length + more;
    size_t capacity = body->capacity;
    if (length <= capacity)
        return capacity;
    if (capacity < FIRST_CAPACITY)
        capacity = FIRST_CAPACITY;
    while (capacity < length)
        capacity *= 2;
    return capacity > announced && announced >= length ? announced : capacity;
}

static void release(char *data, size_t length)
{
    if (data != NULL)
        explicit_bzero(data, length);
    free(data);
}

static void move(struct buffer *body, size_t capacity)
{
    char *old = body->data;
    char *data = malloc(capacity);
    if (data == NULL)
        abort();
    if (old != NULL)
        memcpy(data, old, body->length);
    body->data = data;
    body->capacity = capacity;
    release(old, body->length);
}

void body_append(struct buffer *body, size_t capacity, const char *data, size_t length)
{
    if (capacity > body->capacity)
        move(body, capacity);
    memcpy(body->data + body->length, data, length);
    body->length += length;
}

void body_drop(struct buffer *body, size_t length)
{
    body->length -= length;
    memmove(body->data, body->data + length, body->length);
    explicit_bzero(body->data + body->length, length);
}

void body_free(struct buffer *body)
{
    release(body->data, body->length);
    *body = (struct buffer){0};
}
