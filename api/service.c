#include "api/service.h"

#include "api/app.h"
#include "api/problem.h"
#include "db/embedded_files.h"
#include "db/notifier.h"
#include "model/json_out.h"
#include "model/region.h"

static enum code one_member(struct request *request, const char *name, const char *value)
{
    struct buffer body = request_buffer(request);
    out_begin_object(&body);
    out_member(&body, name, value);
    out_end_object(&body);
    return response_json(request, 200, &body);
}

enum code get_health(struct request *request)
{
    return one_member(request, "status", "ok");
}

/* The notifier's connection tells whether the database answers: no request need wait to find out. */
enum code get_readiness(struct request *request)
{
    const struct app *app = request->app;
    if (app->draining)
        return problem_set(&request->problem, CODE_NOT_READY, "The service is about to end.");
    if (notifier_identity_generation(app->environment.notifier) == 0)
        return problem_set(&request->problem, CODE_NOT_READY, "The database does not answer.");
    return one_member(request, "status", "ready");
}

enum code get_version(struct request *request)
{
    struct buffer body = request_buffer(request);
    out_begin_object(&body);
    out_member(&body, "name", "postreeve");
    out_member(&body, "version", POSTREEVE_VERSION);
    out_end_object(&body);
    return response_json(request, 200, &body);
}

enum code get_openapi(struct request *request)
{
    request->response = (struct response){
        .status = 200,
        .content_type = "application/yaml",
        .body = embedded_openapi.data,
        .length = embedded_openapi.length,
        .gzip_body = embedded_openapi_gzip.data,
        .gzip_length = embedded_openapi_gzip.length,
    };
    return CODE_OK;
}

/* What the `type` of a problem points to. */
enum code get_problem(struct request *request)
{
    struct buffer body = request_buffer(request);
    enum code code = code_of(request->arguments[0]);
    if (code == CODE_OK)
        return CODE_ROUTE_NOT_FOUND;
    problem_explain(code, &body);
    response_json(request, 200, &body);
    request->response.content_type = "text/plain; charset=utf-8";
    return CODE_OK;
}

enum code list_regions(struct request *request)
{
    const struct settings *settings = request->app->environment.settings;
    struct buffer body = request_buffer(request);
    out_begin_object(&body);
    out_name(&body, "items");
    out_begin_array(&body);
    for (unsigned i = 0; i < SETTINGS_MAX_REGIONS && settings->regions[i] != NULL; i++)
        region_write(settings, settings->regions[i], &body);
    out_end_array(&body);
    out_end_object(&body);
    return response_json(request, 200, &body);
}
