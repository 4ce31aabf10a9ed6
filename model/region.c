#include "model/region.h"

#include "model/json_out.h"

static const struct field region_fields[] = {
    FIELD_READ_ONLY_ROW("name", FIELD_STRING),
    FIELD_READ_ONLY_ROW("inbound_mail_host", FIELD_STRING),
    FIELD_READ_ONLY_ROW("autodiscover_host", FIELD_STRING),
    FIELD_READ_ONLY_ROW("mobile_host", FIELD_STRING),
    FIELD_READ_ONLY_ROW("web_host", FIELD_STRING),
};
const struct field_table region_table = FIELD_TABLE("region", region_fields);

void region_write(const struct settings *settings, const char *region, struct buffer *out)
{
    const char *domain = settings->service_domain;
    struct arena *arena = out->arena;

    out_begin_object(out);
    out_member(out, "name", region);
    out_member(out, "inbound_mail_host", arena_printf(arena, "inbound-smtp.%s.%s", region, domain));
    out_member(out, "autodiscover_host", arena_printf(arena, "autodiscover.mail.%s.%s", region, domain));
    out_member(out, "mobile_host", arena_printf(arena, "mobile.mail.%s.%s", region, domain));
    out_member(out, "web_host", arena_printf(arena, "web.mail.%s.%s", region, domain));
    out_end_object(out);
}
