/* Operations that only resources have. */
#pragma once

#include "api/request.h"

enum code create_resource(struct request *request);
enum code update_resource(struct request *request);
enum code get_booking_options(struct request *request);
enum code put_booking_options(struct request *request);
enum code test_booking_request(struct request *request);
enum code list_resource_delegates(struct request *request);
enum code associate_delegate_to_resource(struct request *request);
enum code disassociate_delegate_from_resource(struct request *request);
