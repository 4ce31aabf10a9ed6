#include "model/domain_codes.h"

#include <stddef.h>

#define CHANGE (DOMAIN_PUBLISH | DOMAIN_REMOVE)

/* docs/domains.md, "Diagnosis", has a row for each; tests/api/test_dns.py produces and mends each. */
const struct domain_code_row domain_codes[DOMAIN_CODES] = {
    [DOMAIN_RESOLVER_UNREACHABLE] =
        {"resolver_unreachable", 0,
         "This service cannot reach a DNS resolver, so nothing could be looked at. Nothing is wrong with {domain}: the "
         "operator of this service checks --dns-resolvers and the network; the domain is checked again by itself."},
    [DOMAIN_NO_DELEGATION] =
        {"no_delegation", 0,
         "No name server could be found that answers for {domain}{found}. At the registrar of the domain, or in the zone "
         "above it, name two name servers whose host names have addresses; then publish the records there."},
    [DOMAIN_NOT_FOUND] =
        {"domain_not_found", DOMAIN_PUBLISH,
         "{domain} does not exist in the DNS: the name servers of {zone} say so. If it is not registered, or has expired, "
         "register it and let its registrar name your name servers; if {zone} is yours, publish this in it."},
    [DOMAIN_SERVER_UNREACHABLE] =
        {"name_server_unreachable", 0,
         "{servers} did not answer in time, by UDP or TCP on port 53. Start this name server, let a firewall pass queries to "
         "it, or take it out of the NS records of {zone}, in the zone and at the registrar."},
    [DOMAIN_SERVER_LAME] =
        {"name_server_lame", 0,
         "{servers} is named as a name server of {zone} but does not answer for it. Set up the zone on this name server, or "
         "take it out of the NS records of {zone}, in the zone and at the registrar."},
    [DOMAIN_SERVER_FAILED] =
        {"name_server_failed", 0,
         "{servers} answers that it failed (SERVFAIL). Usually its copy of {zone} has expired or does not load: look into "
         "the log of this name server, and at what it fetches the zone from."},
    [DOMAIN_ANSWER_MALFORMED] =
        {"malformed_answer", 0,
         "{servers} answered with something that is no proper DNS message. Something else than a name server, or a firewall "
         "that changes answers, is behind this address: mend it, or take it out of the NS records of {zone}."},
    [DOMAIN_ANSWER_MISMATCHED] =
        {"mismatched_answer", 0,
         "{servers} answers, but not to what it was asked: the number of the query, or the question, is another in its answer, "
         "so that it does not count. Usually a firewall, a proxy or a load balancer before this name server mixes answers up, or "
         "somebody sends forged ones: mend it, or take it out of the NS records of {zone}."},
    [DOMAIN_SERVERS_DIFFER] =
        {"name_servers_differ", DOMAIN_PUBLISH,
         "The name servers of {zone} do not agree: {servers} does not have this record, others do. Raise the serial number of "
         "the zone, and make that this server fetches it; or publish the record there too."},
    [DOMAIN_NOT_PUBLISHED] =
        {"not_published", DOMAIN_PUBLISH,
         "There is no {type} record at {name}. Publish this one, as it stands, with your DNS provider."},
    [DOMAIN_WRONG_VALUE] =
        {"wrong_value", CHANGE,
         "The {type} record at {name} has another value. Copy the value from here, from its first to its last character."},
    [DOMAIN_TEXT_TRUNCATED] =
        {"txt_truncated", CHANGE,
         "The TXT record at {name} is cut: it has only the beginning of the value. Copy the whole value."},
    [DOMAIN_TEXT_QUOTED] =
        {"txt_quoted", CHANGE,
         "The TXT record at {name} has quotes, backslashes or blanks within its value. Enter the value alone: the quotes of a "
         "zone file are not part of it."},
    [DOMAIN_TEXT_SPLIT] =
        {"txt_split", CHANGE,
         "The value is spread over several TXT records at {name}. Make it one record (of one string, or of several strings "
         "in one record)."},
    [DOMAIN_NAME_DOUBLED] =
        {"doubled_name", CHANGE,
         "The record is published at {name}.{zone}: your DNS provider appends the zone to what you enter. Enter the name "
         "without {zone}, or with a dot at its end."},
    [DOMAIN_TARGET_DOUBLED] =
        {"doubled_target", CHANGE,
         "The record at {name} leads to a name with {zone} appended. Put a dot at the end of the target."},
    [DOMAIN_BARE_NAME] =
        {"found_at_bare_name", 0,
         "The value was found at {name} itself, rather than below it. That is enough; nothing is to be done."},
    [DOMAIN_ALIAS_IN_THE_WAY] =
        {"cname_in_the_way", CHANGE,
         "There is a CNAME record at {name}, so that no other record can be there; often it is a wildcard for all names. "
         "Remove it, or publish the record: a name that has a record of its own is not covered by a wildcard."},
    [DOMAIN_ALIASES_TOO_LONG] =
        {"cname_chain_too_long", CHANGE,
         "The CNAME record at {name} leads to another, and so on, too often. Let it lead straight to its end."},
    [DOMAIN_ALIASES_LOOP] =
        {"cname_loop", CHANGE,
         "The CNAME records from {name} on lead back to where they began. Let there be one that ends."},
    [DOMAIN_NOT_AN_ALIAS] =
        {"not_a_cname", CHANGE,
         "There is another record at {name} than a CNAME, so that keys and addresses could not change without you. Replace it."},
    [DOMAIN_MX_MISSING] = {"mx_missing", DOMAIN_PUBLISH,
                           "{domain} has no MX record: mail to it does not arrive here. Publish this one."},
    [DOMAIN_MX_ELSEWHERE] =
        {"mx_elsewhere", CHANGE,
         "Mail to {domain} goes elsewhere. Once users are to receive it here, replace the MX records there by this one."},
    [DOMAIN_MX_ADDITIONAL] =
        {"mx_additional", DOMAIN_REMOVE,
         "{domain} has other MX records beside the expected one: some of its mail goes elsewhere. Remove them."},
    [DOMAIN_MX_PREFERENCE] =
        {"mx_preference", CHANGE,
         "The MX record has another preference than expected. Alone it works; with any other MX record the lower number goes "
         "first. You may replace it."},
    [DOMAIN_MX_POINTS_HERE] =
        {"mx_points_here", DOMAIN_REMOVE,
         "The organization is in interoperability mode: mail to {domain} should go to its other mail server first, which passes "
         "on what is for here. Yet an MX record points here. Remove it, and let those of the other mail server be."},
    [DOMAIN_AUTODISCOVER_MISSING] =
        {"autodiscover_missing", DOMAIN_PUBLISH,
         "{name} is not there: clients have to be set up by hand. Publish this CNAME record."},
    [DOMAIN_AUTODISCOVER_ELSEWHERE] =
        {"autodiscover_elsewhere", CHANGE,
         "{name} leads elsewhere: clients set themselves up for another mail server. Replace it by this one."},
    [DOMAIN_AUTODISCOVER_POINTS_HERE] =
        {"autodiscover_points_here", DOMAIN_REMOVE,
         "The organization is in interoperability mode: clients should be set up by its other mail server, which passes on what "
         "is for here. Yet {name} points here. Remove it, and let it lead to the other mail server."},
    [DOMAIN_DKIM_MISSING] =
        {"dkim_missing", DOMAIN_PUBLISH,
         "{name} is not there: whoever gets mail of {domain} cannot verify its signature. Publish this CNAME record."},
    [DOMAIN_DKIM_ELSEWHERE] =
        {"dkim_elsewhere", CHANGE,
         "{name} leads elsewhere: the key that signs mail of {domain} is not found. Replace it by this one."},
    [DOMAIN_SPF_MISSING] =
        {"spf_missing", DOMAIN_PUBLISH,
         "{domain} has no SPF record: others cannot know who may send its mail. This one is recommended; add to it whatever "
         "else sends mail of {domain}."},
    [DOMAIN_SPF_WITHOUT_INCLUDE] =
        {"spf_without_include", CHANGE,
         "The SPF record of {domain} does not allow this service to send its mail. Replace it by one that does."},
    [DOMAIN_SPF_SEVERAL] =
        {"spf_several", CHANGE,
         "{domain} has several SPF records; then none of them counts (RFC 7208, 4.5). Make them one."},
    [DOMAIN_SPF_TOO_MANY_LOOKUPS] =
        {"spf_too_many_lookups", CHANGE,
         "The SPF record of {domain} needs more than 10 further DNS lookups; then it does not count (RFC 7208, 4.6.4). Take "
         "out what no longer sends its mail; this one has what belongs to this service, and of yours what needs no lookup."},
    [DOMAIN_DMARC_MISSING] =
        {"dmarc_missing", DOMAIN_PUBLISH,
         "{domain} has no DMARC policy: others cannot know what to do with mail that only pretends to be from it. This one is "
         "recommended."},
    [DOMAIN_DMARC_INVALID] =
        {"dmarc_invalid", CHANGE,
         "The TXT record at {name} is no DMARC policy: it begins with v=DMARC1; and has p=none, quarantine or reject."},
    [DOMAIN_DMARC_SEVERAL] =
        {"dmarc_several", CHANGE,
         "There are several DMARC policies at {name}; then none of them counts (RFC 7489, 6.6.3). Leave one."},
};
