/* The headers that every answer has. */
#pragma once

#include "api/request.h"

/* Adds them to the answer; one that the answer has already stays. */
void headers_complete(struct request *request);
