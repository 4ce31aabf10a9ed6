#include "api/autodiscover.h"

#include <string.h>
#include <strings.h>
#include <time.h>

#include "api/app.h"
#include "api/basic.h"
#include "api/guess.h"
#include "db/mail_user.h"
#include "model/autodiscover.h"
#include "model/password.h"
#include "model/region.h"

#define ACTION "workmail:Autodiscover"

/* --- who asks --- */

/* The account is told of its own users only; what is said to be of it goes to the installation's log. */
static enum code refuse(struct request *request, const struct mail_user *user)
{
    struct auth_claim claim = {.is_shown = true};
    const char *target = AUTODISCOVER_PATH;
    if (user != NULL) {
        memcpy(claim.account_id, user->account_id, sizeof(claim.account_id));
        claim.organization_id = user->organization_id;
        target = arena_printf(request->arena, "/v1/organizations/%s/users/%s", user->organization_id,
                              user->user_id);
    }
    problem_fill(&request->problem, CODE_UNAUTHENTICATED,
                 "There is no enabled user with this log-in name, or the password is wrong.");
    return request_refuse_credential(request, ACTION, target, &claim);
}

/* Whoever is named, a hash is computed: how long it takes tells nothing. */
static enum code check_password(struct request *request, const char *login, const char *password,
                                struct mail_user *ret_user)
{
    bool found = false;
    enum code code = mail_user_find(request->db, login, &request->problem, ret_user, &found);
    if (code != CODE_OK)
        return code;
    const char *hash = found ? ret_user->password_hash : NULL;
    bool good = password_verify(hash != NULL ? hash : password_of_nobody(), password);
    if (!good || hash == NULL)
        return refuse(request, found ? ret_user : NULL);
    guess_was_right(request);
    return CODE_OK;
}

static enum code authenticate(struct request *request, struct mail_user *ret_user)
{
    const char *login;
    const char *password;
    if (request->authorization == NULL)
        return problem_set(&request->problem, CODE_UNAUTHENTICATED,
                           "Send the user's address and password by HTTP Basic.");
    if (!basic_read(request->arena, request->authorization, &login, &password))
        return refuse(request, NULL);
    enum code code = guess_begin(request, login);
    if (code == CODE_OK)
        code = check_password(request, login, password, ret_user);
    if (code != CODE_MOVE_LANE)
        guess_end(request);
    return code;
}

/* --- what he is answered --- */

static enum code answer_xml(struct request *request, struct buffer *body)
{
    response_json(request, 200, body);
    request->response.content_type = "text/xml; charset=utf-8";
    return CODE_OK;
}

static void write_error(const struct request *request, enum autodiscover_error error, struct buffer *body)
{
    char now[sizeof("10:00:00")];
    time_t at = (time_t)request->now;
    struct tm parts;
    gmtime_r(&at, &parts);
    strftime(now, sizeof(now), "%H:%M:%S", &parts);
    autodiscover_write_error(error, now, request->request_id, body);
}

enum code autodiscover(struct request *request)
{
    struct mail_user user;
    struct autodiscover_request wanted;
    struct buffer body = request_buffer(request);
    bool has_address = false;

    enum code code = authenticate(request, &user);
    if (code != CODE_OK)
        return code;
    enum autodiscover_error error =
        autodiscover_read(request->arena, request->body.data, request->body.length, &wanted);
    if (error == AUTODISCOVER_OK)
        code = mail_user_has_address(request->db, &user, wanted.email, &request->problem, &has_address);
    if (code != CODE_OK)
        return code;
    if (error == AUTODISCOVER_OK && !has_address)
        error = AUTODISCOVER_NO_ADDRESS;
    if (error == AUTODISCOVER_OK)
        autodiscover_write(&(struct autodiscover_user){.display_name = user.display_name,
                                                       .email = user.email,
                                                       .organization_id = user.organization_id,
                                                       .user_id = user.user_id,
                                                       .region = user.region},
                           wanted.schema, request->app->environment.settings, &body);
    else
        write_error(request, error, &body);
    return answer_xml(request, &body);
}

/* --- where to ask --- */

/* Without the port. */
static const char *host_of(const struct request *request)
{
    const char *host = request->host != NULL ? request->host : "";
    return arena_copy(request->arena, host, strcspn(host, ":"));
}

/* The host is the domain of the client's address, or `autodiscover.` in front of it. */
static enum code find_region(struct request *request, const char *host, const char **ret_region)
{
    static const char prefix[] = "autodiscover.";
    enum code code = CODE_OK;
    *ret_region = NULL;
    if (strncasecmp(host, prefix, strlen(prefix)) == 0)
        code = mail_domain_find_region(request->db, host + strlen(prefix), &request->problem, ret_region);
    if (code == CODE_OK && *ret_region == NULL)
        code = mail_domain_find_region(request->db, host, &request->problem, ret_region);
    if (*ret_region == NULL)
        *ret_region = request->app->environment.settings->region;
    return code;
}

static bool is_here(const struct request *request, const char *host)
{
    const struct settings *settings = request->app->environment.settings;
    for (unsigned i = 0; i < SETTINGS_MAX_REGIONS && settings->regions[i] != NULL; i++)
        if (strcasecmp(host,
                       region_host(request->arena, settings, settings->regions[i], REGION_AUTODISCOVER)) == 0)
            return request->is_secure;
    return false;
}

enum code redirect_autodiscover(struct request *request)
{
    const char *host = host_of(request);
    const char *region;
    /* Whoever is sent to where he is comes back for ever. */
    if (is_here(request, host)) {
        problem_fill(&request->problem, CODE_METHOD_NOT_ALLOWED,
                     "This is the endpoint: send it a POST with the user's address and password.");
        response_refuse(request, CODE_METHOD_NOT_ALLOWED);
        response_header(request, "Allow", "POST");
        return CODE_OK;
    }
    enum code code = find_region(request, host, &region);
    if (code != CODE_OK)
        return code;
    request->response.status = 302;
    response_header(request, "Location",
                    autodiscover_url(request->arena, request->app->environment.settings, region));
    return CODE_OK;
}
