#include "model/domain_record.h"

const char *const domain_purposes[] = {
    [DOMAIN_OWNERSHIP] = "OWNERSHIP", [DOMAIN_MX] = "MX",   [DOMAIN_AUTODISCOVER] = "AUTODISCOVER",
    [DOMAIN_DKIM] = "DKIM",           [DOMAIN_SPF] = "SPF", [DOMAIN_DMARC] = "DMARC",
    [DOMAIN_PURPOSES] = NULL,
};

const char *const domain_statuses[] = {
    [DOMAIN_PENDING] = "PENDING",
    [DOMAIN_VERIFIED] = "VERIFIED",
    [DOMAIN_FAILED] = "FAILED",
    [DOMAIN_MISSING] = "MISSING",
    [DOMAIN_INCONSISTENT] = "INCONSISTENT",
    [DOMAIN_NOT_EXPECTED] = "NOT_EXPECTED",
    [DOMAIN_STATUSES] = NULL,
};
