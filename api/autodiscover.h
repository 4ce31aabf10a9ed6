/* Autodiscover: how mail clients find their servers. */
#pragma once

#include "api/request.h"

enum code autodiscover(struct request *request);
enum code redirect_autodiscover(struct request *request);
