/* Searching an organization's directory, and its address book. What their queues asked for, list_entities answers. */
#pragma once

#include "api/request.h"

enum code queue_search(struct request *request);
enum code queue_address_book(struct request *request);
