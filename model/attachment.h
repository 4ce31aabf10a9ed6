/* File extensions that attachments may not have (behaviour: "Unsupported attachments"). */
#pragma once

#include "model/field.h"

/* In alphabetical order; NULL after the last. */
extern const char *const attachment_types[];
extern const struct field_table attachment_type_table;

struct attachment_test {
    const char *const *file_names;
};
extern const struct field_table attachment_test_table;
extern const struct field_table attachment_result_table;

#define ATTACHMENT_TEST_MAX 1000

/* {"items":[{"extension": …}, …]} */
void attachment_write_types(struct buffer *out);

/* What becomes of an attachment of this name: an object. */
void attachment_write_result(const char *file_name, struct buffer *out);
