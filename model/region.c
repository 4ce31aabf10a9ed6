#include "model/region.h"

#include "model/json_out.h"

static const struct field region_fields[] = {
    FIELD_READ_ONLY_ROW("name", FIELD_STRING),
    FIELD_READ_ONLY_ROW("inbound_mail_host", FIELD_STRING),
    FIELD_READ_ONLY_ROW("autodiscover_host", FIELD_STRING),
    FIELD_READ_ONLY_ROW("mobile_host", FIELD_STRING),
    FIELD_READ_ONLY_ROW("web_host", FIELD_STRING),
    FIELD_READ_ONLY_ROW("ews_host", FIELD_STRING),
};
const struct field_table region_table = FIELD_TABLE("region", region_fields);

/* The same hosts are in the view of an organization (db/organization.c). */
static const struct {
    const char *member;
    const char *prefix;
} hosts[REGION_HOSTS] = {
    [REGION_INBOUND_MAIL] = {"inbound_mail_host", "inbound-smtp"},
    [REGION_AUTODISCOVER] = {"autodiscover_host", "autodiscover.mail"},
    [REGION_MOBILE] = {"mobile_host", "mobile.mail"},
    [REGION_WEB] = {"web_host", "web.mail"},
    [REGION_EWS] = {"ews_host", "ews.mail"},
};

const char *region_host(struct arena *arena, const struct settings *settings, const char *region,
                        enum region_host host)
{
    return arena_printf(arena, "%s.%s.%s", hosts[host].prefix, region, settings->service_domain);
}

void region_write(const struct settings *settings, const char *region, struct buffer *out)
{
    out_begin_object(out);
    out_member(out, "name", region);
    for (enum region_host host = 0; host < REGION_HOSTS; host++)
        out_member(out, hosts[host].member, region_host(out->arena, settings, region, host));
    out_end_object(out);
}
