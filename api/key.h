/* Operations on master keys. */
#pragma once

#include "api/request.h"

enum code create_key(struct request *request);
enum code list_keys(struct request *request);
enum code describe_key(struct request *request);
enum code update_key(struct request *request);
