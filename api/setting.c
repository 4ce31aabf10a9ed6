#include "api/setting.h"

#include "api/request.h"
#include "db/interoperability.h"
#include "db/journaling.h"
#include "db/migration_setting.h"
#include "model/interoperability.h"

static enum code queue(struct request *request, const struct setting *setting)
{
    setting_queue(request->db, setting, request->principal.account_id, request->arguments[0]);
    return CODE_OK;
}

static enum code get(struct request *request, const struct setting *setting)
{
    struct answer answer = request_answer(request);
    enum code code = setting_collect(request->db, setting, &request->problem, &answer);
    return response_answer(request, &answer, code);
}

enum code queue_journaling(struct request *request)
{
    return queue(request, &journaling_setting);
}

enum code get_journaling(struct request *request)
{
    return get(request, &journaling_setting);
}

enum code put_journaling(struct request *request)
{
    struct journaling wanted = {0};
    struct change change = request_change(request);
    uint64_t set;

    enum code code = request_body(request, &wanted, &set);
    if (code == CODE_OK)
        code = journaling_put(request->db, &change, request->arguments[0], &wanted);
    return response_change(request, &change, code);
}

enum code queue_migration(struct request *request)
{
    return queue(request, &migration_setting);
}

enum code get_migration(struct request *request)
{
    return get(request, &migration_setting);
}

enum code put_migration(struct request *request)
{
    struct migration_setting wanted = {0};
    struct change change = request_change(request);
    uint64_t set;

    enum code code = request_body(request, &wanted, &set);
    if (code == CODE_OK)
        code = migration_setting_put(request->db, &change, request->arguments[0], &wanted);
    return response_change(request, &change, code);
}

enum code queue_interoperability(struct request *request)
{
    interoperability_queue(request->db, request->principal.account_id, request->arguments[0]);
    return CODE_OK;
}

enum code get_interoperability(struct request *request)
{
    struct answer answer = request_answer(request);
    enum code code = interoperability_collect(request->db, &request->problem, &answer);
    return response_answer(request, &answer, code);
}

enum code disable_interoperability(struct request *request)
{
    struct interoperability_end asked = {0};
    struct change change = request_change(request);

    enum code code = request_query(request, &asked);
    if (code == CODE_OK)
        code = interoperability_disable(request->db, &change, request->arguments[0], asked.confirm);
    return response_change(request, &change, code);
}
