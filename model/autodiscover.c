#include "model/autodiscover.h"

#include <string.h>
#include <strings.h>

#include "model/region.h"

#define SCHEMAS "http://schemas.microsoft.com/exchange/autodiscover/"

static const struct {
    const char *request;
    const char *response;
} schemas[] = {
    [AUTODISCOVER_MOBILESYNC] = {SCHEMAS "mobilesync/requestschema/2006",
                                 SCHEMAS "mobilesync/responseschema/2006"},
    [AUTODISCOVER_OUTLOOK] = {SCHEMAS "outlook/requestschema/2006", SCHEMAS "outlook/responseschema/2006a"},
};
#define SCHEMA_COUNT (sizeof(schemas) / sizeof(schemas[0]))

/* The guide breaks its names of schemas into two lines. */
static bool is_same_name(const char *text, const char *name)
{
    for (; *text != '\0'; text++) {
        if (strchr(" \t\r\n", *text) != NULL)
            continue;
        if (*text != *name++)
            return false;
    }
    return *name == '\0';
}

enum autodiscover_error autodiscover_read(struct arena *arena, const char *data, size_t length,
                                          struct autodiscover_request *ret_request)
{
    /* Outlook's EMailAddress is the guide's EmailAddress. */
    struct xml_element wanted[] = {{.name = "EMailAddress"}, {.name = "AcceptableResponseSchema"}};
    struct xml_root root;
    const char *detail;
    bool is_known = false;

    if (!xml_read(arena, data, length, wanted, sizeof(wanted) / sizeof(wanted[0]), &root, &detail) ||
        strcasecmp(root.name, "Autodiscover") != 0 || wanted[0].text == NULL || *wanted[0].text == '\0' ||
        wanted[1].text == NULL)
        return AUTODISCOVER_INVALID_REQUEST;
    for (size_t i = 0; i < SCHEMA_COUNT; i++)
        is_known = is_known || is_same_name(root.namespace, schemas[i].request);
    for (size_t i = 0; is_known && i < SCHEMA_COUNT; i++) {
        if (is_same_name(wanted[1].text, schemas[i].response)) {
            *ret_request = (struct autodiscover_request){wanted[0].text, (enum autodiscover_schema)i};
            return AUTODISCOVER_OK;
        }
    }
    return AUTODISCOVER_NO_SCHEMA;
}

/* --- answers --- */

static void begin(struct buffer *out)
{
    buffer_text(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Autodiscover xmlns=\"" SCHEMAS
                     "responseschema/2006\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\""
                     " xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">");
}

static void write_mobilesync(const struct autodiscover_user *user, const struct settings *settings,
                             struct buffer *out)
{
    const char *url = arena_printf(out->arena, "https://%s/Microsoft-Server-ActiveSync",
                                   region_host(out->arena, settings, user->region, REGION_MOBILE));
    buffer_text(out, "<Culture>en:us</Culture><User>");
    xml_member(out, "DisplayName", user->display_name);
    xml_member(out, "EmailAddress", user->email);
    buffer_text(out, "</User><Action><Settings><Server><Type>MobileSync</Type>");
    xml_member(out, "Url", url);
    xml_member(out, "Name", url);
    buffer_text(out, "</Server></Settings></Action>");
}

static void write_protocol(const char *type, const char *host, const char *ews_url, const char *login,
                           struct buffer *out)
{
    buffer_text(out, "<Protocol>");
    xml_member(out, "Type", type);
    xml_member(out, "Server", host);
    xml_member(out, "LoginName", login);
    buffer_text(out, "<SSL>On</SSL><AuthPackage>Basic</AuthPackage>");
    xml_member(out, "ASUrl", ews_url);
    xml_member(out, "EwsUrl", ews_url);
    xml_member(out, "OOFUrl", ews_url);
    buffer_text(out, "</Protocol>");
}

static void write_outlook(const struct autodiscover_user *user, const struct settings *settings,
                          struct buffer *out)
{
    const char *host = region_host(out->arena, settings, user->region, REGION_EWS);
    const char *ews_url = arena_printf(out->arena, "https://%s" REGION_EWS_PATH, host);
    buffer_text(out, "<User>");
    xml_member(out, "DisplayName", user->display_name);
    xml_member(out, "LegacyDN",
               arena_printf(out->arena, "/o=%s/cn=Recipients/cn=%s", user->organization_id, user->user_id));
    xml_member(out, "AutoDiscoverSMTPAddress", user->email);
    buffer_text(out, "</User><Account><AccountType>email</AccountType><Action>settings</Action>");
    write_protocol("EXCH", host, ews_url, user->email, out);
    write_protocol("EXPR", host, ews_url, user->email, out);
    buffer_text(out, "</Account>");
}

void autodiscover_write(const struct autodiscover_user *user, enum autodiscover_schema schema,
                        const struct settings *settings, struct buffer *out)
{
    begin(out);
    buffer_printf(out, "<Response xmlns=\"%s\">", schemas[schema].response);
    if (schema == AUTODISCOVER_MOBILESYNC)
        write_mobilesync(user, settings, out);
    else
        write_outlook(user, settings, out);
    buffer_text(out, "</Response></Autodiscover>\n");
}

void autodiscover_write_error(enum autodiscover_error error, const char *time, const char *id,
                              struct buffer *out)
{
    const char *message = error == AUTODISCOVER_NO_ADDRESS        ? "The email address can't be found."
                          : error == AUTODISCOVER_INVALID_REQUEST ? "Invalid Request"
                                                                  : "Requested schema version not supported";
    begin(out);
    buffer_text(out, "<Response><Error Time=\"");
    xml_text(out, time);
    buffer_text(out, "\" Id=\"");
    xml_text(out, id);
    buffer_printf(out, "\"><ErrorCode>%d</ErrorCode>", (int)error);
    xml_member(out, "Message", message);
    buffer_text(out, "<DebugData /></Error></Response></Autodiscover>\n");
}

const char *autodiscover_url(struct arena *arena, const struct settings *settings, const char *region)
{
    return arena_printf(arena, "https://%s" AUTODISCOVER_PATH,
                        region_host(arena, settings, region, REGION_AUTODISCOVER));
}
