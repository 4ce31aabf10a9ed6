#include "model/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first block holds a common request whole; later ones grow with the need. */
#define FIRST_BLOCK 4000U
#define NEXT_BLOCK  16000U

struct block {
    struct block *previous;
    size_t size;
    size_t used;
    alignas(max_align_t) char data[];
};

struct arena {
    struct block *last;
};

static struct block *block_new(struct block *previous, size_t size)
{
    struct block *block = malloc(sizeof(*block) + size);
    if (block == NULL)
        abort();
    block->previous = previous;
    block->size = size;
    block->used = 0;
    return block;
}

static void *block_take(struct block *block, size_t size)
{
    void *memory = block->data + block->used;
    block->used += size;
    return memory;
}

struct arena *arena_new(void)
{
    struct block *block = block_new(NULL, FIRST_BLOCK);
    struct arena *arena = block_take(block, (sizeof(*arena) + 15U) & ~(size_t)15);
    *arena = (struct arena){.last = block};
    return arena;
}

void arena_free(struct arena *arena)
{
    if (arena == NULL)
        return;
    struct block *block = arena->last;
    while (block != NULL) {
        struct block *previous = block->previous;
        explicit_bzero(block->data, block->used);
        free(block);
        block = previous;
    }
}

size_t arena_size(const struct arena *arena)
{
    size_t size = 0;
    for (const struct block *block = arena->last; block != NULL; block = block->previous)
        size += sizeof(*block) + block->size;
    return size;
}

void *arena_alloc_raw(struct arena *arena, size_t size)
{
    if (size > SIZE_MAX / 2)
        abort();
    size = (size + 15U) & ~(size_t)15;
    struct block *last = arena->last;
    if (last->size - last->used < size) {
        last = block_new(last, size > NEXT_BLOCK ? size : NEXT_BLOCK);
        arena->last = last;
    }
    return block_take(last, size);
}

void *arena_alloc(struct arena *arena, size_t size)
{
    return memset(arena_alloc_raw(arena, size), 0, size);
}

char *arena_copy(struct arena *arena, const char *data, size_t length)
{
    char *copy = arena_alloc_raw(arena, length + 1);
    if (length > 0)
        memcpy(copy, data, length);
    copy[length] = '\0';
    return copy;
}

char *arena_string(struct arena *arena, const char *text)
{
    return arena_copy(arena, text, strlen(text));
}

char *arena_vprintf(struct arena *arena, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    if (length < 0)
        abort();
    char *text = arena_alloc(arena, (size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = arena_vprintf(arena, format, args);
    va_end(args);
    return text;
}
