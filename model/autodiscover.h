/* Autodiscover (behaviour: "Autodiscover"; MS-OXDSCLI, MS-ASCMD): what mail clients ask with nothing but an address and a
 * password, and what they are answered. */
#pragma once

#include "model/settings.h"
#include "model/xml.h"

#define AUTODISCOVER_PATH "/autodiscover/autodiscover.xml"

enum autodiscover_schema {
    AUTODISCOVER_MOBILESYNC, /* Exchange ActiveSync: 2006 */
    AUTODISCOVER_OUTLOOK,    /* 2006a */
};

enum autodiscover_error {
    AUTODISCOVER_OK = 0,
    AUTODISCOVER_NO_ADDRESS = 500,
    AUTODISCOVER_INVALID_REQUEST = 600,
    AUTODISCOVER_NO_SCHEMA = 601,
};

struct autodiscover_request {
    const char *email; /* as it stands there */
    enum autodiscover_schema schema;
};

enum autodiscover_error autodiscover_read(struct arena *arena, const char *data, size_t length,
                                          struct autodiscover_request *ret_request);

/* Whom the answer is about, and where he finds what. */
struct autodiscover_user {
    const char *display_name;
    const char *email;
    const char *organization_id;
    const char *user_id;
    const char *region;
};

void autodiscover_write(const struct autodiscover_user *user, enum autodiscover_schema schema,
                        const struct settings *settings, struct buffer *out);

/* `time` is that of the day, as 10:00:00; `id` tells the request. */
void autodiscover_write_error(enum autodiscover_error error, const char *time, const char *id,
                              struct buffer *out);

/* The endpoint of a region. */
const char *autodiscover_url(struct arena *arena, const struct settings *settings, const char *region);
