#include "api/headers.h"

#include "api/app.h"
#include "api/cors.h"

/* An answer is data: whatever a browser is made to do with it, it neither runs, frames, keeps nor guesses. A page that needs
 * more says so in its own header of that name. */
static const struct header usual[] = {
    {"Cache-Control", "no-store"},
    {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Referrer-Policy", "no-referrer"},
    {"X-Content-Type-Options", "nosniff"},
};

/* Two years, as browsers ask of those who want it for good. */
#define HSTS "max-age=63072000"

static void add_missing(struct request *request, const char *name, const char *value)
{
    if (response_find_header(request, name) == NULL)
        response_header(request, name, value);
}

void headers_complete(struct request *request)
{
    response_set_header(request, "Request-Id", request->request_id);
    for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
        add_missing(request, usual[i].name, usual[i].value);
    if (request->is_secure)
        add_missing(request, "Strict-Transport-Security", HSTS);
    cors_complete(request, request->app->config->origins);
}
