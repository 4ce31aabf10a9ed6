#include "db/root_access_key.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "db/private_file.h"
#include "model/json_out.h"
#include "model/log.h"

static const char *path_beside(struct arena *arena, const char *folder)
{
    return arena_printf(arena, "%s/root-access-key.json.next", folder);
}

/* Not over the key of another account, which must not be lost. */
static const char *path_in_place(struct arena *arena, const char *folder, const char *account_id)
{
    const char *path = arena_printf(arena, "%s/root-access-key.json", folder);
    const char *theirs = account_id;
    json_t *json = json_load_file(path, 0, NULL);
    json_unpack(json, "{s:s}", "account_id", &theirs);
    if (strcmp(theirs, account_id) != 0)
        path = arena_printf(arena, "%s/root-access-key-%s.json", folder, account_id);
    json_decref(json);
    return path;
}

static enum code fail(struct problem *problem, const char *why)
{
    LOG(LOG_ERROR, "root access key not written", LOG_TEXT("why", why));
    return problem_set(problem, CODE_INTERNAL_ERROR, "The root access key cannot be written: %s.", why);
}

/* Nothing there, and nothing that can be read as a key, is none. */
static json_t *read_beside(const char *path)
{
    json_error_t error;
    json_t *json = access(path, F_OK) == 0 ? json_load_file(path, 0, &error) : NULL;
    if (json == NULL && errno != ENOENT)
        LOG(LOG_ERROR, "root access key not read", LOG_TEXT("path", path), LOG_TEXT("why", error.text));
    return json;
}

static enum code put_in_place(struct problem *problem, const char *beside, const char *place)
{
    char why[512];
    if (rename(beside, place) != 0) {
        snprintf(why, sizeof(why), "cannot put %s in place: %m", place);
        return fail(problem, why);
    }
    if (!file_sync_folder(place, why, sizeof(why)))
        return fail(problem, why);
    LOG(LOG_INFO, "root access key written", LOG_TEXT("path", place));
    return CODE_OK;
}

enum code root_access_key_settle(struct db *db, struct problem *problem, const char *folder)
{
    static const struct statement lock = {"SELECT pg_advisory_xact_lock(7267)", 0};
    static const struct statement find = {
        "SELECT FROM access_key WHERE access_key_id = $1 AND account_id = $2 AND iam_user_id IS NULL", 2};
    const char *beside = path_beside(problem->arena, folder);
    const char *access_key_id = "";
    const char *account_id = "";
    DB_RESULT found = NULL;

    /* Who writes one holds it until its COMMIT is done, also when it was killed meanwhile. */
    db_queue_silently(db, &lock, NULL, 0);
    enum code code = db_finish(db, problem);
    if (code != CODE_OK)
        return code;
    json_t *json = read_beside(beside);
    if (json == NULL)
        return CODE_OK;
    json_unpack(json, "{s:s, s:s}", "access_key_id", &access_key_id, "account_id", &account_id);
    code = DB_RUN(db, problem, &found, &find, access_key_id, account_id);
    if (code == CODE_OK && PQntuples(found) == 1)
        code = put_in_place(problem, beside, path_in_place(problem->arena, folder, account_id));
    else if (code == CODE_OK)
        unlink(beside);
    json_decref(json);
    return code;
}

enum code root_access_key_write(struct problem *problem, const char *folder, const struct access_key *key,
                                const char *account_id)
{
    struct buffer json = {.arena = problem->arena};
    const char *path = path_beside(problem->arena, folder);
    char why[512];

    out_begin_object(&json);
    out_member(&json, "access_key_id", key->access_key_id);
    out_member(&json, "secret_access_key", key->secret_access_key);
    out_member(&json, "account_id", account_id);
    out_end_object(&json);
    buffer_byte(&json, '\n');
    return file_write_private(path, json.data, json.length, why, sizeof(why)) ? CODE_OK : fail(problem, why);
}
